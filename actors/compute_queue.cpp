#include "actors/compute_queue.hpp"

#include <algorithm>
#include <limits>

namespace gemel {

std::uint64_t compute_queue::quota_of(const compute_job& job) const noexcept {
  constexpr std::uint64_t unbounded = std::numeric_limits<std::uint64_t>::max();
  auto own = job.concurrency > 0 ? std::uint64_t{job.concurrency} : unbounded;
  auto general = bounds_.function_max > 0 ? std::uint64_t{bounds_.function_max} : unbounded;
  return std::min(own, general);
}

bool compute_queue::may_run(const std::string& function,
                            const std::deque<waiting_job>& queue) const {
  auto known = counts_.find(function);
  auto running = known != counts_.end() ? known->second.running : 0;
  return running < quota_of(queue.front().job);
}

std::optional<compute_job> compute_queue::push(compute_job job, std::int64_t now_ms) {
  auto& counts = counts_[job.function];
  if (waiting_ >= bounds_.waiting_max) {
    ++counts.refused;
    return job;
  }
  ++counts.waiting;
  ++waiting_;
  auto& queue = queues_[job.function];
  queue.push_back({std::move(job), now_ms});
  return std::nullopt;
}

compute_queue::pick compute_queue::take(std::int64_t now_ms) {
  pick made;
  auto drop = [&](waiting_job& one, errc code, const char* why) {
    auto& counts = counts_[one.job.function];
    --counts.waiting;
    ++counts.refused;
    --waiting_;
    made.dropped.emplace_back(std::move(one.job), error{code, why});
  };
  auto at = queues_.upper_bound(last_);
  for (auto left = queues_.size(); left > 0 && !made.next; --left) {
    if (at == queues_.end())
      at = queues_.begin();
    auto& [function, queue] = *at;
    while (!queue.empty()) {
      auto& first = queue.front();
      if (first.job.stop != nullptr && first.job.stop->load(std::memory_order_relaxed))
        drop(first, errc::stopping, "cancelled before it began");
      else if (first.job.deadline_ms > 0 && first.job.deadline_ms <= now_ms)
        drop(first, errc::timed_out, "its time was over before a worker was free");
      else
        break;
      queue.pop_front();
    }
    if (!queue.empty() && may_run(function, queue)) {
      auto& counts = counts_[function];
      --counts.waiting;
      ++counts.running;
      --waiting_;
      ++running_;
      last_ = function;
      made.next = std::move(queue.front().job);
      queue.pop_front();
    }
    at = queue.empty() ? queues_.erase(at) : std::next(at);
  }
  return made;
}

void compute_queue::finished(const std::string& function) {
  auto& counts = counts_[function];
  --counts.running;
  ++counts.done;
  --running_;
}

std::vector<compute_job> compute_queue::clear() {
  std::vector<compute_job> all;
  for (auto& [function, queue] : queues_) {
    counts_[function].waiting = 0;
    for (auto& one : queue)
      all.push_back(std::move(one.job));
  }
  queues_.clear();
  waiting_ = 0;
  return all;
}

std::int64_t compute_queue::delay_ms(std::int64_t now_ms) const {
  std::int64_t longest = 0;
  for (const auto& [function, queue] : queues_)
    if (may_run(function, queue))
      longest = std::max(longest, now_ms - queue.front().since_ms);
  return longest;
}

std::size_t compute_queue::runnable() const {
  std::uint64_t count = 0;
  for (const auto& [function, queue] : queues_) {
    auto known = counts_.find(function);
    auto running = known != counts_.end() ? known->second.running : 0;
    auto quota = quota_of(queue.front().job);
    count += std::min<std::uint64_t>(queue.size(), quota > running ? quota - running : 0);
  }
  return count;
}

std::optional<pool_size::change> pool_size::decide(std::int64_t now_ms, std::int64_t delay_ms,
                                                   std::size_t busy, std::size_t runnable) {
  auto change_to = [&](std::size_t to, std::string reason) {
    change made{size_, to, std::move(reason)};
    size_ = to;
    idle_since_ms_.reset();
    return made;
  };
  if (runnable > 0 && delay_ms > bounds_.grow_delay_ms && size_ < bounds_.max
      && (!grown_ms_ || now_ms - *grown_ms_ >= bounds_.grow_pause_ms)) {
    grown_ms_ = now_ms;
    // Half as many again, so that a large step is met in few changes.
    auto to =
        std::min({bounds_.max, size_ + std::max<std::size_t>(1, size_ / 2), size_ + runnable});
    return change_to(to, "a call waited " + std::to_string(delay_ms) + " ms");
  }
  if (busy >= size_ || runnable > 0 || size_ <= bounds_.min) {
    idle_since_ms_.reset();
    return std::nullopt;
  }
  if (!idle_since_ms_)
    idle_since_ms_ = now_ms;
  if (now_ms - *idle_since_ms_ < bounds_.shrink_after_ms)
    return std::nullopt;
  return change_to(size_ - 1,
                   "a worker was idle for " + std::to_string(now_ms - *idle_since_ms_) + " ms");
}

} // namespace gemel
