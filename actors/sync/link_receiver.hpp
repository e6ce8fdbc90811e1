#pragma once

#include "actors/ports.hpp"
#include "actors/sync/link_sender.hpp"
#include "actors/sync/link_session.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

namespace gemel {

/// The half of a link that receives: takes batches when all their parts are there, refuses what
/// cannot be, and says how far it is when that is safe.
class link_receiver {
public:
  /// @param sender of the same link: learns what the peer knows by what it sends.
  link_receiver(link_session& session, link_sender& sender) : session_{session}, sender_{sender} {}

  /// The peer is another: parts of the former one's batches are worth nothing.
  void forget_peer();
  /// @param bytes of the frame.
  void take(sync_part part, std::size_t bytes, const moment& now);
  /// Answers all parts that came since.
  void send_acks();
  /// Says of every shard how far it is.
  void send_positions();
  bool idle() const noexcept { return ack_due_.empty() && ack_later_.empty(); }

private:
  struct staged {
    std::uint64_t cut = 0;
    shard_interval whole; // without entries
    std::map<std::uint32_t, std::vector<replicated_entry>> parts;
    std::uint32_t in_order = 0; // parts without one missing before them
    std::uint32_t count = 0;    // of all parts; 0: not known yet
    std::size_t bytes = 0;
  };
  using staged_batches = std::map<std::uint16_t, staged>;

  void stage(sync_part part, std::size_t bytes, const moment& now);
  staged_batches::iterator batch_of(const sync_part& part);
  void drop(staged_batches::iterator at);
  void apply(std::uint16_t shard, const shard_interval& theirs);
  void refuse(std::uint16_t shard, sync_refusal why, std::uint64_t ahead_ms = 0);
  bool from_the_future(std::uint16_t shard, const std::vector<replicated_entry>& entries,
                       const moment& now);
  bool is_safe(std::uint16_t shard) const;
  sync_position position_of(std::uint16_t shard) const;

  link_session& session_;
  link_sender& sender_;
  staged_batches staged_;
  std::size_t staged_bytes_ = 0;
  std::set<std::uint16_t> ack_due_;
  std::set<std::uint16_t> ack_later_; // when they are safe
};

} // namespace gemel
