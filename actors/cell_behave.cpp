#include "actors/cell.hpp"
#include "actors/detail/behavior_context.hpp"
#include "messages/names.hpp"
#include "messages/replies.hpp"
#include "messages/requests.hpp"
#include "messages/wire.hpp"

#include <algorithm>

namespace gemel {

/// Calls the running behaviour of a twin. All that it does takes effect, or, if it throws or
/// answers an error, nothing of it.
template <class Call>
result<value> cell::behave(std::uint32_t index, bool is_command, const moment& now, Call call) {
  auto& of = *behaviors_.find(index)->second.what;
  auto& row = row_at(index);
  save(row);
  keep_changes_ = lane_.wanted(subject(index));
  start_changes();
  source_time_us_ = 0;
  auto changes_begin = lane_.mark();
  auto at = clock_.tick(now.unix_us / 1'000);
  behavior_context context{*this, index, at, now};
  result<value> answer = value{};
  auto crash = context.run([&](behavior_context& twin) { answer = call(of, twin); }, is_command);
  if (context.overloaded())
    answer = fail(errc::overloaded, "too many commands wait for their answers");
  if (crash || !answer) {
    restore(row);
    lane_.drop_from(changes_begin);
  }
  if (crash) {
    crashed(index, exit_kind::crash, *crash, now);
    return fail(errc::twin_crashed, row_at(index).id.str() + ": " + *crash);
  }
  if (answer)
    take_effect(index, at, changes_begin, context.effects(), now);
  return answer;
}

/// What a behaviour did outside an update: its changes and the rest.
void cell::take_effect(std::uint32_t index, hybrid_time at, std::uint32_t changes_begin,
                       behavior_effects& effects, const moment& now) {
  auto& row = row_at(index);
  if (changed_ == 0)
    return take_effects(index, effects, std::nullopt, now);
  row.updated = at;
  row.seen(seen_at(now));
  bool awoken = row.lifecycle != lifecycle_state::active && accepts_updates(row.lifecycle);
  if (awoken)
    row.lifecycle = lifecycle_state::active;
  auto led_by = last_dot(row);
  conclude(index, changes_begin, awoken, now);
  take_effects(index, effects, led_by, now);
}

/// Does what a behaviour wanted done besides changing its twin. @param led_by the event of its
/// changes; empty: there are none, so what led to the call led to this too.
void cell::take_effects(std::uint32_t index, behavior_effects& effects, std::optional<dot> led_by,
                        const moment& now) {
  if (effects.empty()) [[likely]]
    return;
  auto cause = led_by ? event_id_of(row_at(index).shard, static_cast<std::uint64_t>(*led_by))
                      : std::string{cause_};
  const cause_scope why{*this, cause};
  for (auto& one : effects.emissions)
    emit(index, std::move(one.name), std::move(one.payload), 0, now);
  if (!effects.sendings.empty())
    journal_ != nullptr ? journal_->emit(make_emit(effects.sendings, cause))
                        : world_.emit(make_emit(effects.sendings, cause));
  for (auto& order : effects.works)
    start_work(index, std::move(order), now);
  if (effects.tick)
    set_tick(index, *effects.tick, now);
}

void cell::emit(std::uint32_t index, std::string name,
                std::vector<std::pair<key_id, value>> payload, std::int64_t source_time_us,
                const moment& now) {
  ++counters_.emitted;
  auto begin = lane_.mark();
  if (lane_.wanted(subject(index)))
    for (auto& [key, content] : payload)
      lane_.put(key, {}, std::move(content));
  auto id = next_dot(row_at(index));
  lane_.note_emitted(subject(index), {id, cause_, source_time_us}, begin, now, std::move(name));
}

// ---- events from outside --------------------------------------------------------------------

std::size_t cell::run_emit(batch_part& part, const moment& now) {
  auto batch = part.of->message().message().getEmit();
  const cause_scope why{*this, text_of(batch.getCause())};
  const auto entries = part.end - part.begin;
  for (auto& i = part.begin; i < part.end; ++i) {
    if (put_aside(part, i, now))
      continue;
    const auto& where = part.of->routes()[i];
    auto done = take_event(where.row, batch, batch.getEvents()[where.index], now);
    if (done)
      ++part.applied;
    else
      part.of->fail(where.index, std::move(done.error()));
  }
  close(part.of, part.applied);
  return entries;
}

/// The same, sent to the twin's own address.
std::size_t cell::run_addressed_emit(addressed_message& message, const moment& now) {
  auto batch = message.message.message().getEmit();
  const cause_scope why{*this, text_of(batch.getCause())};
  outcome answer;
  std::uint32_t entry = 0;
  for (auto happened : batch.getEvents()) {
    if (auto done = take_event(message.row, batch, happened, now))
      ++answer.applied;
    else
      answer.failures.push_back({entry, std::move(done.error())});
    ++entry;
  }
  if (message.reply)
    this->answer(std::exchange(message.reply, nullptr), make_outcome_reply(answer));
  return entry;
}

result<void> cell::take_event(std::uint32_t index, wire::EmitBatch::Reader batch,
                              wire::Emit::Reader happened, const moment& now) {
  auto id = text_of(happened.getId());
  if (!holds(index, id))
    return fail(errc::twin_not_found, std::string{id});
  auto name = text_of(happened.getName());
  if (auto fine = check_event(row_at(index), name, happened); !fine)
    return fine;
  use_keys(batch.getKeys());
  properties payload;
  std::vector<std::pair<key_id, value>> numbered;
  for (auto one : happened.getPayload()) {
    auto content = read_value(one);
    if (auto fine = check_content(content); !fine)
      return fine;
    auto key = look_up(one.getKey());
    if (!key)
      return tl::unexpected<error>(std::move(key.error()));
    auto number = keys_.intern(key->name);
    if (!number)
      return fail(errc::limit_reached, "too many different property keys");
    numbered.emplace_back(key_id{*number}, content);
    payload.push_back({std::string{key->name}, std::move(content)});
  }
  return happen(index, std::string{name}, named_values{std::move(payload)}, std::move(numbered),
                happened.getSourceTimeUs(), now);
}

result<void> cell::check_event(const twin_row& row, std::string_view name,
                               wire::Emit::Reader happened) const {
  if (row.has(twin_row::closing) || row.has(twin_row::stopped))
    return tl::unexpected<error>(is_going(row));
  if (row.lifecycle == lifecycle_state::retired)
    return fail(errc::illegal_state, row.id.str() + " is retired: nothing happens to it any more");
  if (auto fine = check_key(name); !fine)
    return fail(fine.error().code, "event name: " + fine.error().context);
  if (happened.getPayload().size() > limits::properties_max)
    return fail(errc::limit_reached, std::to_string(happened.getPayload().size())
                                         + " values of one event, at most "
                                         + std::to_string(limits::properties_max) + " are allowed");
  return {};
}

/// The event, and what the twin's behaviour does about it. Its own changes lie on the lane first
/// and are put behind the event, since it may fail.
result<void> cell::happen(std::uint32_t index, std::string name, const named_values& payload,
                          std::vector<std::pair<key_id, value>> numbered,
                          std::int64_t source_time_us, const moment& now) {
  if (!row_at(index).has(twin_row::running)) {
    if (row_at(index).has(twin_row::passive) && lane_.wanted(subject(index))) [[unlikely]]
      if (auto awake = wake(index); !awake) // Filters look at values.
        return awake;
    emit(index, std::move(name), std::move(numbered), source_time_us, now);
    return {};
  }
  auto& row = row_at(index);
  auto& of = *behaviors_.find(index)->second.what;
  save(row);
  keep_changes_ = lane_.wanted(subject(index));
  start_changes();
  source_time_us_ = 0;
  auto changes_begin = lane_.mark();
  auto at = clock_.tick(now.unix_us / 1'000);
  behavior_context context{*this, index, at, now};
  auto crash = context.run(
      [&](behavior_context& twin) {
        of.on_event(twin, {name, payload, source_time_us});
      },
      false);
  std::vector<lane_change> own{lane_.changes_from(changes_begin).begin(),
                               lane_.changes_from(changes_begin).end()};
  lane_.drop_from(changes_begin);
  if (crash) {
    restore(row);
    crashed(index, exit_kind::crash, *crash, now);
    return fail(errc::twin_crashed, row_at(index).id.str() + ": " + *crash);
  }
  auto changes = changed_;
  emit(index, std::move(name), std::move(numbered), source_time_us, now);
  auto event = event_id_of(row.shard, static_cast<std::uint64_t>(last_dot(row)));
  const cause_scope why{*this, event};
  changed_ = changes;
  // An event whose lane was flushed left no room for changes; they begin where it ended.
  auto own_begin = lane_.mark();
  for (auto& change : own)
    lane_.put(change.key, std::move(change.before), std::move(change.after));
  if (changed_ > 0)
    next_dot(row);
  take_effect(index, at, own_begin, context.effects(), now);
  return {};
}

// ---- commands -------------------------------------------------------------------------------

/// Why the twin in the row cannot be commanded; nothing if it can.
result<const behavior_command*> cell::find_command(std::uint32_t index, std::string_view name) {
  const auto& row = row_at(index);
  auto id = row.id.str();
  if (row.has(twin_row::closing) || row.has(twin_row::stopped))
    return tl::unexpected<error>(is_going(row));
  const auto* type = type_at(row.layout->type()).behaves;
  auto type_name = std::string{world_.symbols.text(row.layout->type())};
  if (type == nullptr)
    return fail(errc::unknown_command,
                "'" + std::string{name} + "': twins of type " + type_name + " have no behaviour");
  const auto* found = type->find(name);
  if (found == nullptr) {
    std::string known;
    for (const auto& one : type->commands)
      known += (known.empty() ? "" : ", ") + one.name;
    return fail(errc::unknown_command, "'" + std::string{name} + "': twins of type " + type_name
                                           + " have " + (known.empty() ? "no commands" : known));
  }
  if (!row.has(twin_row::running))
    return fail(errc::illegal_state, id + " is " + std::string{to_string(row.lifecycle)}
                                         + " and its behaviour does not run");
  return found;
}

namespace {

error as_answer(const error& why) {
  if (why.code == errc::command_failed || why.code == errc::none)
    return {errc::command_failed, why.context};
  return {errc::command_failed, to_string(why)};
}

/// The frame that answers a command.
frame answer_frame(const result<value>& answer) {
  if (!answer)
    return make_error_reply(answer.error());
  if (auto fine = check_content(*answer); !fine)
    return make_error_reply({errc::command_failed, "its result: " + fine.error().context});
  if (answer->heap_bytes() > limits::page_bytes_max)
    return make_error_reply({errc::command_failed, "its result is larger than a frame may be"});
  return make_result_reply(*answer);
}

} // namespace

void cell::run_command(std::uint32_t index, addressed_message& message, const moment& now) {
  auto asked = message.message.message().getCommand();
  ++counters_.commands;
  auto answer = [&](const result<value>& what) {
    counters_.commands_failed += !what.has_value();
    if (message.reply)
      this->answer(std::exchange(message.reply, nullptr), answer_frame(what));
  };
  auto id = text_of(asked.getId());
  if (!holds(index, id))
    return answer(fail(errc::twin_not_found, std::string{id}));
  auto found = find_command(index, text_of(asked.getName()));
  if (!found)
    return answer(tl::unexpected<error>(std::move(found.error())));
  auto wait = asked.getTimeoutMs() != 0 ? std::chrono::milliseconds{asked.getTimeoutMs()}
                                        : world_.limits.command_timeout;
  if (wait > limits::command_timeout_max)
    return answer(fail(errc::limit_reached,
                       "a timeout of " + std::to_string(wait.count()) + " ms, at most "
                           + std::to_string(limits::command_timeout_max.count()) + " are allowed"));
  auto since = message.submitted_ns != 0 ? message.submitted_ns : now.steady_ns;
  auto deadline = since + std::chrono::nanoseconds{wait}.count();
  if (deadline <= now.steady_ns)
    return answer(fail(errc::timed_out, "it waited too long and was not begun"));
  properties arguments;
  for (auto one : asked.getArguments()) {
    auto content = read_value(one.getValue());
    if (auto fine = check_content(content); !fine)
      return answer(tl::unexpected<error>(std::move(fine.error())));
    arguments.push_back({std::string{text_of(one.getKey())}, std::move(content)});
  }
  const cause_scope why{*this, text_of(asked.getCause())};
  auto instance = behaviors_.find(index)->second.instance;
  std::optional<std::uint64_t> later;
  auto done = behave(index, true, now, [&](behavior& of, behavior_context& twin) -> result<value> {
    auto result = (*found)->run(of, twin, named_values{std::move(arguments)});
    later = twin.effects().deferred;
    if (!result)
      return tl::unexpected<error>(as_answer(result.error()));
    return result;
  });
  if (!done || !later)
    return answer(done);
  if (ending_)
    return answer(fail(errc::stopping, "the node is stopping"));
  deferred_.add(*later, {index, instance, std::move(message.reply),
                         timers_.add(deadline, timer_of(timer_kind::deadline, *later))});
}

void cell::finish_command(std::uint64_t number, const result<value>& answer) {
  auto waiting = deferred_.take(number);
  if (!waiting)
    return;
  timers_.cancel(waiting->deadline);
  end_command(*waiting, answer ? answer : tl::unexpected<error>(as_answer(answer.error())));
}

void cell::end_command(const deferred_commands::entry& waiting, const result<value>& answer) {
  counters_.commands_failed += !answer.has_value();
  if (waiting.reply)
    this->answer(waiting.reply, answer_frame(answer));
}

/// The behaviour that owes answers is gone.
void cell::drop_commands(std::uint64_t instance, const std::string& why) {
  for (auto& waiting : deferred_.take_all_of(instance)) {
    timers_.cancel(waiting.deadline);
    end_command(waiting, fail(errc::command_failed, why));
  }
}

void cell::end_commands(const error& why) {
  ending_ = true;
  for (auto& waiting : deferred_.take_all()) {
    timers_.cancel(waiting.deadline);
    end_command(waiting, tl::unexpected<error>(why));
  }
}

// ---- long work ------------------------------------------------------------------------------

namespace {

result<value> work_result(const behavior_work& work) {
  try {
    return work();
  } catch (const std::exception& thrown) {
    return fail(errc::command_failed, thrown.what());
  } catch (...) {
    return fail(errc::command_failed, "an exception that is no std::exception");
  }
}

} // namespace

void cell::start_work(std::uint32_t index, behavior_effects::work_order&& order, const moment&) {
  auto instance = behaviors_.find(index)->second.instance;
  auto finish = [index, instance, then = std::move(order.then), cause = std::string{cause_}](
                    bool counted, result<value> made) -> cell_outlet::job {
    return [=, made = std::move(made)](cell& of, const moment& now) {
      of.finish_work({index, instance, then, made, cause}, counted, now);
    };
  };
  bool begun = works_ < world_.limits.works_max && world_.works != nullptr
               && world_.works->submit([to = outlet_, finish, work = std::move(order.work)] {
                    to->post(finish(true, work_result(work)));
                  });
  ++behaviors_.find(index)->second.works;
  if (begun)
    ++works_;
  else
    outlet_->post(finish(false, fail(errc::overloaded, "too much work waits")));
}

void cell::finish_work(const finished_work& done, bool counted, const moment& now) {
  works_ -= counted;
  auto running = behaviors_.find(done.row);
  if (running == behaviors_.end() || running->second.instance != done.instance)
    return;
  if (is_held(done.row, now)) {
    // Writes wait; this one too.
    cell_job later{[done](cell& of, const moment& then) { of.finish_work(done, false, then); }};
    if (work item{later}; !held_.defer(done.row, std::move(item)))
      outlet_->post(later.run);
    return;
  }
  --running->second.works;
  const cause_scope why{*this, done.cause};
  // A crash is its supervisor's, and nobody waits for an answer.
  static_cast<void>(behave(done.row, false, now, [&](behavior&, behavior_context& twin) {
    done.then(twin, done.made);
    return result<value>{value{}};
  }));
}

// ---- timers ---------------------------------------------------------------------------------

std::optional<std::int64_t> cell::next_due() const {
  std::optional<std::int64_t> first;
  for (auto one : {timers_.next_due(), lane_.next_due(), idle_due()})
    if (one && (!first || *one < *first))
      first = one;
  return first;
}

bool cell::run_timers(const moment& now) {
  return timers_.advance(now.steady_ns, limits::timers_per_turn_max, [&](std::uint64_t payload) {
    auto what = static_cast<timer_kind>(payload >> timer_kind_shift);
    auto whom = payload & ((std::uint64_t{1} << timer_kind_shift) - 1);
    switch (what) {
    case timer_kind::tick:
      return tick(static_cast<std::uint32_t>(whom), now);
    case timer_kind::deadline:
      if (auto waiting = deferred_.take(whom))
        end_command(*waiting, fail(errc::timed_out, "the behaviour did not answer in time"));
      return;
    case timer_kind::stale:
      return look_for_data(static_cast<std::uint32_t>(whom), now);
    }
  });
}

void cell::set_tick(std::uint32_t index, std::chrono::milliseconds period, const moment& now) {
  auto known = ticks_.find(index);
  if (known != ticks_.end() && known->second.timer != timing_wheel::timer::none)
    timers_.cancel(known->second.timer);
  if (period.count() == 0) {
    ticks_.erase(index);
    return;
  }
  auto period_ns = std::chrono::nanoseconds{period}.count();
  auto due = now.steady_ns + period_ns;
  ticks_[index] = {timers_.add(due, timer_of(timer_kind::tick, index)), due, period_ns};
}

void cell::tick(std::uint32_t index, const moment& now) {
  ticks_.find(index)->second.timer = timing_wheel::timer::none;
  // To look may carry out what was decided, which may set the tick anew or end it.
  bool held = is_held(index, now);
  auto found = ticks_.find(index);
  if (found == ticks_.end() || found->second.timer != timing_wheel::timer::none)
    return;
  auto& mine = found->second;
  if (held) {
    // Writes wait for an atomic batch or a move: soon again.
    mine.timer = timers_.add(now.steady_ns, timer_of(timer_kind::tick, index));
    return;
  }
  if (journal_ != nullptr && !journal_->admitted()) {
    // The store takes nothing in: this tick is left out.
    mine.due_ns = now.steady_ns + mine.period_ns;
    mine.timer = timers_.add(mine.due_ns, timer_of(timer_kind::tick, index));
    return;
  }
  ++counters_.ticks;
  auto late = now.steady_ns - mine.due_ns;
  mine.due_ns += (std::max<std::int64_t>(late, 0) / mine.period_ns + 1) * mine.period_ns;
  mine.timer = timers_.add(mine.due_ns, timer_of(timer_kind::tick, index));
  static_cast<void>(behave(index, false, now, [](behavior& of, behavior_context& twin) {
    of.on_tick(twin);
    return result<value>{value{}};
  }));
}

// ---- stale twins ----------------------------------------------------------------------------

std::uint32_t cell::seen_at(const moment& now) noexcept {
  return static_cast<std::uint32_t>((now.steady_ns >> seen_shift) % seen_units);
}

/// Has an active twin looked at when its data may be too old, if its type wants that.
void cell::watch_for_data(std::uint32_t index, const moment& now) {
  auto& row = row_at(index);
  auto& type = type_at(row.layout->type());
  if (type.stale_after_ns == 0 || row.lifecycle != lifecycle_state::active)
    return;
  row.seen(seen_at(now));
  auto& timer = type.data_timers[row.type_place];
  if (timer == timing_wheel::timer::none)
    timer = timers_.add(now.steady_ns + type.stale_after_ns, timer_of(timer_kind::stale, index));
}

/// Nanoseconds since data last came, at least. Of data that changed nothing only `seen` knows,
/// which is of no use where twins may be silent for so long that it goes round.
std::int64_t cell::data_age_ns(const twin_row& row, const type_entry& type, const moment& now) {
  auto since_change = (now.unix_us - unix_ms(row.updated) * 1'000) * 1'000;
  auto units = (std::int64_t{seen_at(now)} - row.seen() + seen_units) % seen_units;
  auto since_seen = std::max<std::int64_t>(units - 1, 0) << seen_shift;
  bool goes_round = type.stale_after_ns > (seen_units << seen_shift) / 2;
  return goes_round ? std::max<std::int64_t>(since_change, 0) : since_seen;
}

/// The time of the twin's type has passed since it was last looked at.
void cell::look_for_data(std::uint32_t index, const moment& now) {
  auto& row = row_at(index);
  auto& type = type_at(row.layout->type());
  type.data_timers[row.type_place] = timing_wheel::timer::none;
  bool held = is_held(index, now);
  auto& timer = type.data_timers[row.type_place];
  if (row.lifecycle != lifecycle_state::active || timer != timing_wheel::timer::none)
    return;
  auto left_ns = type.stale_after_ns - data_age_ns(row, type, now);
  if (left_ns > 0 || held) {
    auto due = now.steady_ns + std::max<std::int64_t>(left_ns, 0);
    timer = timers_.add(due, timer_of(timer_kind::stale, index));
    return;
  }
  set_lifecycle(index, lifecycle_state::stale, now);
}

} // namespace gemel
