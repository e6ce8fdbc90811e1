#include "runtime/program/twin_text.hpp"

#include "runtime/program/display.hpp"
#include "runtime/program/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_set>

namespace gemel {

std::string value_text(const value& content) {
  return content.is_null() ? "-" : printable(to_string(content));
}

namespace {

table_cell value_cell(const value* content) {
  if (content == nullptr)
    return {};
  return {value_text(*content), content->is_number()};
}

std::string aligned(const std::vector<std::pair<std::string, std::string>>& lines) {
  std::size_t width = 0;
  for (const auto& [name, text] : lines)
    width = std::max(width, display_width(name));
  std::string made;
  for (const auto& [name, text] : lines) {
    made.append(name).append(width - display_width(name) + 2, ' ');
    made.append(text).append("\n");
  }
  return made;
}

std::string rollup_text(const rollup_record& of) {
  if (of.count == 0)
    return "count 0";
  return fmt::format("count {}, sum {}, avg {}, min {}, max {}", of.count, of.sum, of.mean(),
                     of.min, of.max);
}

std::string stamp_text(const property_stamp& from) {
  auto text = fmt::format("(written {} by {}", stamp_time_text(from), write_text(from));
  if (from.source_time_us != 0)
    text += ", measured " + time_text(from.source_time_us);
  return text + ')';
}

} // namespace

std::string twin_text(const twin_record& twin) {
  std::vector<std::pair<std::string, std::string>> lines{
      {"id", printable(twin.id)},
      {"type", printable(twin.type)},
      {"parent", twin.parent.empty() ? "-" : printable(twin.parent)},
      {"path", printable(twin.path)},
      {"state", std::string{to_string(twin.lifecycle)}},
      {"version", std::to_string(twin.version)},
      {"updated", time_text(twin.updated_at_us)},
  };
  for (std::size_t i = 0; i < twin.properties.size(); ++i) {
    const auto& one = twin.properties[i];
    auto text = value_text(one.content);
    if (i < twin.stamps.size())
      text += "  " + stamp_text(twin.stamps[i]);
    lines.emplace_back("  " + printable(one.key), std::move(text));
  }
  for (const auto& one : twin.rollups)
    lines.emplace_back("  below: " + printable(one.property), rollup_text(one));
  return aligned(lines);
}

twin_table::twin_table(std::vector<std::string> select, table_form form)
    : has_fields_{select.empty()}, keys_{std::move(select)}, form_{form} {
}

void twin_table::begin(std::span<const twin_record> page) {
  std::vector<table_column> columns{{"ID"}};
  if (has_fields_) {
    columns.insert(columns.end(), {{"TYPE"}, {"PARENT"}, {"STATE"}, {"VERSION"}});
    std::unordered_set<std::string> seen;
    for (const auto& twin : page)
      for (const auto& one : twin.properties)
        if (seen.insert(one.key).second)
          keys_.push_back(one.key);
  }
  for (const auto& key : keys_)
    columns.push_back({printable(key), has_fields_});
  table_.emplace(std::move(columns), form_);
}

std::vector<table_cell> twin_table::row(const twin_record& twin) const {
  std::vector<table_cell> cells{{printable(twin.id)}};
  if (has_fields_) {
    cells.push_back({printable(twin.type)});
    cells.push_back({printable(twin.parent)});
    cells.push_back({std::string{to_string(twin.lifecycle)}});
    cells.push_back({std::to_string(twin.version), true});
  }
  for (const auto& key : keys_)
    cells.push_back(value_cell(twin.find(key)));
  return cells;
}

std::string twin_table::draw(std::span<const twin_record> page) {
  if (!table_)
    begin(page);
  std::vector<std::vector<table_cell>> rows;
  rows.reserve(page.size());
  for (const auto& twin : page)
    rows.push_back(row(twin));
  return table_->draw(rows);
}

std::string event_text(const twin_event& event) {
  auto made =
      fmt::format("{}  {:<9}  {} ({})  v{}", time_text(event.time_us), to_string(event.kind),
                  printable(event.id), printable(event.type), event.version);
  if (event.kind == event_kind::lifecycle)
    made += fmt::format("  state: {}", to_string(event.lifecycle));
  if (event.kind == event_kind::emitted)
    made += "  " + printable(event.name);
  const auto* separator = "  ";
  for (const auto& change : event.changes) {
    if (event.kind == event_kind::emitted) {
      made += fmt::format(" {}={}", printable(change.key), value_text(change.new_value));
      continue;
    }
    made += fmt::format("{}{}: {} -> {}", separator, printable(change.key),
                        value_text(change.old_value), value_text(change.new_value));
    separator = ", ";
  }
  if (!event.detail.empty())
    made += "  " + printable(event.detail);
  return made + '\n';
}

std::string missed_text(std::uint64_t missed) {
  return "-- " + grouped(missed) + (missed == 1 ? " event was" : " events were")
         + " left out here because this reader was too slow; read the twins again\n";
}

namespace {

const counter_record* find_counter(const stats_record* stats, const std::string& name) {
  if (stats == nullptr)
    return nullptr;
  for (const auto& counter : stats->counters)
    if (counter.name == name)
      return &counter;
  return nullptr;
}

// Without the labels of one series of it.
std::string_view family_of(const counter_record& counter) {
  return std::string_view{counter.name}.substr(0, counter.name.find('{'));
}

std::string rate_text(const counter_record& now, const stats_record* before, double seconds) {
  const auto* then = find_counter(before, now.name);
  if (then == nullptr || seconds <= 0 || !family_of(now).ends_with("_total"))
    return {};
  return counter_text(std::round(std::max(0.0, now.number - then->number) / seconds));
}

std::string number_text(const counter_record& counter) {
  return family_of(counter).ends_with("_bytes") ? bytes_text(counter.number)
                                                : counter_text(counter.number);
}

std::string counters_text(const stats_record& stats, const stats_record* before, double seconds,
                          table_form form) {
  std::vector<table_column> columns{{"COUNTER"}, {"VALUE"}};
  if (before != nullptr)
    columns.push_back({"PER SECOND"});
  columns.push_back({"MEANING", true});
  std::vector<std::vector<table_cell>> rows;
  for (const auto& counter : stats.counters) {
    rows.push_back({{printable(counter.name)}, {number_text(counter), true}});
    if (before != nullptr)
      rows.back().push_back({rate_text(counter, before, seconds), true});
    rows.back().push_back({printable(counter.help)});
  }
  return table{std::move(columns), form}.draw(rows);
}

} // namespace

std::string stats_text(const stats_record& stats, const stats_record* before, double seconds,
                       table_form form) {
  auto made = counters_text(stats, before, seconds, form);
  std::vector<std::vector<table_cell>> rows;
  for (const auto& latency : stats.latencies) {
    rows.push_back({{printable(latency.name)},
                    {grouped(latency.count), true},
                    {latency_text(latency.p50_ns), true},
                    {latency_text(latency.p99_ns), true},
                    {latency_text(latency.p999_ns), true},
                    {latency_text(latency.max_ns), true}});
  }
  if (rows.empty())
    return made;
  table drawn{{{"LATENCY"}, {"COUNT"}, {"P50"}, {"P99"}, {"P99.9"}, {"MAX"}}, form};
  return made + '\n' + drawn.draw(rows);
}

} // namespace gemel
