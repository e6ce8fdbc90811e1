#pragma once

#include "messages/fault.hpp"
#include "messages/records.hpp"

#include <cstdint>
#include <string>
#include <string_view>

/// What the program prints with `--json`: compact JSON, without a line feed at the end.
namespace gemel {

/// Puts a JSON object together, its members in the order of their adding.
class json_object {
public:
  json_object& add(std::string_view key, const value& content);
  json_object& add(std::string_view key, std::uint64_t number);
  /// @param json a JSON document.
  json_object& add_json(std::string_view key, std::string_view json);
  std::string text() const { return text_ + '}'; }

private:
  void begin(std::string_view key);

  std::string text_ = "{";
};

/// Puts a JSON list together.
class json_list {
public:
  /// @param json a JSON document.
  json_list& add_json(std::string_view json);
  std::string text() const { return text_ + ']'; }

private:
  std::string text_ = "[";
};

/// A twin: `id`, `type`, `parent` (null for a root), `path`, `version`, `state`, `updated_at`,
/// `has_children`, `properties`; with stamps also `stamps` as `{key: {"time": ..., "write": ...,
/// "source_time": ...}}`.
std::string twin_json(const twin_record& twin);

/// An event: `event`, `id`, `type`, `parent`, `version`, `state`, `time`, `source_time` if it was
/// given, `changes` as `{key: {"old": ..., "new": ...}}`, `detail` of a crash; of an emitted event
/// `name` and `payload` in the place of `changes`.
std::string event_json(const twin_event& event);

/// `counters` (`name`, `value`, `help`) and `latencies` (`name`, `count`, `p50_ns`, `p99_ns`,
/// `p999_ns`, `max_ns`).
std::string stats_json(const stats_record& stats);

/// A list of what `to_value(fault)` makes.
std::string faults_json(const fault_list& faults);

/// `code` and `message`.
std::string error_json(const error& why);

} // namespace gemel
