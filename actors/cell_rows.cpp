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
    auto behaves = world_.behaviors.find(std::string{world_.symbols.text(type)});
    if (behaves != world_.behaviors.end())
      i->second.factory = &behaves->second;
  }
  return i->second;
}

void cell::list_row(std::uint32_t index) {
  auto& row = row_at(index);
  auto& rows = type_at(row.layout->type()).rows;
  row.type_place = static_cast<std::uint32_t>(rows.size());
  rows.push_back(index);
}

void cell::unlist_row(std::uint32_t index) {
  auto& row = row_at(index);
  auto& rows = type_at(row.layout->type()).rows;
  rows[row.type_place] = rows.back();
  row_at(rows.back()).type_place = row.type_place;
  rows.pop_back();
}

} // namespace gemel
