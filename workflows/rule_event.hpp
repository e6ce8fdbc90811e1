#pragma once

#include "messages/value.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gemel {

/// Where an event stands in the history of a cluster: its dot, and the version vector of what its
/// writer knew when it wrote (Mattern, "Virtual time and global states of distributed systems").
struct causal_stamp {
  std::string node{};
  std::uint64_t counter = 0;
  /// By node: the writes up to this counter were known.
  std::map<std::string, std::uint64_t, std::less<>> seen{};
};

/// Whether what `later` was based upon covers `earlier`: possible influence, no more.
bool happened_before(const causal_stamp& earlier, const causal_stamp& later) noexcept;
/// Neither happened before the other, and they are not the same write.
bool are_concurrent(const causal_stamp& one, const causal_stamp& other) noexcept;

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
  /// Ids of the event and of what led to it; texts, or null.
  value id{};
  value cause{};
  /// Null: not known.
  std::shared_ptr<const causal_stamp> stamp{};
  /// The models that its twin's type is, itself first; null: the type alone.
  std::shared_ptr<const std::vector<std::string>> models{};
  /// Rules that led to it, one after the other.
  std::uint32_t rule_depth = 0;

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
  event_id,
  cause,
  all_properties,
};

/// Whether the event's twin is of the model `name`, or of one that extends it.
bool is_of_model(const rule_event& event, std::string_view name) noexcept;

event_field event_field_of(std::string_view name) noexcept;

/// The value of `field`, or of the property `name`; null when the event has none.
const value* read(const rule_event& from, event_field field, std::string_view name) noexcept;

/// The event as a map of its fields that are not null.
value to_value(const rule_event& event);

} // namespace gemel
