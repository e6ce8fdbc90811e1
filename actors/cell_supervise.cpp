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
  auto* factory = type_at(row.layout->type()).factory;
  if (factory == nullptr)
    return true;
  reclaim(index, now);
  save(row);
  keep_changes_ = lane_.wanted(subject(index));
  changed_ = 0;
  source_time_us_ = 0;
  auto changes_begin = lane_.mark();
  auto at = clock_.tick(now.unix_us / 1'000);
  behavior_context context{*this, index, at, now};
  std::unique_ptr<behavior> made;
  if (auto crash = context.run_start(*factory, made)) {
    restore(row);
    lane_.drop_from(changes_begin);
    why = *crash;
    return false;
  }
  row.set(twin_row::running);
  behaviors_[index] = std::move(made);
  if (changed_ > 0) {
    row.updated = at;
    counters_.properties_changed += changed_;
    note_update(index, changes_begin, 0, now);
  }
  return true;
}

void cell::stop_behavior(std::uint32_t index) {
  row_at(index).set(twin_row::running, false);
  behaviors_.erase(index);
}

/// The twin ended by an exception. Its state is as before the message already.
void cell::crashed(std::uint32_t index, exit_kind how, const std::string& why, const moment& now) {
  ++counters_.crashes;
  note(event_kind::crashed, index, now, why);
  stop_behavior(index);
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
  group_stop(group, now);
  auto& g = *groups_[group];
  g.budget.reset();
  if (auto where = world_.directory.find(g.parent))
    world_.send(where->cell, group_failed(g));
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
    row.lifecycle = lifecycle_state::active;
    note(event_kind::lifecycle, index, now);
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
    row.lifecycle = *to;
    ++counters_.gave_up;
    note(event_kind::lifecycle, index, now);
  }
  tell_group(index, [](wire::Control::Builder c) { c.setStop(); });
}

/// The parent was restarted: its children end, the last one first, and start anew, the first one
/// first.
void cell::group_restart(std::uint32_t group, const moment& now) {
  groups_[group]->budget.reset();
  std::vector<std::uint32_t> children;
  for (auto i = groups_[group]->first; i != twin_row::none; i = row_at(i).next)
    children.push_back(i);
  std::for_each(children.rbegin(), children.rend(), [this](auto child) { stop_behavior(child); });
  for (auto child : children) {
    // One that started badly may have had its later siblings started with it.
    if (rests(row_at(child)) || row_at(child).has(twin_row::running))
      continue;
    if (!restart(child, now) && !supervise_child(child, exit_kind::crash, now))
      return;
  }
}

/// The parent was stopped or given up: so are its children, the last one first.
void cell::group_stop(std::uint32_t group, const moment& now) {
  for (auto i = groups_[group]->last; i != twin_row::none; i = row_at(i).previous)
    give_up(i, now);
}

} // namespace gemel
