#include "actors/ingress.hpp"
#include "messages/replies.hpp"
#include "messages/wire.hpp"

namespace gemel {

void ingress::command(const frame& request, const reply_function& reply) {
  auto inside = gate_.enter();
  auto id = text_of(request.message().getCommand().getId());
  auto where = twins_.find(id);
  if (!where)
    return reply(make_error_reply({errc::twin_not_found, std::string{id}}));
  addressed_message asked{where->row, request, reply, nullptr, clock_.now().steady_ns};
  if (!cells_[static_cast<std::size_t>(where->cell)]->push_data(std::move(asked)))
    reply(make_error_reply({errc::overloaded, "the cell's queue is full"}));
}

void ingress::emit(const frame& request, batch::done_function done) {
  auto inside = gate_.enter();
  auto events = request.message().getEmit().getEvents();
  batch_ptr of{new batch{request, clock_.now().steady_ns, std::move(done)}};
  if (events.size() > limits::batch_entries_max) {
    of->fail(0, {errc::limit_reached, "a batch of " + std::to_string(events.size()) + " entries"});
    return of->close_part(0);
  }
  std::vector<target> targets;
  targets.reserve(events.size());
  for (std::uint32_t i = 0; i < events.size(); ++i) {
    auto id = text_of(events[i].getId());
    if (auto where = twins_.find(id))
      targets.push_back({static_cast<std::uint16_t>(where->cell), {i, where->row}});
    else
      of->fail(i, {errc::twin_not_found, std::string{id}});
  }
  push_grouped(of, targets);
  of->close_part(0);
}

void ingress::emit_unasked(const frame& request) {
  emit(request, [this](outcome&& what) {
    // What a behaviour threw about it is counted as its crash.
    std::uint64_t dropped = 0;
    for (const auto& failed : what.failures)
      dropped += failed.why.code != errc::twin_crashed;
    if (dropped > 0)
      sends_dropped_.fetch_add(dropped, std::memory_order_relaxed);
  });
}

} // namespace gemel
