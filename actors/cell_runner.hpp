#pragma once

#include "actors/cell.hpp"
#include "actors/cell_inbox.hpp"
#include "actors/drain_estimate.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

namespace gemel {

/// One cell with its queues, as a dispatcher runs it: pushed to by any thread, run by one at a
/// time. Knows no thread: whoever gives `schedule` decides (CAF's workers, a seeded loop in
/// simulated time, a host's own loop) and calls `turn` after each `schedule` until it returns
/// false.
class cell_runner {
public:
  struct options {
    cell_inbox::options inbox;
    /// Entries of batches handled in one turn before other cells get theirs.
    std::size_t turn_entries_max = 8'192;
    /// Told of every exception that came out of the cell, in its turn; must not throw. May be
    /// empty.
    std::function<void(cell_id, std::string_view what)> on_fault{};
    /// Told at the end of turns when the cell needs a turn although nothing is pushed, by `wake` at
    /// this `moment::steady_ns`; empty: no more. In its turn; may be empty.
    std::function<void(std::optional<std::int64_t> due_ns)> on_due{};
  };

  cell_runner(cell_id self, const cell_environment& world, const options& limits,
              const clock_port& clock, std::function<void()> schedule)
      : inbox_{limits.inbox}, cell_{self, world}, clock_{clock},
        turn_entries_max_{limits.turn_entries_max}, on_fault_{limits.on_fault},
        on_due_{limits.on_due}, schedule_{std::move(schedule)} {}

  /// False: the data queue is full, nothing was queued.
  [[nodiscard]] bool push_data(work item);
  void push_ordered(work item);
  void push_control(work item);

  /// Has it take a turn although nothing was pushed; any thread.
  void wake();

  /// When a turn is needed although nothing is pushed, `moment::steady_ns`; only for the thread
  /// whose turn it is.
  std::optional<std::int64_t> next_due() const { return cell_.next_due(); }

  /// Runs what waits, control first, up to the bound of one turn. An exception in it, always a bug,
  /// is counted, and answered where somebody waits; what follows runs on.
  /// @returns whether it must be scheduled again; false: the next push schedules.
  bool turn();

  /// Entries of batches and the like done so far; only for the thread whose turn it is.
  std::uint64_t handled() const noexcept { return handled_; }

  /// After the item of work under way, and what ends its turn, the cell stands still and `arrived`
  /// is called on its thread; until `resume` nothing touches it but who stopped it.
  /// @param behind_queue only when all is done that waits by now.
  void pause(std::function<void()> arrived, bool behind_queue);
  void resume() { schedule_(); }

  /// While it stands still: shows every waiting item to `keep`, oldest first; those that it does
  /// not keep are gone.
  void sift(const std::function<bool(work&, bool control)>& keep);

  moment time() const noexcept { return clock_.now(); }

  /// Items waiting.
  std::size_t backlog() const { return inbox_.size(); }

  /// Exceptions that came out of the cell so far.
  std::uint64_t faults() const noexcept { return faults_.load(std::memory_order_relaxed); }

  /// Milliseconds after which there should be room again.
  std::uint32_t retry_after_ms() const { return drain_.retry_after_ms(backlog()); }

  /// The cell itself; only for the thread whose turn it is.
  cell& core() noexcept { return cell_; }

private:
  std::size_t run_one(work& item);
  std::size_t run_contained(work& item);
  void read_clock();
  void fetch_ahead() const;
  void end_turn();
  template <class Action>
  error contain(Action&& action);
  std::size_t run_resumed();
  void tell_due();

  cell_inbox inbox_;
  cell cell_;
  const clock_port& clock_;
  std::size_t turn_entries_max_;
  std::function<void(cell_id, std::string_view)> on_fault_;
  std::atomic<std::uint64_t> faults_{0};
  std::function<void(std::optional<std::int64_t>)> on_due_;
  bool told_due_ = false;
  std::function<void()> schedule_;
  moment now_;
  std::size_t entries_since_ = 0;
  std::uint64_t handled_ = 0;
  // Updates that were answered since the clock was read.
  struct answered {
    std::int64_t submitted_ns;
    std::uint64_t entries;
  };
  std::vector<answered> answered_;
  drain_estimate drain_;
  // When the turn before ended, if something waited then; else 0.
  std::int64_t busy_since_ns_ = 0;
  // Taken from the inbox, done up to `done_`.
  std::vector<work> taken_;
  std::size_t done_ = 0;
  std::vector<work> control_;
  // Who wants it to stand still; empty: nobody.
  std::function<void()> arrived_;
};

} // namespace gemel
