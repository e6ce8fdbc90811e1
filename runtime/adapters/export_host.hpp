#pragma once

#include "messages/records.hpp"
#include "registry/model.hpp"
#include "runtime/adapters/http_client.hpp"
#include "runtime/adapters/rocks_history.hpp"
#include "runtime/adapters/rocks_store.hpp"
#include "runtime/adapters/task_queue.hpp"
#include "runtime/config.hpp"
#include "runtime/exporter.hpp"
#include "runtime/twin_api.hpp"

#include <atomic>
#include <functional>
#include <mutex>
#include <random>
#include <thread>

namespace gemel {

/// The export of a node: one thread that reads the log behind its cursor and sends what it holds.
/// Nothing waits for it.
class export_host {
public:
  /// Under this name it holds the log back.
  static constexpr const char* holder = "export";

  struct options {
    export_section section{};
    std::uint64_t seed = 0;
    std::function<void(const std::string&)> log{};
  };

  /// @param from, models, on, clock must outlive this.
  export_host(options wanted, rocks_store& from, const model_table& models, twin_api& on,
              const clock_port& clock);
  ~export_host();

  /// @returns errc::store_corrupt, errc::store_failed.
  result<void> start();
  /// What is under way will be sent again after the next start.
  void stop();

  void add_stats(stats_record& stats) const;

private:
  exporter::ports ports_of();
  std::optional<std::string> type_of(std::string_view id);
  std::int64_t now_ms() const;
  void run();
  void post(std::string lines);
  result<void> keep(log_position cursor);
  void publish();

  options options_;
  rocks_store& store_;
  twin_api& node_;
  const clock_port& clock_;
  rocks_history types_; // only those
  std::mt19937_64 random_;
  exporter core_;
  task_queue tasks_;
  http_client client_;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  exporter::counters counted_;
  std::uint64_t untyped_ = 0;
  std::uint64_t backlog_bytes_ = 0;
  std::uint64_t cursor_ = 0;
  bool is_failing_ = false;
  std::thread thread_;
};

} // namespace gemel
