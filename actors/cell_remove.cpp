#include "actors/cell.hpp"
#include "messages/wire.hpp"

namespace gemel {

std::size_t cell::run_lifecycle(batch_part& part, const moment& now) {
  auto batch = part.of->message().message().getLifecycle();
  auto trigger = static_cast<lifecycle_trigger>(batch.getTrigger());
  const auto entries = part.end - part.begin;
  for (auto& i = part.begin; i < part.end; ++i) {
    if (put_aside(part, i, now))
      continue;
    const auto& where = part.of->routes()[i];
    auto id = text_of(batch.getIds()[where.index]);
    auto children = static_cast<child_policy>(batch.getChildren());
    std::optional<result<void>> done = result<void>{fail(errc::twin_not_found, std::string{id})};
    if (holds(where.row, id) && trigger == lifecycle_trigger::retire)
      done = retire({where.row, part.of, where.index, twin_row::none, true,
                     children == child_policy::cascade},
                    children, now);
    else if (holds(where.row, id))
      done = move(where.row, trigger, now);
    if (!done)
      part.of->open_part();
    else if (*done)
      ++part.applied;
    else
      part.of->fail(where.index, std::move(done->error()));
  }
  close(part.of, part.applied);
  return entries;
}

/// Why nothing is taken of a row that is `closing` or `stopped`.
error cell::is_going(const twin_row& row) {
  if (!row.has(twin_row::closing))
    return {errc::twin_busy, row.id.str() + " is being restarted by its supervisor"};
  if (row.has(twin_row::retiring))
    return {errc::twin_busy, row.id.str() + " is being retired"};
  return {errc::twin_not_found, row.id.str() + " is being deleted"};
}

/// Every move is an event.
void cell::set_lifecycle(std::uint32_t index, lifecycle_state to, const moment& now) {
  row_at(index).lifecycle = to;
  row_at(index).set(twin_row::stopped, false);
  note(event_kind::lifecycle, index, now);
  watch_for_data(index, now);
}

result<void> cell::check_move(const twin_row& row, lifecycle_trigger trigger) const {
  using enum lifecycle_trigger;
  // What the runtime itself decides is not for a door to claim, and a delete is a message of its
  // own since it concerns the children too.
  if (trigger == give_up || trigger == data_missed || trigger == data_seen || trigger == remove)
    return fail(errc::unsupported, "'" + std::string{to_string(trigger)}
                                       + "' is not for a person to say; it is one of activate, "
                                         "suspend, resume, repair, retire");
  if (row.has(twin_row::closing))
    return tl::unexpected<error>(is_going(row));
  auto to = next(row.lifecycle, trigger);
  if (!to)
    return fail(to.error().code, row.id.str() + ": " + to.error().context);
  bool starts = trigger == repair || trigger == resume;
  if (starts && row.group != twin_row::none
      && groups_[row.group]->above == hierarchy_group::parent_state::faulted)
    return fail(errc::illegal_state, row.id.str() + ": its parent " + groups_[row.group]->parent
                                         + " is faulted; repair that first");
  return {};
}

result<void> cell::move(std::uint32_t index, lifecycle_trigger trigger, const moment& now) {
  using enum lifecycle_trigger;
  auto& row = row_at(index);
  if (auto allowed = check_move(row, trigger); !allowed)
    return allowed;
  if (trigger == suspend)
    stop_behavior(index, "it was suspended");
  set_lifecycle(index, *next(row.lifecycle, trigger), now);
  if (trigger == repair) {
    before_fault_.erase(index);
    root_budgets_.erase(index);
    start_behavior(index, now);
    if (row.lifecycle != lifecycle_state::faulted)
      tell_group(index, [](wire::Control::Builder c) { c.setRestart(); });
  } else if (trigger == resume) {
    start_behavior(index, now);
  }
  return {};
}

/// Empty: under way, the answer comes later.
std::optional<result<void>> cell::retire(const removal& wanted, child_policy children,
                                         const moment& now) {
  auto& row = row_at(wanted.row);
  if (auto allowed = check_move(row, lifecycle_trigger::retire); !allowed)
    return allowed;
  if (!reclaim(wanted.row, now))
    return fail(errc::twin_busy, row.id.str());
  if (!row.has(twin_row::has_group)) {
    retire_now(wanted.row, now);
    return result<void>{};
  }
  row.set(twin_row::retiring);
  send_close(wanted, children);
  return std::nullopt;
}

void cell::retire_now(std::uint32_t index, const moment& now) {
  stop_behavior(index, "it was retired");
  before_fault_.erase(index);
  set_lifecycle(index, lifecycle_state::retired, now);
}

void cell::finish_retirement(const removal& of, const error& why, const moment& now) {
  auto& row = row_at(of.row);
  row.set(twin_row::retiring, false);
  if (why.code == errc::none) {
    if (!of.retires_children)
      row.set(twin_row::has_group, false);
    retire_now(of.row, now);
  }
  const auto* siblings = row.group != twin_row::none ? groups_[row.group].get() : nullptr;
  // Its own parent may be going meanwhile, and takes it along.
  if (siblings != nullptr && siblings->cascading)
    static_cast<void>(remove({of.row, nullptr, 0, row.group}, child_policy::cascade, now));
  else if (why.code != errc::none && siblings != nullptr
           && siblings->above == hierarchy_group::parent_state::retired)
    static_cast<void>(
        retire({of.row, nullptr, 0, twin_row::none, true, true}, child_policy::cascade, now));
  if (of.cascade_of != twin_row::none)
    return retire_ended(of.cascade_of);
  if (of.of == nullptr)
    return;
  if (why.code != errc::none)
    of.of->fail(of.index, why);
  close(of.of, why.code == errc::none ? 1 : 0);
}

std::size_t cell::run_remove(batch_part& part, const moment& now) {
  auto batch = part.of->message().message().getRemove();
  auto children = static_cast<child_policy>(batch.getChildren());
  const auto entries = part.end - part.begin;
  for (auto& i = part.begin; i < part.end; ++i) {
    if (put_aside(part, i, now))
      continue;
    const auto& where = part.of->routes()[i];
    auto id = text_of(batch.getIds()[where.index]);
    std::optional<result<void>> done = result<void>{fail(errc::twin_not_found, std::string{id})};
    if (holds(where.row, id))
      done = remove({where.row, part.of, where.index, twin_row::none}, children, now);
    if (!done)
      part.of->open_part();
    else if (*done)
      ++part.applied;
    else
      part.of->fail(where.index, std::move(done->error()));
  }
  close(part.of, part.applied);
  return entries;
}

std::optional<result<void>> cell::remove(const removal& wanted, child_policy children,
                                         const moment& now) {
  auto& row = row_at(wanted.row);
  if (row.has(twin_row::closing))
    return tl::unexpected<error>(is_going(row));
  if (!reclaim(wanted.row, now))
    return fail(errc::twin_busy, row.id.str());
  if (!row.has(twin_row::has_group)) {
    remove_now(wanted.row, now);
    return result<void>{};
  }
  send_close(wanted, children);
  return std::nullopt;
}

/// Asks the cell of the children what becomes of them; until then nothing else is taken.
void cell::send_close(const removal& wanted, child_policy children) {
  auto& row = row_at(wanted.row);
  row.set(twin_row::closing);
  auto operation = next_operation_++;
  removals_.emplace(operation, wanted);
  capnp::MallocMessageBuilder builder;
  auto control = builder.initRoot<wire::Message>().initControl();
  auto id = row.id.str();
  control.setParent(id);
  control.setOperation(operation);
  control.setSender(static_cast<std::uint16_t>(self_));
  if (wanted.retires_children)
    control.setRetire();
  else
    control.setClose(static_cast<wire::ChildPolicy>(children));
  send(group_cell(id, row), frame::build(builder));
}

void cell::remove_now(std::uint32_t index, const moment& now) {
  if (row_at(index).has(twin_row::passive) && values_matter(index))
    wake_surely(index);
  auto& row = row_at(index);
  stop_behavior(index, "it was deleted");
  never_started_.erase(index);
  before_fault_.erase(index);
  row.lifecycle = lifecycle_state::deleted;
  note(event_kind::removed, index, now);
  kept_.release_all(row);
  compact_id::text_buffer buffer;
  world_.directory.erase(world_.directory.key_of(row.id.text(buffer)));
  if (row.address != nullptr)
    world_.addresses.end(row.address);
  root_budgets_.erase(index);
  lane_.forget_row(index);
  auto group = row.group;
  unlink_child(index);
  unlist_row(index);
  free_row(index);
  --live_rows_;
  ++counters_.removed;
  if (group != twin_row::none)
    drop_group_if_empty(group, now);
}

void cell::finish_removal(std::uint64_t operation, const error& why, const moment& now) {
  auto i = removals_.find(operation);
  if (i == removals_.end())
    return;
  auto of = std::move(i->second);
  removals_.erase(i);
  auto& row = row_at(of.row);
  row.set(twin_row::closing, false);
  if (of.retires)
    return finish_retirement(of, why, now);
  if (why.code == errc::none) {
    row.set(twin_row::has_group, false);
    remove_now(of.row, now);
  } else if (row.group != twin_row::none && groups_[row.group]->cascading) {
    // It was refused, but its own parent is going and takes it along all the same.
    static_cast<void>(remove({of.row, nullptr, 0, row.group}, child_policy::cascade, now));
  } else if (row.group != twin_row::none
             && groups_[row.group]->above == hierarchy_group::parent_state::retired) {
    static_cast<void>(
        retire({of.row, nullptr, 0, twin_row::none, true, true}, child_policy::cascade, now));
  }
  end_removal(of, why, now);
}

void cell::end_removal(const removal& of, const error& why, const moment& now) {
  if (of.cascade_of != twin_row::none) {
    drop_group_if_empty(of.cascade_of, now);
    return;
  }
  if (why.code != errc::none)
    of.of->fail(of.index, why);
  close(of.of, why.code == errc::none ? 1 : 0);
}

} // namespace gemel
