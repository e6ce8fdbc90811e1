#include "actors/model_rows.hpp"

#include <algorithm>

namespace gemel {

const property_index* model_rows::kept_type::find(std::string_view name) const noexcept {
  auto i = std::find_if(indexes.begin(), indexes.end(),
                        [&](const indexed& each) { return each.name == name; });
  return i != indexes.end() ? &i->index : nullptr;
}

bool model_rows::kept_type::is_unique(key_id key) const noexcept {
  return std::find(unique.begin(), unique.end(), key) != unique.end();
}

void model_rows::learn(type_id type, std::string_view name) {
  const auto* model = models_.find(name);
  if (model == nullptr)
    return;
  auto made = std::make_unique<kept_type>();
  for (const auto& property : model->properties) {
    if (!property.indexed && !property.unique)
      continue;
    auto number = keys_.intern(property.key);
    GEMEL_CHECK(number.has_value()); // A config is smaller than the table of keys.
    auto key = key_id{*number};
    if (property.indexed)
      made->indexes.push_back({key, property.key, {}});
    if (property.unique)
      made->unique.push_back(key);
  }
  if (made->indexes.empty() && made->unique.empty())
    return;
  auto number = static_cast<std::size_t>(type);
  if (types_.size() <= number)
    types_.resize(number + 1);
  types_[number] = std::move(made);
}

void model_rows::add(const twin_row& row, std::uint32_t index) {
  if (auto* kept = of(row))
    for (auto& each : kept->indexes)
      each.index.insert(row.find(each.key), index);
}

void model_rows::remove(const twin_row& row, std::uint32_t index) {
  if (auto* kept = of(row))
    for (auto& each : kept->indexes)
      each.index.erase(row.find(each.key), index);
}

void model_rows::change(const twin_row& row, std::uint32_t index, key_id key, const value* before,
                        const value* after) {
  auto* kept = of(row);
  if (kept == nullptr) [[likely]]
    return;
  for (auto& each : kept->indexes)
    if (each.key == key) {
      each.index.erase(before, index);
      each.index.insert(after, index);
    }
  if (before != nullptr && kept->is_unique(key))
    touched_.push_back({key, *before});
}

result<void> model_rows::claim(const twin_row& row, key_id key, const value& content) {
  auto* kept = of(row);
  if (kept == nullptr || !kept->is_unique(key)) [[likely]]
    return {};
  auto claimed = aliases_.claim(keys_.text(key), content, row.id.str());
  if (claimed)
    touched_.push_back({key, content});
  return claimed;
}

result<void> model_rows::claim_all(const twin_row& row) {
  auto* kept = of(row);
  if (kept == nullptr)
    return {};
  auto id = row.id.str();
  for (std::size_t i = 0; i < kept->unique.size(); ++i) {
    const auto* content = row.find(kept->unique[i]);
    if (content == nullptr)
      continue;
    if (auto claimed = aliases_.claim(keys_.text(kept->unique[i]), *content, id); !claimed) {
      for (std::size_t undone = 0; undone < i; ++undone)
        if (const auto* held = row.find(kept->unique[undone]))
          aliases_.release(keys_.text(kept->unique[undone]), *held, id);
      return claimed;
    }
  }
  return {};
}

void model_rows::settle(const twin_row& row) {
  for (const auto& each : touched_)
    if (const auto* now = row.find(each.key); now == nullptr || !(*now == each.content))
      aliases_.release(keys_.text(each.key), each.content, row.id.str());
  touched_.clear();
}

void model_rows::release_all(const twin_row& row) {
  auto* kept = of(row);
  if (kept == nullptr)
    return;
  for (auto key : kept->unique)
    if (const auto* content = row.find(key))
      aliases_.release(keys_.text(key), *content, row.id.str());
}

} // namespace gemel
