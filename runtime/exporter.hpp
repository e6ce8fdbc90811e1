#pragma once

#include "actors/series_source.hpp"
#include "actors/store_port.hpp"
#include "runtime/influx_lines.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>

namespace gemel {

/// What a server said to a batch.
struct export_answer {
  /// Of HTTP; 0: there was no answer.
  int status = 0;
  std::optional<std::int64_t> retry_after_ms{};
  /// For people.
  std::string why{};
};

/// Sends the values of properties with a history to a server, from the log: in order, each at least
/// once, one batch at a time. Decides what is sent when; knows no thread, socket or clock.
///
/// What is not sent yet stays in the log. Beyond `queue_bytes_max` of log the oldest is given up
/// and its values are counted. A batch that the server refuses for its content is given up too; all
/// other failures are tried again, with a back-off that doubles up to half a minute.
class exporter {
public:
  struct options {
    /// A batch waits so long for more, milliseconds.
    std::int64_t interval_ms = 1'000;
    std::size_t batch_bytes = 256u << 10;
    std::uint64_t queue_bytes_max = std::uint64_t{256} << 20;
  };
  struct ports {
    /// As `store_port::read_log` and `reached(durability::process)`.
    std::function<result<void>(log_position after, const store_port::record_sink&)> read_log{};
    std::function<log_position()> reached{};
    /// Sends a batch; `answered` is called later, once.
    std::function<void(std::string lines)> post{};
    /// Keeps the cursor, so that what lies before it may be forgotten. A failure is tried again.
    std::function<result<void>(log_position cursor)> keep{};
    std::function<std::uint64_t()> random{};
    std::function<void(const std::string&)> log{};
  };
  struct counters {
    /// Values, and bytes of lines, that the server took.
    std::uint64_t values = 0;
    std::uint64_t bytes = 0;
    /// Values given up, since the server did not take them in time, or refused them.
    std::uint64_t lost = 0;
    std::uint64_t refused = 0;
    /// Values that are neither finite numbers nor bools.
    std::uint64_t skipped = 0;
    /// Batches that have to be sent again.
    std::uint64_t failures = 0;
    /// Records of the log that could not be read.
    std::uint64_t unreadable = 0;
  };

  /// @param models must outlive this.
  exporter(const model_table& models, series_source::type_lookup types, options wanted,
           ports world);

  /// Goes on behind `cursor`.
  void open(log_position cursor);

  /// Does what is due, a bounded part of it. @returns whether there is more to do at once.
  bool pump(std::int64_t now_ms);
  void answered(const export_answer& what, std::int64_t now_ms);
  /// Keeps the cursor as it is. What is under way will be sent again.
  void close();

  /// Everything up to here is with the server, or given up.
  log_position cursor() const noexcept { return cursor_; }
  /// Bytes of log behind the cursor, as far as it was looked at; the part that the cursor is in
  /// counts whole.
  std::uint64_t backlog_bytes() const noexcept { return backlog_bytes_; }
  /// Whether the last try failed.
  bool is_failing() const noexcept { return attempts_ > 0; }
  const counters& count() const noexcept { return counters_; }
  std::uint64_t untyped() const noexcept { return source_.untyped(); }

private:
  struct log_chunk {
    log_position last{};
    std::uint64_t bytes = 0;
  };

  bool measure();
  bool give_up_oldest();
  bool fill(std::int64_t now_ms);
  void send(std::int64_t now_ms);
  std::size_t read_values(std::string_view record, influx_lines& into);
  void advance(log_position to);
  void keep(std::int64_t now_ms);
  void fail_with(const export_answer& what, std::int64_t now_ms);
  void end_batch();
  void say(const std::string& what);

  options options_;
  ports world_;
  series_source source_;
  log_position cursor_{};
  log_position kept_{};
  std::int64_t keep_at_ms_ = 0;
  // How much of the log was looked at for its size.
  log_position measured_{};
  std::deque<log_chunk> chunks_;
  std::uint64_t backlog_bytes_ = 0;
  // The batch: what was read of the log behind the cursor.
  influx_lines lines_;
  log_position read_{};
  std::optional<std::int64_t> begun_ms_;
  std::string batch_;
  std::size_t batch_values_ = 0;
  std::size_t batch_bytes_ = 0; // at most, now
  bool is_under_way_ = false;
  std::uint32_t attempts_ = 0;
  std::int64_t retry_at_ms_ = 0;
  std::string said_;
  counters counters_;
};

} // namespace gemel
