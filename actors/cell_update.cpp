#include "actors/cell.hpp"
#include "actors/detail/behavior_context.hpp"
#include "actors/slots.hpp"
#include "messages/names.hpp"
#include "messages/replies.hpp"
#include "messages/wire.hpp"

#include <algorithm>
#include <utility>

namespace gemel {

namespace {

constexpr std::uint32_t unknown_key = UINT32_MAX;

// How far ahead of the update under work its memory is asked for. A row is some 100 ns away when it
// is in no cache; two updates take about that long.
constexpr std::uint32_t frame_ahead = 18;
constexpr std::uint32_t row_ahead = 12;
constexpr std::uint32_t slots_ahead = 6;
constexpr std::size_t cache_line = 64;
// Of a machine's five slots.
constexpr std::size_t slot_lines = 3;

std::pair<path_change::action, value> read_path_change(wire::PathChange::Reader change) {
  using enum path_change::action;
  switch (change.which()) {
  case wire::PathChange::SET:
    return {set, read_value(change.getSet())};
  case wire::PathChange::ADD:
    return {add, read_value(change.getAdd())};
  case wire::PathChange::APPEND:
    return {append, read_value(change.getAppend())};
  case wire::PathChange::UNSET:
    break;
  }
  return {unset, value{}};
}

} // namespace

void cell::use_keys(capnp::List<capnp::Text>::Reader keys) {
  frame_keys_ = keys;
  key_numbers_.assign(keys.size(), unknown_key);
}

/// The key's number if it was found before, else `update_draft::unknown`.
key_id cell::number_of(std::uint16_t frame_key) const noexcept {
  return key_id{frame_key < key_numbers_.size() ? key_numbers_[frame_key] : unknown_key};
}

/// The key of a number that `number_of` does not know. A new key gets no number here: the update
/// may be refused.
result<update_draft::key_ref> cell::look_up(std::uint16_t frame_key) {
  if (frame_key >= key_numbers_.size())
    return fail(errc::bad_frame, "a key that the frame does not name");
  auto text = text_of(frame_keys_[frame_key]);
  auto& number = key_numbers_[frame_key];
  if (number != unknown_key)
    return update_draft::key_ref{key_id{number}, text};
  auto& last = last_keys_[frame_key % last_keys_.size()];
  if (text.empty() || text != last.text) {
    if (auto valid = check_key(text); !valid)
      return tl::unexpected<error>(std::move(valid.error()));
    auto found = keys_.find(text);
    if (!found)
      return update_draft::key_ref{update_draft::unknown, text};
    last = {keys_.text(key_id{*found}), *found};
  }
  number = last.number;
  return update_draft::key_ref{key_id{number}, text};
}

void cell::fetch_row(std::uint32_t index) const noexcept {
  if (index >= row_count_)
    return;
  const auto* row = &row_at(index);
  __builtin_prefetch(row);
  __builtin_prefetch(reinterpret_cast<const char*>(row) + cache_line);
}

void cell::fetch_slots(std::uint32_t index) const noexcept {
  if (index >= row_count_)
    return;
  const auto& row = row_at(index);
  const auto* slots = reinterpret_cast<const char*>(row.slots);
  for (std::size_t line = 0; line < slot_lines; ++line)
    __builtin_prefetch(slots + line * cache_line);
  if (row.has(twin_row::watched))
    lane_.fetch_row(index);
}

/// Asks for the memory of the updates after `i`: first what the frame says of them, then their
/// rows, then their slots. The frame was written by another core.
void cell::fetch_ahead(const batch_part& part, capnp::List<wire::Update>::Reader updates,
                       std::uint32_t i) const {
  const auto* routes = part.of->routes().data();
  if (i + frame_ahead < part.end)
    prefetch_struct(updates[routes[i + frame_ahead].index]);
  if (i + row_ahead < part.end) {
    prefetch_first_pointer(updates[routes[i + row_ahead].index]);
    fetch_row(routes[i + row_ahead].row);
  }
  if (i + slots_ahead < part.end)
    fetch_slots(routes[i + slots_ahead].row);
}

void cell::refuse(const batch_part& part, error why) {
  ++counters_.refused;
  part.of->fail(part.of->routes()[part.begin].index, std::move(why));
}

std::size_t cell::run_update(batch_part& part, const moment& now) {
  if (part.of->joint() != nullptr) [[unlikely]]
    return run_atomic(part, now);
  auto batch = part.of->message().message().getUpdate();
  auto updates = batch.getUpdates();
  const cause_scope why{*this, text_of(batch.getCause())};
  const auto* routes = part.of->routes().data();
  use_keys(batch.getKeys());
  of_replica_ = batch.getReplica();
  const bool some_held = !held_.empty();
  const auto entries = part.end - part.begin;
  for (auto& i = part.begin; i < part.end; ++i) {
    fetch_ahead(part, updates, i);
    // Nothing becomes held while plain updates run.
    if (some_held && put_aside(part, i, now)) [[unlikely]]
      continue;
    auto done = apply(routes[i].row, batch, updates[routes[i].index], now);
    if (done) [[likely]]
      ++part.applied;
    else
      refuse(part, std::move(done.error()));
  }
  counters_.updates_applied += part.applied;
  close(part.of, part.applied);
  return entries;
}

result<void> cell::apply(std::uint32_t index, wire::UpdateBatch::Reader,
                         wire::Update::Reader update, const moment& now) {
  auto id = text_of(update.getId());
  if (!holds(index, id)) [[unlikely]]
    return fail(errc::twin_not_found, std::string{id});
  if (journal_ != nullptr) [[unlikely]]
    if (auto awake = wake(index); !awake)
      return awake;
  const auto& row = row_at(index);
  auto done = prepare(row, update);
  if (done) [[likely]]
    done = claim_values(row);
  if (done) [[likely]]
    done = change(index, update, now);
  kept_.settle(row);
  return done;
}

/// Whether the update may be applied, and if so what it comes to, in `draft_`. Changes nothing.
result<void> cell::prepare(const twin_row& row, wire::Update::Reader update) {
  if (auto fine = check_update(row, update); !fine) [[unlikely]]
    return fine;
  if (update.hasMore()) [[unlikely]] {
    if (auto fine = check_conditions(row, update.getMore()); !fine)
      return fine;
  }
  return take_values(row, update);
}

/// Claims the unique values that `draft_` sets. To be followed by `model_rows::settle`.
result<void> cell::claim_values(const twin_row& row) {
  if (kept_.of(row.layout->type()) == nullptr) [[likely]]
    return {};
  for (const auto& setting : draft_.settings())
    if (auto claimed = kept_.claim(row, setting.key, setting.content); !claimed)
      return claimed;
  return {};
}

/// Whether the type's model allows what `draft_` sets.
result<void> cell::check_models(type_id type) {
  if (model_checks_.empty())
    return {};
  for (const auto& setting : draft_.settings())
    if (auto fine =
            model_checks_.check(type, setting.key, draft_.name_of(setting, keys_), setting.content);
        !fine)
      return fine;
  return {};
}

result<void> cell::check_update(const twin_row& row, wire::Update::Reader update) {
  if (row.has(twin_row::closing) || row.has(twin_row::stopped))
    return tl::unexpected<error>(is_going(row));
  if (!accepts_updates(row.lifecycle) && !of_replica_) [[unlikely]] {
    auto refused = takes_no_updates(row.lifecycle);
    return fail(refused.code, row.id.str() + ": " + refused.context);
  }
  auto wanted_version = update.getIfVersion();
  if (wanted_version != 0 && wanted_version != row.version)
    return fail(errc::precondition_failed, row.id.str() + " has version "
                                               + std::to_string(row.version) + ", not "
                                               + std::to_string(wanted_version));
  return {};
}

/// The rarer preconditions of an update.
result<void> cell::check_conditions(const twin_row& row, wire::MoreOfUpdate::Reader more) {
  for (auto frame_key : more.getIfAbsent()) {
    auto key = look_up(frame_key);
    if (!key)
      return tl::unexpected<error>(std::move(key.error()));
    if (key->key != update_draft::unknown && row.find(key->key) != nullptr)
      return fail(errc::precondition_failed,
                  row.id.str() + " has " + std::string{key->name} + " already");
  }
  auto condition = text_of(more.getCondition());
  if (condition.empty())
    return {};
  auto holds = conditions_.holds(condition, row, about(row));
  if (!holds)
    return fail(holds.error().code, "condition: " + holds.error().context);
  if (!*holds)
    return fail(errc::precondition_failed,
                row.id.str() + ": " + std::string{condition} + " does not hold");
  return {};
}

result<void> cell::take_values(const twin_row& row, wire::Update::Reader update) {
  draft_.start();
  std::size_t new_keys = 0;
  for (auto one : update.getSet()) {
    auto key = number_of(one.getKey());
    if (key == update_draft::unknown) [[unlikely]] {
      auto found = look_up(one.getKey());
      if (!found)
        return tl::unexpected<error>(std::move(found.error()));
      draft_.set(*found, read_value(one));
      key = found->key;
    } else {
      draft_.set(key, read_value(one));
    }
    const auto& content = draft_.settings().back().content;
    if (!content.is_number() && !content.is_bool())
      if (auto fine = check_content(content); !fine)
        return fine;
    new_keys += row.layout->find(key) == shape::no_slot;
  }
  for (auto frame_key : update.getUnset()) {
    auto key = look_up(frame_key);
    if (!key)
      return tl::unexpected<error>(std::move(key.error()));
    if (key->key != update_draft::unknown)
      draft_.unset(key->key);
  }
  if (update.hasMore()) [[unlikely]] {
    if (auto taken = take_more(row, update.getMore()); !taken)
      return taken;
  } else if (new_keys == 0 && model_checks_.empty()) [[likely]] {
    return {};
  }
  return check_draft(row);
}

/// Whether the twin may become what `draft_` says. If so, new keys get their numbers.
result<void> cell::check_draft(const twin_row& row) {
  if (draft_.size_after(row) > world_.limits.properties_max)
    return fail(errc::limit_reached, "limits.properties_max: " + row.id.str() + " has "
                                         + std::to_string(row.layout->size()) + " properties");
  if (auto fine = check_models(row.layout->type()); !fine)
    return fine;
  return draft_.name_keys(keys_);
}

/// What an update says beyond values to set and properties to remove.
result<void> cell::take_more(const twin_row& row, wire::MoreOfUpdate::Reader more) {
  if (more.getReplace())
    draft_.replace(row);
  for (auto one : more.getAdd()) {
    auto key = look_up(one.getKey());
    if (!key)
      return tl::unexpected<error>(std::move(key.error()));
    if (auto added = draft_.add(row, *key, read_value(one)); !added)
      return added;
  }
  for (auto one : more.getPaths()) {
    auto [what, content] = read_path_change(one);
    if (auto fine = check_content(content); !fine)
      return fine;
    if (auto done = draft_.change(row, keys_, text_of(one.getPath()), what, content); !done)
      return done;
  }
  return {};
}

result<void> cell::change(std::uint32_t index, wire::Update::Reader update, const moment& now) {
  auto& row = row_at(index);
  auto* behaves = row.has(twin_row::running) ? behaviors_.find(index)->second.what.get() : nullptr;
  auto changes_begin = lane_.mark();
  keep_changes_ = behaves != nullptr || lane_.wanted(subject(index));
  start_changes();
  source_time_us_ = update.getSourceTimeUs();
  if (behaves != nullptr)
    save(row);
  auto at = clock_.tick(now.unix_us / 1'000);
  for (auto& setting : draft_.settings())
    set_property(row, setting.key, std::move(setting.content), at);
  for (auto key : draft_.removals())
    unset_property(row, key);
  // What replicas hold leaves a suspended twin suspended.
  bool awoken = row.lifecycle != lifecycle_state::active && accepts_updates(row.lifecycle);
  if (awoken)
    row.lifecycle = lifecycle_state::active;
  row.seen(seen_at(now));
  if (changed_ == 0 && !awoken) {
    ++counters_.updates_unchanged;
    return {};
  }
  row.updated = at;
  row.version += changed_;
  if (behaves != nullptr) {
    behavior_context context{*this, index, at, now};
    if (auto crash = context.run_update(*behaves, changes_begin); crash) {
      restore(row_at(index));
      lane_.drop_from(changes_begin);
      crashed(index, exit_kind::crash, *crash, now);
      return fail(errc::twin_crashed, row_at(index).id.str() + ": " + *crash);
    }
    auto led_by = changed_ > 0 ? std::optional{last_dot(row)} : std::nullopt;
    conclude(index, changes_begin, awoken, now);
    take_effects(index, context.effects(), led_by, now);
    return {};
  }
  conclude(index, changes_begin, awoken, now);
  return {};
}

/// Tells of an update that changed the row.
void cell::conclude(std::uint32_t index, std::uint32_t changes_begin, bool awoken,
                    const moment& now) {
  counters_.properties_changed += changed_;
  if (journal_ != nullptr && changed_ > 0) [[unlikely]]
    log_update(index);
  // The update first: an event may flush the lane, with the changes that lie on it.
  if (changed_ > 0 && keep_changes_)
    note_update(index, changes_begin, source_time_us_, now);
  else if (changed_ > 0)
    ++counters_.events;
  if (awoken) {
    note(event_kind::lifecycle, index, now);
    watch_for_data(index, now);
  }
}

dot cell::next_dot(const twin_row& row) {
  return make_dot(writer_, ++shard_counters_[row.shard / world_.cells]);
}

dot cell::last_dot(const twin_row& row) const {
  return make_dot(writer_, shard_counters_[row.shard / world_.cells]);
}

void cell::set_property(twin_row& row, key_id key, value&& content, hybrid_time at) {
  auto slot = row.layout->find(key);
  if (slot == shape::no_slot) {
    count_change(row, key, nullptr, &content);
    keep_change(row, key, nullptr, &content);
    slot = static_cast<std::uint32_t>(row.layout->size());
    set_layout(row, shapes_.with(row.layout, key));
    if (keep_changes_)
      lane_.put(key, {}, content);
  } else {
    auto& held = row.slots[slot].content;
    if (held == content)
      return;
    count_change(row, key, &held, &content);
    keep_change(row, key, &held, &content);
    if (keep_changes_)
      lane_.put(key, held, content);
  }
  row.slots[slot].content = std::move(content);
  row.slots[slot].at = {at, next_dot(row)};
  if (journal_ != nullptr) [[unlikely]]
    journal_->changed(key, row.slots[slot].at);
  if (source_time_us_ != 0 || row.has(twin_row::timed)) [[unlikely]]
    set_source_time(row, slot);
  ++changed_;
}

void cell::set_source_time(twin_row& row, std::uint32_t slot) {
  if (!row.has(twin_row::timed))
    move_slots(row, row.layout, true);
  source_times(row.slots, row.layout->size())[slot] = source_time_us_;
}

void cell::unset_property(twin_row& row, key_id key) {
  auto slot = row.layout->find(key);
  if (slot == shape::no_slot)
    return;
  count_change(row, key, &row.slots[slot].content, nullptr);
  keep_change(row, key, &row.slots[slot].content, nullptr);
  if (keep_changes_)
    lane_.put(key, row.slots[slot].content, {});
  set_layout(row, shapes_.without(row.layout, slot));
  auto id = next_dot(row);
  if (journal_ != nullptr)
    journal_->changed(key, {clock_.last(), id});
  ++changed_;
}

void cell::save(const twin_row& row) {
  auto count = row.layout->size();
  saved_.layout = row.layout;
  saved_.slots.assign(row.slots, row.slots + count);
  saved_.source_times.clear();
  if (row.has(twin_row::timed))
    saved_.source_times.assign(source_times(row.slots, count),
                               source_times(row.slots, count) + count);
  saved_.version = row.version;
  saved_.updated = row.updated;
  saved_.lifecycle = row.lifecycle;
}

void cell::restore(twin_row& row) {
  for (std::size_t i = 0; i < row.layout->size(); ++i)
    count_change(row, row.layout->keys()[i], &row.slots[i].content, nullptr);
  auto index = index_of(row);
  kept_.remove(row, index);
  bool timed = !saved_.source_times.empty();
  if (row.layout != saved_.layout || row.has(twin_row::timed) != timed)
    move_slots(row, saved_.layout, timed);
  std::copy(saved_.slots.begin(), saved_.slots.end(), row.slots);
  if (timed)
    std::copy(saved_.source_times.begin(), saved_.source_times.end(),
              source_times(row.slots, saved_.layout->size()));
  for (std::size_t i = 0; i < row.layout->size(); ++i)
    count_change(row, row.layout->keys()[i], nullptr, &row.slots[i].content);
  row.version = saved_.version;
  row.updated = saved_.updated;
  row.lifecycle = saved_.lifecycle;
  kept_.add(row, index);
}

std::size_t cell::run_addressed(addressed_message& message, const moment& now) {
  auto reply = [&](frame answer) {
    // Gone before it is called: should it throw, nobody calls it again.
    if (auto answers = std::exchange(message.reply, nullptr))
      answers(std::move(answer));
  };
  auto index = message.row;
  // A read sees the twin as it was.
  if (!message.message.message().isGet() && put_aside(message, now))
    return 1;
  if (!is_at(index, message.to)) {
    reply(make_error_reply({errc::twin_not_found, "the twin of this address is gone"}));
    return 1;
  }
  auto content = message.message.message();
  if (content.isGet()) {
    if (auto awake = wake(index); !awake) {
      reply(make_error_reply(awake.error()));
      return 1;
    }
    twin_page page;
    page.twins.push_back(record(index));
    reply(make_page_reply(page));
    return 1;
  }
  if (content.isCommand()) {
    run_command(index, message, now);
    return 1;
  }
  if (content.isEmit())
    return run_addressed_emit(message, now);
  if (!content.isUpdate()) {
    reply(make_error_reply(
        {errc::unsupported, "a twin's own address takes updates, commands, events and gets"}));
    return 1;
  }
  auto batch = content.getUpdate();
  if (batch.getAtomic() && batch.getUpdates().size() > 1) {
    reply(make_error_reply({errc::bad_value, "an atomic batch names no twin twice"}));
    return 1;
  }
  use_keys(batch.getKeys());
  const cause_scope why{*this, text_of(batch.getCause())};
  outcome answer;
  std::uint32_t entry = 0;
  for (auto update : batch.getUpdates()) {
    auto done = apply(index, batch, update, now);
    if (done)
      ++answer.applied;
    else
      answer.failures.push_back({entry, std::move(done.error())});
    ++entry;
  }
  counters_.updates_applied += answer.applied;
  counters_.refused += answer.failures.size();
  if (message.reply)
    this->answer(std::exchange(message.reply, nullptr), make_outcome_reply(answer));
  return entry;
}

} // namespace gemel
