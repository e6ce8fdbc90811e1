#include "actors/series_source.hpp"

#include <algorithm>

namespace gemel {

namespace {

constexpr std::int64_t us_per_ms = 1'000;

std::int64_t time_of(const stored_event& event) noexcept {
  return event.source_time_us != 0 ? event.source_time_us : unix_ms(event.time) * us_per_ms;
}

// Whether the event says what a property is.
bool tells_values(event_kind kind) noexcept {
  return kind == event_kind::created || kind == event_kind::updated;
}

} // namespace

bool keeps_history(const type_model& type) noexcept {
  return std::any_of(type.properties.begin(), type.properties.end(),
                     [](const property_model& one) { return one.history; });
}

result<void> series_source::read(std::string_view record, const point_sink& each) {
  auto reader = log_record_reader::open(record);
  if (!reader)
    return tl::unexpected<error>(std::move(reader.error()));
  for (;;) {
    auto more = reader->next(event_);
    if (!more)
      return tl::unexpected<error>(std::move(more.error()));
    if (!*more)
      return {};
    take(event_, each);
  }
}

void series_source::take(stored_event& event, const point_sink& each) {
  if (event.kind == event_kind::created) {
    const auto* model = models_.find(event.type);
    remember(event.id, model);
    if (told_ && model != nullptr && keeps_history(*model))
      told_(event.id, model);
  }
  if (tells_values(event.kind) && !event.changes.empty()) {
    auto type = find(event.id);
    if (!type.is_known)
      untyped_ += event.changes.size();
    auto time_us = time_of(event);
    for (auto& change : event.changes) {
      const auto* property = type.model != nullptr ? type.model->find(change.key) : nullptr;
      if (property == nullptr || !property->history)
        continue;
      series_point point{time_us, change.at.time, {}, event.version};
      if (!change.removed)
        point.content = std::move(change.content);
      each({event.id, *type.model, *property, point});
    }
  }
  if (event.kind == event_kind::removed) {
    // Nobody is asked about a twin that goes.
    auto known = known_.find(event.id);
    if (told_
        && (known == known_.end() || (known->second != nullptr && keeps_history(*known->second))))
      told_(event.id, nullptr);
    if (known != known_.end())
      known_.erase(known);
  }
}

void series_source::remember(std::string_view id, const type_model* model) {
  if (known_.size() >= types_max_)
    known_.clear(); // Whoever is still needed is asked for again.
  known_.insert_or_assign(std::string{id}, model);
}

series_source::known_type series_source::find(std::string_view id) {
  if (auto found = known_.find(id); found != known_.end())
    return {found->second, true};
  return look_up(id);
}

series_source::known_type series_source::look_up(std::string_view id) {
  auto type = types_(id);
  if (!type)
    return {};
  const auto* model = models_.find(*type);
  remember(id, model);
  if (told_ && model != nullptr && keeps_history(*model))
    told_(id, model);
  return {model, true};
}

const type_model* series_source::model_of(std::string_view id) {
  return find(id).model;
}

} // namespace gemel
