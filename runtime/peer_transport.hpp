#pragma once

#include "messages/error.hpp"
#include "messages/frame.hpp"

#include <cstdint>
#include <functional>
#include <string>

namespace gemel {

/// Another node that this one is linked to.
struct peer_address {
  /// Its `node.id`.
  std::string node{};
  /// Address or host name; empty: it is never called, only waited for.
  std::string host{};
  std::uint16_t port = 0;

  friend bool operator==(const peer_address&, const peer_address&) = default;
};

/// What is known of the way to a peer, for people.
struct peer_way {
  bool open = false;
  /// Whether this node called the other one.
  bool ours = false;
  bool encrypted = false;
  /// Why the last try failed, or the way was lost; empty: nothing is wrong.
  std::string trouble{};
  /// Since the start, with all that frames are wrapped in.
  std::uint64_t sent_bytes = 0;
  std::uint64_t received_bytes = 0;
  /// Ways opened since the start, and frames left out because the way was full or gone.
  std::uint64_t opened = 0;
  std::uint64_t dropped = 0;
  /// Where it is called, `host:port`; empty: it is waited for.
  std::string address{};
};

/// The way between a node and its peers, which are numbered from 0 in the order of the config and
/// then of being added. It
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
  /// One more peer. @param number the next one. Any thread.
  /// @returns errc::unsupported if the way has a fixed number of ends.
  virtual result<void> add(std::uint32_t number, const peer_address& peer) {
    static_cast<void>(number);
    return fail(errc::unsupported, "no way can be made to '" + peer.node + "'");
  }
  /// Gives the way up and takes no calls of the peer any more. Its number is not used again. What
  /// the listener hears of it after that is of before. Any thread.
  virtual void remove(std::uint32_t peer) { static_cast<void>(peer); }
  /// Tries to reach the peer once, unless an attempt is under way. A way that is open is taken for
  /// dead and given up first, unless it is fresh: whoever asks has not heard of the peer.
  virtual void reach(std::uint32_t peer) = 0;
  /// Sends, in order, if there is a way. What waits is bounded: beyond it the message is lost.
  virtual void send(std::uint32_t peer, frame message) = 0;
  /// No call of the listener begins after it returns.
  virtual void stop() = 0;
  /// Where others reach this node, `host:port`; empty before `start`.
  virtual std::string endpoint() const = 0;
  virtual peer_way way(std::uint32_t peer) const {
    static_cast<void>(peer);
    return {};
  }
};

} // namespace gemel
