#include "workflows/rule_event.hpp"

#include <algorithm>

namespace gemel {

bool happened_before(const causal_stamp& earlier, const causal_stamp& later) noexcept {
  if (earlier.node == later.node && earlier.counter == later.counter)
    return false;
  if (earlier.node == later.node)
    return earlier.counter < later.counter;
  auto known = later.seen.find(earlier.node);
  return known != later.seen.end() && known->second >= earlier.counter;
}

bool are_concurrent(const causal_stamp& one, const causal_stamp& other) noexcept {
  auto is_same = one.node == other.node && one.counter == other.counter;
  return !is_same && !happened_before(one, other) && !happened_before(other, one);
}

bool is_of_model(const rule_event& event, std::string_view name) noexcept {
  if (event.models != nullptr)
    return std::find(event.models->begin(), event.models->end(), name) != event.models->end();
  return event.twin_type.is_text() && event.twin_type.as_text() == name;
}

event_field event_field_of(std::string_view name) noexcept {
  if (name == "time")
    return event_field::time;
  if (name == "twin_id")
    return event_field::twin_id;
  if (name == "twin_type")
    return event_field::twin_type;
  if (name == "parent_id")
    return event_field::parent_id;
  if (name == "event")
    return event_field::event;
  if (name == "event_id")
    return event_field::event_id;
  if (name == "cause")
    return event_field::cause;
  return name == "properties" ? event_field::all_properties : event_field::property;
}

const value* read(const rule_event& from, event_field field, std::string_view name) noexcept {
  switch (field) {
  case event_field::property:
    return from.properties.find(name);
  case event_field::time:
    return &from.time;
  case event_field::twin_id:
    return &from.twin_id;
  case event_field::twin_type:
    return &from.twin_type;
  case event_field::parent_id:
    return &from.parent_id;
  case event_field::event:
    return &from.event;
  case event_field::event_id:
    return &from.id;
  case event_field::cause:
    return &from.cause;
  case event_field::all_properties:
    return &from.properties;
  }
  return nullptr;
}

value to_value(const rule_event& event) {
  value_map made{{"time", event.time}};
  auto add = [&](const char* key, const value& content) {
    if (!content.is_null())
      made.push_back({key, content});
  };
  add("twin_id", event.twin_id);
  add("twin_type", event.twin_type);
  add("parent_id", event.parent_id);
  add("event", event.event);
  add("properties", event.properties);
  add("event_id", event.id);
  add("cause", event.cause);
  return value{std::move(made)};
}

} // namespace gemel
