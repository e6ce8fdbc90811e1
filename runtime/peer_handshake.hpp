#pragma once

#include "actors/ports.hpp"
#include "messages/error.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace gemel {

/// Versions of what linked nodes say to each other.
inline constexpr std::uint32_t peer_protocol_min = 1;
inline constexpr std::uint32_t peer_protocol_max = 1;

/// Bytes of a key that nodes of a cluster share.
inline constexpr std::size_t peer_key_bytes_min = 16;
inline constexpr std::size_t peer_key_bytes_max = 4'096;

/// Bytes of one message of a handshake.
inline constexpr std::size_t peer_greeting_bytes_max = 4'096;

/// Why one side wants no link. Numbers are part of the protocol.
enum class peer_refusal : std::uint8_t {
  malformed = 0,
  protocol = 1,
  cluster = 2,
  key = 3,
  /// The name is not among the peers that are configured.
  unknown_node = 4,
  /// The address belongs to another node than the one wanted.
  other_node = 5,
  /// Both sides have the same name.
  same_name = 6,
  /// There is another way between the two, which stays.
  duplicate = 7,
  /// The certificate is for another node.
  certificate = 8,
};

std::string_view to_string(peer_refusal reason) noexcept;

/// What a handshake needs to know.
struct peer_greeting {
  std::string cluster{};
  std::string node{};
  /// At least `peer_key_bytes_min` bytes; never sent.
  std::string key{};
  /// Random, of this start of the node.
  std::uint64_t life = 0;
  /// 32 random bytes of this handshake.
  std::string nonce{};
  /// Whether this side called.
  bool calls = false;
  /// The node that was called; empty on the other side.
  std::string wanted{};
  /// What only the two ends of an encrypted channel know; empty without encryption.
  std::string channel{};
  moment began{};
  /// Whether a peer that has the key is welcome; asked last. May be empty.
  std::function<tl::expected<void, peer_refusal>(std::string_view node, std::uint64_t life)>
      admit{};
};

/// How two nodes learn who the other one is before they talk, each with one of these:
///
///     caller                         other side
///     hello (versions, cluster, node, life, nonce)  ->
///                                <-  hello
///     proof                      ->
///                                <-  proof
///
/// A proof is HMAC-SHA256 by the cluster's key (RFC 2104) of the role, both hellos and the
/// channel, so nothing in them can be changed, used again, or sent back. The side that was called
/// proves nothing to who has not proved itself. Any step may be answered by a refusal. A core: no
/// clock, no socket, no randomness.
class peer_handshake {
public:
  explicit peer_handshake(peer_greeting ours);

  /// One message of the other side, without its length.
  /// @returns errc::incompatible with the reason in words; then it is over, what `take_output`
  ///          gives is to be sent, and nothing after it.
  result<void> take(std::string_view message);
  /// Messages to be sent, each with its length in front; empty: none.
  std::string take_output() { return std::exchange(output_, {}); }

  bool done() const noexcept { return step_ == step::done; }
  /// Without an end for longer than 5 s.
  bool expired(const moment& now) const noexcept;
  /// Who the other side is; certain when `done`.
  const std::string& peer() const noexcept { return peer_; }
  std::uint64_t peer_life() const noexcept { return peer_life_; }
  /// Whether this side or the other one refused because there is another way.
  bool duplicate() const noexcept { return duplicate_; }

private:
  enum class step : std::uint8_t { hello, proof, done, over };

  void put(std::string_view message);
  std::string hello() const;
  std::string proof_of(bool caller) const;
  result<void> take_hello(std::string_view message);
  result<void> take_proof(std::string_view proof);
  result<void> refuse(peer_refusal reason, const std::string& why);
  result<void> refused(std::string_view message);

  peer_greeting ours_;
  step step_ = step::hello;
  std::string our_hello_;
  std::string their_hello_;
  std::string peer_;
  std::uint64_t peer_life_ = 0;
  bool duplicate_ = false;
  std::string output_;
};

/// Of two ways between the same two nodes, whether the new one stays: it does if the peer has
/// started again since, or called again itself; else the one that the lower name opened.
bool new_way_stays(bool new_is_ours, bool old_is_ours, bool same_life, std::string_view ours,
                   std::string_view peer) noexcept;

} // namespace gemel
