#pragma once

#include "actors/history_writer.hpp"
#include "messages/records.hpp"
#include "messages/requests.hpp"
#include "runtime/adapters/rocks_history.hpp"
#include "runtime/adapters/rocks_store.hpp"
#include "runtime/adapters/task_queue.hpp"
#include "runtime/adapters/work_threads.hpp"
#include "runtime/config.hpp"
#include "runtime/twin_api.hpp"

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>

namespace gemel {

/// History in a node: one thread that reads the log behind its cursor as it grows, and two that
/// answer. Nothing waits for it: what it has not read yet stays in the log, which it holds back.
class history_host {
public:
  /// Under this name it holds the log back.
  static constexpr const char* holder = "history";
  /// Calls without an answer; beyond it they are refused.
  static constexpr std::size_t calls_max = 1'024;
  static constexpr std::size_t reader_threads = 2;

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

  /// Answers a call of the service `history` (runtime/history_answers.hpp), later and on another
  /// thread, with all that was acknowledged before (as `process` or `disk`). Long questions hold up
  /// each other, not what is taken in. @returns to the caller `overloaded` when too many wait.
  void call(const service_call& asked, reply_function reply);

  void add_stats(stats_record& stats) const;

private:
  class pending_answer;

  std::int64_t now_us() const { return clock_.now().unix_us; }
  std::optional<std::string> live_type(std::string_view id);
  void run();
  bool catch_up();
  void tick();
  void complain(const error& why);
  void publish();

  options options_;
  rocks_store& store_;
  twin_api& node_;
  const clock_port& clock_;
  rocks_history disk_;
  history_writer writer_;
  task_queue tasks_;
  std::atomic<std::size_t> calls_{0}; // without an answer
  work_threads readers_{reader_threads};
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
  std::atomic<std::uint64_t> untyped_{0};
  std::atomic<std::uint64_t> series_dropped_{0};
  std::atomic<std::uint64_t> position_{0};
  std::thread thread_;
};

} // namespace gemel
