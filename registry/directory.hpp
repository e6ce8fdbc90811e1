#pragma once

#include "registry/placement.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

namespace gemel {

/// Where a twin's row is.
struct location {
  cell_id cell{};
  std::uint32_t row = 0;
  /// The twin has an explicit placement key, so its children live in its own cell.
  bool pinned = false;

  friend bool operator==(const location&, const location&) = default;
};

/// The one place that knows which twins a node has: id -> cell and row. Any thread may call any
/// function. Readers write nothing and never block a writer: they read optimistically and look
/// again when a writer was at work (seqlock; Boehm, "Can seqlocks get along with programming
/// language memory models?", 2012).
///
/// Ids are known by 82 bits of a hash with a secret seed. That two of ten million ids ever share
/// them has a chance of 10^-11; an owner that reads the row compares the whole id.
class directory {
public:
  /// A hashed id.
  struct key {
    std::uint64_t hash = 0;
    std::uint32_t tag = 0;
  };

  /// @param seed secret, so that nobody can make ids that collide.
  explicit directory(std::uint64_t seed);
  ~directory();
  directory(const directory&) = delete;
  directory& operator=(const directory&) = delete;

  key key_of(std::string_view id) const noexcept;

  /// Brings the slot of `k` into the cache; of use some lookups ahead.
  void prefetch(key k) const noexcept;

  std::optional<location> find(key k) const noexcept;
  std::optional<location> find(std::string_view id) const noexcept { return find(key_of(id)); }

  /// False, and nothing changed, if the id is known already.
  bool insert(key k, location where);

  /// False if the id is not known.
  bool erase(key k);

  std::size_t size() const noexcept { return count_.load(std::memory_order_relaxed); }

  /// Bytes of all tables, those kept for late readers included.
  std::size_t memory_bytes() const;

private:
  static constexpr std::size_t stripe_bits = 10;

  struct table;
  struct stripe;

  stripe& stripe_of(key k) const noexcept;
  static std::uint64_t pack(key k, location where) noexcept;
  static location unpack(std::uint64_t packed) noexcept;

  std::uint64_t seed_;
  std::unique_ptr<stripe[]> stripes_;
  std::atomic<std::size_t> count_{0};
};

} // namespace gemel
