#pragma once

#include "actors/cell_runner.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace gemel {

/// The threads that give cells their turns. Every cell has a home: one thread that runs all of its
/// turns, so that its rows stay in that core's caches. No cell is stolen: there are several to a
/// thread, and their shards are spread by a hash.
///
/// Waking a thread that sleeps costs its waker a system call, many times an update's own cost. So a
/// thread that has run out of work first looks again for some microseconds, and only longer than
/// that if it was worth it lately. While it looks, or works, giving it a cell is one atomic
/// exchange. A node without work sleeps: there is no timer.
class cell_workers {
public:
  /// What the threads have done so far.
  struct counts {
    std::uint64_t turns = 0;
    /// Times that a thread slept.
    std::uint64_t sleeps = 0;
  };

  /// What a thread does beside its turns; must not throw. Either may be empty.
  struct hooks {
    std::function<void()> started{};
    std::function<void()> turn_ended{};
  };

  /// Starts `threads` threads, at least one, for `cells` cells.
  cell_workers(std::size_t threads, std::size_t cells, hooks beside);
  cell_workers(std::size_t threads, std::size_t cells) : cell_workers{threads, cells, hooks{}} {}

  /// Stops if that was not done.
  ~cell_workers();
  cell_workers(const cell_workers&) = delete;
  cell_workers& operator=(const cell_workers&) = delete;

  /// Says who cell `index` is. Before its first `schedule`; `runner` lives until `stop` returned.
  void attach(std::size_t index, cell_runner& runner);

  /// Gives a cell its turns, until `turn` says that there is no more. Any thread may call; for each
  /// cell as `cell_runner` does: not again before its turn has said so.
  void schedule(std::size_t index) noexcept;

  /// Runs what is scheduled, then ends the threads. What is scheduled later is never run. Must not
  /// be called from a turn. A second call does nothing.
  void stop();

  counts done() const noexcept;

private:
  struct scheduled_cell;
  class worker;

  hooks hooks_;
  std::vector<scheduled_cell> cells_;
  std::vector<std::unique_ptr<worker>> workers_;
};

} // namespace gemel
