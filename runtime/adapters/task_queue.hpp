#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>

namespace gemel {

/// Functions that any thread posts and one thread runs, in order.
class task_queue {
public:
  void post(std::function<void()> task);

  /// Waits for a task, at most for `time`, and takes it; nothing when the time has passed.
  std::optional<std::function<void()>> take(std::chrono::milliseconds time);

private:
  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<std::function<void()>> tasks_;
};

} // namespace gemel
