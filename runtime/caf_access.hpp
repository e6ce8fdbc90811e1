#pragma once

#include "messages/error.hpp"
#include "runtime/node.hpp"

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include <string_view>

namespace gemel {

/// For programs with CAF actors of their own in a node's process; the only installed header of the
/// runtime that names CAF. Which messages a twin takes stands in actors/protocol.hpp;
/// actors/caf.hpp makes frames known to CAF.
struct caf_access {
  /// The node's actor system; ends with the node, so give all handles back before `node::stop`.
  static caf::actor_system& system(node& of);

  /// A twin's address. Stays valid over restarts; once the twin is deleted, messages to it bounce.
  /// Waits for a turn of the twin's cell.
  static result<caf::actor> twin(node& of, std::string_view id);

  /// Where the action `publish` of event rules goes: each match is a message `(frame reply.result)`
  /// to the actor, which `expect_result` of messages/replies.hpp reads. Its mailbox has no bound;
  /// what is sent to an actor that ended is gone.
  static void publish_to(node& of, std::string name, caf::actor to);
};

} // namespace gemel
