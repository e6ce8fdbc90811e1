#include "actors/cell.hpp"
#include "actors/slots.hpp"

#include <algorithm>

namespace gemel {

void cell::scan(const scan_request& asked, const std::function<void(std::uint32_t row)>& each) {
  auto visit = [&](std::uint32_t index) {
    ++counters_.rows_scanned;
    if (!asked.roots_only || row_at(index).group == twin_row::none)
      each(index);
  };
  if (!asked.parent.empty()) {
    auto group = group_of_parent_.find(asked.parent);
    if (group == group_of_parent_.end())
      return;
    std::optional<type_id> type;
    if (!asked.type.empty()) {
      auto number = types_.find(asked.type);
      if (!number)
        return;
      type = type_id{*number};
    }
    for (auto i = groups_[group->second]->first; i != twin_row::none; i = row_at(i).next)
      if (!type || row_at(i).layout->type() == *type)
        visit(i);
    return;
  }
  if (!asked.type.empty()) {
    auto number = types_.find(asked.type);
    auto entry = number ? type_entries_.find(*number) : type_entries_.end();
    if (entry != type_entries_.end())
      for (auto row : entry->second.rows.rows())
        visit(row);
    return;
  }
  for (std::uint32_t i = 0; i < row_count_; ++i)
    if (row_at(i).has(twin_row::live))
      visit(i);
}

twin_metadata cell::about(const twin_row& row) const {
  twin_metadata known;
  known.type = types_.text(row.layout->type());
  if (row.group != twin_row::none)
    known.parent = groups_[row.group]->parent;
  if (!type_rollups_.empty()) {
    known.rollups = rollups_of(row.layout->type());
    known.below = below(row);
  }
  known.models = &world_.models;
  return known;
}

std::vector<type_id> cell::types() const {
  std::vector<type_id> made;
  for (const auto& [number, entry] : type_entries_)
    made.push_back(type_id{number});
  return made;
}

row_list& cell::rows_of(type_id type) {
  auto entry = type_entries_.find(static_cast<std::uint32_t>(type));
  GEMEL_CHECK(entry != type_entries_.end());
  return entry->second.rows;
}

bool cell::has_behavior(type_id type) const {
  auto entry = type_entries_.find(static_cast<std::uint32_t>(type));
  return entry != type_entries_.end() && entry->second.behaves != nullptr;
}

std::optional<std::uint32_t> cell::row_of(std::string_view id) const {
  auto at = world_.directory.find(id);
  if (!at || at->cell != self_ || !holds(at->row, id))
    return std::nullopt;
  return at->row;
}

void cell::children_of(std::string_view parent, std::vector<std::uint32_t>& rows) const {
  auto group = group_of_parent_.find(std::string{parent});
  if (group == group_of_parent_.end())
    return;
  for (auto i = groups_[group->second]->first; i != twin_row::none; i = row_at(i).next)
    rows.push_back(i);
}

std::string cell::path_of(const twin_row& row) const {
  auto path = row.group != twin_row::none ? groups_[row.group]->path : std::string{};
  return path.append("/").append(row.id.str());
}

twin_record cell::record(std::uint32_t index, bool with_stamps) const {
  const glimpse seen{*this, index};
  seen.expect();
  const auto& row = row_at(index);
  auto known = about(row);
  twin_record made;
  made.id = row.id.str();
  made.type = known.type;
  made.parent = known.parent;
  made.path = path_of(row);
  made.version = row.version;
  made.lifecycle = row.lifecycle;
  made.updated_at_us = unix_ms(row.updated) * 1'000;
  made.has_children = row.has(twin_row::has_group);
  for (std::size_t slot = 0; slot < row.layout->size(); ++slot) {
    auto key = keys_.text(row.layout->keys()[slot]);
    made.properties.push_back({std::string{key}, row.slots[slot].content});
    if (with_stamps) {
      auto at = row.slots[slot].at;
      made.stamps.push_back({static_cast<std::uint64_t>(at.time),
                             static_cast<std::uint64_t>(at.write), source_time_of(row, slot)});
    }
  }
  made.rollups = rollups(row);
  return made;
}

twin_record cell::record_only(std::uint32_t index, std::span<const std::string> keys) const {
  const glimpse seen{*this, index};
  seen.expect();
  const auto& row = row_at(index);
  twin_record made;
  made.id = row.id.str();
  made.type = types_.text(row.layout->type());
  made.version = row.version;
  for (const auto& key : keys) {
    auto known = keys_.find(key);
    auto slot = known ? row.layout->find(key_id{*known}) : shape::no_slot;
    if (slot != shape::no_slot)
      made.properties.push_back({key, row.slots[slot].content});
  }
  return made;
}

} // namespace gemel
