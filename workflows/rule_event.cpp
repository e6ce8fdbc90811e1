#include "workflows/rule_event.hpp"

namespace gemel {

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
  return value{std::move(made)};
}

} // namespace gemel
