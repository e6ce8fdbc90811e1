#include "actors/cell.hpp"
#include "actors/slots.hpp"
#include "messages/names.hpp"

#include <algorithm>
#include <utility>

// What twin_mover does to a cell while all cells of the node stand still.
namespace gemel {

namespace {

constexpr std::uint32_t soon_ms = 5;

error busy(const std::string& why) {
  return {errc::twin_busy, why, soon_ms};
}

} // namespace

result<void> cell::check_leave(std::uint32_t index) const {
  const auto& row = row_at(index);
  auto id = row.id.str();
  if (row.has(twin_row::closing) || row.has(twin_row::stopped))
    return tl::unexpected<error>(is_going(row));
  if (row.lifecycle == lifecycle_state::retired)
    return fail(errc::illegal_state, id + " is retired");
  if (row.group != twin_row::none
      && groups_[row.group]->above != hierarchy_group::parent_state::runs)
    return fail(errc::illegal_state, "its parent " + groups_[row.group]->parent + " does not run");
  if (row.has(twin_row::held))
    return tl::unexpected<error>(busy("an atomic batch has a claim on " + id));
  auto behaves = behaviors_.find(index);
  if (behaves != behaviors_.end()
      && (behaves->second.works > 0 || deferred_.owes(behaves->second.instance)))
    return tl::unexpected<error>(busy(id + " waits for long work or owes answers"));
  return {};
}

result<void> cell::check_parent(std::uint32_t index) const {
  const auto& row = row_at(index);
  if (row.has(twin_row::closing))
    return fail(errc::twin_not_found, "parent " + row.id.str() + " is being deleted");
  if (row.has(twin_row::stopped))
    return tl::unexpected<error>(busy("parent " + row.id.str() + " is being restarted"));
  if (row.lifecycle == lifecycle_state::retired || row.lifecycle == lifecycle_state::faulted)
    return fail(errc::illegal_state,
                "parent " + row.id.str() + " is " + std::string{to_string(row.lifecycle)});
  return {};
}

cell::target cell::target_below(std::uint32_t index) const {
  const auto& row = row_at(index);
  auto id = row.id.str();
  bool pinned = row.has(twin_row::pinned);
  return {group_cell(id, row), pinned ? row.shard : static_cast<std::uint16_t>(shard_of(id)),
          pinned, twin_row::none};
}

/// The children of a twin stay where they are when it moves, so their place must not depend on it.
result<void> cell::check_placement(std::uint32_t index, const target& to) const {
  const auto& row = row_at(index);
  bool pinned = row.has(twin_row::pinned);
  bool same = pinned == to.pinned && (!pinned || (to.shard == row.shard && to.cell == self_));
  if (same || !row.has(twin_row::has_group))
    return {};
  return fail(errc::unsupported,
              row.id.str() + " has children and would change its placement; move them first");
}

std::uint32_t cell::group_of(const std::string& parent) const {
  auto known = group_of_parent_.find(parent);
  return known != group_of_parent_.end() ? known->second : twin_row::none;
}

std::uint32_t cell::make_open_group(const std::string& parent, cell& above, std::uint32_t row) {
  const auto& about = above.row_at(row);
  auto group = make_group(parent, 0);
  auto& g = *groups_[group];
  g.now = hierarchy_group::state::open;
  g.path = above.path_of(about);
  g.depth = above.depth_of(about);
  g.policy = world_.supervision.of(world_.symbols.text(about.layout->type()));
  g.address = world_.addresses.make(self_, twin_row::none);
  ask_rollups(group, above.rollups_asked(about));
  return group;
}

/// errc::twin_busy: the group is between two states.
result<void> cell::admit_moved(std::uint32_t group, bool from_elsewhere) const {
  const auto& g = *groups_[group];
  if (g.now == hierarchy_group::state::opening)
    return tl::unexpected<error>(busy("parent " + g.parent + " gets its first child"));
  if (g.above == hierarchy_group::parent_state::stopped)
    return tl::unexpected<error>(busy("parent " + g.parent + " is being restarted"));
  if (g.above != hierarchy_group::parent_state::runs)
    return fail(errc::illegal_state, "parent " + g.parent + " does not run");
  if (g.now == hierarchy_group::state::closing)
    return fail(errc::twin_not_found, "parent " + g.parent + " is being deleted");
  if (g.count >= world_.limits.children_max)
    return fail(errc::limit_reached, "limits.children_max: parent " + g.parent + " has "
                                         + std::to_string(g.count) + " children");
  if (from_elsewhere && live_rows_ >= world_.limits.twins_max)
    return fail(errc::limit_reached, "limits.twins_max");
  return {};
}

/// The row is of another shard now: its values were written there, by this cell.
void cell::place(std::uint32_t index, const target& to) {
  auto& row = row_at(index);
  row.set(twin_row::pinned, to.pinned);
  if (row.shard == to.shard)
    return;
  if (journal_ != nullptr && row.shard % world_.cells == static_cast<std::uint32_t>(self_))
    journal_->forget(index, row.shard);
  set_shard(index, to.shard);
  row.set(twin_row::stored, false);
  row.set(twin_row::leaving, false);
  for (std::size_t i = 0; i < row.layout->size(); ++i)
    row.slots[i].at.write = next_dot(row);
}

/// The word that the last child is gone may still be on its way, and come from where nobody looks
/// for this twin's children any more.
void cell::forget_below(std::uint32_t index) {
  if (!row_at(index).has(twin_row::has_group))
    set_below(row_at(index), {});
}

void cell::relink(std::uint32_t index, const std::optional<target>& to, const moment& now) {
  wake_surely(index);
  auto old = row_at(index).group;
  auto shard = row_at(index).shard;
  forget_below(index);
  unlink_child(index);
  if (to) {
    place(index, *to);
    enter_in_directory(index);
    link_child(to->group, index);
    root_budgets_.erase(index);
  }
  tell_moved(index);
  note_moved(index, shard, now);
  if (old != twin_row::none)
    drop_group_if_empty(old, now);
}

/// A shard's log must hold all that is in it: what comes from another one is written whole.
void cell::note_moved(std::uint32_t index, std::uint16_t from, const moment& now) {
  if (journal_ != nullptr && row_at(index).shard != from)
    log_event(event_kind::created, index, next_dot(row_at(index)), now);
  note(event_kind::moved, index, now);
}

/// Says in the directory that the twin is here.
void cell::enter_in_directory(std::uint32_t index) {
  const auto& row = row_at(index);
  compact_id::text_buffer buffer;
  auto key = world_.directory.key_of(row.id.text(buffer));
  world_.directory.erase(key);
  bool fresh = world_.directory.insert(key, {self_, index, row.has(twin_row::pinned)});
  GEMEL_CHECK(fresh);
}

travelling_twin cell::take_out(std::uint32_t index, const moment& now) {
  wake_surely(index);
  auto group = row_at(index).group;
  forget_below(index);
  unlink_child(index);
  unlist_row(index);
  auto& row = row_at(index);
  travelling_twin made;
  made.readers = lane_.give_row_away(index);
  made.row = row;
  made.keys.assign(row.layout->keys().begin(), row.layout->keys().end());
  made.never_started = never_started_.erase(index) > 0;
  before_fault_.erase(index);
  if (auto ticks = ticks_.find(index); ticks != ticks_.end()) {
    made.tick_due_ns = ticks->second.due_ns;
    made.tick_period_ns = ticks->second.period_ns;
    if (ticks->second.timer != timing_wheel::timer::none)
      timers_.cancel(ticks->second.timer);
    ticks_.erase(ticks);
  }
  if (auto running = behaviors_.find(index); running != behaviors_.end()) {
    made.behaves = std::move(running->second.what);
    behaviors_.erase(running);
  }
  if (auto known = below_.find(&row); known != below_.end())
    made.below = std::move(known->second);
  root_budgets_.erase(index);
  // They are the traveller's now.
  row.slots = nullptr;
  free_row(index);
  --live_rows_;
  if (group != twin_row::none)
    drop_group_if_empty(group, now);
  return made;
}

std::uint32_t cell::put_in(travelling_twin&& coming, const target& to, const moment& now) {
  auto type = coming.row.layout->type();
  type_at(type);
  const auto* layout = shapes_.empty(type);
  for (auto key : coming.keys)
    layout = shapes_.with(layout, key);
  auto index = take_row();
  auto& row = row_at(index);
  bool held = row.has(twin_row::held);
  row = coming.row;
  row.layout = layout;
  row.group = row.previous = row.next = twin_row::none;
  row.set(twin_row::watched, false);
  row.set(twin_row::stored, false);
  row.set(twin_row::leaving, false);
  row.set(twin_row::held, held);
  auto shard = row.shard;
  clock_.observe(row.updated);
  place(index, to);
  enter_in_directory(index);
  world_.addresses.move(row.address, self_, index);
  ++live_rows_;
  residents_.came();
  list_row(index);
  if (!coming.below.empty())
    below_[&row] = std::move(coming.below);
  if (coming.never_started)
    never_started_.insert(index);
  if (coming.behaves != nullptr)
    behaviors_[index] = {std::move(coming.behaves), ++last_instance_};
  if (coming.tick_period_ns != 0)
    ticks_[index] = {timers_.add(coming.tick_due_ns, timer_of(timer_kind::tick, index)),
                     coming.tick_due_ns, coming.tick_period_ns};
  link_child(to.group, index);
  lane_.take_row(index, coming.readers);
  tell_moved(index);
  note_moved(index, shard, now);
  watch_for_data(index, now);
  return index;
}

} // namespace gemel
