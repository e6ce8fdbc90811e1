#include "runtime/adapters/compute_pool.hpp"

#include <algorithm>
#include <chrono>
#include <optional>

namespace gemel {

namespace {

constexpr std::size_t scale_events_max = 32;

} // namespace

compute_pool::compute_pool(const clock_port& clock, compute_queue::options bounds,
                           pool_size::options size, poison_list::options poison, hooks told)
    : clock_{clock}, told_{std::move(told)}, queue_{bounds}, size_{size}, workers_(size.max),
      live_(size.max), poison_{poison} {
}

compute_pool::~compute_pool() {
  stop();
}

// From a clock that does not go back.
std::int64_t compute_pool::now_ms() const {
  constexpr std::int64_t ns_per_ms = 1'000'000;
  return clock_.now().steady_ns / ns_per_ms;
}

std::int64_t compute_pool::unix_ms() const {
  constexpr std::int64_t us_per_ms = 1'000;
  return clock_.now().unix_us / us_per_ms;
}

void compute_pool::submit(compute_job job) {
  if (job.deadline_ms > 0) // The queue has the clock that does not go back.
    job.deadline_ms = std::max<std::int64_t>(1, job.deadline_ms - unix_ms() + now_ms());
  std::optional<compute_job> refused;
  error why{errc::stopping, "the node is stopping"};
  {
    std::lock_guard guard{mutex_};
    if (stopping_) {
      refused = std::move(job);
    } else {
      refused = queue_.push(std::move(job), now_ms());
      if (refused)
        why = {errc::overloaded, "too many calls of functions wait",
               queue_.retry_after_ms(size_.size())};
      start_workers();
      if (!watcher_.joinable())
        watcher_ = std::thread{[this] { watch(); }};
    }
  }
  if (refused)
    return refused->refuse(std::move(why));
  changed_.notify_one();
}

bool compute_pool::cancel(std::uint64_t number) {
  compute_queue::cancelled done;
  {
    std::lock_guard guard{mutex_};
    done = queue_.cancel(number);
  }
  if (done.waiting)
    done.waiting->refuse({errc::stopping, "cancelled before it began"});
  return done.was_found;
}

std::vector<compute_queue::call_view> compute_pool::calls(std::size_t most) const {
  std::lock_guard guard{mutex_};
  return queue_.list(now_ms(), most);
}

std::vector<poison_list::entry> compute_pool::poisoned() const {
  std::lock_guard guard{poison_mutex_};
  return poison_.list();
}

bool compute_pool::release(std::uint64_t fingerprint) {
  std::lock_guard guard{poison_mutex_};
  return poison_.release(fingerprint);
}

void compute_pool::forget_function(const std::string& function) {
  std::lock_guard guard{poison_mutex_};
  poison_.forget_function(function);
}

// Unless the function has failed with this input too often.
result<value> compute_pool::call(const compute_job& job) {
  bool is_watched = false;
  {
    std::lock_guard guard{poison_mutex_};
    is_watched = !poison_.empty();
  }
  if (is_watched) {
    auto mark = fingerprint_of(job);
    std::lock_guard guard{poison_mutex_};
    if (auto why = poison_.refusal(mark))
      return tl::unexpected<error>(std::move(*why));
  }
  auto answer = job.call();
  if (answer && !is_watched)
    return answer;
  std::optional<poison_list::entry> set_aside;
  {
    std::lock_guard guard{poison_mutex_};
    set_aside = poison_.note(job, answer, unix_ms());
    poisoned_total_ += set_aside ? 1 : 0;
  }
  if (set_aside && told_.on_poisoned)
    told_.on_poisoned(*set_aside);
  return answer;
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
    auto next = queue_.take(now_ms());
    if (!next.next && next.dropped.empty()) {
      changed_.wait(guard);
      continue;
    }
    guard.unlock();
    for (auto& [job, why] : next.dropped)
      job.refuse(why);
    if (next.next)
      next.next->done(call(*next.next));
    guard.lock();
    if (next.next) {
      queue_.finished(next.next->number, now_ms());
      if (queue_.waiting() > 0)
        changed_.notify_one();
    }
  }
  live_[index] = false;
}

// Looks at sizes and deadlines.
void compute_pool::watch() {
  constexpr std::chrono::milliseconds pause{10};
  std::unique_lock guard{mutex_};
  while (!stopping_) {
    watched_.wait_for(guard, pause);
    if (stopping_)
      return;
    std::vector<scale_event> made;
    auto dropped = queue_.expire(now_ms());
    resize(now_ms(), made);
    guard.unlock();
    for (auto& [job, why] : dropped)
      job.refuse(why);
    for (const auto& one : made)
      if (told_.on_scale)
        told_.on_scale(one);
    guard.lock();
  }
}

// Under the lock. A worker that is to go notices it by itself.
void compute_pool::resize(std::int64_t now_ms, std::vector<scale_event>& made) {
  auto change = size_.decide(now_ms, queue_.delay_ms(now_ms), queue_.running(), queue_.runnable());
  if (!change)
    return;
  made.push_back({unix_ms(), *change});
  ++scaled_total_;
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
    queue_.stop_running();
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

std::size_t compute_pool::open_calls() const {
  std::lock_guard guard{mutex_};
  return queue_.waiting() + queue_.running();
}

compute_pool::status compute_pool::look() const {
  status made;
  {
    std::lock_guard guard{poison_mutex_};
    made.poisoned = poison_.list().size();
    made.poisoned_total = poisoned_total_;
  }
  std::lock_guard guard{mutex_};
  made.workers = size_.size();
  made.waiting = queue_.waiting();
  made.running = queue_.running();
  made.delay_ms = queue_.delay_ms(now_ms());
  made.functions = queue_.counts();
  made.scaled.assign(scaled_.begin(), scaled_.end());
  made.is_saturated = size_.is_saturated();
  made.scaled_total = scaled_total_;
  return made;
}

} // namespace gemel
