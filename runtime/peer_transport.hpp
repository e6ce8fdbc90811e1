#pragma once

#include "messages/error.hpp"
#include "messages/frame.hpp"

#include <cstdint>
#include <functional>
#include <string>

namespace gemel {

/// The way between a node and its peers, which are numbered from 0 in the order of the config. It
/// authenticates who is there; all else (when to try again, what silence means, what was lost) is
/// for `sync_link` to know, which takes it for a way that loses, repeats and reorders.
class peer_transport {
public:
  /// Called from threads of the transport, never for one peer at the same time; must not block.
  struct listener {
    /// There is a way to the peer, whoever of both made it. `connected` again without
    /// `disconnected` between: the old way is gone, this one is new.
    std::function<void(std::uint32_t peer)> connected{};
    /// There is none any more, or none could be made. @param why for people.
    std::function<void(std::uint32_t peer, const error& why)> disconnected{};
    /// A frame that was checked as any from outside.
    std::function<void(std::uint32_t peer, frame message)> arrived{};
  };

  virtual ~peer_transport() = default;

  /// Begins to listen. Called once, before all else.
  /// @returns errc::io_failed with the address; bad_value for keys and certificates.
  virtual result<void> start(listener to) = 0;
  /// Tries to reach the peer once, unless there is a way or an attempt already.
  virtual void reach(std::uint32_t peer) = 0;
  /// Sends, in order, if there is a way. What waits is bounded: beyond it the way is given up.
  virtual void send(std::uint32_t peer, frame message) = 0;
  /// No call of the listener begins after it returns.
  virtual void stop() = 0;
  /// Where others reach this node, `host:port`; empty before `start`.
  virtual std::string endpoint() const = 0;
};

} // namespace gemel
