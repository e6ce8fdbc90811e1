#include "actors/cell.hpp"
#include "actors/slots.hpp"

namespace gemel {

std::uint32_t cell::take_row() {
  if (!free_rows_.empty()) {
    auto index = free_rows_.back();
    free_rows_.pop_back();
    return index;
  }
  if (row_count_ % rows_per_chunk == 0)
    chunks_.push_back(std::make_unique<twin_row[]>(rows_per_chunk));
  row_shards_.resize(chunks_.size() * rows_per_chunk);
  return row_count_++;
}

void cell::free_row(std::uint32_t index) {
  auto& row = row_at(index);
  free_slots(row.slots, row.layout != nullptr ? row.layout->size() : 0);
  // Work may wait for the row that finds the twin gone; until it ran, the next twin's waits too.
  below_.erase(&row);
  bool held = row.has(twin_row::held);
  if (journal_ != nullptr && row.has(twin_row::live))
    journal_->forget(index, row.shard);
  if (row.has(twin_row::live) && !row.has(twin_row::passive))
    residents_.left();
  row = twin_row{};
  row.set(twin_row::held, held);
  row_shards_[index] = 0;
  free_rows_.push_back(index);
}

void cell::set_shard(std::uint32_t index, std::uint16_t shard) {
  row_at(index).shard = shard;
  row_shards_[index] = shard;
}

/// Moves the row's values to the slots of `layout`; those of keys that it has not are dropped.
void cell::set_layout(twin_row& row, const shape* layout) {
  move_slots(row, layout, row.has(twin_row::timed));
}

/// The same, with or without source times from then on.
void cell::move_slots(twin_row& row, const shape* layout, bool timed) {
  auto* slots = make_slots(layout->size(), timed);
  auto count = row.layout != nullptr ? row.layout->size() : 0;
  for (std::uint32_t from = 0; from < count; ++from) {
    auto to = layout->find(row.layout->keys()[from]);
    if (to == shape::no_slot)
      continue;
    slots[to] = std::move(row.slots[from]);
    if (timed)
      source_times(slots, layout->size())[to] = source_time_of(row, from);
  }
  free_slots(row.slots, count);
  row.slots = slots;
  row.layout = layout;
  row.set(twin_row::timed, timed);
}

cell::type_entry& cell::type_at(type_id type) {
  auto [i, is_new] = type_entries_.try_emplace(static_cast<std::uint32_t>(type));
  if (is_new) {
    learn_rollups(type);
    kept_.learn(type, world_.symbols.text(type));
    auto behaves = world_.behaviors.find(std::string{world_.symbols.text(type)});
    if (behaves != world_.behaviors.end())
      i->second.behaves = &behaves->second;
    if (const auto* model = world_.models.find(world_.symbols.text(type))) {
      i->second.stale_after_ns = model->stale_after_us * 1'000;
      if (model->passive_after_us != 0 && world_.stored != nullptr) {
        i->second.idle = idle_sweep{model->passive_after_us * 1'000};
        idle_types_.push_back(type);
      }
    }
  }
  return i->second;
}

void cell::list_row(std::uint32_t index) {
  auto& row = row_at(index);
  auto& type = type_at(row.layout->type());
  row.type_place = type.rows.add(index);
  if (type.stale_after_ns != 0)
    type.data_timers.push_back(timing_wheel::timer::none);
  kept_.add(row, index);
}

void cell::unlist_row(std::uint32_t index) {
  auto& row = row_at(index);
  kept_.remove(row, index);
  auto& type = type_at(row.layout->type());
  auto& timers = type.data_timers;
  if (type.stale_after_ns != 0 && timers[row.type_place] != timing_wheel::timer::none)
    timers_.cancel(timers[row.type_place]);
  type.rows.remove(row.type_place, [&](std::uint32_t moved, std::uint32_t place) {
    if (type.stale_after_ns != 0)
      timers[place] = timers[row_at(moved).type_place];
    row_at(moved).type_place = place;
  });
  if (type.stale_after_ns != 0)
    timers.pop_back();
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
