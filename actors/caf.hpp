#pragma once

/// The one page where the peculiarities of a CAF version are met: what a message must look like to
/// cross a link, how a custom actor is made, how an answer is sent. Everything else that includes
/// CAF uses only what 0.17 and 1.x share, or what stands here, in protocol.hpp (how messages are
/// declared) and in twin_actor.cpp (a custom actor). See ARCHITECTURE.md, "Decisions".

#include "actors/protocol.hpp"
#include "messages/frame.hpp"
#include "messages/replies.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/all.hpp>
#include <caf/meta/load_callback.hpp>
#include <caf/meta/type_name.hpp>

namespace gemel {

/// A frame made of bytes from a link. Damaged or unlawful bytes become an error reply, so that
/// whoever receives the message can name the fault to its sender instead of losing it.
frame frame_from_link(std::string_view bytes);

/// Between nodes a frame is its bytes, checked once when they arrive; inside a node CAF passes the
/// frame itself and never comes here.
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, frame& x) {
  std::string bytes;
  if constexpr (Inspector::reads_state) {
    auto from = x.bytes();
    bytes.assign(reinterpret_cast<const char*>(from.data()), from.size());
  }
  auto load = [&]() -> caf::error {
    x = frame_from_link(bytes);
    return caf::none;
  };
  return f(caf::meta::type_name("gemel::frame"), bytes, caf::meta::load_callback(load));
}

/// Settings of every actor system of gemel: our message types; sharing instead of stealing, whose
/// queues are quadratic in 0.17; a bound on the messages of one turn.
class caf_config : public caf::actor_system_config {
public:
  struct options {
    /// Worker threads; at least 1.
    std::size_t workers = 1;
    /// Whether the system talks to others.
    bool links = false;
    /// Simulated: one thread, messages run when told. For tests.
    bool simulated = false;
  };

  explicit caf_config(const options& wanted);
};

/// 0.17 tells the nodes of one machine apart by a process id and a counter, which containers share;
/// this moves the counter by `by` (0 to 255) before the first actor system is made.
void spread_node_identity(const caf_config& config, unsigned by);

/// Sends the answer to a request that came with this sender and message id; does nothing if nobody
/// waits for one.
void send_answer(const caf::strong_actor_ptr& to, const caf::strong_actor_ptr& from,
                 caf::message_id request, frame answer);

/// An actor that ignores what it does not know instead of printing it, as CAF does by default.
void ignore_unknown(caf::scheduled_actor* self);

} // namespace gemel
