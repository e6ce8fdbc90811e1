#include "actors/cell.hpp"
#include "messages/wire.hpp"

#include <algorithm>
#include <utility>

// Roll-ups go up the tree: a group counts its children's values as they change and what is known
// of the twins below each child; what it knows itself goes to its parent's cell at the end of the
// turn, where it is counted by the group that the parent is a child of.
namespace gemel {

/// The properties that groups below `row` are to roll up, ascending: those that its own type asks
/// for, and those of its ancestors.
std::vector<key_id> cell::rollups_asked(const twin_row& row) const {
  std::vector<key_id> asked;
  if (const auto* own = rollups_of(row.layout->type()))
    asked = *own;
  if (row.group != twin_row::none && groups_[row.group]->rollup != nullptr) {
    const auto& above = groups_[row.group]->rollup->keys();
    asked.insert(asked.end(), above.begin(), above.end());
  }
  std::sort(asked.begin(), asked.end());
  asked.erase(std::unique(asked.begin(), asked.end()), asked.end());
  return asked;
}

/// Null: the type asks for none.
const std::vector<key_id>* cell::rollups_of(type_id type) const {
  auto entry = type_rollups_.find(static_cast<std::uint32_t>(type));
  return entry != type_rollups_.end() ? &entry->second : nullptr;
}

void cell::learn_rollups(type_id type) {
  const auto* model = world_.models.find(world_.symbols.text(type));
  if (model == nullptr || model->rollups.empty())
    return;
  std::vector<key_id> keys;
  for (const auto& name : model->rollups)
    if (auto key = keys_.intern(name))
      keys.push_back(key_id{*key});
  type_rollups_[static_cast<std::uint32_t>(type)] = std::move(keys);
}

void cell::write_rollups(wire::Opened::Builder to, const twin_row& row) const {
  auto asked = rollups_asked(row);
  auto list = to.initRollups(static_cast<unsigned>(asked.size()));
  for (unsigned i = 0; i < list.size(); ++i)
    list.set(i, static_cast<std::uint32_t>(asked[i]));
}

/// The group is to roll up these from now on.
void cell::ask_rollups(std::uint32_t group, capnp::List<std::uint32_t>::Reader asked) {
  std::vector<key_id> keys;
  for (auto key : asked)
    keys.push_back(key_id{key});
  ask_rollups(group, std::move(keys));
}

void cell::ask_rollups(std::uint32_t group, std::vector<key_id> keys) {
  auto& g = *groups_[group];
  if (keys.empty()) {
    drop_rollup(g);
    return;
  }
  if (g.rollup == nullptr || g.rollup->keys() != keys) {
    rolled_groups_ += g.rollup == nullptr;
    g.rollup = std::make_unique<group_rollup>(std::move(keys));
    for (auto i = g.first; i != twin_row::none; i = row_at(i).next) {
      const glimpse seen{*this, i};
      seen.expect();
      g.rollup->enter(row_at(i), below(row_at(i)));
    }
  }
  // Also when nothing changed: the parent may be at another place.
  list_rollup(group);
}

void cell::drop_rollup(hierarchy_group& g) {
  if (g.rollup == nullptr)
    return;
  g.rollup.reset();
  --rolled_groups_;
  ended_rollups_.push_back(g.parent);
}

void cell::list_rollup(std::uint32_t group) {
  auto& rollup = *groups_[group]->rollup;
  if (!std::exchange(rollup.listed, true))
    new_rollups_.push_back(group);
}

const rollup_list* cell::below(const twin_row& row) const {
  auto known = below_.find(&row);
  return known != below_.end() ? &known->second : nullptr;
}

void cell::count_child(std::uint32_t index, bool enters) {
  const auto& row = row_at(index);
  auto group = row.group;
  auto* rollup = groups_[group]->rollup.get();
  if (rollup == nullptr)
    return;
  const glimpse seen{*this, index};
  seen.expect();
  enters ? rollup->enter(row, below(row)) : rollup->leave(row, below(row));
  list_rollup(group);
}

void cell::count_change_in_group(const twin_row& row, key_id key, const value* before,
                                 const value* after) {
  auto* rollup = groups_[row.group]->rollup.get();
  if (rollup == nullptr)
    return;
  rollup->change(key, before, after);
  list_rollup(row.group);
}

/// What is known of the twins below `row` is `fresh` now.
void cell::set_below(const twin_row& row, rollup_list fresh) {
  auto group = row.group;
  if (group != twin_row::none && groups_[group]->rollup != nullptr) {
    groups_[group]->rollup->replace(below(row), &fresh);
    list_rollup(group);
  }
  if (fresh.empty())
    below_.erase(&row);
  else
    below_[&row] = std::move(fresh);
}

/// Takes what a group in `from` knows. A group of an earlier twin of the same id may have lived in
/// another cell; what it knows is of no twin now.
void cell::take_rollups(cell_id from, std::vector<rollup_delivery>&& deliveries) {
  for (auto& one : deliveries) {
    auto at = world_.directory.find(one.parent);
    if (at && at->cell == self_ && holds(at->row, one.parent)
        && group_cell(one.parent, row_at(at->row)) == from)
      set_below(row_at(at->row), std::move(one.below));
    else if (at && at->cell != self_)
      // The parent moved to another cell meanwhile: what is known by now goes there.
      world_.run_in(from, [parent = std::move(one.parent)](cell& c, const moment&) {
        c.send_rollup_again(parent);
      });
  }
}

void cell::send_rollup_again(const std::string& parent) {
  auto group = group_of_parent_.find(parent);
  if (group != group_of_parent_.end() && groups_[group->second]->rollup != nullptr)
    list_rollup(group->second);
  else
    ended_rollups_.push_back(parent);
}

/// Sends what is new in this cell's groups to their parents' cells: one message to each, and no
/// further one before it was taken, so that whoever cannot keep up gets the newest only.
void cell::send_rollups() {
  if (new_rollups_.empty() && ended_rollups_.empty())
    return;
  std::map<cell_id, std::vector<rollup_delivery>> out;
  auto ended = std::exchange(ended_rollups_, {});
  for (auto& parent : ended)
    if (auto at = world_.directory.find(parent); !at)
      continue;
    else if (at->cell == self_)
      take_rollups(self_, {{std::move(parent), {}}});
    else if (rollups_under_way_.contains(at->cell))
      ended_rollups_.push_back(std::move(parent));
    else
      out[at->cell].push_back({std::move(parent), {}});
  std::vector<std::uint32_t> later;
  // What stays in this cell may list further groups, at most one for each level.
  for (std::size_t i = 0; i < new_rollups_.size(); ++i)
    send_rollup(new_rollups_[i], out, later);
  new_rollups_ = std::move(later);
  for (auto& [to, deliveries] : out) {
    rollups_under_way_.insert(to);
    world_.run_in(
        to, [from = self_, deliveries = std::move(deliveries)](cell& c, const moment&) mutable {
          c.take_rollups(from, std::move(deliveries));
          c.world_.run_in(from, [taker = c.self_](cell& sender, const moment&) {
            sender.rollups_under_way_.erase(taker);
          });
        });
  }
}

void cell::send_rollup(std::uint32_t group, std::map<cell_id, std::vector<rollup_delivery>>& out,
                       std::vector<std::uint32_t>& later) {
  auto* g = groups_[group].get();
  if (g == nullptr || g->rollup == nullptr || !g->rollup->listed)
    return; // Gone since it was listed.
  auto at = world_.directory.find(g->parent);
  if (at && rollups_under_way_.contains(at->cell)) {
    later.push_back(group);
    return;
  }
  g->rollup->listed = false;
  if (!at)
    return; // The parent is being deleted.
  auto list = g->rollup->list([&](const auto& show) {
    for (auto i = g->first; i != twin_row::none; i = row_at(i).next) {
      const glimpse seen{*this, i};
      seen.expect();
      show(row_at(i), below(row_at(i)));
    }
  });
  if (at->cell != self_)
    out[at->cell].push_back({g->parent, std::move(list)});
  else if (holds(at->row, g->parent))
    set_below(row_at(at->row), std::move(list));
}

/// What the twin's type asks to know of the twins below it.
std::vector<rollup_record> cell::rollups(const twin_row& row) const {
  std::vector<rollup_record> made;
  const auto* asked = rollups_of(row.layout->type());
  if (asked == nullptr)
    return made;
  const auto* known = below(row);
  for (auto key : *asked) {
    auto& one = made.emplace_back();
    one.property = keys_.text(key);
    const auto* summary = known != nullptr ? find(*known, key) : nullptr;
    if (summary == nullptr)
      continue;
    one.count = summary->count;
    one.sum = summary->sum.round();
    one.min = summary->min;
    one.max = summary->max;
  }
  return made;
}

} // namespace gemel
