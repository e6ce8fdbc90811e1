#include "actors/caf.hpp"

#include <caf/io/middleman.hpp>

namespace gemel {

frame frame_from_link(std::string_view bytes) {
  auto checked = frame::check({reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()});
  return checked ? std::move(*checked) : make_error_reply(checked.error());
}

caf_config::caf_config(const options& wanted) {
  add_message_types<caf::id_block::gemel>();
  set("scheduler.policy", wanted.simulated ? caf::atom("testing") : caf::atom("sharing"));
  set("scheduler.max-threads", wanted.workers);
  set("scheduler.max-throughput", std::size_t{300});
  set("logger.verbosity", caf::atom("quiet"));
  if (!wanted.links)
    return;
  load<caf::io::middleman>();
  // Named, so that a program of another protocol fails at the handshake. One second and ten of
  // silence on every node alike: a side without heartbeats would be dropped by one with.
  set("middleman.app-identifiers", std::vector<std::string>{"gemel.v1"});
  using std::chrono::seconds;
  set("middleman.heartbeat-interval", caf::timespan{wanted.simulated ? seconds{0} : seconds{1}});
  set("middleman.connection-timeout", caf::timespan{wanted.simulated ? seconds{0} : seconds{10}});
  set("middleman.enable-automatic-connections", false);
  // With its parallel deserialisers CAF 0.17.6 loses an answer now and then when several programs
  // link at once (4 of 1,800 connections; 0 of 21,600 without them).
  set("middleman.workers", std::size_t{0});
  if (!wanted.simulated)
    return;
  set("middleman.network-backend", caf::atom("testing"));
  set("middleman.manual-multiplexing", true);
}

void spread_node_identity(const caf_config& config, unsigned by) {
  for (unsigned i = 0; i < by; ++i)
    static_cast<void>(caf::node_id::default_data::local(config));
}

void send_answer(const caf::strong_actor_ptr& to, const caf::strong_actor_ptr& from,
                 caf::message_id request, frame answer) {
  if (to != nullptr && request.is_request())
    to->enqueue(from, request.response_id(), caf::make_message(std::move(answer)), nullptr);
}

void ignore_unknown(caf::scheduled_actor* self) {
  self->set_default_handler(caf::drop);
}

} // namespace gemel
