#include "runtime/adapters/task_thread.hpp"

#include <algorithm>
#include <chrono>

namespace gemel {

void task_thread::start(timers due) {
  due_ = std::move(due);
  thread_ = std::thread{[this] { run(); }};
}

bool task_thread::post(std::function<void()> task) {
  bool was_empty = false;
  {
    std::lock_guard guard{mutex_};
    if (stopping_)
      return false;
    was_empty = tasks_.empty();
    tasks_.push_back(std::move(task));
  }
  if (was_empty)
    changed_.notify_one();
  return true;
}

void task_thread::run() {
  constexpr std::int64_t us_per_ms = 1'000;
  // The wall clock may be set meanwhile.
  constexpr std::int64_t sleep_ms_max = 1'000;
  std::deque<std::function<void()>> taken;
  for (;;) {
    auto due = due_.next_due();
    auto now = clock_.now().unix_us / us_per_ms;
    {
      std::unique_lock guard{mutex_};
      if (tasks_.empty() && !stopping_ && (!due || *due > now)) {
        auto wait = due ? std::min(*due - now, sleep_ms_max) : sleep_ms_max;
        changed_.wait_for(guard, std::chrono::milliseconds{wait},
                          [this] { return stopping_ || !tasks_.empty(); });
      }
      if (tasks_.empty() && stopping_)
        return;
      taken.swap(tasks_);
    }
    for (auto& task : taken)
      task();
    taken.clear();
    if (auto at = due_.next_due(); at && *at <= clock_.now().unix_us / us_per_ms)
      due_.tick();
    if (due_.turn_ended)
      due_.turn_ended();
  }
}

void task_thread::stop() {
  {
    std::lock_guard guard{mutex_};
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable())
    thread_.join();
}

} // namespace gemel
