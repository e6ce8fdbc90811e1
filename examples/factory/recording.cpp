#include "examples/factory/recording.hpp"

#include "messages/requests.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>

namespace gemel::factory {

namespace {

constexpr std::int64_t second_us = 1'000'000;
// 16 bytes each.
constexpr std::size_t samples_max = 10'000'000;
constexpr std::size_t columns = 80;
// A recording is read after the fact: what flickers within six hours is one alert.
constexpr std::int64_t quiet_us = 21'600 * second_us;

std::string shown_time(std::int64_t time_us) {
  return fmt::format("{:%Y-%m-%d %H:%M}", fmt::gmtime(time_us / second_us));
}

result<std::ifstream> open_file(const std::string& path) {
  errno = 0;
  std::ifstream file{path, std::ios::binary};
  if (!file)
    return fail(errc::io_failed, path + ": " + std::strerror(errno));
  return file;
}

result<std::vector<sample>> read_samples(const std::string& path) {
  auto file = open_file(path);
  if (!file)
    return tl::unexpected{file.error()};
  auto rows = replay::open(*file, path);
  if (!rows)
    return tl::unexpected{rows.error()};
  std::vector<sample> samples;
  for (;;) {
    auto row = rows->next();
    if (!row)
      return tl::unexpected{row.error()};
    if (!*row)
      return samples;
    if (samples.size() == samples_max)
      return fail(errc::limit_reached,
                  fmt::format("{}:{}:1: more than {} samples", path, rows->line(), samples_max));
    samples.push_back(**row);
  }
}

} // namespace

result<recording> read_recording(const demo_options& options) {
  recording made;
  made.name = options.replay.substr(options.replay.rfind('/') + 1);
  auto samples = read_samples(options.replay);
  if (!samples)
    return tl::unexpected{samples.error()};
  made.samples = std::move(*samples);
  if (made.samples.empty())
    return fail(errc::missing_field, options.replay + ":2:1: no samples");
  if (options.windows.empty())
    return made;
  auto file = open_file(options.windows);
  if (!file)
    return tl::unexpected{file.error()};
  auto windows = read_windows(*file, options.windows, made.name);
  if (!windows)
    return tl::unexpected{windows.error()};
  made.windows = std::move(*windows);
  return made;
}

namespace {

frame frame_of(std::span<const sample> samples) {
  constexpr std::array<std::string_view, 1> keys{"temperature"};
  update_batch batch{keys, static_cast<std::uint32_t>(samples.size()), 1};
  for (const auto& one : samples) {
    std::array<update_batch::cell, 1> set{{{0, one.value}}};
    batch.add(recorded_machine, set, one.time_us);
  }
  return batch.finish();
}

// Samples of [from, to) whose events the subscription must see.
std::uint64_t outside(std::span<const sample> samples, std::size_t from, std::size_t to,
                      const value_limits& limits) {
  std::uint64_t count = 0;
  for (std::size_t i = from; i < to; ++i)
    if (limits.broken_by(samples[i].value) && (i == 0 || samples[i].value != samples[i - 1].value))
      ++count;
  return count;
}

// Waits after each frame until its events are here, so that none is missed in the longest series.
result<alert_book> feed_all(node& at, watch& watching, std::span<const sample> samples,
                            const value_limits& limits) {
  constexpr std::size_t frame_samples = 8'192;
  alert_book book{limits, quiet_us};
  feed to{at};
  std::uint64_t expected = 0;
  for (std::size_t i = 0; i < samples.size(); i += frame_samples) {
    auto some = samples.subspan(i, std::min(frame_samples, samples.size() - i));
    to.send(frame_of(some), static_cast<std::uint32_t>(some.size()));
    if (auto applied = to.finish(); !applied)
      return tl::unexpected{applied.error()};
    expected += outside(samples, i, i + some.size(), limits);
    if (auto arrived = watching.wait_for(expected); !arrived)
      return tl::unexpected{arrived.error()};
    for (const auto& change : watching.take())
      book.add(change);
  }
  return book;
}

// ---- in words --------------------------------------------------------------------------------

// Whether it began there: what goes on from before is no finding.
bool lies_in(const alert& what, const time_window& window) {
  return window.contains(what.first_us);
}

std::string counted(std::size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::string label_line(const recording& of) {
  std::string line(std::min(columns, of.samples.size()), ' ');
  for (std::size_t i = 0; i < of.samples.size(); ++i)
    for (const auto& window : of.windows)
      if (window.contains(of.samples[i].time_us))
        line[i * line.size() / of.samples.size()] = '^';
  return line;
}

std::string describe_series(const recording& of, const painter& paint) {
  std::vector<double> values;
  for (const auto& one : of.samples)
    values.push_back(one.value);
  auto first = shown_time(of.samples.front().time_us);
  auto last = shown_time(of.samples.back().time_us);
  auto text = fmt::format("\n{}\n  {} samples, {} to {}\n\n", paint(style::bold, of.name),
                          of.samples.size(), first, last);
  for (const auto& line : plot(folded(values, columns), 10))
    text += line + "\n";
  if (!of.windows.empty())
    text += fmt::format("         {}\n         {}\n", paint(style::yellow, label_line(of)),
                        paint(style::dim, "^ labelled windows"));
  return text;
}

std::string describe(const alert& what, const painter& paint) {
  return fmt::format("  {}  {}  {:.1f}, farthest {:.1f} at {}, {}\n", shown_time(what.first_us),
                     paint(style::red, "ALERT"), what.first_value, what.worst_value,
                     shown_time(what.worst_us), counted(what.crossings, "crossing"));
}

std::string describe_window(const recording& of, const time_window& window,
                            const std::vector<alert>& alerts, const painter& paint) {
  extent values;
  for (const auto& one : of.samples)
    if (window.contains(one.time_us))
      values.add(one.value);
  auto text = fmt::format("  {} to {}  values {:.1f} to {:.1f}  ", shown_time(window.first_us),
                          shown_time(window.last_us), values.low, values.high);
  auto inside = [&](const alert& what) { return lies_in(what, window); };
  auto first = std::find_if(alerts.begin(), alerts.end(), inside);
  if (first == alerts.end())
    return text + paint(style::yellow, "no alert") + "\n";
  auto count = std::count_if(first, alerts.end(), inside);
  auto found = fmt::format("found: {}, first {}", counted(static_cast<std::size_t>(count), "alert"),
                           shown_time(first->first_us));
  return text + paint(style::green, found) + "\n";
}

std::string describe_windows(const recording& of, const std::vector<alert>& alerts,
                             const painter& paint) {
  std::size_t found = 0;
  std::string lines;
  for (const auto& window : of.windows) {
    lines += describe_window(of, window, alerts, paint);
    found += std::any_of(alerts.begin(), alerts.end(),
                         [&](const alert& what) { return lies_in(what, window); })
                 ? 1u
                 : 0u;
  }
  auto inside = std::count_if(alerts.begin(), alerts.end(), [&](const alert& what) {
    return std::any_of(of.windows.begin(), of.windows.end(),
                       [&](const time_window& window) { return lies_in(what, window); });
  });
  return fmt::format("\n{}\n{}  {} of {} labelled windows found; {} of {} alerts began in one\n",
                     paint(style::bold, "Labelled windows"), lines, found, of.windows.size(),
                     inside, alerts.size());
}

std::string describe_alerts(const std::vector<alert>& alerts, const painter& paint) {
  constexpr std::size_t lines_max = 20;
  std::string text;
  for (std::size_t i = 0; i < std::min(lines_max, alerts.size()); ++i)
    text += describe(alerts[i], paint);
  if (alerts.size() > lines_max)
    text += fmt::format("  and {} more\n", alerts.size() - lines_max);
  return text.empty() ? "  no alert\n" : text;
}

} // namespace

result<void> replay_recording(node& at, const recording& what, const demo_options& options,
                              const painter& paint) {
  value_limits limits{options.threshold, options.below};
  if (auto twin = at.create({.id = recorded_machine, .type = "machine"}); !twin)
    return tl::unexpected{twin.error()};
  auto watching = watch::start(at, "machine", "temperature", limits);
  if (!watching)
    return tl::unexpected{watching.error()};
  auto began = std::chrono::steady_clock::now();
  auto book = feed_all(at, **watching, what.samples, limits);
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  auto spent = cost_of(at);
  if (!book || !spent)
    return tl::unexpected{!book ? book.error() : spent.error()};
  spent->seconds = took.count();
  const auto& alerts = book->alerts();
  fmt::print("{}\n{}\n{}", describe_series(what, paint),
             paint(style::bold, "Alerts: " + limits.condition("temperature")),
             options.quiet ? fmt::format("  {} alerts\n", alerts.size())
                           : describe_alerts(alerts, paint));
  if (!what.windows.empty())
    fmt::print("{}", describe_windows(what, alerts, paint));
  fmt::print("\n{}\n{}", paint(style::bold, "What it cost"), describe(*spent));
  return {};
}

} // namespace gemel::factory
