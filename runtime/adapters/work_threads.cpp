#include "runtime/adapters/work_threads.hpp"

#include <utility>

namespace gemel {

work_threads::~work_threads() {
  stop();
}

bool work_threads::submit(std::function<void()> work) {
  {
    std::lock_guard guard{mutex_};
    if (stopping_ || waiting_.size() >= waiting_max_)
      return false;
    waiting_.push_back(std::move(work));
    if (idle_ < waiting_.size() && threads_.size() < threads_max_)
      threads_.emplace_back([this] { run(); });
  }
  changed_.notify_one();
  return true;
}

void work_threads::run() {
  std::unique_lock guard{mutex_};
  for (;;) {
    ++idle_;
    changed_.wait(guard, [this] { return stopping_ || !waiting_.empty(); });
    --idle_;
    if (stopping_)
      return;
    auto work = std::move(waiting_.front());
    waiting_.pop_front();
    guard.unlock();
    work();
    work = {};
    guard.lock();
  }
}

void work_threads::stop() {
  std::vector<std::thread> ending;
  std::deque<std::function<void()>> forgotten;
  {
    std::lock_guard guard{mutex_};
    stopping_ = true;
    ending.swap(threads_);
    forgotten.swap(waiting_);
  }
  changed_.notify_all();
  for (auto& each : ending)
    each.join();
}

std::size_t work_threads::waiting() const {
  std::lock_guard guard{mutex_};
  return waiting_.size();
}

} // namespace gemel
