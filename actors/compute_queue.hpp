#pragma once

#include "actors/workflow_executor.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace gemel {

/// Calls of functions that wait for a worker, and which is next. Fair: functions take turns, so
/// that a flood of one does not hold up the others; within a function the oldest goes first. A core
/// without threads and clock.
class compute_queue {
public:
  struct options {
    /// Calls that may wait.
    std::size_t waiting_max = 100'000;
    /// Calls of one function at a time; 0: no bound but its own.
    std::uint32_t function_max = 0;
  };

  struct function_counts {
    std::uint64_t waiting = 0;
    std::uint64_t running = 0;
    std::uint64_t done = 0;
    std::uint64_t refused = 0;
  };

  explicit compute_queue(options bounds) : bounds_{bounds} {}

  /// @returns the job itself if there is no room for it.
  std::optional<compute_job> push(compute_job job, std::int64_t now_ms);

  struct pick {
    /// The job to run, if there is one that may.
    std::optional<compute_job> next{};
    /// Nobody wants these any more: to be refused, with the reason.
    std::vector<std::pair<compute_job, error>> dropped{};
  };
  pick take(std::int64_t now_ms);

  /// A job of this function, given by `take`, has ended.
  void finished(const std::string& function);

  /// Takes everything out.
  std::vector<compute_job> clear();

  std::size_t waiting() const noexcept { return waiting_; }
  std::size_t running() const noexcept { return running_; }
  /// How long the oldest call that could run by now has waited, in ms; 0: none does.
  std::int64_t delay_ms(std::int64_t now_ms) const;
  /// Calls that a further worker could begin.
  std::size_t runnable() const;

  const std::map<std::string, function_counts, std::less<>>& counts() const noexcept {
    return counts_;
  }

private:
  struct waiting_job {
    compute_job job;
    std::int64_t since_ms;
  };

  std::uint64_t quota_of(const compute_job& job) const noexcept;
  bool may_run(const std::string& function, const std::deque<waiting_job>& queue) const;

  options bounds_;
  std::map<std::string, std::deque<waiting_job>, std::less<>> queues_; // by function, none empty
  std::map<std::string, function_counts, std::less<>> counts_;
  // The function served last; the next one by name is served next.
  std::string last_;
  std::size_t waiting_ = 0;
  std::size_t running_ = 0;
};

/// How many workers a pool should have: grows at once when calls wait too long, shrinks slowly when
/// workers have been idle for long, so that it does not flap. A core without clock.
class pool_size {
public:
  struct options {
    std::size_t min = 1;
    std::size_t max = 4;
    /// A call that waits longer than this asks for another worker.
    std::int64_t grow_delay_ms = 20;
    /// Between two changes upwards, so that the last one can take effect.
    std::int64_t grow_pause_ms = 20;
    /// A worker that was never needed for so long goes.
    std::int64_t shrink_after_ms = 10'000;
  };
  struct change {
    std::size_t from = 0;
    std::size_t to = 0;
    std::string reason{};
  };

  explicit pool_size(options bounds) : bounds_{bounds}, size_{bounds.min} {}

  std::size_t size() const noexcept { return size_; }

  /// To be asked after every change and some times a second. @param busy workers at work, @param
  /// runnable calls that a further worker could begin.
  std::optional<change> decide(std::int64_t now_ms, std::int64_t delay_ms, std::size_t busy,
                               std::size_t runnable);

private:
  options bounds_;
  std::size_t size_;
  std::optional<std::int64_t> grown_ms_{};
  // Since when fewer workers than there are were enough, and how many at most were busy since.
  std::optional<std::int64_t> idle_since_ms_{};
};

} // namespace gemel
