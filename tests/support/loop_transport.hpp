#pragma once

#include "runtime/peer_transport.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

namespace gemel::test {

/// A way between two nodes of one process that can be cut. Each has the other as its peer 0.
class loop_transport final : public peer_transport {
public:
  /// The two ends.
  static std::pair<std::shared_ptr<loop_transport>, std::shared_ptr<loop_transport>> make() {
    std::pair made{std::make_shared<loop_transport>(), std::make_shared<loop_transport>()};
    made.first->other_ = made.second;
    made.second->other_ = made.first;
    return made;
  }
  ~loop_transport() override { stop(); }

  result<void> start(listener to) override {
    std::lock_guard guard{mutex_};
    to_ = std::move(to);
    stopping_ = false;
    thread_ = std::thread{[this] { run(); }};
    return {};
  }
  void reach(std::uint32_t) override {
    auto there = other_.lock();
    bool up = !cut_ && there != nullptr && there->post([](listener& to) { to.connected(0); });
    post([up](listener& to) {
      if (up)
        to.connected(0);
      else
        to.disconnected(0, {errc::unreachable, "it was cut"});
    });
  }
  void send(std::uint32_t, frame message) override {
    if (auto there = other_.lock(); there != nullptr && !cut_ && !there->cut_)
      there->post([message](listener& to) { to.arrived(0, message); });
  }
  void stop() override {
    {
      std::lock_guard guard{mutex_};
      stopping_ = true;
    }
    filled_.notify_one();
    if (thread_.joinable())
      thread_.join();
  }
  std::string endpoint() const override { return "loop"; }

  /// Frames are lost from now on, and nothing tells so.
  void cut(bool is) { cut_ = is; }

private:
  bool post(std::function<void(listener&)> what) {
    {
      std::lock_guard guard{mutex_};
      if (stopping_)
        return false;
      calls_.push_back(std::move(what));
    }
    filled_.notify_one();
    return true;
  }
  void run() {
    std::unique_lock lock{mutex_};
    for (;;) {
      filled_.wait(lock, [this] { return stopping_ || !calls_.empty(); });
      if (stopping_)
        return calls_.clear();
      auto next = std::move(calls_.front());
      calls_.pop_front();
      lock.unlock();
      next(to_);
      lock.lock();
    }
  }

  std::weak_ptr<loop_transport> other_;
  std::atomic<bool> cut_{false};
  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<std::function<void(listener&)>> calls_;
  listener to_;
  bool stopping_ = true;
  std::thread thread_;
};

} // namespace gemel::test
