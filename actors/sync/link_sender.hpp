#pragma once

#include "actors/ports.hpp"
#include "actors/sync/link_session.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

namespace gemel {

/// The half of a link that sends: of each shard what the peer does not have yet, as one batch at a
/// time, in parts, within the peer's credit, again when no answer comes. Believes of the peer what
/// it acknowledged and nothing else.
class link_sender {
public:
  explicit link_sender(link_session& session) : session_{session} {}

  /// The peer is sent nothing of what is here.
  void stay_silent() noexcept { sends_ = false; }
  bool sends() const noexcept { return sends_; }

  /// Another session: what belongs to one alone goes, such as what is under way.
  void begin_session();
  /// The peer lost what it had: nothing of what was known about it holds any more.
  void forget_peer();
  void grant(std::uint64_t credit) noexcept { credit_ = credit; }

  /// Something of this shard changed here. @param urgent: it does not wait for others.
  void changed(std::uint16_t shard, bool urgent, const moment& now);
  void take(const sync_ack& ack, const moment& now);
  void take(const sync_nack& nack, const moment& now);
  /// The peer sent this, so it knows all of it.
  void learn(std::uint16_t shard, const version_vector& known) {
    outgoing_[shard].known.join(known);
  }

  /// Sends what is safe here, and again what is late.
  void pump(const moment& now);
  /// When `pump` is worth a call, `moment::steady_ns`.
  std::int64_t next_due() const;

  /// Whether the peer has told in this session how far it is.
  bool has_positions() const noexcept { return has_positions_; }
  bool idle() const noexcept { return has_positions_ && active_.empty(); }
  /// Up to which change of the shard the peer has everything safe; 0: not known to have any.
  change_number acknowledged(std::uint16_t shard) const;
  /// The peer's last word about it, which is where the next batch begins.
  change_number cursor(std::uint16_t shard) const;
  void add_to(link_status& status) const;

private:
  // One interval on its way, cut into parts that keep the content of the cut.
  struct transfer {
    std::uint64_t cut = 0; // its name
    shard_interval whole;
    std::vector<std::size_t> ends;    // of each part, the entry after its last
    std::vector<std::uint64_t> sizes; // of each part that is under way, bytes
    std::vector<std::uint32_t> spelt; // names
    std::uint32_t next = 0;           // part to send
    std::uint32_t acknowledged = 0;   // parts
    std::uint32_t told = 0;           // parts, by the peer's last word: it may have lost some
    std::int64_t resend_at = 0;
    std::uint32_t attempts = 0;
    std::optional<frame> ready; // made, but there was no credit
  };
  struct outgoing {
    change_number acknowledged = 0; // by the peer's word
    change_number settled = 0;      // also what came from the peer itself
    version_vector known;           // what the peer knows for certain
    std::optional<transfer> under_way;
    std::int64_t due = 0;
    bool dirty = false;
  };

  void take_all(const sync_ack& ack, const moment& now);
  void take_position(const sync_position& position, bool resuming, const moment& now);
  void make_anew();
  void begin_transfer(std::uint16_t shard, outgoing& to);
  transfer in_parts(shard_interval whole) const;
  bool send_parts(std::uint16_t shard, transfer& on_way, const moment& now);
  frame frame_of(std::uint16_t shard, const transfer& on_way, std::uint32_t index);
  void free_parts(transfer& on_way, std::uint32_t upto);
  void finish_transfer(outgoing& to);
  void drop_transfer(outgoing& to);
  void resend_late(const moment& now);
  void resend(transfer& late, const moment& now);
  std::int64_t resend_time(const transfer& on_way, const moment& now) const;

  link_session& session_;
  bool sends_ = true;
  bool has_positions_ = false;
  std::map<std::uint16_t, outgoing> outgoing_;
  std::set<std::uint16_t> active_;  // dirty, or under way
  std::set<std::uint16_t> to_pump_; // of these, those with more to do than to wait for an answer
  std::int64_t next_resend_ = 0;    // not before this is any of them late
  std::uint64_t under_way_bytes_ = 0;
  std::uint64_t credit_ = 0;
};

} // namespace gemel
