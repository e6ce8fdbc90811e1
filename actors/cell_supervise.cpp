#include "actors/cell.hpp"
#include "actors/detail/behavior_context.hpp"

#include <algorithm>

namespace gemel {

/// A group's children as the supervision core wants to see them.
class cell::sibling_list {
public:
  using child = std::uint32_t;

  sibling_list(const cell& owner, const hierarchy_group& group) : owner_{owner}, group_{group} {}

  std::optional<child> first() const { return some(group_.first); }
  std::optional<child> last() const { return some(group_.last); }
  std::optional<child> before(child who) const { return some(owner_.row_at(who).previous); }
  std::optional<child> after(child who) const { return some(owner_.row_at(who).next); }
  restart_kind kind(child) const { return group_.policy.kind; }
  bool running(child who) const { return owner_.row_at(who).has(twin_row::running); }

private:
  static std::optional<child> some(std::uint32_t row) {
    return row != twin_row::none ? std::optional{row} : std::nullopt;
  }

  const cell& owner_;
  const hierarchy_group& group_;
};

/// Starts the behaviour of a twin that is to run, if its type has one. One that throws at once has
/// crashed.
void cell::start_behavior(std::uint32_t index, const moment& now) {
  std::string why;
  if (!try_start(index, now, why))
    crashed(index, exit_kind::crash, why, now);
}

bool cell::try_start(std::uint32_t index, const moment& now, std::string& why) {
  auto& row = row_at(index);
  const auto* type = type_at(row.layout->type()).behaves;
  if (type == nullptr)
    return true;
  reclaim(index, now);
  wake_surely(index);
  save(row);
  keep_changes_ = lane_.wanted(subject(index));
  start_changes();
  source_time_us_ = 0;
  auto changes_begin = lane_.mark();
  auto at = clock_.tick(now.unix_us / 1'000);
  behavior_context context{*this, index, at, now};
  std::unique_ptr<behavior> made;
  bool is_new = never_started_.contains(index);
  if (auto crash = context.run_start(type->make, is_new, made)) {
    restore(row);
    lane_.drop_from(changes_begin);
    why = *crash;
    return false;
  }
  row.set(twin_row::running);
  row.set(twin_row::stopped, false);
  never_started_.erase(index);
  behaviors_[index] = {std::move(made), ++last_instance_};
  std::optional<dot> led_by;
  if (changed_ > 0) {
    row.updated = at;
    counters_.properties_changed += changed_;
    led_by = last_dot(row);
    if (journal_ != nullptr)
      log_update(index);
    note_update(index, changes_begin, 0, now);
  }
  take_effects(index, context.effects(), led_by, now);
  return true;
}

/// @param why what commands are answered that wait for an answer of it.
void cell::stop_behavior(std::uint32_t index, const std::string& why) {
  row_at(index).set(twin_row::running, false);
  auto running = behaviors_.find(index);
  if (running == behaviors_.end())
    return;
  auto ended = std::move(running->second);
  behaviors_.erase(running);
  if (auto ticks = ticks_.find(index); ticks != ticks_.end()) {
    if (ticks->second.timer != timing_wheel::timer::none)
      timers_.cancel(ticks->second.timer);
    ticks_.erase(ticks);
  }
  drop_commands(ended.instance, row_at(index).id.str() + ": " + why);
}

/// The twin ended by an exception. Its state is as before the message already.
void cell::crashed(std::uint32_t index, exit_kind how, const std::string& why, const moment& now) {
  ++counters_.crashes;
  note(event_kind::crashed, index, now, why);
  stop_behavior(index, "its behaviour crashed before it answered: " + why);
  supervise(index, how, now);
}

void cell::supervise(std::uint32_t index, exit_kind how, const moment& now) {
  if (row_at(index).group == twin_row::none)
    supervise_root(index, how, now);
  else
    supervise_child(index, how, now);
}

/// A root has no siblings and no parent: each has a budget of its own.
void cell::supervise_root(std::uint32_t index, exit_kind how, const moment& now) {
  const auto& policy = world_.supervision.fallback;
  for (;;) {
    auto decided = decide(policy, root_budgets_[index], policy.kind, how, now.steady_ns / 1'000);
    if (decided.what == verdict::kind::retain)
      return;
    if (decided.what != verdict::kind::restart)
      return give_up(index, now);
    if (restart(index, now))
      return;
    how = exit_kind::crash;
  }
}

/// False: the group's supervision gave up.
bool cell::supervise_child(std::uint32_t index, exit_kind how, const moment& now) {
  auto group = row_at(index).group;
  auto& g = *groups_[group];
  sibling_list siblings{*this, g};
  auto act = [&](supervision_action what, std::uint32_t who) {
    switch (what) {
    case supervision_action::stop:
      stop_behavior(who);
      tell_group(who, [](wire::Control::Builder c) { c.setStop(); });
      return true;
    case supervision_action::restart:
      return restart(who, now);
    case supervision_action::forget:
      // A temporary twin is not run again, but its data are not ours to throw away.
      give_up(who, now);
      return true;
    }
    return true;
  };
  // Each round spends budget, so there are at most `intensity` of them.
  for (std::optional<std::uint32_t> ended = index; ended;) {
    auto decided = decide(g.policy, g.budget, siblings.kind(*ended), how, now.steady_ns / 1'000);
    if (decided.what == verdict::kind::escalate) {
      ++counters_.escalations;
      escalate(group, now);
      return false;
    }
    ended = carry_out(decided, siblings, *ended, act);
    how = exit_kind::crash;
  }
  return true;
}

/// More restarts than the policy allows: the children end, and the parent's own supervisor decides.
void cell::escalate(std::uint32_t group, const moment& now) {
  auto& g = *groups_[group];
  g.budget.reset();
  auto where = world_.directory.find(g.parent);
  if (!where)
    return group_give_up(group, now); // The parent is going; nobody is there to decide.
  group_stop(group);
  send(where->cell, group_failed(g));
}

/// Whether its behaviour is not to run, whatever becomes of its siblings and children.
bool cell::rests(const twin_row& row) noexcept {
  return row.lifecycle == lifecycle_state::suspended || row.lifecycle == lifecycle_state::retired;
}

bool cell::restart(std::uint32_t index, const moment& now) {
  if (rests(row_at(index))) {
    tell_group(index, [](wire::Control::Builder c) { c.setRestart(); });
    return true;
  }
  ++counters_.restarts;
  std::string why;
  if (!try_start(index, now, why)) {
    ++counters_.crashes;
    note(event_kind::crashed, index, now, why);
    return false;
  }
  auto& row = row_at(index);
  if (row.lifecycle == lifecycle_state::faulted) {
    auto before = before_fault_.find(index);
    auto to = before != before_fault_.end() ? before->second : lifecycle_state::active;
    before_fault_.erase(index);
    set_lifecycle(index, to, now);
  }
  tell_group(index, [](wire::Control::Builder c) { c.setRestart(); });
  return true;
}

void cell::give_up(std::uint32_t index, const moment& now) {
  reclaim(index, now);
  auto& row = row_at(index);
  stop_behavior(index);
  if (auto to = next(row.lifecycle, lifecycle_trigger::give_up);
      to && row.lifecycle != lifecycle_state::faulted) {
    ++counters_.gave_up;
    set_lifecycle(index, *to, now);
  }
  tell_group(index, [](wire::Control::Builder c) { c.setGiveUp(); });
}

/// The parent was restarted: its children end, the last one first, and start anew, the first one
/// first.
void cell::group_restart(std::uint32_t group, const moment& now) {
  auto& g = *groups_[group];
  g.budget.reset();
  if (g.above == hierarchy_group::parent_state::retired)
    return;
  g.above = hierarchy_group::parent_state::runs;
  std::vector<std::uint32_t> children;
  for (auto i = g.first; i != twin_row::none; i = row_at(i).next)
    children.push_back(i);
  std::for_each(children.rbegin(), children.rend(), [this](auto child) { stop_behavior(child); });
  for (auto child : children) {
    // One that started badly may have had its later siblings started with it.
    if (row_at(child).has(twin_row::running))
      continue;
    if (!restart(child, now) && !supervise_child(child, exit_kind::crash, now))
      return;
  }
}

/// The parent was stopped, to be started again: so are its children, the last one first. They stay
/// in the state that they are in.
void cell::group_stop(std::uint32_t group) {
  auto& g = *groups_[group];
  if (g.above == hierarchy_group::parent_state::runs)
    g.above = hierarchy_group::parent_state::stopped;
  for (auto i = g.last; i != twin_row::none; i = row_at(i).previous) {
    // Also those that were to be started when this came.
    const auto& row = row_at(i);
    if (!rests(row) && row.lifecycle != lifecycle_state::faulted
        && type_at(row.layout->type()).behaves != nullptr)
      row_at(i).set(twin_row::stopped);
    stop_behavior(i);
    tell_group(i, [](wire::Control::Builder c) { c.setStop(); });
  }
}

/// The parent was given up: so are its children, the last one first. What they were comes back with
/// it.
void cell::group_give_up(std::uint32_t group, const moment& now) {
  auto& g = *groups_[group];
  if (g.above == hierarchy_group::parent_state::retired)
    return;
  g.above = hierarchy_group::parent_state::faulted;
  for (auto i = g.last; i != twin_row::none; i = row_at(i).previous) {
    const auto& row = row_at(i);
    if (rests(row)) {
      tell_group(i, [](wire::Control::Builder c) { c.setGiveUp(); });
      continue;
    }
    if (row.lifecycle != lifecycle_state::active && row.lifecycle != lifecycle_state::faulted)
      before_fault_[i] = row.lifecycle;
    give_up(i, now);
  }
}

/// A twin came into its group: its behaviour starts, unless the parent's does not run.
void cell::join_group(std::uint32_t index, const moment& now) {
  switch (groups_[row_at(index).group]->above) {
  case hierarchy_group::parent_state::runs:
    return start_behavior(index, now);
  case hierarchy_group::parent_state::faulted:
    if (!rests(row_at(index)) && row_at(index).lifecycle != lifecycle_state::active)
      before_fault_[index] = row_at(index).lifecycle;
    return give_up(index, now);
  case hierarchy_group::parent_state::stopped:
  case hierarchy_group::parent_state::retired:
    return;
  }
}

} // namespace gemel
