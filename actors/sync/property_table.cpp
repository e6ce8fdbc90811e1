#include "actors/sync/property_table.hpp"

#include <algorithm>

namespace gemel {

namespace {

constexpr auto before = [](const auto& cell, std::uint32_t key) { return cell.key < key; };

} // namespace

std::uint32_t property_table::number_in(const numbers& in, std::string_view name) {
  auto found = in.find(name);
  return found != in.end() ? found->second : nowhere;
}

property_table::row_number property_table::row_of(std::string_view twin) const {
  if (last_row_ == nowhere || rows_[last_row_].id != twin)
    last_row_ = number_in(by_id_, twin);
  return last_row_;
}

const property_table::cell* property_table::cell_of(const twin_row& in, std::uint32_t key) {
  auto found = std::lower_bound(in.cells.begin(), in.cells.end(), key, before);
  return found != in.cells.end() && found->key == key ? &*found : nullptr;
}

property_table::place property_table::find(row_number of, std::string_view key) const {
  auto number = of != nowhere ? number_in(by_key_, key) : nowhere;
  const auto* found = number != nowhere ? cell_of(rows_[of], number) : nullptr;
  return found != nullptr ? found->at : nowhere;
}

std::uint32_t property_table::use_key(std::string_view name) {
  auto number = number_in(by_key_, name);
  if (number == nowhere) {
    number = keys_.add();
    keys_[number].name = name;
    by_key_.emplace(keys_[number].name, number);
  }
  ++keys_[number].uses;
  return number;
}

void property_table::release_key(std::uint32_t number) {
  if (--keys_[number].uses > 0)
    return;
  by_key_.erase(keys_[number].name);
  keys_.erase(number);
}

property_table::place property_table::obtain(std::string_view twin, std::string_view key) {
  if (auto known = find(twin, key); known != nowhere)
    return known;
  auto row = row_of(twin);
  if (row == nowhere) {
    row = rows_.add();
    rows_[row].id = twin;
    by_id_.emplace(rows_[row].id, row);
    last_row_ = row;
  }
  auto made = nodes_.add();
  nodes_[made].row = row;
  nodes_[made].key = use_key(key);
  auto& cells = rows_[row].cells;
  auto number = nodes_[made].key;
  cells.insert(std::lower_bound(cells.begin(), cells.end(), number, before), {number, made});
  return made;
}

void property_table::erase(place at) {
  auto& gone = nodes_[at];
  leave_slot(gone);
  auto row = gone.row;
  auto& cells = rows_[row].cells;
  cells.erase(std::lower_bound(cells.begin(), cells.end(), gone.key, before));
  release_key(gone.key);
  if (cells.empty()) {
    by_id_.erase(rows_[row].id);
    rows_.erase(row);
    last_row_ = nowhere;
  }
  nodes_.erase(at);
}

// ---- order of change ----------------------------------------------------------------------------

void property_table::leave_slot(node& gone) {
  if (gone.slot == nowhere)
    return;
  places_[gone.slot] = nowhere;
  gone.slot = nowhere;
  ++holes_;
}

void property_table::close_holes() {
  std::uint32_t kept = 0;
  for (std::size_t slot = 0; slot < places_.size(); ++slot) {
    if (places_[slot] == nowhere)
      continue;
    changes_[kept] = changes_[slot];
    places_[kept] = places_[slot];
    nodes_[places_[kept]].slot = kept;
    ++kept;
  }
  changes_.resize(kept);
  places_.resize(kept);
  holes_ = 0;
}

void property_table::touch(place at, change_number number) {
  constexpr std::size_t holes_min = 64;
  GEMEL_CHECK(changes_.empty() || changes_.back() < number);
  if (holes_ > holes_min && holes_ > places_.size() / 2)
    close_holes();
  auto& one = nodes_[at];
  leave_slot(one);
  one.content.changed = number;
  one.slot = static_cast<std::uint32_t>(places_.size());
  changes_.push_back(number);
  places_.push_back(at);
}

std::size_t property_table::slot_after(change_number from) const {
  auto found = std::upper_bound(changes_.begin(), changes_.end(), from);
  return static_cast<std::size_t>(found - changes_.begin());
}

std::size_t property_table::count_after(change_number from, std::size_t count_max) const {
  std::size_t made = 0;
  for (auto slot = slot_after(from); made < count_max && slot < places_.size(); ++slot)
    made += places_[slot] != nowhere ? 1 : 0;
  return made;
}

} // namespace gemel
