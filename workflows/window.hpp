#pragma once

#include "workflows/rule_expression.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gemel {

enum class window_kind : std::uint8_t {
  /// One behind the other.
  tumbling,
  /// A new one every `slide`.
  hopping,
  /// Of each event: what came in `size` before it, and it.
  sliding,
  /// Ends when nothing came for `gap`.
  session,
  /// So many events, one behind the other.
  count,
  /// Every so many events: the last `size` of them.
  count_sliding,
};

enum class window_function : std::uint8_t {
  count,
  sum,
  avg,
  min,
  max,
  first,
  last,
  stddev,
  distinct,
  percentile,
  slope,
};

/// One value of a window: `avg(temperature)`.
struct window_aggregate {
  std::string name{};
  window_function function = window_function::count;
  /// Over the event; nothing: of `count()`.
  std::optional<rule_expression> of{};
  /// Of `percentile`, 0 to 100.
  double rank = 0;
  /// Of `window_spec::sides`.
  std::uint32_t side = 0;
};

/// One of several streams that are joined by key and time. An event may be of several.
struct window_side {
  std::string name{};
  /// Empty: all.
  std::vector<std::string> twin_types{};
  std::vector<std::string> events{};
  std::optional<rule_expression> where{};
  /// A window is told without it, too.
  bool optional = false;

  bool has(const rule_event& event) const;
};

/// Windows of events, each `[start, end)`.
struct window_spec {
  window_kind kind = window_kind::tumbling;
  std::chrono::milliseconds size{0};
  /// Of `hopping`; else `size`.
  std::chrono::milliseconds slide{0};
  std::chrono::milliseconds gap{0};
  /// Of `count` and `count_sliding`, in events.
  std::uint32_t events = 0;
  std::uint32_t events_slide = 0;
  /// Whether the first window of a key begins with its first event, not at a multiple since 1970.
  bool align_first = false;
  /// So long after its end an event may still correct a tumbling, hopping or session
  /// window.
  std::chrono::milliseconds allowed_lateness{0};
  std::vector<window_aggregate> aggregates{};
  /// Of a join; else empty, and all events count.
  std::vector<window_side> sides{};
  /// Besides the rule's key.
  std::vector<rule_expression> group_by{};
  /// Over the names of aggregates, of `group_by`, `count`, `start` and `end`.
  std::optional<rule_expression> having{};

  /// Whether it is of any side.
  bool has(const rule_event& event) const;
  bool is_by_time() const noexcept {
    return kind == window_kind::tumbling || kind == window_kind::hopping;
  }
  bool is_sliding() const noexcept {
    return kind == window_kind::sliding || kind == window_kind::count_sliding;
  }
};

/// Reads `avg(temperature)`, `percentile(vibration, 95)`, `count()`.
/// @returns errc::bad_syntax or bad_value with what is wrong.
result<window_aggregate> parse_aggregate(std::string_view name, std::string_view text);

} // namespace gemel
