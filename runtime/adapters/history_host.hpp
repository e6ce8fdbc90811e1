#pragma once

#include "actors/history_writer.hpp"
#include "messages/records.hpp"
#include "messages/requests.hpp"
#include "runtime/adapters/rocks_history.hpp"
#include "runtime/adapters/rocks_store.hpp"
#include "runtime/adapters/task_queue.hpp"
#include "runtime/config.hpp"
#include "runtime/twin_api.hpp"

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

namespace gemel {

/// History in a node: one thread that reads the log behind its cursor as it grows, and answers.
/// Nothing waits for it: what it has not read yet stays in the log, which it holds back.
class history_host {
public:
  /// Under this name it holds the log back.
  static constexpr const char* holder = "history";

  struct options {
    history_section section{};
    std::function<void(const std::string&)> log{};
  };

  /// @param from, models, on, clock must outlive this.
  history_host(options wanted, rocks_store& from, const model_table& models, twin_api& on,
               const clock_port& clock);
  ~history_host();

  /// @returns errc::store_corrupt, errc::store_failed.
  result<void> start();
  /// Writes what is open, if it can. No call is answered after it.
  void stop();

  /// Answers a call of the service `history`, later and on its own thread, with all that was
  /// acknowledged before (as `process` or `disk`). Times are microseconds since 1970 UTC.
  ///
  ///     range      id, property, from, to, last (0: all)   -> points: [time, value] each
  ///     aggregate  id, property, from, to, every (0: one interval), function, percent
  ///                                                        -> rows: [from, count, number] each
  ///     state      id, at                                  -> property: [time, value] each
  ///     changes    id, from, to         -> property: [value before, value then] of each that
  ///                                        differs
  void call(const service_call& asked, reply_function reply);

  void add_stats(stats_record& stats) const;

private:
  using answer = result<value>;

  std::int64_t now_us() const { return clock_.now().unix_us; }
  void run();
  bool catch_up();
  void tick();
  void complain(const error& why);
  answer answer_call(const service_call& asked);
  answer range(const service_call& asked) const;
  answer aggregate(const service_call& asked) const;
  answer state(const service_call& asked) const;
  answer changes(const service_call& asked) const;
  void publish();

  options options_;
  rocks_store& store_;
  twin_api& node_;
  const clock_port& clock_;
  rocks_history disk_;
  history_writer writer_;
  task_queue tasks_;
  log_position retained_{};
  std::string complaint_;
  std::mutex stop_mutex_; // no call is taken once it is set
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> points_{0};
  std::atomic<std::uint64_t> open_points_{0};
  std::atomic<std::uint64_t> block_bytes_{0};
  std::atomic<std::uint64_t> late_{0};
  std::atomic<std::uint64_t> dropped_{0};
  std::atomic<std::uint64_t> refused_{0};
  std::atomic<std::uint64_t> position_{0};
  std::thread thread_;
};

} // namespace gemel
