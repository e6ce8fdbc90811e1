#pragma once

#include "actors/caf.hpp"
#include "actors/ingress.hpp"

#include <functional>
#include <map>
#include <memory>
#include <set>

namespace gemel {

/// What the door and its sessions need. Outlives them.
struct door_context {
  explicit door_context(ingress& way_in) : in{way_in} {}

  ingress& in;
  std::size_t sessions_max = limits::sessions_max;
  /// Requests of one session that may wait for their answer at once.
  std::size_t requests_max = limits::session_requests_max;
  /// Bytes of one request.
  std::size_t frame_bytes_max = limits::frame_bytes_max;
  std::atomic<std::size_t> sessions{0};
};

/// The published actor of a node. `(frame hello, actor sink)` -> `(frame welcome, actor session)`;
/// an error reply and a null session when the hello is refused. Events for the session's
/// subscriptions go to `sink`. `(close_atom)` ends it when all its sessions have ended.
caf::behavior door_actor(caf::event_based_actor* self, door_context* context);

/// One linked program: `frame` requests get `frame` replies. Ends when `sink` does, with its
/// subscriptions; those with `keep_ms` wait to be resumed by another session.
caf::behavior session_actor(caf::event_based_actor* self, door_context* context, caf::actor sink);

/// One subscriber inside the node: gives each batch of events to `callback`, then credit back to
/// the subscription. `(close_atom)` ends it.
caf::behavior subscriber_actor(caf::event_based_actor* self, ingress* in,
                               std::function<void(const frame&)> callback);

} // namespace gemel
