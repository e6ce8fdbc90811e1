#include "runtime/adapters/cell_alarms.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace gemel {

cell_alarms::cell_alarms(const clock_port& clock, std::size_t cells)
    : clock_{clock}, dues_{std::make_unique<std::atomic<std::int64_t>[]>(cells)}, count_{cells} {
  for (std::size_t i = 0; i < count_; ++i)
    dues_[i] = never;
}

cell_alarms::~cell_alarms() {
  stop();
}

void cell_alarms::start(std::vector<cell_runner*> cells) {
  cells_ = std::move(cells);
  GEMEL_CHECK(cells_.size() == count_);
  thread_ = std::thread{[this] { run(); }};
}

// The thread stores until when it sleeps and then looks at all again; here it is the other way
// round. So one of the two sees what the other stored.
void cell_alarms::set(std::size_t index, std::optional<std::int64_t> due_ns) noexcept {
  dues_[index].store(due_ns.value_or(never));
  if (!due_ns || *due_ns >= asleep_until_.load())
    return;
  {
    std::lock_guard guard{mutex_};
    is_changed_ = true;
  }
  changed_.notify_one();
}

std::int64_t cell_alarms::earliest() const noexcept {
  auto first = never;
  for (std::size_t i = 0; i < count_; ++i)
    first = std::min(first, dues_[i].load());
  return first;
}

void cell_alarms::wake_due(std::int64_t now_ns) {
  for (std::size_t i = 0; i < count_; ++i) {
    auto due = dues_[i].load();
    // A cell that says anew meanwhile is under way, so it needs no waking for what it said before.
    if (due <= now_ns && dues_[i].compare_exchange_strong(due, never))
      cells_[i]->wake();
  }
}

void cell_alarms::run() {
  std::unique_lock guard{mutex_};
  while (!stopping_) {
    is_changed_ = false;
    asleep_until_ = earliest();
    auto until = earliest();
    asleep_until_ = std::min(asleep_until_.load(), until);
    auto now_ns = clock_.now().steady_ns;
    auto woken = [this] { return is_changed_ || stopping_; };
    if (until == never) {
      changed_.wait(guard, woken);
    } else if (until > now_ns) {
      changed_.wait_for(guard, std::chrono::nanoseconds{until - now_ns}, woken);
    }
    asleep_until_ = 0; // Awake: it looks at all of them anyway.
    guard.unlock();
    wake_due(clock_.now().steady_ns);
    guard.lock();
  }
}

void cell_alarms::stop() {
  if (!thread_.joinable())
    return;
  {
    std::lock_guard guard{mutex_};
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

} // namespace gemel
