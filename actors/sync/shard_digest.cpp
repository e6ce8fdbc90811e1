#include "actors/sync/shard_digest.hpp"

namespace gemel {

void shard_digest::flip(std::string_view twin, std::string_view key, const sibling_set& siblings) {
  if (siblings.empty())
    return;
  scratch_.clear();
  scratch_.text(twin);
  scratch_.text(key);
  for (const auto& s : siblings) {
    scratch_.fixed(s.write);
    scratch_.fixed(s.time);
    scratch_.fixed(s.life);
    scratch_.varint(s.depth);
    pack_value(scratch_, s.content);
  }
  buckets_[bucket_of(twin)] ^= hash_of(scratch_.view());
}

} // namespace gemel
