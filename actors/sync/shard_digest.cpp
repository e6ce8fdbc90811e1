#include "actors/sync/shard_digest.hpp"

#include <bit>

namespace gemel {

namespace {

template <class... Words>
std::uint64_t hash_of_words(Words... words) noexcept {
  std::array<std::uint64_t, sizeof...(words)> all{words...};
  return hash_of({reinterpret_cast<const char*>(all.data()), sizeof all});
}

// What a value is, in one word: a number's own bits, or a hash of all other contents' bytes.
std::uint64_t word_of(const value& content, byte_writer& scratch) {
  if (content.is_integer())
    return static_cast<std::uint64_t>(content.as_integer());
  if (content.is_real())
    return std::bit_cast<std::uint64_t>(content.as_real());
  scratch.clear();
  pack_value(scratch, content);
  return hash_of(scratch.view());
}

} // namespace

void shard_digest::change(std::string_view twin, std::string_view key, const sibling_set& before,
                          const sibling_set& after) {
  auto twin_hash = hash_of(twin);
  auto name = hash_of_words(twin_hash, hash_of(key));
  buckets_[twin_hash % bucket_count] ^= sum_of(name, before) ^ sum_of(name, after);
}

// 0 without siblings.
std::uint64_t shard_digest::sum_of(std::uint64_t name, const sibling_set& siblings) {
  std::uint64_t made = 0;
  for (const auto& s : siblings)
    made ^= hash_of_words(
        name, static_cast<std::uint64_t>(s.write.writer), s.write.number,
        static_cast<std::uint64_t>(s.time), static_cast<std::uint64_t>(s.life.writer),
        s.life.number, std::uint64_t{s.depth} << 8 | static_cast<std::uint64_t>(s.content.kind()),
        word_of(s.content, scratch_));
  return made;
}

} // namespace gemel
