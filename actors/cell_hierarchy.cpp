#include "actors/cell.hpp"
#include "messages/replies.hpp"
#include "messages/wire.hpp"

#include <utility>

namespace gemel {

namespace {

// A control message about the children of `parent`, from cell `self`.
template <class Fill>
frame make_control(std::string_view parent, cell_id self, std::uint64_t operation, Fill fill) {
  capnp::MallocMessageBuilder builder;
  auto control = builder.initRoot<wire::Message>().initControl();
  set_text(control.initParent(static_cast<unsigned>(parent.size())), parent);
  control.setSender(static_cast<std::uint16_t>(self));
  control.setOperation(operation);
  fill(control);
  return frame::build(builder);
}

void write_error(wire::Error::Builder target, const error& why) {
  target.setCode(static_cast<std::uint16_t>(why.code));
  set_text(target.initContext(static_cast<unsigned>(why.context.size())), why.context);
}

} // namespace

void cell::run_control(const frame& message, const moment& now) {
  auto control = message.message().getControl();
  auto parent = std::string{text_of(control.getParent())};
  auto group = [&] {
    auto i = group_of_parent_.find(parent);
    return i != group_of_parent_.end() ? i->second : twin_row::none;
  };
  auto parent_row = [&] {
    auto where = world_.directory.find(parent);
    return where && where->cell == self_ && holds(where->row, parent) ? where->row : twin_row::none;
  };
  switch (control.which()) {
  case wire::Control::OPEN:
    return go_after(message) ? void() : answer_open(message);
  case wire::Control::OPENED:
    return group_opened(control, now);
  case wire::Control::CLOSE:
    return group_close(control, now);
  case wire::Control::CLOSED:
    return finish_removal(control.getOperation(), read_error(control.getClosed()), now);
  case wire::Control::EMPTIED:
    if (go_after(message))
      return;
    if (auto row = parent_row(); row != twin_row::none)
      row_at(row).set(twin_row::has_group, false);
    return;
  case wire::Control::FAILED:
    if (go_after(message))
      return;
    if (auto row = parent_row();
        row != twin_row::none && row_at(row).lifecycle != lifecycle_state::faulted)
      crashed(row, exit_kind::crash, std::string{text_of(control.getFailed())}, now);
    return;
  case wire::Control::RESTART:
    if (auto g = group(); g != twin_row::none)
      group_restart(g, now);
    return;
  case wire::Control::STOP:
    if (auto g = group(); g != twin_row::none)
      group_stop(g);
    return;
  case wire::Control::GIVE_UP:
    if (auto g = group(); g != twin_row::none)
      group_give_up(g, now);
    return;
  case wire::Control::RETIRE:
    return group_retire(control, now);
  case wire::Control::MOVED:
    if (auto g = group(); g != twin_row::none)
      group_moved(g, control.getMoved());
    return;
  }
}

/// Makes the group of `parent`, whose row is in `parent_cell`; `none` if the parent is known here
/// to be missing.
std::uint32_t cell::open_group(std::string_view parent, cell_id parent_cell, std::uint64_t create) {
  auto group = make_group(parent, create);
  send(parent_cell,
       make_control(parent, self_, create, [](wire::Control::Builder c) { c.setOpen(); }));
  return group;
}

std::uint32_t cell::make_group(std::string_view parent, std::uint64_t create) {
  auto made = std::make_unique<hierarchy_group>();
  made->parent = parent;
  made->opened_for = create;
  std::uint32_t group = 0;
  if (free_groups_.empty()) {
    group = static_cast<std::uint32_t>(groups_.size());
    groups_.push_back(std::move(made));
  } else {
    group = free_groups_.back();
    free_groups_.pop_back();
    groups_[group] = std::move(made);
  }
  group_of_parent_.emplace(std::string{parent}, group);
  return group;
}

/// What is for a parent that moved to another cell meanwhile goes after it.
bool cell::go_after(const frame& message) {
  auto where = world_.directory.find(text_of(message.message().getControl().getParent()));
  if (!where || where->cell == self_)
    return false;
  send(where->cell, message);
  return true;
}

void cell::answer_open(const frame& message) {
  auto control = message.message().getControl();
  auto parent = text_of(control.getParent());
  auto where = world_.directory.find(parent);
  bool here = where && where->cell == self_ && holds(where->row, parent);
  if (!here) {
    auto coming = expected_.find({std::string{parent}, control.getOperation()});
    if (coming != expected_.end() && coming->second.ordered) {
      coming->second.opens.push_back(message);
      return;
    }
  }
  // A parent that was deleted and made anew at another place has its children elsewhere now.
  here = here && group_cell(parent, row_at(where->row)) == cell_id{control.getSender()};
  bool accepts = here && !row_at(where->row).has(twin_row::closing)
                 && row_at(where->row).lifecycle != lifecycle_state::retired;
  auto answer = make_control(parent, self_, 0, [&](wire::Control::Builder c) {
    auto opened = c.initOpened();
    if (!accepts) {
      write_error(opened.initError(),
                  here ? error{errc::illegal_state,
                               "parent " + std::string{parent} + " is retired or being deleted"}
                       : error{errc::twin_not_found, "parent " + std::string{parent}});
      return;
    }
    auto& row = row_at(where->row);
    row.set(twin_row::has_group);
    write_opened(opened, row);
  });
  send(cell_id{control.getSender()}, std::move(answer));
}

/// What a group of children of `row` needs to know.
void cell::write_opened(wire::Opened::Builder to, const twin_row& row) const {
  to.setPath(path_of(row));
  to.setDepth(depth_of(row));
  write_rollups(to, row);
  auto type = world_.symbols.text(row.layout->type());
  set_text(to.initType(static_cast<unsigned>(type.size())), type);
  to.setFaulted(row.lifecycle == lifecycle_state::faulted);
}

/// A create is parked in `group`: those who ask for its twin may wait.
void cell::expect_twin(const hierarchy_group& group, const batch& of, const route& where) {
  auto& coming = expected_[{of.ids()[where.index], of.number()}];
  ++coming.creates;
  // A parent that is there answers without waiting.
  coming.ordered =
      coming.ordered && (group.opened_for <= of.number() || world_.directory.find(group.parent));
}

/// A parked create came to its end: answers those who waited for it.
void cell::settle_expected(const batch& of, const route& where) {
  auto coming = expected_.find({of.ids()[where.index], of.number()});
  GEMEL_CHECK(coming != expected_.end());
  if (--coming->second.creates > 0)
    return;
  auto opens = std::move(coming->second.opens);
  expected_.erase(coming);
  for (const auto& open : opens)
    answer_open(open);
}

void cell::group_opened(wire::Control::Reader control, const moment& now) {
  auto i = group_of_parent_.find(std::string{text_of(control.getParent())});
  if (i == group_of_parent_.end())
    return;
  auto index = i->second;
  auto& g = *groups_[index];
  auto opened = control.getOpened();
  auto why = read_error(opened.getError());
  if (g.now == hierarchy_group::state::opening && why.code == errc::none) {
    g.now = hierarchy_group::state::open;
    g.path = text_of(opened.getPath());
    lane_.forget_group(index);
    g.depth = opened.getDepth();
    g.policy = world_.supervision.of(text_of(opened.getType()));
    if (opened.getFaulted())
      g.above = hierarchy_group::parent_state::faulted;
    g.address = world_.addresses.make(self_, twin_row::none);
    ask_rollups(index, opened.getRollups());
  }
  auto parked = std::exchange(g.parked, {});
  parked_creates_ -= parked.size();
  for (std::size_t at = 0; at < parked.size(); ++at) {
    if (at + creates_ahead < parked.size())
      fetch_place(*parked[at + creates_ahead].of, parked[at + creates_ahead].where);
    auto& one = parked[at];
    result<void> made = tl::unexpected<error>(why);
    if (why.code == errc::none) {
      use_keys(one.of->message().message().getCreate().getKeys());
      made = create_in(index, one.of, one.where, now);
    }
    settle_expected(*one.of, one.where);
    if (!made)
      one.of->fail(one.where.index, std::move(made.error()));
    close(one.of, made ? 1 : 0);
  }
  // A group that is being closed meanwhile was told to by the same cell, which waits for its end.
  if (g.now == hierarchy_group::state::opening)
    drop_group(index);
  else
    drop_group_if_empty(index, now);
}

void cell::group_close(wire::Control::Reader control, const moment& now) {
  auto parent = text_of(control.getParent());
  auto answer = [&](const error& why) {
    send(cell_id{control.getSender()},
         make_control(parent, self_, control.getOperation(),
                      [&](wire::Control::Builder c) { write_error(c.initClosed(), why); }));
  };
  auto i = group_of_parent_.find(std::string{parent});
  if (i == group_of_parent_.end())
    return answer({});
  auto index = i->second;
  auto& g = *groups_[index];
  auto policy = static_cast<child_policy>(control.getClose());
  if (policy == child_policy::refuse && g.count > 0)
    return answer({errc::has_children,
                   std::string{parent} + " has " + std::to_string(g.count) + " children"});
  g.now = hierarchy_group::state::closing;
  g.closing_operation = control.getOperation();
  g.closing_cell = control.getSender();
  if (policy == child_policy::orphan)
    orphan_children(index, now);
  else
    cascade_children(index, now);
}

void cell::orphan_children(std::uint32_t group, const moment& now) {
  auto above = groups_[group]->above;
  while (groups_[group]->first != twin_row::none) {
    auto index = groups_[group]->first;
    unlink_child(index);
    note(event_kind::moved, index, now);
    tell_moved(index);
    // Nobody else is going to start it, or what is below one that rests.
    bool stopped = above == hierarchy_group::parent_state::stopped
                   || (above == hierarchy_group::parent_state::faulted && rests(row_at(index)));
    if (stopped && row_at(index).lifecycle != lifecycle_state::faulted && !restart(index, now))
      supervise_root(index, exit_kind::crash, now);
  }
  drop_group_if_empty(group, now);
}

/// Tells the group of `index`'s children where in the tree their parent is now.
void cell::tell_moved(std::uint32_t index) {
  const auto& row = row_at(index);
  if (!row.has(twin_row::has_group))
    return;
  auto id = row.id.str();
  send(group_cell(id, row), make_control(id, self_, 0, [&](wire::Control::Builder c) {
         auto moved = c.initMoved();
         moved.setPath(path_of(row));
         moved.setDepth(depth_of(row));
         write_rollups(moved, row);
       }));
}

void cell::group_moved(std::uint32_t group, wire::Opened::Reader to) {
  auto& g = *groups_[group];
  g.path = text_of(to.getPath());
  g.depth = to.getDepth();
  ask_rollups(group, to.getRollups());
  lane_.forget_group(group);
  for (auto i = g.first; i != twin_row::none; i = row_at(i).next)
    tell_moved(i);
}

std::uint16_t cell::depth_of(const twin_row& row) const {
  return row.group != twin_row::none ? static_cast<std::uint16_t>(groups_[row.group]->depth + 1)
                                     : std::uint16_t{1};
}

void cell::cascade_children(std::uint32_t group, const moment& now) {
  groups_[group]->cascading = true;
  std::vector<std::uint32_t> children;
  for (auto i = groups_[group]->first; i != twin_row::none; i = row_at(i).next)
    children.push_back(i);
  for (auto child : children)
    if (!row_at(child).has(twin_row::closing))
      static_cast<void>(remove({child, nullptr, 0, group}, child_policy::cascade, now));
  if (groups_[group] != nullptr)
    drop_group_if_empty(group, now);
}

/// The parent is about to be retired: all below are, the lowest first.
void cell::group_retire(wire::Control::Reader control, const moment& now) {
  auto i = group_of_parent_.find(std::string{text_of(control.getParent())});
  if (i == group_of_parent_.end()) {
    send(cell_id{control.getSender()},
         make_control(text_of(control.getParent()), self_, control.getOperation(),
                      [](wire::Control::Builder c) { write_error(c.initClosed(), {}); }));
    return;
  }
  auto group = i->second;
  auto& g = *groups_[group];
  g.above = hierarchy_group::parent_state::retired;
  g.retiring_operation = control.getOperation();
  g.retiring_cell = control.getSender();
  g.retiring_children = 1; // This loop.
  for (auto child = g.last; child != twin_row::none; child = row_at(child).previous) {
    const auto& row = row_at(child);
    if (row.has(twin_row::closing) || row.lifecycle == lifecycle_state::retired)
      continue;
    ++g.retiring_children;
    if (retire({child, nullptr, 0, group, true, true}, child_policy::cascade, now))
      --g.retiring_children;
  }
  retire_ended(group);
}

/// One of those that a group waits for is retired.
void cell::retire_ended(std::uint32_t group) {
  auto& g = *groups_[group];
  if (--g.retiring_children > 0)
    return;
  auto operation = std::exchange(g.retiring_operation, std::nullopt);
  send(cell_id{g.retiring_cell},
       make_control(g.parent, self_, *operation,
                    [](wire::Control::Builder c) { write_error(c.initClosed(), {}); }));
}

void cell::drop_group_if_empty(std::uint32_t group, const moment&) {
  auto* g = groups_[group].get();
  if (g == nullptr || g->count > 0 || !g->parked.empty()
      || g->now == hierarchy_group::state::opening || g->retiring_operation)
    return;
  auto parent = g->parent;
  auto closing = g->closing_operation;
  auto to = cell_id{g->closing_cell};
  drop_group(group);
  if (closing) {
    send(to, make_control(parent, self_, *closing,
                          [](wire::Control::Builder c) { write_error(c.initClosed(), {}); }));
  } else if (auto where = world_.directory.find(parent); where) {
    send(where->cell,
         make_control(parent, self_, 0, [](wire::Control::Builder c) { c.setEmptied(); }));
  }
}

void cell::drop_group(std::uint32_t group) {
  auto& g = groups_[group];
  if (g->address != nullptr)
    world_.addresses.end(g->address);
  drop_rollup(*g);
  group_of_parent_.erase(g->parent);
  g.reset();
  lane_.forget_group(group);
  free_groups_.push_back(group);
}

frame cell::group_failed(const hierarchy_group& group) const {
  return make_control(group.parent, self_, 0, [](wire::Control::Builder c) {
    c.setFailed("supervision of its children gave up");
  });
}

void cell::link_child(std::uint32_t group, std::uint32_t index) {
  auto& g = *groups_[group];
  auto& row = row_at(index);
  row.group = group;
  row.previous = g.last;
  row.next = twin_row::none;
  if (g.last != twin_row::none)
    row_at(g.last).next = index;
  else
    g.first = index;
  g.last = index;
  ++g.count;
  count_child(index, true);
}

void cell::unlink_child(std::uint32_t index) {
  auto& row = row_at(index);
  if (row.group == twin_row::none)
    return;
  count_child(index, false);
  auto& g = *groups_[row.group];
  (row.previous != twin_row::none ? row_at(row.previous).next : g.first) = row.next;
  (row.next != twin_row::none ? row_at(row.next).previous : g.last) = row.previous;
  --g.count;
  row.group = row.previous = row.next = twin_row::none;
}

cell_id cell::group_cell(std::string_view parent, const twin_row& row) const {
  return row.has(twin_row::pinned) ? self_ : cell_of(shard_of(parent), world_.cells);
}

void cell::tell_group(std::uint32_t index, void (*say)(wire::Control::Builder)) {
  auto& row = row_at(index);
  if (!row.has(twin_row::has_group))
    return;
  auto id = row.id.str();
  send(group_cell(id, row), make_control(id, self_, 0, say));
}

} // namespace gemel
