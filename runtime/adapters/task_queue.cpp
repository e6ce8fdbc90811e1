#include "runtime/adapters/task_queue.hpp"

namespace gemel {

void task_queue::post(std::function<void()> task) {
  {
    std::lock_guard guard{mutex_};
    tasks_.push_back(std::move(task));
  }
  filled_.notify_one();
}

std::optional<std::function<void()>> task_queue::take(std::chrono::milliseconds time) {
  std::unique_lock guard{mutex_};
  if (!filled_.wait_for(guard, time, [this] { return !tasks_.empty(); }))
    return std::nullopt;
  auto task = std::move(tasks_.front());
  tasks_.pop_front();
  return task;
}

} // namespace gemel
