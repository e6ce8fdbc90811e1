#pragma once

#include "actors/sync/link_session.hpp"

#include <cstddef>

namespace gemel {

/// Compares what both sides of a link hold, and repairs what differs although it must not: shards
/// of equal clocks hold the same.
class digest_exchange {
public:
  explicit digest_exchange(link_session& session) : session_{session} {}

  void send();
  void take(const sync_digest& theirs);
  void take(const sync_buckets& theirs);
  void take(const sync_repair& theirs);

private:
  void note_shown(std::size_t equal, std::size_t others);

  link_session& session_;
};

} // namespace gemel
