#include "registry/model.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

namespace gemel {

namespace {

bool is_of(property_kind kind, const value& content) noexcept {
  switch (kind) {
  case property_kind::any:
    return true;
  case property_kind::boolean:
    return content.is_bool();
  case property_kind::integer:
    return content.is_integer();
  case property_kind::number:
    return content.is_number();
  case property_kind::text:
    return content.is_text();
  case property_kind::bytes:
    return content.is_bytes();
  case property_kind::list:
    return content.is_list();
  case property_kind::map:
    return content.is_map();
  }
  return false;
}

std::string text_of_number(double number) {
  std::array<char, 32> buffer;
  auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number).ptr;
  return {buffer.data(), end};
}

// Adds what `base` has and `model` does not say itself.
void inherit(type_model& model, const type_model& base) {
  for (const auto& capability : base.capabilities)
    if (std::find(model.capabilities.begin(), model.capabilities.end(), capability)
        == model.capabilities.end())
      model.capabilities.push_back(capability);
  for (const auto& property : base.properties)
    if (model.find(property.key) == nullptr)
      model.properties.push_back(property);
  for (const auto& rollup : base.rollups)
    if (std::find(model.rollups.begin(), model.rollups.end(), rollup) == model.rollups.end())
      model.rollups.push_back(rollup);
  if (model.stale_after_us == 0)
    model.stale_after_us = base.stale_after_us;
  if (model.passive_after_us == 0)
    model.passive_after_us = base.passive_after_us;
  if (model.history_keep_us == 0)
    model.history_keep_us = base.history_keep_us;
  if (model.durable == type_durability::node)
    model.durable = base.durable;
  if (model.conflict.empty())
    model.conflict = base.conflict;
  model.closed = model.closed || base.closed;
}

} // namespace

std::string_view to_string(property_kind kind) noexcept {
  auto index = static_cast<std::size_t>(kind);
  return index < property_kind_names.size() ? property_kind_names[index] : property_kind_names[0];
}

result<property_kind> property_kind_from_string(std::string_view text) {
  auto i = std::find(property_kind_names.begin(), property_kind_names.end(), text);
  if (i != property_kind_names.end())
    return static_cast<property_kind>(i - property_kind_names.begin());
  std::string names;
  for (auto name : property_kind_names)
    names.append(names.empty() ? "" : ", ").append(name);
  return fail(errc::bad_value, "'" + std::string{text} + "' is none of " + names);
}

const property_model* type_model::find(std::string_view key) const noexcept {
  auto i = std::find_if(properties.begin(), properties.end(),
                        [&](const property_model& p) { return p.key == key; });
  return i != properties.end() ? &*i : nullptr;
}

result<model_table> model_table::make(std::vector<type_model> declared) {
  model_table made;
  std::map<std::string, type_model, std::less<>> own;
  for (auto& model : declared) {
    for (const auto& property : model.properties)
      if (auto fine = check_declaration(property); !fine)
        return fail(fine.error().code,
                    model.name + "." + property.key + ": " + fine.error().context);
    auto name = model.name;
    if (!own.emplace(name, std::move(model)).second)
      return fail(errc::bad_value, "model " + name + " is declared twice");
  }
  for (const auto& [name, model] : own) {
    auto whole = model;
    std::set<std::string, std::less<>> seen{name};
    for (auto base = model.extends; !base.empty();) {
      auto found = own.find(base);
      if (found == own.end())
        return fail(errc::unknown_key, name + " extends " + base + ", which is not declared");
      if (!seen.insert(base).second)
        return fail(errc::bad_value, name + " extends itself by way of " + base);
      inherit(whole, found->second);
      base = found->second.extends;
    }
    made.models_.emplace(name, std::move(whole));
  }
  return made;
}

const type_model* model_table::find(std::string_view type) const noexcept {
  auto i = models_.find(type);
  return i != models_.end() ? &i->second : nullptr;
}

bool model_table::is_a(std::string_view type, std::string_view model) const noexcept {
  if (type == model)
    return true;
  for (const auto* known = find(type); known != nullptr; known = find(known->extends))
    if (known->extends == model && !model.empty())
      return true;
  return false;
}

result<void> model_table::check_alias(std::string_view property) const {
  std::set<std::string_view> unique;
  for (const auto& [name, model] : models_)
    for (const auto& each : model.properties)
      if (each.unique)
        unique.insert(each.key);
  if (unique.contains(property))
    return {};
  std::string known;
  for (auto each : unique)
    known += (known.empty() ? "" : ", ") + std::string{each};
  return fail(errc::unknown_key,
              "no type declares '" + std::string{property} + "' as unique; "
                  + (known.empty() ? "nor any other property" : "unique are: " + known));
}

bool model_table::has_capability(std::string_view type,
                                 std::string_view capability) const noexcept {
  const auto* model = find(type);
  return model != nullptr
         && std::find(model->capabilities.begin(), model->capabilities.end(), capability)
                != model->capabilities.end();
}

result<void> check_declaration(const property_model& property) {
  bool has_range = property.min || property.max;
  if (has_range && property.kind != property_kind::number
      && property.kind != property_kind::integer)
    return fail(errc::bad_value, "min and max need the kind number or integer");
  if (property.min && property.max && *property.min > *property.max)
    return fail(errc::bad_value, "min is above max");
  if (property.unique && property.kind != property_kind::text
      && property.kind != property_kind::integer)
    return fail(errc::bad_value, "unique needs the kind text or integer");
  return {};
}

result<void> check(const property_model& property, const value& content) {
  if (content.is_null())
    return {};
  if (!is_of(property.kind, content))
    return fail(errc::bad_value,
                property.key + " must be of kind " + std::string{to_string(property.kind)});
  if (!content.is_number())
    return {};
  auto number = *content.number();
  if (property.min && !(number >= *property.min))
    return fail(errc::bad_value, property.key + " is " + text_of_number(number) + ", at least "
                                     + text_of_number(*property.min) + " is allowed");
  if (property.max && !(number <= *property.max))
    return fail(errc::bad_value, property.key + " is " + text_of_number(number) + ", at most "
                                     + text_of_number(*property.max) + " is allowed");
  return {};
}

} // namespace gemel
