#pragma once

#include "actors/ports.hpp"
#include "runtime/adapters/peer_socket.hpp"
#include "runtime/adapters/peer_tls.hpp"
#include "runtime/peer_handshake.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gemel {

/// One TCP connection to a peer, from the first attempt to the last byte: TLS if there are
/// certificates, handshake, frames. Used by one thread.
class peer_connection {
public:
  enum class stage : std::uint8_t {
    connecting,
    securing,
    greeting,
    open,
    /// Over; what was said last is on its way.
    ending,
    closed,
  };
  /// What holds for all connections of a node; outlives them.
  struct terms {
    std::string cluster{};
    std::string node{};
    std::string key{};
    std::uint64_t life = 0;
    std::shared_ptr<tls_identity> tls{};
    std::size_t frame_bytes_max = 0;
    std::function<std::uint64_t()> random{};
    /// Of who calls here, see `peer_greeting::admit`.
    std::function<tl::expected<void, peer_refusal>(std::string_view node, std::uint64_t life)>
        admit{};
  };

  /// Somebody called.
  peer_connection(const terms& all, peer_socket caller, const moment& now);
  /// Calls `wanted` at one of these addresses, in their order.
  peer_connection(const terms& all, std::vector<socket_address> addresses, std::string wanted,
                  const moment& now);

  /// What to ask `poll` for.
  short interest() const;
  /// Bytes have come, or a connect is decided. @param received takes each frame.
  void readable(const moment& now, const std::function<void(frame)>& received);
  void writable(const moment& now);
  /// Ends what takes too long.
  void tick(const moment& now);
  /// Adds a frame behind what waits to be written; only when `open`.
  void put(const frame& what);
  /// Bytes that the system has not taken yet.
  std::size_t waiting() const noexcept { return out_.size() - out_at_; }
  void flush();
  void close() { at_ = stage::closed; }

  stage at() const noexcept { return at_; }
  bool over() const noexcept { return at_ == stage::ending || at_ == stage::closed; }
  bool calls() const noexcept { return calls_; }
  bool encrypted() const noexcept { return tls_ != nullptr; }
  int number() const noexcept { return socket_.number(); }
  /// Whom it called, or who says to have called; certain when it is open.
  const std::string& peer() const noexcept;
  std::uint64_t peer_life() const noexcept { return greeting_ ? greeting_->peer_life() : 0; }
  bool duplicate() const noexcept { return greeting_ && greeting_->duplicate(); }
  /// False the first time.
  bool told() noexcept { return std::exchange(told_, true); }
  /// Why it is over.
  const error& why() const noexcept { return why_; }
  std::int64_t opened_ns() const noexcept { return opened_ns_; }
  std::uint64_t take_sent() { return std::exchange(sent_, 0); }
  std::uint64_t take_received() { return std::exchange(received_, 0); }

private:
  void try_next(const moment& now);
  void connected(const moment& now);
  void greet(const moment& now);
  result<void> take(std::string_view bytes, const moment& now);
  result<void> take_messages(const moment& now, const std::function<void(frame)>& received);
  result<void> take_message(std::string_view message, const moment& now,
                            const std::function<void(frame)>& received);
  tl::expected<void, peer_refusal> admit(std::string_view node, std::uint64_t life) const;
  void say(std::string_view plain);
  void end(error why, const moment& now);

  const terms& all_;
  bool calls_;
  std::string wanted_;
  std::vector<socket_address> addresses_;
  std::size_t next_address_ = 0;
  peer_socket socket_;
  std::unique_ptr<tls_session> tls_;
  std::optional<peer_handshake> greeting_;
  stage at_ = stage::connecting;
  std::string in_; // what was said, not taken yet
  std::string out_;
  std::size_t out_at_ = 0;
  std::int64_t since_ns_ = 0; // of the stage
  std::int64_t opened_ns_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
  error why_;
  bool told_ = false;
};

} // namespace gemel
