#pragma once

#include "runtime/peer_transport.hpp"

#include <atomic>
#include <chrono>
#include <memory>

namespace gemel::bench {

/// A node's ways to its peers, cut and healed at will: what is on them when they are cut is lost.
class cuttable_way final : public peer_transport {
public:
  explicit cuttable_way(std::shared_ptr<peer_transport> of) : of_{std::move(of)} {}

  void cut() {
    cut_ = true;
    heard_.disconnected(0, {errc::unreachable, "cut by the benchmark"});
  }
  void heal() { cut_ = false; }
  /// How often there was a new way to a peer.
  std::uint64_t opened() const { return opened_; }

  result<void> start(listener to) override {
    heard_ = to;
    listener ours;
    ours.connected = [this](std::uint32_t peer) {
      if (cut_)
        return;
      ++opened_;
      heard_.connected(peer);
    };
    ours.disconnected = [this](std::uint32_t peer, const error& why) {
      heard_.disconnected(peer, why);
    };
    ours.arrived = [this](std::uint32_t peer, frame message) {
      if (!cut_)
        heard_.arrived(peer, std::move(message));
    };
    return of_->start(std::move(ours));
  }
  void reach(std::uint32_t peer) override {
    if (cut_)
      heard_.disconnected(peer, {errc::unreachable, "cut by the benchmark"});
    else
      of_->reach(peer);
  }
  void send(std::uint32_t peer, frame message) override {
    if (!cut_)
      of_->send(peer, std::move(message));
  }
  void stop() override { of_->stop(); }
  std::string endpoint() const override { return of_->endpoint(); }
  peer_way way(std::uint32_t peer) const override { return of_->way(peer); }

private:
  std::shared_ptr<peer_transport> of_;
  listener heard_;
  std::atomic<bool> cut_{false};
  std::atomic<std::uint64_t> opened_{0};
};

} // namespace gemel::bench
