#pragma once

#include "actors/ports.hpp"
#include "actors/sync/replica_record.hpp"
#include "actors/sync/shard_replica.hpp"
#include "actors/sync/sync_rules.hpp"
#include "messages/sync_message.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace gemel {

/// Who a node is among its peers.
struct replica_identity {
  std::string cluster{};
  /// Its name in the configuration; its site is the hash of it.
  std::string node{};
  /// Whose writes those of this node are, in this life of its data.
  writer_id writer{};
  /// Which life of its data this is; another after a loss, a restored backup, a repair.
  std::uint64_t incarnation = 0;

  site_id site() const noexcept { return site_of(writer); }
};

/// What a link is in, for people.
enum class link_state : std::uint8_t {
  /// Nobody there; tried again later.
  down,
  /// Waiting for the peer's hello.
  greeting,
  up,
  /// Up, but silent for longer than `suspect_after`.
  suspect,
  /// The peer belongs to another cluster, speaks another protocol, or is not who it says.
  refused,
};

std::string_view to_string(link_state state) noexcept;

/// What is known of a link, for people and metrics.
struct link_status {
  link_state state = link_state::down;
  std::string peer{};
  /// Why it is refused, or which clock is wrong; empty: all is well.
  std::string trouble{};
  std::uint64_t sent_bytes = 0;
  std::uint64_t sent_entries = 0;
  std::uint64_t received_bytes = 0;
  std::uint64_t received_entries = 0;
  std::uint64_t resent_parts = 0;
  std::uint64_t refused_messages = 0;
  std::uint64_t full_copies = 0;
  std::uint64_t digest_alarms = 0;
  std::uint64_t sessions = 0;
  /// Changed properties that the peer has not acknowledged.
  std::uint64_t backlog = 0;
  std::uint64_t bytes_under_way = 0;
  std::uint64_t parts_under_way = 0;
  std::uint64_t credit = 0;
  /// How far the peer's clock is ahead of ours, and the round trip, microseconds.
  std::int64_t offset_us = 0;
  std::int64_t round_trip_us = 0;
  /// Since the last word of the peer, milliseconds.
  std::int64_t silent_ms = 0;
};

/// What a link needs from the replicas of its node.
class link_host {
public:
  virtual ~link_host() = default;

  virtual const replica_identity& identity() const = 0;
  /// Null: nothing is there of this shard yet.
  virtual shard_replica* find_shard(std::uint16_t shard) = 0;
  virtual std::vector<std::uint16_t> shards() const = 0;
  /// Up to which change of the shard everything is safe on the disk.
  virtual change_number safe_change(std::uint16_t shard) const = 0;
  /// How far the peer's changes are part of ours: applied, and safe on the disk.
  virtual change_number applied(site_id peer, std::uint64_t incarnation,
                                std::uint16_t shard) const = 0;
  virtual change_number safe_applied(site_id peer, std::uint64_t incarnation,
                                     std::uint16_t shard) const = 0;
  /// Merges, logs, and moves the position. @returns what `shard_replica::merge` says.
  virtual result<void> apply(std::uint16_t shard, const shard_interval& theirs,
                             const peer_position& position, change_source from,
                             change_number told) = 0;
  virtual void repair(std::uint16_t shard, const std::vector<replicated_entry>& theirs) = 0;
  /// The same number for the same life of the same peer.
  virtual change_source source_of(site_id peer, std::uint64_t incarnation) = 0;
  /// The greatest time that a peer's stamp may have now.
  virtual hybrid_time time_max(const moment& now) const = 0;
  virtual std::uint64_t random() = 0;
  virtual void send(std::uint32_t peer, frame made) = 0;
};

/// One peer: session, liveness, sending with credit, receiving in order. Takes the way between
/// the nodes for one that loses, repeats, reorders and damages. A core: no actor, no clock.
class sync_link {
public:
  sync_link(std::uint32_t number, const sync_rules& rules, link_host& host);

  /// Only a peer of this name is accepted; empty: any of the cluster.
  void expect(std::string node) { expected_ = std::move(node); }

  /// The peer is sent nothing of what is here, and only taken from.
  void receive_only() noexcept { sends_ = false; }
  bool sends() const noexcept { return sends_; }

  /// Whether it is time to try to reach the peer; true once for each attempt.
  bool take_attempt(const moment& now);
  /// There is a way to the peer, or none any more.
  void connected(const moment& now);
  void disconnected(const moment& now);

