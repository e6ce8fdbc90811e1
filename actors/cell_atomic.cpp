#include "actors/cell.hpp"
#include "actors/detail/behavior_context.hpp"
#include "messages/wire.hpp"

#include <algorithm>
#include <utility>

namespace gemel {

std::size_t cell::run_atomic(batch_part& part, const moment& now) {
  auto& joint = *part.of->joint();
  auto& mine = joint.share_of(self_);
  if (std::exchange(mine.begun, true)) {
    // The entry before threw, and was answered.
    mine.failed = part.of->routes()[part.begin - 1].index;
    joint.abort(errc::not_applied);
  } else if (wait_for_older(part, now)) {
    mine.begun = false;
    return 1;
  } else {
    prepare_share(part, now);
  }
  part.begin = part.end;
  // With a store it is decided behind what this turn logs, see `cell_journal::log_commit`.
  if (journal_ != nullptr && joint.shares().size() > 1)
    journal_->decide(part.of);
  else if (joint.share_done())
    joint.shares().size() == 1 ? finish_atomic(part.of, now) : joint.tell();
  return mine.end - mine.begin;
}

/// Frees the rows of the part from claims that are decided, and from younger batches. Behind an
/// older one, and behind work that came earlier, the part waits. @returns whether it does.
bool cell::wait_for_older(const batch_part& part, const moment& now) {
  auto& joint = *part.of->joint();
  for (auto i = part.begin; i < part.end && !joint.decided(); ++i) {
    auto index = part.of->routes()[i].row;
    if (!is_held(index, now))
      continue;
    auto by = held_.claim_on(index);
    if (auto* other = dynamic_cast<transaction*>(by.get());
        other != nullptr && joint.number() < other->number()) {
      other->yield();
      settle(index, now);
    }
    if (held_.defer(index, batch_part{part}))
      return true;
    joint.abort(errc::overloaded);
  }
  return false;
}

/// Checks every entry of the part, puts aside what it comes to, and holds its row.
void cell::prepare_share(batch_part& part, const moment& now) {
  const auto& joint = part.of->joint();
  auto& mine = joint->share_of(self_);
  auto batch = part.of->message().message().getUpdate();
  use_keys(batch.getKeys());
  const cause_scope why{*this, text_of(batch.getCause())};
  for (auto& i = part.begin; i < part.end && !joint->decided(); ++i) {
    const auto& where = part.of->routes()[i];
    auto made = plan_update(where.row, batch.getUpdates()[where.index], *joint, now);
    if (!made) {
      joint->abort(errc::not_applied);
      mine.failed = where.index;
      part.of->fail(where.index, std::move(made.error()));
      return;
    }
    if (journal_ != nullptr) {
      const auto& row = row_at(where.row);
      journal_->touch(row.shard);
      made->id = row.id.str();
      made->shard = row.shard;
      made->version = row.version;
    }
    mine.plans.emplace(where.row, std::move(*made));
    hold(where.row, joint);
  }
}

result<transaction::plan> cell::plan_update(std::uint32_t index, wire::Update::Reader update,
                                            transaction& of, const moment& now) {
  auto id = text_of(update.getId());
  if (!holds(index, id))
    return fail(errc::twin_not_found, std::string{id});
  if (auto awake = wake(index); !awake)
    return tl::unexpected<error>(std::move(awake.error()));
  const auto& row = row_at(index);
  of_replica_ = false;
  if (auto fine = prepare(row, update); !fine)
    return tl::unexpected<error>(std::move(fine.error()));
  if (auto fine = refuse_unique(row); !fine)
    return tl::unexpected<error>(std::move(fine.error()));
  if (row.has(twin_row::running)) {
    auto made = rehearse(index, update, of, now);
    kept_.settle(row);
    return made;
  }
  transaction::plan made;
  made.source_time_us = update.getSourceTimeUs();
  for (auto& setting : draft_.settings())
    made.changes.push_back({setting.key, std::move(setting.content), false});
  for (auto key : draft_.removals())
    made.changes.push_back({key, {}, true});
  return made;
}

/// A claim on a unique value lasts for one update; a batch over several cells would have to hold it
/// while it waits.
result<void> cell::refuse_unique(const twin_row& row) const {
  const auto* kept = kept_.of(row.layout->type());
  if (kept == nullptr)
    return {};
  for (const auto& setting : draft_.settings())
    if (kept->is_unique(setting.key))
      return fail(errc::unsupported, row.id.str()
                                         + ": a unique property cannot be set by an atomic "
                                           "batch");
  return {};
}

/// Applies the update with its behaviour, notes what the twin came to, and takes it back. Nothing
/// else of this cell runs in between.
result<transaction::plan> cell::rehearse(std::uint32_t index, wire::Update::Reader update,
                                         transaction& of, const moment& now) {
  auto& row = row_at(index);
  auto& counter = shard_counters_[row.shard / world_.cells];
  auto dots_before = counter;
  auto changes_begin = lane_.mark();
  keep_changes_ = true;
  start_changes();
  source_time_us_ = update.getSourceTimeUs();
  save(row);
  auto at = clock_.tick(now.unix_us / 1'000);
  for (auto& setting : draft_.settings())
    set_property(row, setting.key, std::move(setting.content), at);
  for (auto key : draft_.removals())
    unset_property(row, key);
  std::optional<std::string> crash;
  transaction::plan made;
  if (changed_ > 0 || row.lifecycle != lifecycle_state::active) {
    row.version += changed_;
    row.lifecycle = lifecycle_state::active;
    behavior_context context{*this, index, at, now};
    crash = context.run_update(*behaviors_.find(index)->second.what, changes_begin);
    made.effects = std::move(context.effects());
  }
  made.source_time_us = source_time_us_;
  for (const auto& change : lane_.changes_from(changes_begin)) {
    const auto* content = row.find(change.key);
    made.changes.push_back({change.key, content != nullptr ? *content : value{}, !content});
  }
  restore(row);
  lane_.drop_from(changes_begin);
  counter = dots_before;
  if (!crash)
    return made;
  // Before the supervisor looks at other rows of the batch, which would call it busy.
  of.abort(errc::not_applied);
  crashed(index, exit_kind::crash, *crash, now);
  return fail(errc::twin_crashed, row_at(index).id.str() + ": " + *crash);
}

void cell::apply_plan(std::uint32_t index, transaction::plan& what, std::string_view cause,
                      const moment& now) {
  const cause_scope why{*this, cause};
  auto& row = row_at(index);
  auto changes_begin = lane_.mark();
  keep_changes_ = lane_.wanted(subject(index));
  start_changes();
  source_time_us_ = what.source_time_us;
  auto at = clock_.tick(now.unix_us / 1'000);
  for (auto& change : what.changes)
    if (change.gone)
      unset_property(row, change.key);
    else
      set_property(row, change.key, std::move(change.content), at);
  kept_.settle(row);
  bool awoken = row.lifecycle != lifecycle_state::active;
  row.lifecycle = lifecycle_state::active;
  row.seen(seen_at(now));
  if (changed_ == 0 && !awoken) {
    ++counters_.updates_unchanged;
    return;
  }
  row.updated = at;
  row.version += changed_;
  auto led_by = changed_ > 0 ? std::optional{last_dot(row)} : std::nullopt;
  conclude(index, changes_begin, awoken, now);
  // A claim that was carried out for a supervisor: its behaviour may have ended.
  if (row.has(twin_row::running))
    take_effects(index, what.effects, led_by, now);
}

void cell::finish_atomic(const batch_ptr& of, const moment& now) {
  const auto& joint = of->joint();
  auto& mine = joint->share_of(self_);
  for (auto i = mine.begin; i < mine.end; ++i) {
    auto index = of->routes()[i].row;
    if (mine.plans.contains(index) && held_.claim_on(index) == joint)
      settle(index, now);
  }
  auto entries = mine.end - mine.begin;
  if (joint->committed()) {
    counters_.updates_applied += entries;
    return close(of, entries);
  }
  counters_.refused += entries;
  auto why = joint->reason();
  auto context = why == errc::twin_busy    ? "another atomic batch has a claim on one of the twins"
                 : why == errc::overloaded ? "the queue of a cell is full"
                 : why == errc::store_full ? "the disk is full"
                 : why == errc::store_failed ? "the disk failed"
                                             : "another entry of the atomic batch failed";
  for (auto i = mine.begin; i < mine.end; ++i)
    if (auto entry = of->routes()[i].index; mine.failed != entry)
      of->fail(entry, {why, context});
  close(of, 0);
}

bool cell::may_be_torn(std::uint32_t index, std::uint64_t since) const {
  if (commits_.written_since(index, since))
    return true;
  auto by = held_.claim_on(index);
  auto* other = dynamic_cast<const transaction*>(by.get());
  return other != nullptr && other->in_doubt();
}

} // namespace gemel
