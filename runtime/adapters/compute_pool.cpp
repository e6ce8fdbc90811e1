#include "runtime/adapters/compute_pool.hpp"

#include <chrono>

namespace gemel {

namespace {

constexpr std::size_t scale_events_max = 32;

} // namespace

compute_pool::compute_pool(const clock_port& clock, compute_queue::options bounds,
                           pool_size::options size,
                           std::function<void(const scale_event&)> on_scale)
    : clock_{clock}, on_scale_{std::move(on_scale)}, queue_{bounds}, size_{size},
      workers_(size.max), live_(size.max), under_way_(size.max) {
}

compute_pool::~compute_pool() {
  stop();
}

// From a clock that does not go back.
std::int64_t compute_pool::now_ms() const {
  constexpr std::int64_t ns_per_ms = 1'000'000;
  return clock_.now().steady_ns / ns_per_ms;
}

void compute_pool::submit(compute_job job) {
  std::optional<compute_job> refused;
  bool stopped = false;
  {
    std::lock_guard guard{mutex_};
    stopped = stopping_;
    if (!stopped) {
      refused = queue_.push(std::move(job), now_ms());
      start_workers();
      if (!watcher_.joinable())
        watcher_ = std::thread{[this] { watch(); }};
    }
  }
  if (stopped)
    return job.refuse({errc::stopping, "the node is stopping"});
  if (refused)
    return refused->refuse({errc::overloaded, "too many calls of functions wait"});
  changed_.notify_one();
}

// Under the lock. One that has not noticed yet that it was to go just stays.
void compute_pool::start_workers() {
  for (std::size_t i = 0; i < size_.size(); ++i) {
    if (live_[i])
      continue;
    if (workers_[i].joinable())
      workers_[i].join(); // It has ended: it needs the lock no more.
    live_[i] = true;
    workers_[i] = std::thread{[this, i] { work(i); }};
  }
}

void compute_pool::work(std::size_t index) {
  std::unique_lock guard{mutex_};
  while (!stopping_ && index < size_.size()) {
    // Deadlines are wall clock times.
    constexpr std::int64_t us_per_ms = 1'000;
    auto next = queue_.take(clock_.now().unix_us / us_per_ms);
    if (!next.next && next.dropped.empty()) {
      changed_.wait(guard);
      continue;
    }
    if (next.next)
      under_way_[index] = next.next->stop;
    guard.unlock();
    for (auto& [job, why] : next.dropped)
      job.refuse(why);
    if (next.next)
      next.next->run();
    guard.lock();
    if (next.next) {
      under_way_[index] = nullptr;
      queue_.finished(next.next->function);
      if (queue_.runnable() > 0)
        changed_.notify_one();
    }
  }
  live_[index] = false;
}

void compute_pool::watch() {
  constexpr std::chrono::milliseconds pause{10};
  std::unique_lock guard{mutex_};
  while (!stopping_) {
    watched_.wait_for(guard, pause);
    if (stopping_)
      return;
    std::vector<scale_event> made;
    resize(now_ms(), made);
    guard.unlock();
    for (const auto& one : made)
      if (on_scale_)
        on_scale_(one);
    guard.lock();
  }
}

// Under the lock. A worker that is to go notices it by itself.
void compute_pool::resize(std::int64_t now_ms, std::vector<scale_event>& made) {
  auto change = size_.decide(now_ms, queue_.delay_ms(now_ms), queue_.running(), queue_.runnable());
  if (!change)
    return;
  constexpr std::int64_t us_per_ms = 1'000;
  made.push_back({clock_.now().unix_us / us_per_ms, *change});
  scaled_.push_back(made.back());
  if (scaled_.size() > scale_events_max)
    scaled_.pop_front();
  start_workers();
  changed_.notify_all();
}

void compute_pool::stop() {
  std::vector<compute_job> forgotten;
  {
    std::lock_guard guard{mutex_};
    stopping_ = true;
    forgotten = queue_.clear();
    for (const auto& flag : under_way_)
      if (flag != nullptr)
        flag->store(true, std::memory_order_relaxed);
  }
  changed_.notify_all();
  watched_.notify_all();
  for (auto& one : forgotten)
    one.refuse({errc::stopping, "the node is stopping"});
  if (watcher_.joinable())
    watcher_.join();
  for (auto& one : workers_)
    if (one.joinable())
      one.join();
}

compute_pool::status compute_pool::look() const {
  std::lock_guard guard{mutex_};
  status made;
  made.workers = size_.size();
  made.waiting = queue_.waiting();
  made.running = queue_.running();
  made.delay_ms = queue_.delay_ms(now_ms());
  made.functions = queue_.counts();
  made.scaled.assign(scaled_.begin(), scaled_.end());
  return made;
}

} // namespace gemel
