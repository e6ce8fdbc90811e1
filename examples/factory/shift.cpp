#include "examples/factory/shift.hpp"

#include "messages/limits.hpp"
#include "messages/requests.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace gemel::factory {

namespace {

constexpr std::int64_t second_us = 1'000'000;
// A machine that cools for so long between two cuts is well again.
constexpr std::int64_t alert_quiet_us = 600 * second_us;
// Updates of one frame.
constexpr std::size_t frame_updates_max = 4'096;
// Twins of which memory can be told apart from the allocator's own steps.
constexpr std::uint32_t twins_to_measure_min = 10'000;

constexpr double start_celsius = 68.5; // until the first reading
constexpr const char* building_id = "factory-a";
constexpr value_limits heat_limits{alert_celsius, {}};

// The columns of an update frame.
constexpr std::array<std::string_view, 4> keys{"temperature", "vibration_level", "status", "parts"};
enum column : std::uint16_t { temperature, vibration, status, parts };

plant_options plant_of(const demo_options& options) {
  plant_options made;
  made.machines = options.machines;
  made.seed = options.seed;
  // Four of a hundred machines are in bad shape, and in any case one.
  made.worn_bearings = std::max(1u, options.machines / 50);
  made.clogging_filters = std::min(options.machines - made.worn_bearings, made.worn_bearings);
  return made;
}

new_twin machine_twin(const std::string& id) {
  auto name = id;
  name.front() = 'M';
  new_twin made;
  made.id = id;
  made.type = "machine";
  made.parent = building_id;
  made.properties = {{"name", name},
                     {"type", "CNC"},
                     {"status", "operational"},
                     {"temperature", start_celsius},
                     {"vibration_level", 0.2}};
  return made;
}

new_twin building_twin() {
  new_twin made;
  made.id = building_id;
  made.type = "building";
  made.properties = {{"name", "Factory A"}, {"location", "Detroit"}, {"area_sqft", 100'000}};
  return made;
}

result<void> create_some(node& at, std::span<const new_twin> twins) {
  auto made = at.create(twins);
  if (!made)
    return tl::unexpected{made.error()};
  if (!made->failures.empty())
    return tl::unexpected{made->failures.front().why};
  return {};
}

// In parts, so that the plans of twins do not count as their memory.
result<void> create_machines(node& at, std::span<const std::string> ids) {
  constexpr std::size_t frame_twins = 1'024;
  std::vector<new_twin> twins;
  for (const auto& id : ids) {
    twins.push_back(machine_twin(id));
    if (twins.size() < frame_twins && &id != &ids.back())
      continue;
    if (auto made = create_some(at, twins); !made)
      return made;
    twins.clear();
  }
  return {};
}

query_request machines_where(std::string where) {
  query_request asked;
  asked.type = "machine";
  asked.where = std::move(where);
  return asked;
}

} // namespace

std::string machine_id(std::uint32_t index, std::uint32_t machines) {
  auto digits = std::max<std::size_t>(3, std::to_string(machines - 1).size());
  return fmt::format("machine-{:0{}}", index, digits);
}

shift::shift(node& at, const demo_options& options)
    : node_{at}, options_{options}, plant_{plant_of(options)}, feed_{at}, book_{heat_limits,
                                                                                alert_quiet_us} {
  for (std::uint32_t i = 0; i < options.machines; ++i)
    ids_.push_back(machine_id(i, options.machines));
  before_.resize(options.machines);
  for (auto& reading : before_)
    reading.temperature_c = start_celsius;
  line_.resize(shift_parts);
  peaks_.resize(options.machines);
}

result<void> shift::create_twins() {
  auto before = cost_of(node_);
  if (!before)
    return tl::unexpected{before.error()};
  auto building = building_twin();
  if (auto made = create_some(node_, {&building, 1}); !made)
    return made;
  if (auto made = create_machines(node_, ids_); !made)
    return made;
  auto after = cost_of(node_);
  if (!after)
    return tl::unexpected{after.error()};
  if (options_.machines >= twins_to_measure_min)
    summary_.bytes_per_twin = (after->resident_bytes - before->resident_bytes) / options_.machines;
  return {};
}

result<shift_summary> shift::run(const shift_listener& listener) {
  auto ready = create_twins();
  if (!ready)
    return tl::unexpected{ready.error()};
  auto watching = watch::start(node_, "machine", "temperature", heat_limits);
  if (!watching)
    return tl::unexpected{watching.error()};
  watch_ = std::move(*watching);
  auto began = std::chrono::steady_clock::now();
  for (std::size_t part = 0; part < shift_parts && !listener.interrupted(); ++part)
    if (auto done = run_part(part, listener); !done)
      return tl::unexpected{done.error()};
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  if (auto done = finish_summary(); !done)
    return tl::unexpected{done.error()};
  summary_.spent.seconds = took.count();
  return summary_;
}

// Every sixth part (an hour of a shift of eight) somebody looks at the floor.
result<void> shift::run_part(std::size_t part, const shift_listener& listener) {
  constexpr std::size_t parts_per_look = 6;
  double end = std::round(options_.hours * 3'600 * static_cast<double>(part + 1) / shift_parts);
  while (plant_.elapsed_s() < end)
    if (auto done = step(); !done)
      return done;
  for (const auto& now : plant_.readings())
    line_[part].push_back(static_cast<float>(now.temperature_c));
  if (auto done = report_alerts(listener); !done || (part + 1) % parts_per_look != 0)
    return done;
  auto seen = look();
  if (!seen)
    return tl::unexpected{seen.error()};
  listener.on_floor(*seen);
  return {};
}

result<void> shift::step() {
  plant_.step(1.0);
  send_readings();
  for (const auto& change : watch_->take())
    book_.add(change);
  return {};
}

void shift::send_readings() {
  auto readings = plant_.readings();
  for (std::size_t i = 0; i < readings.size(); i += frame_updates_max)
    send_some(readings.subspan(i, std::min(frame_updates_max, readings.size() - i)));
  for (std::size_t i = 0; i < readings.size(); ++i) {
    note(before_[i], readings[i]);
    before_[i] = readings[i];
  }
}

void shift::send_some(std::span<const machine_reading> readings) {
  auto count = static_cast<std::uint32_t>(readings.size());
  auto time_us = shift_start_us + std::llround(plant_.elapsed_s() * 1e6);
  update_batch batch{keys, count, keys.size()};
  for (const auto& now : readings) {
    std::array<update_batch::cell, 4> set{{{temperature, now.temperature_c},
                                           {vibration, now.vibration_mm_s},
                                           {status, to_string(now.status)},
                                           {parts, now.parts}}};
    // Status and count go along only when they changed.
    const auto& before = before_[now.machine];
    bool is_first = plant_.elapsed_s() <= 1.0;
    bool same = !is_first && before.status == now.status && before.parts == now.parts;
    batch.add(ids_[now.machine], std::span{set}.first(same ? 2 : 4), time_us);
  }
  feed_.send(batch.finish(), count);
}

// Keeps what the plant knows and no sensor tells, to explain and to check the alerts with.
void shift::note(const machine_reading& before, const machine_reading& now) {
  if (now.temperature_c > peaks_[now.machine].celsius)
    peaks_[now.machine] = {now.temperature_c, plant_.elapsed_s()};
  if (now.status == machine_status::cutting)
    summary_.cutting_hours += 1.0 / 3'600;
  summary_.energy_kwh += now.power_kw / 3'600;
  if (now.status == machine_status::alarm && before.status != machine_status::alarm)
    ++summary_.stops;
  if (!heat_limits.broken_by(now.temperature_c) || now.temperature_c == before.temperature_c)
    return;
  ++hot_sent_;
  if (heat_limits.broken_by(before.temperature_c))
    return;
  auto time_us = shift_start_us + std::llround(plant_.elapsed_s() * 1e6);
  crossed_.emplace(std::pair{ids_[now.machine], time_us}, now);
}

// Once every event of what was sent is here, so that alerts are told in the order they began.
result<void> shift::report_alerts(const shift_listener& listener) {
  if (auto sent = feed_.finish(); !sent)
    return sent;
  if (auto arrived = watch_->wait_for(hot_sent_); !arrived)
    return arrived;
  for (const auto& change : watch_->take())
    book_.add(change);
  auto first = summary_.alerts.size();
  for (; reported_ < book_.alerts().size(); ++reported_) {
    const auto& what = book_.alerts()[reported_];
    auto sent = crossed_.find({what.id, what.first_us});
    if (sent == crossed_.end())
      return fail(errc::bad_value, "an alert of " + what.id + " that no reading explains");
    summary_.alerts.push_back({what, sent->second});
  }
  auto fresh = std::span{summary_.alerts}.subspan(first);
  std::sort(fresh.begin(), fresh.end(), [](const auto& left, const auto& right) {
    return std::tie(left.what.first_us, left.what.id)
           < std::tie(right.what.first_us, right.what.id);
  });
  for (const auto& one : fresh)
    listener.on_alert(one);
  return {};
}

result<floor_view> shift::look() {
  floor_view seen;
  seen.elapsed_s = plant_.elapsed_s();
  for (std::size_t i = 0; i < seen.by_status.size(); ++i) {
    auto name = to_string(static_cast<machine_status>(i));
    auto count = node_.count(machines_where(fmt::format("status = '{}'", name)));
    if (!count)
      return tl::unexpected{count.error()};
    seen.by_status[i] = *count;
  }
  auto hot = machines_where(heat_limits.condition("temperature"));
  auto count = node_.count(hot);
  if (!count)
    return tl::unexpected{count.error()};
  seen.hot_count = *count;
  hot.order_by = "temperature";
  hot.descending = true;
  hot.limit = 5;
  auto page = node_.query(hot);
  if (!page)
    return tl::unexpected{page.error()};
  seen.hottest = std::move(page->twins);
  return seen;
}

result<void> shift::finish_summary() {
  auto spent = cost_of(node_);
  auto end = look();
  auto made = node_.query_all(machines_where("parts > 0"));
  if (!spent || !end || !made)
    return tl::unexpected{!spent ? spent.error() : !end ? end.error() : made.error()};
  for (const auto& machine : *made)
    if (const auto* count = machine.find("parts"); count && count->is_integer())
      summary_.parts_made += static_cast<std::uint64_t>(count->as_integer());
  // The book knows how the alerts went on after they were told.
  std::map<std::pair<std::string, std::int64_t>, const alert*> by_start;
  for (const auto& what : book_.alerts())
    by_start.emplace(std::pair{what.id, what.first_us}, &what);
  for (auto& one : summary_.alerts)
    one.what = *by_start.at({one.what.id, one.what.first_us});
  summary_.crossings_sent = crossed_.size();
  summary_.crossings_seen = book_.crossings();
  summary_.end = std::move(*end);
  summary_.elapsed_s = plant_.elapsed_s();
  summary_.spent = std::move(*spent);
  find_hottest();
  return {};
}

void shift::find_hottest() {
  auto hottest =
      std::max_element(peaks_.begin(), peaks_.end(), [](const peak& left, const peak& right) {
        return left.celsius < right.celsius;
      });
  auto index = static_cast<std::size_t>(hottest - peaks_.begin());
  summary_.hottest = static_cast<std::uint32_t>(index);
  summary_.hottest_celsius = hottest->celsius;
  summary_.hottest_at_s = hottest->at_s;
  for (const auto& part : line_)
    if (!part.empty()) // the shift may have ended early
      summary_.hottest_line.push_back(part[index]);
}

} // namespace gemel::factory
