#pragma once

#include "actors/ports.hpp"
#include "actors/sync/digest_exchange.hpp"
#include "actors/sync/link_receiver.hpp"
#include "actors/sync/link_sender.hpp"
#include "actors/sync/link_session.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace gemel {

/// One peer: greeting, liveness, the clocks' offset; what is sent and received is the work of its
/// halves. Takes the way between the nodes for one that loses, repeats, reorders and damages. A
/// core: no actor, no clock.
class sync_link {
public:
  /// @param rules, host must outlive this.
  sync_link(std::uint32_t number, const sync_rules& rules, link_host& host);
  sync_link(const sync_link&) = delete; // its halves refer to it
  sync_link& operator=(const sync_link&) = delete;

  /// Only a peer of this name is accepted; empty: any of the cluster.
  void expect(std::string node) { expected_ = std::move(node); }

  /// The peer is sent nothing of what is here, and only taken from.
  void receive_only() noexcept { sender_.stay_silent(); }
  bool sends() const noexcept { return sender_.sends(); }

  /// Whether it is time to try to reach the peer; true once for each attempt.
  bool take_attempt(const moment& now);
  /// There is a way to the peer, or none any more.
  void connected(const moment& now);
  void disconnected(const moment& now);

  /// What it leads to is sent by the next `pump`: after some messages, not after each.
  void receive(const frame& arrived, const moment& now);
  /// Something of this shard changed here. @param urgent: it does not wait for others.
  void changed(std::uint16_t shard, bool urgent, const moment& now) {
    sender_.changed(shard, urgent, now);
  }
  /// More is safe on the disk, or time went on.
  void pump(const moment& now);
  /// When `pump` or `take_attempt` is worth a call, `moment::steady_ns`.
  std::int64_t next_due() const;

  bool up() const noexcept { return session_.up(); }
  site_id peer_site() const noexcept { return session_.peer().site; }
  std::uint64_t peer_incarnation() const noexcept { return session_.peer().incarnation; }
  /// Up to which change of the shard the peer has everything safe; nothing: nobody knows.
  std::optional<change_number> acknowledged(std::uint16_t shard) const;
  /// The peer's last word about it, which is where the next batch begins.
  change_number cursor(std::uint16_t shard) const { return sender_.cursor(shard); }
  link_status status(const moment& now) const;
  /// Nothing waits to be sent or acknowledged.
  bool idle() const { return up() && sender_.idle() && receiver_.idle(); }

private:
  void begin_session();
  void end_session(const moment& now);
  void greet();
  void answer(const moment& now);
  void hear(const sync_hello& hello, const moment& now);
  void hear(const sync_bye& bye, const moment& now);
  void meet(const sync_hello& hello);
  std::optional<sync_bye> refusal_of(const sync_hello& hello) const;
  void check_liveness(const moment& now);
  void ping(const moment& now);
  bool may_be_heard(const frame& arrived) const;
  void complain(const moment& now);
  void handle(sync_message message, std::size_t bytes, const moment& now);
  void take(const sync_ping& ping, const moment& now);
  void take(const sync_pong& pong, const moment& now);

  const sync_rules* rules_;
  link_host* host_;
  std::string expected_;
  link_session session_;
  link_sender sender_;
  link_receiver receiver_;
  digest_exchange digests_;

  link_state state_ = link_state::down;
  bool confirmed_ = false;
  std::int64_t last_heard_ = 0;
  std::int64_t last_ping_ = 0;
  std::int64_t last_greeting_ = 0;
  std::int64_t last_digest_ = 0;
  std::int64_t last_answer_ = 0;
  std::int64_t last_complaint_ = 0;
  std::int64_t next_attempt_ = 0;
  milliseconds retry_{0};
  std::uint64_t ping_sequence_ = 0;
};

} // namespace gemel
