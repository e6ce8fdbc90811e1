#include "runtime/peer_switch.hpp"

#include "messages/requests.hpp"

namespace gemel {

void peer_switch::on_service(std::string name, call_function heard) {
  std::lock_guard guard{mutex_};
  service_ = std::move(name);
  heard_ = std::move(heard);
}

void peer_switch::call(std::uint32_t peer, const service_call& message) {
  way_->send(peer, make_service_call(message));
}

// Replicas exchange no calls of services.
bool peer_switch::take(std::uint32_t peer, const frame& message) {
  if (!message.message().isService())
    return false;
  auto asked = read_service_call(message.message().getService());
  std::lock_guard guard{mutex_};
  if (heard_ && asked.service == service_)
    heard_(peer, std::move(asked));
  return true;
}

result<void> peer_switch::start(listener to) {
  to.arrived = [this, others = std::move(to.arrived)](std::uint32_t peer, frame message) {
    if (!take(peer, message))
      others(peer, std::move(message));
  };
  return way_->start(std::move(to));
}

} // namespace gemel
