#include "runtime/adapters/rule_workers.hpp"

#include <algorithm>

namespace gemel {

rule_workers::rule_workers(std::size_t partitions, rule_partition::sink found)
    : found_{std::move(found)} {
  for (std::size_t i = 0; i < std::max<std::size_t>(partitions, 1); ++i) {
    parts_.push_back(std::make_unique<part>());
    parts_.back()->thread = std::thread{[this, mine = parts_.back().get()] { run(*mine); }};
  }
}

void rule_workers::push(std::size_t partition, std::vector<rule_task> tasks) {
  if (tasks.empty())
    return;
  auto& to = *parts_[partition];
  {
    std::lock_guard guard{to.queue_mutex};
    auto room = waiting_max - std::min(waiting_max, to.queue.size());
    for (auto& task : tasks) {
      auto is_needed =
          task.what != rule_task::action::take && task.what != rule_task::action::advance;
      if (!is_needed && room == 0) {
        dropped_ += task.what == rule_task::action::take ? 1 : 0;
        continue;
      }
      room -= room > 0 ? 1 : 0;
      to.queue.push_back(std::move(task));
    }
  }
  to.changed.notify_all();
}

void rule_workers::run(part& mine) {
  std::vector<rule_task> tasks;
  while (true) {
    {
      std::unique_lock lock{mine.queue_mutex};
      mine.is_busy = false;
      mine.changed.notify_all();
      mine.changed.wait(lock, [&] { return stopping_.load() || !mine.queue.empty(); });
      if (stopping_.load())
        return;
      tasks = std::exchange(mine.queue, {});
      mine.is_busy = true;
    }
    // In slices, so that who asks for numbers need not wait for all of a long queue.
    constexpr std::size_t slice = 1'024;
    for (std::size_t begin = 0; begin < tasks.size() && !stopping_.load(); begin += slice) {
      std::lock_guard guard{mine.state_mutex};
      for (auto i = begin; i < std::min(begin + slice, tasks.size()); ++i)
        mine.state.run(tasks[i], found_);
    }
  }
}

rule_numbers rule_workers::numbers(std::uint64_t rule) const {
  rule_numbers sum;
  for (const auto& one : parts_) {
    std::lock_guard guard{one->state_mutex};
    auto numbers = one->state.numbers(rule);
    sum.keys += numbers.keys;
    sum.open += numbers.open;
    sum.bytes += numbers.bytes;
    sum.left_out += numbers.left_out;
    sum.counts += numbers.counts;
  }
  return sum;
}

result<void>
rule_workers::restore(std::uint64_t rule, std::string_view state,
                      const std::function<std::size_t(const std::string& key)>& place_of) {
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    std::lock_guard guard{parts_[i]->state_mutex};
    restored_share share{[&](const std::string& key) { return place_of(key) == i; }, i == 0};
    if (auto done = parts_[i]->state.restore(rule, state, share); !done)
      return done;
  }
  return {};
}

void rule_workers::drain() {
  for (auto& one : parts_) {
    std::unique_lock lock{one->queue_mutex};
    one->changed.wait(lock,
                      [&] { return stopping_.load() || (one->queue.empty() && !one->is_busy); });
  }
}

void rule_workers::stop() {
  stopping_ = true;
  for (auto& one : parts_) {
    { std::lock_guard guard{one->queue_mutex}; }
    one->changed.notify_all();
    if (one->thread.joinable())
      one->thread.join();
  }
}

std::size_t rule_workers::waiting() const {
  std::size_t sum = 0;
  for (const auto& one : parts_) {
    std::lock_guard guard{one->queue_mutex};
    sum += one->queue.size();
  }
  return sum;
}

} // namespace gemel
