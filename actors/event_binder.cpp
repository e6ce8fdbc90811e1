#include "actors/event_binder.hpp"

#include <algorithm>
#include <optional>

namespace gemel {

namespace {

const lane_change* change_of(key_id key, std::span<const lane_change> changes) {
  auto found = std::find_if(changes.begin(), changes.end(),
                            [key](const lane_change& c) { return c.key == key; });
  return found != changes.end() ? &*found : nullptr;
}

// A change tells a property that is not there by a null.
const value* present(const value& content) {
  return content.is_null() ? nullptr : &content;
}

bool same(const value* a, const value* b) {
  return a == nullptr || b == nullptr ? a == b : *a == *b;
}

} // namespace

const expression_options& event_binder::options() {
  static const expression_options made{.scopes = {"new", "old", "payload"}, .changes = true};
  return made;
}

event_binder::event_binder(const expression& of, symbol_cache& keys)
    : state_{of, keys}, keys_{keys} {
  auto references = of.references();
  for (std::size_t i = 0; i < references.size(); ++i) {
    const auto& wanted = references[i];
    std::optional<source> from;
    if (wanted.kind == reference_kind::change_test)
      from = source::change;
    else if (wanted.scope == "old")
      from = source::old_value;
    else if (wanted.scope == "payload")
      from = source::payload;
    else if (wanted.scope.empty() && wanted.kind == reference_kind::path && wanted.root == "event")
      from = source::event;
    if (from)
      own_.push_back({i, *from, wanted.root, wanted.path, {}, false, {}});
  }
  bound_.resize(references.size());
}

bool event_binder::knows_key(binding& b) {
  if (!b.interned)
    if (auto number = keys_.find(b.root)) {
      b.key = key_id{*number};
      b.interned = true;
    }
  return b.interned;
}

const value* event_binder::find(binding& b, const twin_row& row, const lane_event& event,
                                std::span<const lane_change> changes) {
  if (b.from == source::event) {
    b.made = to_string(event.kind);
    return &b.made;
  }
  const auto* change = knows_key(b) ? change_of(b.key, changes) : nullptr;
  bool emitted = event.kind == event_kind::emitted;
  switch (b.from) {
  case source::payload:
    return emitted && change != nullptr ? present(change->after) : nullptr;
  case source::old_value:
    if (event.kind == event_kind::created || !b.interned)
      return nullptr;
    return change != nullptr && !emitted ? present(change->before) : row.find(b.key);
  default:
    b.made = change != nullptr && !emitted
             && (b.path.empty()
                 || !same(follow(present(change->before), b.path),
                          follow(present(change->after), b.path)));
    return &b.made;
  }
}

std::span<const value* const> event_binder::bind(const twin_row& row, const twin_metadata& about,
                                                 const lane_event& event,
                                                 std::span<const lane_change> changes) {
  auto state = state_.bind(row, about);
  if (own_.empty())
    return state;
  std::copy(state.begin(), state.end(), bound_.begin());
  for (auto& b : own_)
    bound_[b.reference] = find(b, row, event, changes);
  return bound_;
}

} // namespace gemel
