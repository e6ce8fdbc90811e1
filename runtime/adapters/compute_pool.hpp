#pragma once

#include "actors/compute_queue.hpp"
#include "actors/poison_list.hpp"
#include "actors/pool_size.hpp"
#include "actors/ports.hpp"

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
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
    bool is_saturated = false;
    /// Inputs set aside, now and since the start.
    std::size_t poisoned = 0;
    std::uint64_t poisoned_total = 0;
    std::uint64_t scaled_total = 0;
  };
  struct hooks {
    /// Hears of each change of size, on a thread of the pool; may be empty; must not block.
    std::function<void(const scale_event&)> on_scale{};
    /// Hears of each input that is set aside; the same.
    std::function<void(const poison_list::entry&)> on_poisoned{};
  };

  /// @param clock must outlive this.
  compute_pool(const clock_port& clock, compute_queue::options bounds, pool_size::options size,
               poison_list::options poison, hooks told);
  /// Stops, as `stop` does.
  ~compute_pool();
  compute_pool(const compute_pool&) = delete;
  compute_pool& operator=(const compute_pool&) = delete;

  /// Any thread. A job for which there is no room is refused with errc::overloaded and a time.
  void submit(compute_job job);

  /// Ends one call, which is answered as stopped; what runs is told, and ends when it looks.
  /// @returns false if there is none of this number.
  bool cancel(std::uint64_t number);

  /// What runs and waits; see `compute_queue::list`.
  std::vector<compute_queue::call_view> calls(std::size_t most) const;

  /// Inputs that were set aside, and giving them another chance.
  std::vector<poison_list::entry> poisoned() const;
  bool release(std::uint64_t fingerprint);
  void forget_function(const std::string& function);

  /// Refuses what waits, stops what is under way, and waits for it.
  void stop();

  status look() const;

  /// Calls that run or wait.
  std::size_t open_calls() const;

private:
  void start_workers();
  void work(std::size_t index);
  void watch();
  void resize(std::int64_t now_ms, std::vector<scale_event>& made);
  result<value> call(const compute_job& job);
  std::int64_t now_ms() const;
  std::int64_t unix_ms() const;

  const clock_port& clock_;
  hooks told_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::condition_variable watched_;
  compute_queue queue_;
  pool_size size_;
  std::deque<scale_event> scaled_;
  std::vector<std::thread> workers_;
  // Which of them have not ended.
  std::vector<bool> live_;
  std::thread watcher_;
  bool stopping_ = false;
  std::uint64_t scaled_total_ = 0;
  mutable std::mutex poison_mutex_; // never held together with `mutex_`
  poison_list poison_;
  std::uint64_t poisoned_total_ = 0;
};

} // namespace gemel
