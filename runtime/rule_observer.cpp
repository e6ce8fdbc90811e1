#include "runtime/rule_observer.hpp"

#include <utility>

namespace gemel {

namespace {

constexpr std::int64_t us_per_ms = 1'000;

value text_or_null(std::string_view text) {
  return text.empty() ? value{} : value{text};
}

} // namespace

std::string_view event_name(const event_view& from) {
  return from.kind() == event_kind::emitted ? from.name() : to_string(from.kind());
}

// Null for a type without a model, which is itself alone.
std::shared_ptr<const std::vector<std::string>> rule_observer::models_of(const std::string& type) {
  if (models_ == nullptr || models_->find(type) == nullptr)
    return nullptr;
  auto& known = by_type_[type];
  if (known != nullptr)
    return known;
  std::vector<std::string> made{type};
  for (const auto& [name, one] : models_->all())
    if (name != type && models_->is_a(type, name))
      made.push_back(name);
  known = std::make_shared<const std::vector<std::string>>(std::move(made));
  return known;
}

observed_event rule_observer::observed(const event_view& from, bool stamped) {
  auto made = std::make_shared<rule_event>();
  auto record = from.record();
  auto time_us = record.source_time_us != 0 ? record.source_time_us : record.time_us;
  made->time = value{time_us / us_per_ms};
  made->twin_id = value{record.id};
  made->twin_type = text_or_null(record.type);
  made->parent_id = text_or_null(record.parent);
  made->event = value{event_name(from)};
  value_map changed;
  for (auto& change : record.changes)
    changed.push_back({std::move(change.key), std::move(change.new_value)});
  made->properties = value{std::move(changed)};
  auto id = record.event_id();
  if (stamped)
    made->stamp = causes_.stamp_of(record.shard, record.dot, id, plain_cause(record.cause));
  made->id = value{id};
  made->models = models_of(record.type);
  made->cause = text_or_null(plain_cause(record.cause));
  made->rule_depth = rule_depth(record.cause);
  return {std::move(made), record.time_us, {}, std::string{action_in(record.cause)}};
}

observed_event rule_observer::observed(const stored_event& from, log_position at, bool stamped) {
  auto made = std::make_shared<rule_event>();
  auto written_us = unix_ms(from.time) * us_per_ms;
  made->time = value{(from.source_time_us != 0 ? from.source_time_us : written_us) / us_per_ms};
  made->twin_id = value{from.id};
  made->twin_type = text_or_null(from.type);
  made->parent_id = text_or_null(from.parent);
  made->event = value{to_string(from.kind)};
  value_map changed;
  for (const auto& change : from.changes)
    changed.push_back({std::string{change.key}, change.content});
  made->properties = value{std::move(changed)};
  auto shard = static_cast<std::uint16_t>(from.shard);
  auto dot = static_cast<std::uint64_t>(from.write);
  auto id = event_id_of(shard, dot);
  if (stamped)
    made->stamp = causes_.stamp_of(shard, dot, id, {});
  made->id = value{id};
  return {std::move(made), written_us, at, {}};
}

void rule_observer::add_types(twin_api& of, std::vector<observed_event>& to) {
  std::map<std::string, std::pair<std::string, std::string>, std::less<>> known;
  for (const auto& one : to)
    known.try_emplace(std::string{one.event->twin_id.as_text()});
  std::vector<std::string> ids;
  auto ask = [&] {
    if (auto page = of.get(ids))
      for (const auto& twin : page->twins)
        known[twin.id] = {twin.type, twin.parent};
    ids.clear();
  };
  constexpr std::size_t page_max = 256;
  for (const auto& [id, what] : known)
    if (ids.push_back(id); ids.size() == page_max)
      ask();
  ask();
  for (auto& one : to) {
    auto& [type, parent] = known.find(one.event->twin_id.as_text())->second;
    auto made = std::make_shared<rule_event>(*one.event);
    if (made->twin_type.is_null()) {
      made->twin_type = text_or_null(type);
      made->parent_id = text_or_null(parent);
    }
    if (made->twin_type.is_text())
      made->models = models_of(std::string{made->twin_type.as_text()});
    one.event = std::move(made);
  }
}

} // namespace gemel
