#pragma once

#include "messages/value.hpp"

#include <cstdint>
#include <memory>
#include <string_view>

namespace gemel {

/// What a rule sees of one thing that happened to a twin. Shared by all runs that took it.
struct rule_event {
  /// Milliseconds since 1970 as an integer value, so that expressions read it in place.
  value time{std::int64_t{0}};
  /// Texts, or null.
  value twin_id{};
  value twin_type{};
  value parent_id{};
  /// What happened, such as `updated`.
  value event{};
  /// A map, or null.
  value properties{};

  std::int64_t time_ms() const { return time.as_integer(); }
};

using rule_event_ptr = std::shared_ptr<const rule_event>;

/// The fields of an event that expressions know by name; any other name is a property. A property
/// that has one of these names is read as `properties.name`.
enum class event_field : std::uint8_t {
  property,
  time,
  twin_id,
  twin_type,
  parent_id,
  event,
  all_properties,
};

event_field event_field_of(std::string_view name) noexcept;

/// The value of `field`, or of the property `name`; null when the event has none.
const value* read(const rule_event& from, event_field field, std::string_view name) noexcept;

/// The event as a map of its fields that are not null.
value to_value(const rule_event& event);

} // namespace gemel
