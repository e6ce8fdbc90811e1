#include "actors/cell.hpp"
#include "actors/slots.hpp"
#include "messages/wire.hpp"

#include <algorithm>
#include <tuple>

// A cell's rows at the start of a node, from what was stored. Nobody else looks at the cell yet.
namespace gemel {

namespace {

constexpr std::int64_t us_per_s = 1'000'000;

} // namespace

/// By which number `restored_` knows a parent.
std::uint32_t cell::number_of_parent(std::string_view id) {
  if (id.empty())
    return 0;
  if (restored_parents_.empty())
    restored_parents_.emplace_back();
  auto [known, is_new] = parent_numbers_.try_emplace(
      std::string{id}, static_cast<std::uint32_t>(restored_parents_.size()));
  if (is_new)
    restored_parents_.emplace_back(id);
  return known->second;
}

std::string_view cell::restored_parent(std::uint32_t index) const {
  auto number = restored_[index].parent;
  return number != 0 ? std::string_view{restored_parents_[number]} : std::string_view{};
}

/// What the clock and the counters of dots must lie behind.
void cell::observe(const twin_row& row, stamp at) {
  clock_.observe(at.time);
  auto& counter = shard_counters_[row.shard / world_.cells];
  counter = std::max(counter, counter_of(at.write));
}

result<std::uint32_t> cell::restore(shard_id shard, std::string_view id,
                                    const stored_twin& stored) {
  auto type = resolve_type(stored.type);
  if (!type)
    return tl::unexpected<error>(std::move(type.error()));
  type_at(*type);
  const auto* layout = shapes_.empty(*type);
  bool timed = false;
  for (const auto& one : stored.properties) {
    auto key = keys_.intern(one.key);
    if (!key)
      return fail(errc::limit_reached, "too many different property keys");
    layout = shapes_.with(layout, key_id{*key});
    timed = timed || one.source_time_us != 0;
  }
  auto index = take_row();
  auto& row = row_at(index);
  set_shard(index, static_cast<std::uint16_t>(shard));
  row.set(twin_row::pinned, !stored.placement.empty());
  move_slots(row, layout, timed);
  for (std::size_t i = 0; i < stored.properties.size(); ++i) {
    const auto& one = stored.properties[i];
    row.slots[i] = {one.content, one.at};
    if (timed)
      source_times(row.slots, layout->size())[i] = one.source_time_us;
    observe(row, one.at);
  }
  row.id = compact_id{id};
  row.version = stored.version;
  row.updated = stored.updated;
  row.lifecycle = stored.lifecycle;
  clock_.observe(stored.updated);
  observe(row, stored.created);
  if (!world_.directory.insert(world_.directory.key_of(id),
                               {self_, index, row.has(twin_row::pinned)})) {
    free_row(index);
    return fail(errc::twin_exists, std::string{id});
  }
  row.set(twin_row::live);
  residents_.came();
  row.address = world_.addresses.make(self_, index);
  ++live_rows_;
  if (index >= restored_.size())
    restored_.resize(index + 1);
  restored_[index] = {number_of_parent(stored.parent), stored.created};
  return index;
}

void cell::discard(std::uint32_t index) {
  auto& row = row_at(index);
  compact_id::text_buffer buffer;
  world_.directory.erase(world_.directory.key_of(row.id.text(buffer)));
  world_.addresses.end(row.address);
  restored_[index] = {};
  free_row(index);
  --live_rows_;
}

void cell::restore_changes(std::uint32_t index, std::span<const restored_change> changes,
                           std::uint64_t version, hybrid_time at) {
  wake_surely(index);
  auto& row = row_at(index);
  row.set(twin_row::stored, false);
  for (const auto& one : changes) {
    observe(row, one.at);
    auto number = keys_.intern(one.key);
    if (!number)
      continue; // Keys are never fewer than in the life before.
    auto key = key_id{*number};
    auto slot = row.layout->find(key);
    if (one.content == nullptr) {
      if (slot != shape::no_slot)
        set_layout(row, shapes_.without(row.layout, slot));
      continue;
    }
    if (slot == shape::no_slot) {
      slot = static_cast<std::uint32_t>(row.layout->size());
      set_layout(row, shapes_.with(row.layout, key));
    }
    row.slots[slot] = {*one.content, one.at};
    if (one.source_time_us != 0 || row.has(twin_row::timed)) {
      if (!row.has(twin_row::timed))
        move_slots(row, row.layout, true);
      source_times(row.slots, row.layout->size())[slot] = one.source_time_us;
    }
  }
  row.version = version;
  row.updated = at;
  clock_.observe(at);
}

void cell::restore_lifecycle(std::uint32_t index, lifecycle_state to) {
  row_at(index).lifecycle = to;
}

void cell::restore_place(std::uint32_t index, shard_id shard, std::string_view parent, stamp at) {
  wake_surely(index); // The store has it elsewhere.
  auto& row = row_at(index);
  row.set(twin_row::stored, false);
  set_shard(index, static_cast<std::uint16_t>(shard));
  restored_[index] = {number_of_parent(parent), at};
  observe(row, at);
}

stored_twin cell::stored(std::uint32_t index) const {
  const glimpse seen{*this, index};
  seen.expect();
  const auto& row = row_at(index);
  stored_twin made;
  made.type = types_.text(row.layout->type());
  made.parent = restored_parent(index);
  made.created = restored_[index].created;
  if (row.has(twin_row::pinned))
    made.placement = pinned_placement;
  made.lifecycle = row.lifecycle;
  made.version = row.version;
  made.updated = row.updated;
  for (std::size_t i = 0; i < row.layout->size(); ++i)
    made.properties.push_back({std::string{keys_.text(row.layout->keys()[i])}, row.slots[i].content,
                               row.slots[i].at, source_time_of(row, i)});
  std::sort(made.properties.begin(), made.properties.end(),
            [](const auto& a, const auto& b) { return a.key < b.key; });
  return made;
}

// ---- the tree -----------------------------------------------------------------------------------

std::size_t cell::restore_groups() {
  std::size_t orphans = 0;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> children; // group, row
  for (std::uint32_t i = 0; i < row_count_; ++i) {
    if (!row_at(i).has(twin_row::live) || restored_[i].parent == 0)
      continue;
    const auto& parent = restored_parents_[restored_[i].parent];
    if (!world_.directory.find(parent)) {
      ++orphans;
      continue;
    }
    auto [known, is_new] =
        group_of_parent_.try_emplace(parent, static_cast<std::uint32_t>(groups_.size()));
    if (is_new) {
      groups_.push_back(std::make_unique<hierarchy_group>());
      groups_.back()->parent = parent;
    }
    children.emplace_back(known->second, i);
  }
  std::sort(children.begin(), children.end(), [&](const auto& a, const auto& b) {
    const auto& left = restored_[a.second].created;
    const auto& right = restored_[b.second].created;
    return std::tuple{a.first, left.time, counter_of(left.write), a.second}
           < std::tuple{b.first, right.time, counter_of(right.write), b.second};
  });
  for (auto [group, index] : children)
    link_child(group, index);
  return orphans;
}

frame cell::describe_for_group(std::uint32_t index) {
  auto& row = row_at(index);
  row.set(twin_row::has_group);
  capnp::MallocMessageBuilder builder;
  auto control = builder.initRoot<wire::Message>().initControl();
  auto id = row.id.str();
  set_text(control.initParent(static_cast<unsigned>(id.size())), id);
  control.setSender(static_cast<std::uint16_t>(self_));
  write_opened(control.initOpened(), row);
  return frame::build(builder);
}

void cell::open_restored(std::uint32_t group, const frame& parent, bool is_retired,
                         const moment& now) {
  group_opened(parent.message().getControl(), now);
  if (is_retired)
    groups_[group]->above = hierarchy_group::parent_state::retired;
}

void cell::list_all(const moment& now) {
  restored_ = {};
  restored_parents_ = {};
  parent_numbers_ = {};
  for (std::uint32_t i = 0; i < row_count_; ++i)
    if (row_at(i).has(twin_row::live)) {
      std::optional<glimpse> seen;
      if (kept_.of(row_at(i).layout->type()) != nullptr)
        seen.emplace(*this, i).expect();
      list_row(i);
      // Two twins with one unique value: their type says so since the last start only.
      if (seen)
        static_cast<void>(kept_.claim_all(row_at(i)));
    }
  // Dots that were given to events that no log holds, or that were lost with the process, were all
  // given before now, and nobody gives as many in a second.
  constexpr unsigned dots_per_s_bits = 16;
  auto floor = static_cast<std::uint64_t>(std::max<std::int64_t>(now.unix_us / us_per_s, 0))
               << dots_per_s_bits;
  for (auto& counter : shard_counters_)
    counter = std::max(counter, floor);
}

void cell::wake_restored(const moment& now) {
  auto is_to_run = [this](std::uint32_t index) {
    const auto& row = row_at(index);
    return row.has(twin_row::live) && !row.has(twin_row::running) && !rests(row)
           && row.lifecycle != lifecycle_state::faulted
           && type_at(row.layout->type()).behaves != nullptr;
  };
  for (std::uint32_t i = 0; i < row_count_; ++i) {
    if (row_at(i).has(twin_row::live))
      watch_for_data(i, now);
    if (row_at(i).group == twin_row::none && is_to_run(i))
      start_behavior(i, now);
  }
  for (std::size_t group = 0; group < groups_.size(); ++group) {
    std::vector<std::uint32_t> children;
    if (groups_[group] != nullptr)
      for (auto i = groups_[group]->first; i != twin_row::none; i = row_at(i).next)
        children.push_back(i);
    for (auto child : children)
      if (is_to_run(child))
        join_group(child, now);
  }
}

void cell::redo(std::uint32_t index, transaction::plan& what, const moment& now) {
  const auto& row = row_at(index);
  if (!row.has(twin_row::live) || row.id != what.id || row.version != what.version)
    return;
  wake_surely(index);
  apply_plan(index, what, {}, now);
}

} // namespace gemel
