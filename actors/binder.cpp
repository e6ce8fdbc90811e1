#include "actors/binder.hpp"

#include <utility>

namespace gemel {

twin_binder::twin_binder(const expression& of, symbol_cache& keys) : keys_{keys} {
  using enum source;
  constexpr std::array<std::pair<std::string_view, source>, 7> names = {{
      {"twin_id", id},
      {"twin_type", type},
      {"parent_id", parent},
      {"twin_version", version},
      {"twin_lifecycle", lifecycle},
      {"updated_at", updated_at},
      {"rollup", rollup},
  }};
  for (const auto& wanted : of.references()) {
    auto& b = bindings_.emplace_back();
    b.name = wanted.root;
    if (wanted.kind == reference_kind::model_test) {
      b.from = model;
    } else if (wanted.kind == reference_kind::capability_test) {
      b.from = capability;
    } else if (wanted.kind == reference_kind::path) {
      b.from = property;
      for (const auto& [name, from] : names)
        if (name == wanted.root)
          b.from = from;
    }
  }
  bound_.resize(bindings_.size());
}

void twin_binder::find_slots(const shape* layout, const twin_metadata& about) {
  for (auto& b : bindings_) {
    // All rows of one shape are of one type.
    if (b.from == source::model)
      b.made =
          about.models != nullptr ? about.models->is_a(about.type, b.name) : b.name == about.type;
    if (b.from == source::capability)
      b.made = about.models != nullptr && about.models->has_capability(about.type, b.name);
    if (b.from != source::property)
      continue;
    if (!b.interned)
      if (auto number = keys_.find(b.name)) {
        b.key = key_id{*number};
        b.interned = true;
      }
    b.slot = b.interned ? layout->find(b.key) : shape::no_slot;
  }
  found_for_ = layout;
}

value twin_binder::metadata(const binding& b, const twin_row& row,
                            const twin_metadata& about) const {
  switch (b.from) {
  case source::id:
    return row.id.str();
  case source::type:
    return about.type;
  case source::parent:
    return about.parent.empty() ? value{} : value{about.parent};
  case source::version:
    return row.version;
  case source::lifecycle:
    return to_string(row.lifecycle);
  case source::updated_at:
    return unix_ms(row.updated) * 1'000;
  case source::rollup:
    return rollups(about);
  default:
    return {};
  }
}

value twin_binder::rollups(const twin_metadata& about) const {
  if (about.rollups == nullptr)
    return {};
  std::vector<map_member> made;
  for (auto key : *about.rollups) {
    const auto* known = about.below != nullptr ? gemel::find(*about.below, key) : nullptr;
    std::vector<map_member> parts;
    parts.push_back({"count", known != nullptr ? known->count : 0});
    parts.push_back({"sum", known != nullptr ? known->sum.round() : 0.0});
    if (known != nullptr && known->count > 0) {
      parts.push_back({"avg", *known->mean()});
      parts.push_back({"min", known->min});
      parts.push_back({"max", known->max});
    }
    made.push_back({std::string{keys_.text(key)}, value{std::move(parts)}});
  }
  return value{std::move(made)};
}

std::span<const value* const> twin_binder::bind(const twin_row& row, const twin_metadata& about) {
  if (row.layout != found_for_)
    find_slots(row.layout, about);
  for (std::size_t i = 0; i < bindings_.size(); ++i) {
    auto& b = bindings_[i];
    if (b.from == source::property) {
      bound_[i] = b.slot != shape::no_slot ? &row.slots[b.slot].content : nullptr;
    } else if (b.from == source::model || b.from == source::capability) {
      bound_[i] = &b.made;
    } else {
      b.made = metadata(b, row, about);
      bound_[i] = b.made.is_null() ? nullptr : &b.made;
    }
  }
  return bound_;
}

} // namespace gemel
