#pragma once

#include "examples/factory/alert_book.hpp"
#include "examples/factory/options.hpp"
#include "examples/factory/plant.hpp"
#include "examples/factory/watch.hpp"

#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace gemel::factory {

/// Columns of a temperature line: the shift is cut into as many parts.
inline constexpr std::size_t shift_parts = 48;

/// An alert with what was going on in the machine when it began.
struct explained_alert {
  alert what;
  machine_reading reading;
};

/// One look at the factory by queries.
struct floor_view {
  /// Simulated seconds since the start of the shift.
  double elapsed_s = 0;
  /// Machines by `machine_status`.
  std::array<std::uint64_t, 4> by_status{};
  /// Machines above the alert temperature, hottest first; at most 5 of `hot_count`.
  std::vector<twin_record> hottest;
  std::uint64_t hot_count = 0;
};

/// What happened in a shift, and what it cost.
struct shift_summary {
  std::vector<explained_alert> alerts; // by the time they began
  std::uint64_t crossings_sent = 0;
  std::uint64_t crossings_seen = 0;
  floor_view end;
  std::uint64_t parts_made = 0; // as the twins say
  std::uint64_t stops = 0;      // by the machines' own controllers
  double cutting_hours = 0;
  double energy_kwh = 0;
  std::uint32_t hottest = 0; // machine
  double hottest_celsius = 0;
  double hottest_at_s = 0;
  std::vector<double> hottest_line; // its temperature at the end of each part
  double elapsed_s = 0;
  double bytes_per_twin = 0; // 0: too few twins to tell
  cost spent;
};

/// Told while the shift runs.
struct shift_listener {
  std::function<void(const explained_alert&)> on_alert;
  std::function<void(const floor_view&)> on_floor;
  /// Asked at each part of the shift; true ends it early.
  std::function<bool()> interrupted;
};

/// A shift of a factory: a building with its machines as twins of a node, driven by the plant
/// model, one reading a simulated second each.
class shift {
public:
  /// @param at must outlive the shift.
  shift(node& at, const demo_options& options);

  /// Makes the twins and runs the shift.
  /// @returns the first failure of a request; errc::timed_out if events did not come.
  result<shift_summary> run(const shift_listener& listener);

  /// One more second, for a factory that goes on.
  result<void> step();

private:
  struct peak {
    double celsius = 0;
    double at_s = 0;
  };

  result<void> create_twins();
  result<void> run_part(std::size_t part, const shift_listener& listener);
  void send_readings();
  void send_some(std::span<const machine_reading> readings);
  void note(const machine_reading& before, const machine_reading& now);
  result<void> report_alerts(const shift_listener& listener);
  result<floor_view> look();
  result<void> finish_summary();
  void find_hottest();

  node& node_;
  demo_options options_;
  plant plant_;
  std::unique_ptr<watch> watch_;
  feed feed_;
  alert_book book_;
  std::vector<std::string> ids_;         // by machine
  std::vector<machine_reading> before_;  // by machine: what was sent last
  std::vector<peak> peaks_;              // by machine
  std::vector<std::vector<float>> line_; // by part, by machine: the temperature at its end
  std::map<std::pair<std::string, std::int64_t>, machine_reading> crossed_; // as they were sent
  std::uint64_t hot_sent_ = 0;
  std::size_t reported_ = 0; // alerts of the book
  shift_summary summary_;
};

/// `machine-007`; as many digits as `machines` need, at least three.
std::string machine_id(std::uint32_t index, std::uint32_t machines);

/// Microseconds since 1970 of the start of every shift: 2026-01-05 06:00 UTC.
inline constexpr std::int64_t shift_start_us = 1'767'592'800'000'000;

} // namespace gemel::factory
