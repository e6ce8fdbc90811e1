#pragma once

#include "messages/packed.hpp"
#include "messages/sibling.hpp"
#include "messages/sync_message.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace gemel {

/// What a shard holds, as numbers that cost constant time a change: two replicas of equal clocks
/// must have equal digests. Each bucket is the XOR of a hash of every property in it.
class shard_digest {
public:
  static constexpr std::size_t bucket_count = digest_buckets;

  /// Of other bits of the hash than the shard (`replica_shard_of`).
  static std::size_t bucket_of(std::string_view twin) noexcept {
    return static_cast<std::size_t>(hash_of(twin) % bucket_count);
  }

  /// A property holds other values than it did; none: it is not there.
  void change(std::string_view twin, std::string_view key, const sibling_set& before,
              const sibling_set& after);

  const std::array<std::uint64_t, bucket_count>& buckets() const noexcept { return buckets_; }
  std::uint64_t root() const noexcept {
    return hash_of({reinterpret_cast<const char*>(buckets_.data()), sizeof buckets_});
  }

private:
  std::uint64_t sum_of(std::uint64_t name, const sibling_set& siblings);

  std::array<std::uint64_t, bucket_count> buckets_{};
  byte_writer scratch_; // for values that are more than a number
};

} // namespace gemel
