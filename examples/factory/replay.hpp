#pragma once

#include "messages/error.hpp"

#include <cstddef>
#include <cstdint>
#include <istream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Reads recorded series: CSV files with the columns `timestamp,value`, and the labelled windows
/// that the Numenta Anomaly Benchmark publishes with them.
namespace gemel::factory {

/// Bytes of one line; a longer one is a fault and is skipped.
inline constexpr std::size_t line_bytes_max = 1'024;
/// Bytes of a windows file (1 MiB).
inline constexpr std::size_t windows_bytes_max = 1u << 20;

/// One row of a series.
struct sample {
  /// Microseconds since 1970-01-01 UTC.
  std::int64_t time_us = 0;
  double value = 0;

  friend bool operator==(const sample&, const sample&) = default;
};

/// A time in microseconds since 1970-01-01 UTC, read from one of
/// - `2013-12-02 21:15`, `2013-12-02T21:15:00.250Z`, `2013-12-02 21:15:00+01:00`: without a zone it
///   is UTC; of a fraction the first six digits count;
/// - a number of seconds since 1970, `1386018900.25`; from 1e11 on of milliseconds, from 1e14 on of
///   microseconds, from 1e17 on of nanoseconds (seconds of 1e11 are the year 5138).
/// @returns errc::bad_value; the context begins with the column of the fault, counted from 1.
result<std::int64_t> parse_time(std::string_view text);

/// A stream of samples, one line in memory at a time. Blank lines, spaces around fields, CR LF ends
/// and a byte order mark are no faults. Rows come in the file's order, whatever their times.
///
/// A fault's context is `name:line:column: what (hint)`. Its code: errc::missing_field for a
/// header or column that is not there, errc::bad_value for a field that cannot be read (a value
/// must be a finite number), errc::limit_reached for a line over `line_bytes_max`, errc::io_failed
/// when the stream breaks.
class replay {
public:
  /// Starts with the header line. `input` must outlive the replay; `name` stands in faults.
  static result<replay> open(std::istream& input, std::string name);

  /// The next sample; nothing at the end. After a fault, other than errc::io_failed, the next call
  /// goes on with the next line.
  result<std::optional<sample>> next();

  /// Lines read so far, the header and blank ones counted: the line of the last sample.
  std::size_t line() const noexcept { return line_; }

private:
  replay(std::istream& input, std::string name) : input_{&input}, name_{std::move(name)} {}

  result<bool> read_line();
  result<std::optional<std::string_view>> next_filled_line();
  result<void> read_header();
  result<sample> parse_row(std::string_view row) const;
  tl::unexpected<error> fault_at(std::size_t offset, errc code, std::string what,
                                 std::string hint = {}) const;

  std::istream* input_;
  std::string name_;
  std::string text_; // the present line, without its end
  std::size_t line_ = 0;
};

/// A stretch of time, both ends included.
struct time_window {
  std::int64_t first_us = 0;
  std::int64_t last_us = 0;

  bool contains(std::int64_t time_us) const noexcept {
    return first_us <= time_us && time_us <= last_us;
  }

  friend bool operator==(const time_window&, const time_window&) = default;
};

/// The windows of `series` in a JSON document `{"<series>": [["<first>", "<last>"], ...], ...}`, in
/// the document's order. A series is also found by its file name alone, where its key is a path.
/// `name` stands in faults.
/// @returns errc::bad_syntax with the place; errc::bad_value with the JSON pointer of a wrong
/// window;
///          errc::missing_field if there is no such series; errc::limit_reached over
///          `windows_bytes_max`; errc::io_failed.
result<std::vector<time_window>> read_windows(std::istream& input, const std::string& name,
                                              std::string_view series);

} // namespace gemel::factory
