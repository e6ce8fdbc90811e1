#include "actors/cell.hpp"

namespace gemel {

std::uint32_t cell::take_row() {
  if (!free_rows_.empty()) {
    auto index = free_rows_.back();
    free_rows_.pop_back();
    return index;
  }
  if (row_count_ % rows_per_chunk == 0)
    chunks_.push_back(std::make_unique<twin_row[]>(rows_per_chunk));
  return row_count_++;
}

void cell::free_row(std::uint32_t index) {
  auto& row = row_at(index);
  delete[] row.slots;
  below_.erase(&row);
  row = twin_row{};
  free_rows_.push_back(index);
}

/// Moves the row's values to the slots of `layout`; those of keys that it has not are dropped.
void cell::set_layout(twin_row& row, const shape* layout) {
  auto* slots = layout->size() > 0 ? new property_slot[layout->size()] : nullptr;
  for (std::uint32_t from = 0; row.layout != nullptr && from < row.layout->size(); ++from) {
    auto to = layout->find(row.layout->keys()[from]);
    if (to != shape::no_slot)
      slots[to] = std::move(row.slots[from]);
  }
  delete[] row.slots;
  row.slots = slots;
  row.layout = layout;
}

cell::type_entry& cell::type_at(type_id type) {
  auto [i, is_new] = type_entries_.try_emplace(static_cast<std::uint32_t>(type));
  if (is_new) {
    learn_rollups(type);
    kept_.learn(type, world_.symbols.text(type));
    auto behaves = world_.behaviors.find(std::string{world_.symbols.text(type)});
    if (behaves != world_.behaviors.end())
      i->second.factory = &behaves->second;
  }
  return i->second;
}

void cell::list_row(std::uint32_t index) {
  auto& row = row_at(index);
  auto& rows = type_at(row.layout->type()).rows;
  row.type_place = rows.add(index);
  kept_.add(row, index);
}

void cell::unlist_row(std::uint32_t index) {
  auto& row = row_at(index);
  kept_.remove(row, index);
  type_at(row.layout->type())
      .rows.remove(row.type_place, [this](std::uint32_t moved, std::uint32_t place) {
        row_at(moved).type_place = place;
      });
}

/// Of a row that is listed.
std::uint32_t cell::index_of(const twin_row& row) {
  return rows_of(row.layout->type()).rows()[row.type_place];
}

/// Must be called before a property of a listed row is changed.
void cell::keep_change(const twin_row& row, key_id key, const value* before, const value* after) {
  if (kept_.of(row.layout->type()) != nullptr) [[unlikely]]
    kept_.change(row, index_of(row), key, before, after);
}

} // namespace gemel
