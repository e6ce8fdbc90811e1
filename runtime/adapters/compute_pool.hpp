#pragma once

#include "actors/compute_queue.hpp"
#include "actors/ports.hpp"

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace gemel {

/// Threads that call functions, as many as `pool_size` decides.
class compute_pool {
public:
  struct scale_event {
    std::int64_t at_ms = 0;
    pool_size::change what{};
  };
  struct status {
    std::size_t workers = 0;
    std::size_t waiting = 0;
    std::size_t running = 0;
    std::int64_t delay_ms = 0;
    std::map<std::string, compute_queue::function_counts, std::less<>> functions{};
    /// The newest, oldest first.
    std::vector<scale_event> scaled{};
  };

  /// @param clock must outlive this. @param on_scale hears of each change, on a thread of the pool;
  /// may be empty; must not block.
  compute_pool(const clock_port& clock, compute_queue::options bounds, pool_size::options size,
               std::function<void(const scale_event&)> on_scale = {});
  /// Stops, as `stop` does.
  ~compute_pool();
  compute_pool(const compute_pool&) = delete;
  compute_pool& operator=(const compute_pool&) = delete;

  /// Any thread. A job for which there is no room is refused with errc::overloaded.
  void submit(compute_job job);

  /// Refuses what waits, stops what is under way, and waits for it.
  void stop();

  status look() const;

private:
  void start_workers();
  void work(std::size_t index);
  void watch();
  void resize(std::int64_t now_ms, std::vector<scale_event>& made);
  std::int64_t now_ms() const;

  const clock_port& clock_;
  std::function<void(const scale_event&)> on_scale_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::condition_variable watched_;
  compute_queue queue_;
  pool_size size_;
  std::deque<scale_event> scaled_;
  std::vector<std::thread> workers_;
  // Which of them have not ended.
  std::vector<bool> live_;
  // What each of them works on: set to stop it.
  std::vector<stop_flag> under_way_;
  std::thread watcher_;
  bool stopping_ = false;
};

} // namespace gemel
