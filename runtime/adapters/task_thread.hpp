#pragma once

#include "actors/ports.hpp"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

namespace gemel {

/// One thread that runs what any thread posts, in order, and wakes up when something is due.
class task_thread {
public:
  struct timers {
    /// When `tick` is next wanted, in milliseconds since 1970 UTC; asked on the thread.
    std::function<std::optional<std::int64_t>()> next_due{};
    std::function<void()> tick{};
    /// After each turn of posted tasks and ticks; may be empty.
    std::function<void()> turn_ended{};
  };

  /// @param clock must outlive this.
  explicit task_thread(const clock_port& clock) : clock_{clock} {}
  ~task_thread() { stop(); }
  task_thread(const task_thread&) = delete;
  task_thread& operator=(const task_thread&) = delete;

  void start(timers due);

  /// Any thread. @returns false after `stop`: it will not be run.
  bool post(std::function<void()> task);

  /// Runs what was posted before, then ends. A second call does nothing.
  void stop();

private:
  void run();

  const clock_port& clock_;
  timers due_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> tasks_;
  bool stopping_ = false;
  std::thread thread_;
};

} // namespace gemel