  /// What it leads to is sent by the next `pump`: after some messages, not after each.
  void receive(const frame& arrived, const moment& now);
  /// Something of this shard changed here. @param urgent: it does not wait for others.
  void changed(std::uint16_t shard, bool urgent, const moment& now);
  /// More is safe on the disk, or time went on.
  void pump(const moment& now);
  /// When `pump` or `take_attempt` is worth a call, `moment::steady_ns`.
  std::int64_t next_due() const;

  bool up() const noexcept { return peer_nonce_ != 0; }
  site_id peer_site() const noexcept { return peer_.site; }
  std::uint64_t peer_incarnation() const noexcept { return peer_.incarnation; }
  /// Up to which change of the shard the peer has everything safe; nothing: nobody knows.
  std::optional<change_number> acknowledged(std::uint16_t shard) const;
  /// The peer's last word about it, which is where the next batch begins.
  change_number cursor(std::uint16_t shard) const;
  link_status status(const moment& now) const;
  /// Nothing waits to be sent or acknowledged.
  bool idle() const;

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
  struct staged {
    std::uint64_t cut = 0;
    shard_interval whole; // without entries
    std::map<std::uint32_t, std::vector<replicated_entry>> parts;
    std::uint32_t in_order = 0; // parts without one missing before them
    std::uint32_t count = 0;    // of all parts; 0: not known yet
    std::size_t bytes = 0;
  };

  // Session.
  void begin_session();
  void new_names();
  void end_session(const moment& now);
  void greet();
  void answer(const moment& now);
  void hear(const sync_hello& hello, const moment& now);
  std::optional<sync_bye> refusal_of(const sync_hello& hello) const;
  std::uint64_t session() const;
  frame post(const sync_message& message);
  void check_liveness(const moment& now);
  void ping(const moment& now);

  // Receiving.
  void handle(const sync_message& message, std::size_t bytes, const moment& now);
  void take(const sync_part& part, std::size_t bytes, const moment& now);
  void stage(const sync_part& part, std::size_t bytes, const moment& now);
  void apply(std::uint16_t shard, const shard_interval& theirs);
  void refuse(std::uint16_t shard, sync_refusal why, std::uint64_t ahead_ms = 0);
  bool from_the_future(std::uint16_t shard, const std::vector<replicated_entry>& entries,
                       const moment& now);
  sync_position position_of(std::uint16_t shard) const;
  void send_acks();
  void send_positions();

  // Sending.
  void take(const sync_ack& ack, const moment& now);
  void take_position(const sync_position& position, bool resuming, const moment& now);
  void take(const sync_nack& nack, const moment& now);
  void take(const sync_pong& pong, const moment& now);
  void begin_transfer(std::uint16_t shard, outgoing& to);
  bool send_parts(std::uint16_t shard, transfer& on_way, const moment& now);
  sync_part part_of(std::uint16_t shard, const transfer& on_way, std::uint32_t index) const;
  void free_parts(transfer& on_way, std::uint32_t upto);
  void finish_transfer(outgoing& to);
  void drop_transfer(outgoing& to);
  void resend_late(const moment& now);
  std::int64_t resend_time(const transfer& on_way, const moment& now) const;

  // Digests.
  void send_digests();
  void take(const sync_digest& digest);
  void take(const sync_buckets& buckets);
  void take(const sync_repair& repair);

  std::uint32_t number_;
  const sync_rules* rules_;
  link_host* host_;
  std::string expected_;
  bool sends_ = true;

  link_state state_ = link_state::down;
  std::uint64_t nonce_ = 0;
  std::uint64_t peer_nonce_ = 0;
  bool confirmed_ = false;
  sync_hello peer_{};
  std::int64_t last_heard_ = 0;
  std::int64_t last_ping_ = 0;
  std::int64_t last_greeting_ = 0;
  std::int64_t last_digest_ = 0;
  std::int64_t last_answer_ = 0;
  std::int64_t last_complaint_ = 0;
  std::int64_t next_attempt_ = 0;
  milliseconds retry_{0};
  std::uint64_t ping_sequence_ = 0;
  bool has_positions_ = false;
  sent_names sent_;
  received_names received_;

  std::map<std::uint16_t, outgoing> outgoing_;
  std::set<std::uint16_t> active_;  // dirty, or under way
  std::set<std::uint16_t> to_pump_; // of these, those with more to do than to wait for an answer
  std::int64_t next_resend_ = 0;    // not before this is any of them late
  std::map<std::uint16_t, staged> staged_;
  std::size_t staged_bytes_ = 0;
  std::set<std::uint16_t> ack_due_;
  std::set<std::uint16_t> ack_later_; // when they are safe
  std::uint64_t under_way_bytes_ = 0;
  std::uint64_t credit_ = 0;
  link_status counts_{};
};

} // namespace gemel
