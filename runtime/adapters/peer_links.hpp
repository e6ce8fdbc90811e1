#pragma once

#include "actors/ports.hpp"
#include "runtime/adapters/peer_tls.hpp"
#include "runtime/peer_transport.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace gemel {

/// Ways to peers over TCP, all on one thread; another one looks host names up. Each way begins
/// with TLS if there are certificates, then with `peer_handshake`; then frames follow, each with
/// its length in front.
class peer_links final : public peer_transport {
public:
  struct options {
    std::string cluster{};
    std::string node{};
    /// See `peer_greeting::key`.
    std::string key{};
    /// Where peers may call; an empty address: nowhere.
    std::string listen_address{};
    /// 0: any that is free.
    std::uint16_t listen_port = 0;
    /// Empty: neither encrypted nor signed.
    tls_files tls{};
    std::vector<peer_address> peers{};
    /// Bytes of one frame.
    std::size_t frame_bytes_max = 64u << 20;
    /// Bytes of frames that wait on one way; beyond it they are lost.
    std::size_t waiting_bytes_max = 32u << 20;
    /// Connections that have not shown yet who they are; beyond it new ones are closed.
    std::size_t strangers_max = 64;
    /// A way younger than this is not given up by `reach`.
    std::int64_t fresh_ns = 3'000'000'000;
  };

  /// @param clock must outlive this.
  peer_links(options wanted, const clock_port& clock);
  ~peer_links() override;

  /// @returns errc::io_failed if it cannot listen there, or what `tls_identity::load` says.
  result<void> start(listener to) override;
  result<void> add(std::uint32_t number, const peer_address& peer) override;
  void remove(std::uint32_t peer) override;
  void reach(std::uint32_t peer) override;
  void send(std::uint32_t peer, frame message) override;
  /// Closes all ways without a word to the listener. Not on its own thread.
  void stop() override;
  std::string endpoint() const override;
  peer_way way(std::uint32_t peer) const override;

  /// 0: nobody can call.
  std::uint16_t port() const noexcept;
  /// Callers that were refused, or said nothing that can be read, since the start.
  std::uint64_t strangers_refused() const noexcept;

private:
  class engine;
  std::unique_ptr<engine> engine_;
};

} // namespace gemel
