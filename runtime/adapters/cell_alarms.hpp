#pragma once

#include "actors/cell_runner.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace gemel {

/// Wakes cells whose next timer is due: one thread for all of them, asleep while no cell has a
/// timer. To say when costs a cell two accesses of memory, unless it is earlier than all others.
class cell_alarms {
public:
  cell_alarms(const clock_port& clock, std::size_t cells);
  ~cell_alarms();
  cell_alarms(const cell_alarms&) = delete;
  cell_alarms& operator=(const cell_alarms&) = delete;

  /// Begins; `cells` live until `stop` returned.
  void start(std::vector<cell_runner*> cells);

  /// Has cell `index` woken soon after `due_ns`, once; replaces what was said before. Any thread.
  void set(std::size_t index, std::optional<std::int64_t> due_ns) noexcept;

  /// Wakes nobody any more. A second call does nothing.
  void stop();

private:
  static constexpr std::int64_t never = INT64_MAX;

  std::int64_t earliest() const noexcept;
  void run();
  void wake_due(std::int64_t now_ns);

  const clock_port& clock_;
  std::vector<cell_runner*> cells_;
  std::unique_ptr<std::atomic<std::int64_t>[]> dues_;
  std::size_t count_;
  // Until when the thread sleeps.
  std::atomic<std::int64_t> asleep_until_{never};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_changed_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

} // namespace gemel
