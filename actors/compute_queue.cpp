#include "actors/compute_queue.hpp"

#include <algorithm>
#include <limits>
#include <memory>

namespace gemel {

namespace {

constexpr std::size_t room_parts = 4;
constexpr std::uint64_t unbounded = std::numeric_limits<std::uint64_t>::max();

std::uint64_t quota(std::uint32_t most, std::uint64_t taken) noexcept {
  return most == 0 ? unbounded : most > taken ? most - taken : 0;
}

bool is_stopped(const compute_job& job) noexcept {
  return job.input.stop->load(std::memory_order_relaxed);
}

} // namespace

// How many more of a lane's calls may run by the quotas.
std::uint64_t compute_queue::free_calls(const lane& of) const {
  auto running = of.function->running;
  return std::min({quota(of.calls.front().job.concurrency, running),
                   quota(bounds_.function_max, running),
                   quota(bounds_.tenant_max, of.tenant->running)});
}

bool compute_queue::has_room(const compute_job& job) const {
  auto part = bounds_.waiting_max / room_parts;
  auto known = tenants_.find(job.tenant);
  auto held = known != tenants_.end() ? known->second.waiting : 0;
  return lanes_ < bounds_.lanes_max
         && index_.size() < (held < part ? bounds_.waiting_max : bounds_.waiting_max - part);
}

std::optional<compute_job> compute_queue::push(compute_job job, std::int64_t now_ms) {
  auto& counts = counts_[job.function];
  if (!has_room(job)) {
    ++counts.refused;
    return job;
  }
  if (job.input.stop == nullptr)
    job.input.stop = std::make_shared<std::atomic<bool>>(false);
  job.priority = std::clamp(job.priority, 0, compute_priority_max);
  job.number = ++numbers_;
  auto& asker = tenants_[job.tenant];
  ++counts.waiting;
  ++asker.waiting;
  if (job.deadline_ms > 0)
    deadlines_.emplace(job.deadline_ms, job.number);
  auto [at, is_new] =
      rings_[job.priority].lanes.try_emplace({job.function, job.tenant}, lane{{}, &counts, &asker});
  lanes_ += is_new ? 1 : 0;
  auto& calls = at->second.calls;
  calls.push_back({std::move(job), now_ms});
  const auto& made = calls.back().job;
  index_.emplace(made.number, place{made.priority, at, std::prev(calls.end())});
  return std::nullopt;
}

// What has waited counts for more.
std::int64_t compute_queue::raised_priority(const lane& of, std::int32_t base,
                                            std::int64_t now_ms) const {
  auto waited = std::max<std::int64_t>(0, now_ms - of.calls.front().since_ms);
  return base + waited / std::max<std::int64_t>(1, bounds_.age_ms);
}

// Some lanes from where it was last, so that thousands of them cost no more than a few.
void compute_queue::look_at(ring& in, std::int32_t base, std::int64_t now_ms, choice& best) const {
  constexpr int lanes_looked_at = 16;
  int looked = 0;
  auto at = in.lanes.upper_bound(in.last);
  for (auto left = in.lanes.size(); left > 0 && looked < lanes_looked_at; --left, ++at) {
    if (at == in.lanes.end())
      at = in.lanes.begin();
    const auto& of = at->second;
    if (free_calls(of) == 0)
      continue;
    ++looked;
    auto priority = raised_priority(of, base, now_ms);
    if (best.from == nullptr || priority > best.priority
        || (priority == best.priority && of.tenant->running < best.from->tenant->running))
      best = {&of, priority};
  }
}

const compute_job* compute_queue::choose(std::int64_t now_ms) {
  choice best;
  for (auto& [priority, in] : rings_)
    look_at(in, priority, now_ms, best);
  return best.from != nullptr ? &best.from->calls.front().job : nullptr;
}

compute_queue::waiting_job compute_queue::remove(const place& at) {
  auto from = at; // What it names may be the entry that goes.
  auto taken = std::move(*from.job);
  from.lane->second.calls.erase(from.job);
  if (from.lane->second.calls.empty()) {
    rings_.at(from.priority).lanes.erase(from.lane);
    --lanes_;
  }
  index_.erase(taken.job.number);
  if (taken.job.deadline_ms > 0)
    deadlines_.erase({taken.job.deadline_ms, taken.job.number});
  --counts_[taken.job.function].waiting;
  --tenants_[taken.job.tenant].waiting;
  return taken;
}

void compute_queue::forget_idle(const std::string& name) {
  auto known = tenants_.find(name);
  if (known != tenants_.end() && known->second.waiting == 0 && known->second.running == 0)
    tenants_.erase(known);
}

void compute_queue::drop(const place& at, errc code, const char* why, dropped_calls& to) {
  auto taken = remove(at);
  ++counts_[taken.job.function].refused;
  forget_idle(taken.job.tenant);
  to.emplace_back(std::move(taken.job), error{code, why});
}

compute_queue::pick compute_queue::take(std::int64_t now_ms) {
  pick made;
  made.dropped = expire(now_ms);
  while (const auto* first = choose(now_ms)) {
    auto where = index_.at(first->number);
    if (is_stopped(*first)) {
      drop(where, errc::stopping, "cancelled before it began", made.dropped);
      continue;
    }
    rings_.at(where.priority).last = where.lane->first;
    auto job = remove(where).job;
    ++counts_[job.function].running;
    ++tenants_[job.tenant].running;
    running_.emplace(job.number, running_job{{job.number, job.function, job.tenant, job.input.key,
                                              job.priority, true, 0},
                                             now_ms,
                                             job.deadline_ms,
                                             job.input.stop});
    made.next = std::move(job);
    break;
  }
  return made;
}

void compute_queue::finished(std::uint64_t number, std::int64_t now_ms) {
  auto found = running_.find(number);
  if (found == running_.end())
    return;
  constexpr double newest = 0.05;
  auto took = static_cast<double>(std::max<std::int64_t>(0, now_ms - found->second.since_ms));
  ran_ms_ += newest * (took - ran_ms_);
  auto& counts = counts_[found->second.about.function];
  --counts.running;
  ++counts.done;
  auto asker = found->second.about.tenant;
  --tenants_[asker].running;
  running_.erase(found);
  forget_idle(asker);
}

compute_queue::dropped_calls compute_queue::expire(std::int64_t now_ms) {
  dropped_calls made;
  while (!deadlines_.empty() && deadlines_.begin()->first <= now_ms)
    drop(index_.at(deadlines_.begin()->second), errc::timed_out,
         "its time was over before a worker was free", made);
  for (auto& [number, one] : running_)
    if (one.deadline_ms > 0 && one.deadline_ms <= now_ms)
      one.stop->store(true, std::memory_order_relaxed);
  return made;
}

compute_queue::cancelled compute_queue::cancel(std::uint64_t number) {
  if (auto found = index_.find(number); found != index_.end()) {
    auto taken = remove(found->second);
    ++counts_[taken.job.function].refused;
    forget_idle(taken.job.tenant);
    return {true, std::move(taken.job)};
  }
  auto found = running_.find(number);
  if (found == running_.end())
    return {};
  found->second.stop->store(true, std::memory_order_relaxed);
  return {true, std::nullopt};
}

std::vector<compute_job> compute_queue::clear() {
  std::vector<compute_job> all;
  while (!index_.empty()) {
    auto taken = remove(index_.begin()->second);
    forget_idle(taken.job.tenant);
    all.push_back(std::move(taken.job));
  }
  return all;
}

void compute_queue::stop_running() {
  for (auto& [number, one] : running_)
    one.stop->store(true, std::memory_order_relaxed);
}

std::int64_t compute_queue::delay_ms(std::int64_t now_ms) const {
  std::int64_t longest = 0;
  for (const auto& [priority, in] : rings_)
    for (const auto& [name, of] : in.lanes)
      if (free_calls(of) > 0)
        longest = std::max(longest, now_ms - of.calls.front().since_ms);
  return longest;
}

std::size_t compute_queue::runnable() const {
  std::uint64_t count = 0;
  for (const auto& [priority, in] : rings_)
    for (const auto& [name, of] : in.lanes)
      count += std::min<std::uint64_t>(of.calls.size(), free_calls(of));
  return count;
}

std::uint32_t compute_queue::retry_after_ms(std::size_t workers) const {
  constexpr double least = 10;
  constexpr double most = 10'000;
  // Until a quarter of what waits is done.
  auto calls = static_cast<double>(index_.size()) / room_parts;
  auto time = ran_ms_ * calls / static_cast<double>(std::max<std::size_t>(1, workers));
  return static_cast<std::uint32_t>(std::clamp(time, least, most));
}

std::vector<compute_queue::call_view> compute_queue::list(std::int64_t now_ms,
                                                          std::size_t most) const {
  std::vector<call_view> all;
  for (const auto& [number, one] : running_) {
    if (all.size() >= most)
      return all;
    all.push_back(one.about);
    all.back().for_ms = now_ms - one.since_ms;
  }
  std::vector<std::uint64_t> numbers;
  for (const auto& [number, at] : index_)
    numbers.push_back(number);
  auto wanted = std::min(numbers.size(), most - all.size());
  std::partial_sort(numbers.begin(), numbers.begin() + static_cast<std::ptrdiff_t>(wanted),
                    numbers.end());
  numbers.resize(wanted);
  for (auto number : numbers) {
    const auto& [job, since] = *index_.at(number).job;
    all.push_back(
        {number, job.function, job.tenant, job.input.key, job.priority, false, now_ms - since});
  }
  return all;
}

} // namespace gemel
