#pragma once

#include "messages/records.hpp"
#include "runtime/peer_transport.hpp"

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace gemel {

/// One way to peers for two who use it: calls of services between nodes go to whoever listens to
/// that service, everything else to the one who started the transport.
class peer_switch final : public peer_transport {
public:
  /// Called from threads of the transport; must not block.
  using call_function = std::function<void(std::uint32_t peer, service_call)>;

  explicit peer_switch(std::shared_ptr<peer_transport> way) : way_{std::move(way)} {}

  /// Who hears calls of this service from now on; an empty function: nobody. Any thread. No call of
  /// the function before is under way after it returns.
  void on_service(std::string name, call_function heard);
  /// As `send`, any thread.
  void call(std::uint32_t peer, const service_call& message);

  result<void> start(listener to) override;
  result<void> add(std::uint32_t number, const peer_address& peer) override {
    return way_->add(number, peer);
  }
  void remove(std::uint32_t peer) override { way_->remove(peer); }
  void reach(std::uint32_t peer) override { way_->reach(peer); }
  void send(std::uint32_t peer, frame message) override { way_->send(peer, std::move(message)); }
  void stop() override { way_->stop(); }
  std::string endpoint() const override { return way_->endpoint(); }
  peer_way way(std::uint32_t peer) const override { return way_->way(peer); }

private:
  bool take(std::uint32_t peer, const frame& message);

  std::shared_ptr<peer_transport> way_;
  std::mutex mutex_;
  std::string service_;
  call_function heard_;
};

} // namespace gemel
