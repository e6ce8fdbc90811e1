#pragma once

#include "actors/compute_job.hpp"

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace gemel {

/// Calls of functions that wait for a worker, and which is next: the highest priority first, where
/// waiting raises it, so that nothing waits for ever; among equals the tenant with the fewest calls
/// under way, so that a flood of one does not hold up the others; then functions in turn, and
/// within a function the oldest. A core without threads and clock; all times are of one clock, in
/// ms.
class compute_queue {
public:
  struct options {
    /// Calls that may wait. The last quarter is for tenants that hold less than a quarter.
    std::size_t waiting_max = 100'000;
    /// Calls of one function at a time; 0: no bound but its own.
    std::uint32_t function_max = 0;
    /// Calls of one tenant at a time; 0: no bound.
    std::uint32_t tenant_max = 0;
    /// A call that has waited so long counts as of the next higher priority.
    std::int64_t age_ms = 1'000;
    /// Tenants and functions that may wait for each other; beyond it new ones are refused.
    std::size_t lanes_max = 4'096;
  };

  struct function_counts {
    std::uint64_t waiting = 0;
    std::uint64_t running = 0;
    std::uint64_t done = 0;
    std::uint64_t refused = 0;
  };

  /// One call, for people.
  struct call_view {
    std::uint64_t number = 0;
    std::string function{};
    std::string tenant{};
    std::string key{};
    std::int32_t priority = 0;
    bool is_running = false;
    /// How long it has waited, or run.
    std::int64_t for_ms = 0;
  };

  using dropped_calls = std::vector<std::pair<compute_job, error>>;

  explicit compute_queue(options bounds) : bounds_{bounds} {}

  /// Gives it a number, and a flag to stop it if it has none.
  /// @returns the job itself if there is no room for it.
  std::optional<compute_job> push(compute_job job, std::int64_t now_ms);

  struct pick {
    /// The job to run, if there is one that may.
    std::optional<compute_job> next{};
    /// Nobody wants these any more: to be refused, with the reason.
    dropped_calls dropped{};
  };
  /// The job given counts as running until `finished`.
  pick take(std::int64_t now_ms);

  /// A job given by `take` has ended.
  void finished(std::uint64_t number, std::int64_t now_ms);

  /// Takes out the waiting calls whose deadline is over, and stops the running ones.
  dropped_calls expire(std::int64_t now_ms);

  struct cancelled {
    bool was_found = false;
    /// It had not begun: to be refused. Empty: it was told to stop.
    std::optional<compute_job> waiting{};
  };
  /// Ends one call. What runs is told by its flag.
  cancelled cancel(std::uint64_t number);

  /// Takes everything out that waits.
  std::vector<compute_job> clear();
  /// Tells everything that runs to stop.
  void stop_running();

  std::size_t waiting() const noexcept { return index_.size(); }
  std::size_t running() const noexcept { return running_.size(); }
  /// How long the oldest call that could run by now has waited, in ms; 0: none does.
  std::int64_t delay_ms(std::int64_t now_ms) const;
  /// Calls that a further worker could begin.
  std::size_t runnable() const;
  /// When trying again is worth it after a refusal, by how fast calls end. @param workers at work.
  std::uint32_t retry_after_ms(std::size_t workers) const;

  const std::map<std::string, function_counts, std::less<>>& counts() const noexcept {
    return counts_;
  }
  /// Running ones first, then those that wait, oldest first, at most `most`.
  std::vector<call_view> list(std::int64_t now_ms, std::size_t most) const;

private:
  struct waiting_job {
    compute_job job;
    std::int64_t since_ms;
  };
  using jobs = std::list<waiting_job>; // oldest first
  struct tenant_counts {
    std::size_t waiting = 0;
    std::size_t running = 0;
  };
  // Calls of one tenant to one function, all of one priority; never empty.
  struct lane {
    jobs calls{};
    const function_counts* function = nullptr;
    const tenant_counts* tenant = nullptr;
  };
  using lane_name = std::pair<std::string, std::string>; // function, tenant
  using lane_map = std::map<lane_name, lane>;
  // Lanes of one priority; the next one after `last`, by name, is served next.
  struct ring {
    lane_map lanes{};
    lane_name last{};
  };
  struct place {
    std::int32_t priority;
    lane_map::iterator lane;
    jobs::iterator job;
  };
  struct choice {
    const lane* from = nullptr;
    std::int64_t priority = 0;
  };
  struct running_job {
    call_view about;
    std::int64_t since_ms;
    std::int64_t deadline_ms;
    stop_flag stop;
  };
  bool has_room(const compute_job& job) const;
  std::uint64_t free_calls(const lane& of) const;
  std::int64_t raised_priority(const lane& of, std::int32_t base, std::int64_t now_ms) const;
  void look_at(ring& in, std::int32_t base, std::int64_t now_ms, choice& best) const;
  const compute_job* choose(std::int64_t now_ms);
  waiting_job remove(const place& at);
  void drop(const place& at, errc code, const char* why, dropped_calls& to);
  void forget_idle(const std::string& tenant);

  options bounds_;
  std::map<std::int32_t, ring, std::greater<>> rings_; // the highest priority first
  std::size_t lanes_ = 0;
  std::unordered_map<std::uint64_t, place> index_;
  std::set<std::pair<std::int64_t, std::uint64_t>> deadlines_; // of what waits
  std::map<std::uint64_t, running_job> running_;
  std::map<std::string, function_counts, std::less<>> counts_;
  std::map<std::string, tenant_counts, std::less<>> tenants_; // none idle
  std::uint64_t numbers_ = 0;
  // Of how long calls run, a mean over the last ones.
  double ran_ms_ = 1;
};

} // namespace gemel
