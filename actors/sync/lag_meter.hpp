#pragma once

#include "actors/sync/shard_replica.hpp"

#include <cstdint>
#include <vector>

namespace gemel {

/// How far a peer is behind in time: since when it has everything. Remembers how far each shard was
/// at one look, and waits until the peer has that, so it takes no memory for each change and shows
/// at most the time between two looks too much. A core: no clock, no link.
class lag_meter {
public:
  /// A shard that something is here of.
  struct position {
    change_number last = 0;
    /// Up to where the peer has everything safe.
    change_number acknowledged = 0;
  };

  /// @param shards always in the same order; later ones may come behind.
  void look(const std::vector<position>& shards, std::int64_t now_ns);

  /// At the last look, nanoseconds; 0: the peer had everything.
  std::int64_t lag_ns() const noexcept { return lag_ns_; }

private:
  bool has_mark(const std::vector<position>& shards) const;

  std::vector<change_number> mark_; // the last changes at `mark_ns_`
  std::int64_t mark_ns_ = 0;
  std::int64_t had_all_ns_ = 0;
  std::int64_t lag_ns_ = 0;
  bool is_begun_ = false;
};

} // namespace gemel
