#include "examples/factory/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace gemel::factory {

namespace {

// Time of day: shifts begin at 06:00.
std::string clock_of(double elapsed_s) {
  auto minutes = static_cast<std::int64_t>(elapsed_s) / 60 + 360;
  return fmt::format("{:02}:{:02}", minutes / 60 % 24, minutes % 60);
}

double elapsed_s(std::int64_t time_us) {
  return static_cast<double>(time_us - shift_start_us) / 1e6;
}

std::string cause_of(const machine_reading& now) {
  switch (now.fault) {
  case machine_fault::worn_bearing:
    return "worn bearing";
  case machine_fault::clogged_cooling:
    return "clogged coolant filter";
  case machine_fault::none:
    break;
  }
  return "no known cause";
}

std::string vibration_of(const machine_reading& now) {
  return fmt::format("vibration {:.1f} mm/s, zone {}", now.vibration_mm_s,
                     vibration_zone(now.vibration_mm_s));
}

// The alerts of one machine together.
struct machine_story {
  std::string id;
  std::string cause;
  double first_s = 0;
  std::size_t alerts = 0;
  double minutes = 0; // from first to last reading above, shorter breaks counted, of all alerts
  double peak = 0;
};

std::vector<machine_story> stories_of(const std::vector<explained_alert>& alerts) {
  std::vector<machine_story> stories;
  for (const auto& one : alerts) {
    auto at = std::find_if(stories.begin(), stories.end(),
                           [&](const machine_story& s) { return s.id == one.what.id; });
    if (at == stories.end())
      at = stories.insert(stories.end(), {one.what.id, cause_of(one.reading),
                                          elapsed_s(one.what.first_us), 0, 0.0, 0.0});
    ++at->alerts;
    at->minutes += static_cast<double>(one.what.last_us - one.what.first_us) / 60e6;
    at->peak = std::max(at->peak, one.what.worst_value);
  }
  return stories;
}

std::string describe_stories(const std::vector<explained_alert>& alerts, const painter& paint) {
  constexpr std::size_t lines_max = 12;
  auto stories = stories_of(alerts);
  if (stories.empty())
    return "  no machine went above 85 C\n";
  std::string text = paint(style::dim, fmt::format("  {:<14}{:<8}{:<8}{:<10}{:<9}{}\n", "machine",
                                                   "since", "alerts", "lasting", " peak", "why"));
  for (std::size_t i = 0; i < std::min(lines_max, stories.size()); ++i) {
    const auto& s = stories[i];
    text += fmt::format("  {:<14}{:<8}{:<8}{:<10}{} {}\n", s.id, clock_of(s.first_s), s.alerts,
                        fmt::format("{:.0f} min", s.minutes),
                        paint(style::red, fmt::format("{:.1f} C ", s.peak)), s.cause);
  }
  if (stories.size() > lines_max)
    text += fmt::format("  and {} more machines\n", stories.size() - lines_max);
  return text;
}

std::string describe_hottest(const shift_summary& of, const demo_options& options,
                             const painter& paint) {
  constexpr double low = 40.0;
  return fmt::format("  {} was the hottest: {:.1f} C at {}\n  {} C {} {} C\n",
                     paint(style::bold, machine_id(of.hottest, options.machines)),
                     of.hottest_celsius, clock_of(of.hottest_at_s), low,
                     paint(of.hottest_celsius > alert_celsius ? style::red : style::green,
                           sparkline(of.hottest_line, low, trip_celsius)),
                     trip_celsius);
}

std::string describe_status(const floor_view& seen) {
  std::string text;
  for (std::size_t i = 0; i < seen.by_status.size(); ++i) {
    std::string name{to_string(static_cast<machine_status>(i))};
    std::replace(name.begin(), name.end(), '_', ' ');
    text += fmt::format("{}{} {}", i == 0 ? "" : ", ", seen.by_status[i], name);
  }
  return text;
}

std::string describe_hot(const floor_view& seen) {
  if (seen.hot_count == 0)
    return "none above 85 C";
  std::string text = fmt::format("{} above 85 C:", seen.hot_count);
  for (const auto& machine : seen.hottest) {
    const auto* celsius = machine.find("temperature");
    text += fmt::format(" {} {:.1f}", machine.id, celsius ? celsius->number().value_or(NAN) : NAN);
  }
  return text + (seen.hot_count > seen.hottest.size() ? " ..." : "");
}

std::string describe_work(const shift_summary& of, const demo_options& options) {
  double hours = of.elapsed_s / 3'600;
  double possible = hours * options.machines;
  return fmt::format(
      "  {} parts made, {:.0f} machine hours of cutting ({:.0f} %), {:.0f} kWh of drive power\n"
      "  {} stops by the machines' own controllers, at {:.0f} C\n",
      of.parts_made, of.cutting_hours, possible > 0 ? 100 * of.cutting_hours / possible : 0.0,
      of.energy_kwh, of.stops, trip_celsius);
}

std::string describe_cost(const shift_summary& of) {
  auto text = describe(of.spent);
  text += fmt::format("  alerts     {} of {} crossings of 85 C were reported\n", of.crossings_seen,
                      of.crossings_sent);
  text += fmt::format("  memory     {:.0f} MiB resident", of.spent.resident_bytes / (1 << 20));
  if (of.bytes_per_twin > 0)
    text += fmt::format(", {:.0f} bytes a twin when they were made", of.bytes_per_twin);
  return text + "\n";
}

} // namespace

std::string describe(const explained_alert& one, const painter& paint) {
  return fmt::format("{}  {}  {}  {:.2f} C  {} ({})", clock_of(elapsed_s(one.what.first_us)),
                     paint(style::red, "ALERT"), one.what.id, one.what.first_value,
                     cause_of(one.reading), vibration_of(one.reading));
}

std::string describe(const floor_view& seen, const painter& paint) {
  return fmt::format("{}  {}  {}; {}", clock_of(seen.elapsed_s), paint(style::dim, "floor"),
                     describe_status(seen), describe_hot(seen));
}

std::string describe(const shift_summary& of, const demo_options& options, const painter& paint) {
  auto heading = [&](std::string_view text) { return "\n" + paint(style::bold, text) + "\n"; };
  auto text = heading(fmt::format("Factory A, {} machines, {} to {}", options.machines, clock_of(0),
                                  clock_of(of.elapsed_s)));
  text += describe_work(of, options);
  text += fmt::format("  at the end: {}; {}\n", describe_status(of.end), describe_hot(of.end));
  text += heading("What overheated");
  text += describe_stories(of.alerts, paint);
  text += "\n" + describe_hottest(of, options, paint);
  text += heading(fmt::format("What it cost ({:.1f} hours in {:.2f} s)", of.elapsed_s / 3'600,
                              of.spent.seconds));
  return text + describe_cost(of);
}

} // namespace gemel::factory
