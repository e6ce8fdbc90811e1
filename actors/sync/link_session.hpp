#pragma once

#include "actors/sync/link_host.hpp"
#include "actors/sync/link_status.hpp"
#include "actors/sync/sync_rules.hpp"
#include "messages/sync_message.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace gemel {

/// What both directions of a link share: who the peer is, the session with its names, the way out,
/// and the counts. A session begins when both sides' nonces are known.
class link_session {
public:
  /// @param rules, host must outlive this.
  link_session(std::uint32_t number, const sync_rules& rules, link_host& host)
      : number_{number}, rules_{&rules}, host_{&host} {}

  const sync_rules& rules() const noexcept { return *rules_; }
  link_host& host() const noexcept { return *host_; }
  link_status& counts() noexcept { return counts_; }
  const link_status& counts() const noexcept { return counts_; }
  sent_names& names() noexcept { return sent_; }

  bool up() const noexcept { return peer_nonce_ != 0; }
  std::uint64_t nonce() const noexcept { return nonce_; }
  std::uint64_t peer_nonce() const noexcept { return peer_nonce_; }
  /// Who the peer said it is; what it said last stays when the session ends.
  const sync_hello& peer() const noexcept { return peer_; }
  /// Both nonces, whichever side computes it; never 0.
  std::uint64_t id() const;

  /// Draws our nonce for an attempt; no session until the peer's is known.
  void attempt();
  /// The peer's hello. @returns whether it is another life of it, or another peer, than before.
  bool meet(const sync_hello& hello);
  void end() noexcept { peer_nonce_ = 0; }
  /// Names that either side spoke of by number hold no more.
  void forget_names();
  void renew_sent_names();

  /// Sends a message of the session; a hello or a goodbye stands outside of it.
  void post(const sync_message& message);
  /// A frame that is made and counted by the caller.
  void send(frame made) { host_->send(number_, std::move(made)); }
  /// @returns what is wrong with it, as errc::bad_frame says.
  result<sync_message> read(const frame& arrived);

  change_source source() const { return host_->source_of(peer_.site, peer_.incarnation); }
  /// How far the peer's changes are part of ours: applied, and safe on the disk.
  change_number applied(std::uint16_t shard) const {
    return host_->applied(peer_.site, peer_.incarnation, shard);
  }
  change_number safe_applied(std::uint16_t shard) const {
    return host_->safe_applied(peer_.site, peer_.incarnation, shard);
  }

private:
  std::uint32_t number_;
  const sync_rules* rules_;
  link_host* host_;
  std::uint64_t nonce_ = 0;
  std::uint64_t peer_nonce_ = 0;
  sync_hello peer_{};
  sent_names sent_;
  received_names received_;
  link_status counts_{};
};

/// What an entry takes here, about; not on the way.
std::size_t bytes_of(const replicated_entry& entry);

} // namespace gemel
