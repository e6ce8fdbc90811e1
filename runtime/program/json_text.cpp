#include "runtime/program/json_text.hpp"

#include "runtime/program/units.hpp"

namespace gemel {

void json_object::begin(std::string_view key) {
  if (text_.size() > 1)
    text_ += ',';
  append_json_text(text_, key);
  text_ += ':';
}

json_object& json_object::add(std::string_view key, const value& content) {
  begin(key);
  append_json(text_, content);
  return *this;
}

json_object& json_object::add(std::string_view key, std::uint64_t number) {
  begin(key);
  text_ += std::to_string(number);
  return *this;
}

json_object& json_object::add_json(std::string_view key, std::string_view json) {
  begin(key);
  text_ += json;
  return *this;
}

json_list& json_list::add_json(std::string_view json) {
  if (text_.size() > 1)
    text_ += ',';
  text_ += json;
  return *this;
}

namespace {

value text_or_null(const std::string& text) {
  return text.empty() ? value{} : value{text};
}

std::string properties_json(const properties& all) {
  json_object made;
  for (const auto& one : all)
    made.add(one.key, one.content);
  return made.text();
}

// By the names that expressions use.
std::string rollups_json(const std::vector<rollup_record>& all) {
  json_object made;
  for (const auto& one : all) {
    json_object parts;
    parts.add("count", one.count).add("sum", value{one.sum});
    if (one.count > 0)
      parts.add("avg", value{one.mean()}).add("min", value{one.min}).add("max", value{one.max});
    made.add_json(one.property, parts.text());
  }
  return made.text();
}

std::string changes_json(const std::vector<property_change>& changes) {
  json_object made;
  for (const auto& change : changes)
    made.add_json(change.key,
                  json_object{}.add("old", change.old_value).add("new", change.new_value).text());
  return made.text();
}

std::string counter_json(const counter_record& counter) {
  auto whole = static_cast<std::int64_t>(counter.number);
  bool is_whole =
      counter.number >= 0 && counter.number < 9e15 && static_cast<double>(whole) == counter.number;
  return json_object{}
      .add("name", value{counter.name})
      .add("value", is_whole ? value{whole} : value{counter.number})
      .add("help", value{counter.help})
      .text();
}

std::string latency_json(const latency_record& latency) {
  return json_object{}
      .add("name", value{latency.name})
      .add("count", latency.count)
      .add("p50_ns", latency.p50_ns)
      .add("p99_ns", latency.p99_ns)
      .add("p999_ns", latency.p999_ns)
      .add("max_ns", latency.max_ns)
      .text();
}

std::string stamps_json(const twin_record& twin) {
  json_object made;
  for (std::size_t i = 0; i < twin.stamps.size(); ++i) {
    const auto& from = twin.stamps[i];
    json_object one;
    one.add("time", value{stamp_time_text(from)}).add("write", value{write_text(from)});
    if (from.source_time_us != 0)
      one.add("source_time", value{time_text(from.source_time_us)});
    made.add_json(twin.properties[i].key, one.text());
  }
  return made.text();
}

} // namespace

std::string twin_json(const twin_record& twin) {
  json_object made;
  made.add("id", value{twin.id})
      .add("type", value{twin.type})
      .add("parent", text_or_null(twin.parent))
      .add("path", value{twin.path})
      .add("version", twin.version)
      .add("state", value{to_string(twin.lifecycle)})
      .add("updated_at", value{time_text(twin.updated_at_us)})
      .add("has_children", value{twin.has_children})
      .add_json("properties", properties_json(twin.properties));
  if (!twin.rollups.empty())
    made.add_json("rollup", rollups_json(twin.rollups));
  if (twin.stamps.size() == twin.properties.size() && !twin.stamps.empty())
    made.add_json("stamps", stamps_json(twin));
  return made.text();
}

std::string event_json(const twin_event& event) {
  json_object made;
  made.add("event", value{to_string(event.kind)})
      .add("id", value{event.id})
      .add("type", value{event.type})
      .add("parent", text_or_null(event.parent))
      .add("version", event.version)
      .add("state", value{to_string(event.lifecycle)})
      .add("time", value{time_text(event.time_us)});
  if (event.source_time_us != 0)
    made.add("source_time", value{time_text(event.source_time_us)});
  if (event.kind == event_kind::emitted) {
    json_object payload;
    for (const auto& one : event.changes)
      payload.add(one.key, one.new_value);
    return made.add("name", value{event.name}).add_json("payload", payload.text()).text();
  }
  made.add_json("changes", changes_json(event.changes));
  if (!event.detail.empty())
    made.add("detail", value{event.detail});
  return made.text();
}

std::string stats_json(const stats_record& stats) {
  json_list counters;
  for (const auto& counter : stats.counters)
    counters.add_json(counter_json(counter));
  json_list latencies;
  for (const auto& latency : stats.latencies)
    latencies.add_json(latency_json(latency));
  return json_object{}
      .add_json("counters", counters.text())
      .add_json("latencies", latencies.text())
      .text();
}

std::string faults_json(const fault_list& faults) {
  json_list made;
  for (const auto& found : faults)
    made.add_json(to_json(to_value(found)));
  return made.text();
}

std::string error_json(const error& why) {
  return json_object{}
      .add("code", value{to_string(why.code)})
      .add("message", value{why.context})
      .text();
}

} // namespace gemel
