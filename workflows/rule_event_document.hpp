#pragma once

#include "messages/fault.hpp"
#include "workflows/rule_event.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gemel {

/// One line of a file of events.
struct recorded_event {
  rule_event_ptr event{};
  /// Whose watermark it moves; events without a `source` share one.
  std::string source{};
  /// When it was seen; nothing: as soon as it happened.
  std::optional<std::int64_t> arrived{};
};

/// Reads one line: an object with `time` (RFC 3339 text or milliseconds since 1970) and optionally
/// `twin_id`, `twin_type`, `parent_id`, `event` (default `updated`), `properties`, `source`,
/// `arrived` (as `time`), `event_id`, `cause`, `models` (all that its type is) and `stamp` (`node`,
/// `counter`, `seen`). Strict.
/// @param number of the line, counted from 1, for the faults.
tl::expected<recorded_event, fault_list>
read_recorded_event(std::string_view line, std::size_t number, const std::string& file);

/// Milliseconds since 1970 of an RFC 3339 time such as `2026-01-01T00:00:00Z` or
/// `2026-01-01T01:00:00.250+01:00`; digits beyond milliseconds are cut.
/// @returns errc::bad_syntax if it is none.
result<std::int64_t> parse_time(std::string_view text);

} // namespace gemel
