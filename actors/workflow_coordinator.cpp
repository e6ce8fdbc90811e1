#include "actors/workflow_coordinator.hpp"

#include "messages/names.hpp"
#include "workflows/json_schema.hpp"
#include "workflows/rerun.hpp"
#include "workflows/run_record_value.hpp"

#include <algorithm>
#include <array>

namespace gemel {

namespace {

// Keys of facts: `doc/<digest>`, and `run/<id>` followed by a separator and a number of eight
// hexadecimal digits: 0 is the header, then the changes.
constexpr std::string_view document_prefix = "doc/";
constexpr std::string_view run_prefix = "run/";
constexpr char separator = '\x1f';
constexpr std::size_t number_digits = 8;

// A workflow may run others, which run others, but not for ever.
constexpr std::size_t nesting_max = 16;
constexpr std::size_t run_id_bytes_max = 4'096;
// What is due although it was just looked at is looked at again after this time.
constexpr std::int64_t overdue_wait_ms = 20;

std::string run_key(std::string_view id, std::size_t number) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string key{run_prefix};
  key.append(id).push_back(separator);
  for (std::size_t i = number_digits; i-- > 0;)
    key += digits[(number >> (4 * i)) & 0xf];
  return key;
}

// The same id, the same jitter: FNV-1a.
std::uint64_t seed_of(std::string_view id) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (auto c : id)
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

// As ids of twins are: those with a '/' are of runs that steps start.
result<void> check_run_id(std::string_view id) {
  if (check_id(id))
    return {};
  return fail(errc::bad_name, "the id of a run is 1 to " + std::to_string(limits::id_bytes_max)
                                  + " bytes of UTF-8 without control characters and '/'");
}

bool has_succeeded(run_state state) {
  return state == run_state::completed || state == run_state::completed_with_errors;
}

// What a step that runs another workflow makes of how that ended.
step_outcome outcome_of(const workflow_run& child) {
  step_outcome made;
  made.result = child.results();
  made.with_errors = child.state() == run_state::completed_with_errors;
  if (has_succeeded(child.state()))
    return made;
  made.error = child.state() == run_state::timed_out   ? "timed_out"
               : child.state() == run_state::cancelled ? "workflow_cancelled"
                                                       : "workflow_failed";
  made.message = "run " + child.id() + " is " + std::string{to_string(child.state())};
  for (std::uint32_t i = 0; i < child.document().steps().size(); ++i)
    if (child.step(i).state == step_state::failed) {
      made.message += "; step " + child.document().steps()[i].id + ": "
                      + child.step(i).outcome.error + ": " + child.step(i).outcome.message;
      break;
    }
  return made;
}

value changes_of(const twin_event& event) {
  value_map made;
  for (const auto& one : event.changes)
    made.push_back({one.key, one.new_value});
  return value{std::move(made)};
}

value old_of(const twin_event& event) {
  value_map made;
  for (const auto& one : event.changes)
    made.push_back({one.key, one.old_value});
  return value{std::move(made)};
}

std::string_view name_of(const twin_event& event) {
  return event.kind == event_kind::emitted ? std::string_view{event.name} : to_string(event.kind);
}

bool holds_for(const expression& where, const twin_event& event, const value& changes) {
  value name{name_of(event)};
  value id{event.id};
  value type{event.type};
  value parent{event.parent};
  auto before = old_of(event);
  return is_true(where, [&](const reference& what) -> const value* {
    if (what.scope == "old")
      return before.find(what.root);
    if (what.root == "event")
      return &name;
    if (what.root == "twin_id")
      return &id;
    if (what.root == "type")
      return &type;
    if (what.root == "parent")
      return &parent;
    return changes.find(what.root);
  });
}

std::int64_t next_time(const workflow_trigger& trigger, std::int64_t after_ms) {
  if (trigger.schedule)
    return trigger.schedule->next_after(after_ms);
  auto every = trigger.every.count();
  return (after_ms / every + 1) * every;
}

std::string field_text(const value& header, std::string_view key) {
  const auto* found = header.find(key);
  return found != nullptr && found->is_text() ? std::string{found->as_text()} : std::string{};
}

} // namespace

struct workflow_coordinator::entry {
  struct waiter {
    std::size_t seen = 0;
    std::int64_t until_ms = 0;
    std::function<void()> done{};
  };

  std::string id{};
  document_ptr document{};
  value input{};
  std::string cause{};
  std::shared_ptr<workflow_run> run{};
  std::unique_ptr<workflow_executor> executor{};
  std::uint64_t number = 0;
  // All changes; the first `kept` of them are in the log.
  std::vector<run_record> records{};
  std::size_t kept = 0;
  // Goes into the log with the first change.
  std::vector<run_fact> header{};
  std::optional<std::int64_t> due{};
  std::set<std::string> waits_for{};
  std::vector<waiter> waiters{};
  std::vector<std::function<void(step_outcome)>> parents{};
  bool has_ended = false;
};

workflow_coordinator::workflow_coordinator(ports world, const function_library& functions,
                                           options bounds)
    : world_{std::move(world)},
      functions_{functions}, bounds_{bounds}, alive_{std::make_shared<bool>(true)} {
  workflow_executor::ports steps;
  steps.request = world_.request;
  steps.post = world_.post;
  steps.compute = world_.compute;
  steps.now_ms = world_.now_ms;
  steps.commit = [this](workflow_run& run, std::vector<run_record> records,
                        std::function<void()> then) {
    if (auto of = find_entry(run.id()))
      commit(of, std::move(records), std::move(then));
  };
  steps.start_child = [this](child_request asked, std::function<void(step_outcome)> done) {
    start_child(std::move(asked), std::move(done));
  };
  steps.cancel_child = [this](const std::string& key) { cancel_child(key); };
  steps.reads = std::make_shared<work_gate>(bounds_.reads_under_way_max);
  steps.writes = std::make_shared<work_gate>(bounds_.writes_under_way_max);
  steps.calls = std::make_shared<work_gate>(bounds_.calls_under_way_max);
  steps_ = std::make_shared<const workflow_executor::ports>(std::move(steps));
}

workflow_coordinator::workflow_coordinator(ports world, const function_library& functions)
    : workflow_coordinator{std::move(world), functions, options{}} {
}

workflow_coordinator::~workflow_coordinator() = default;

workflow_coordinator::entry_ptr workflow_coordinator::find_entry(std::string_view id) const {
  auto found = runs_.find(id);
  return found != runs_.end() ? found->second : nullptr;
}

result<workflow_coordinator::entry_ptr>
workflow_coordinator::open_entry(std::string_view id) const {
  if (auto found = find_entry(id))
    return found;
  return fail(errc::not_found, "there is no run '" + std::string{id} + "'");
}

void workflow_coordinator::insert(const entry_ptr& made) {
  made->number = ++starts_;
  runs_.emplace(made->id, made);
  by_start_.emplace(made->number, made);
  ++open_;
}

workflow_executor& workflow_coordinator::executor_of(const entry_ptr& of) {
  if (of->executor == nullptr)
    of->executor = std::make_unique<workflow_executor>(steps_, functions_, of->run);
  return *of->executor;
}

// ---- documents

tl::expected<workflow_coordinator::document_ptr, fault_list>
workflow_coordinator::add(std::string text, std::string file) {
  auto digest = workflow_catalog::digest_of(text);
  bool is_new = catalog_.find_digest(digest) == nullptr;
  auto names = functions_.names();
  auto made = catalog_.add(std::move(text), std::move(file), {&names});
  if (!made || !is_new)
    return made;
  if (world_.log != nullptr)
    keep({{std::string{document_prefix} + digest, (*made)->text()}}, [] {});
  plan_schedules();
  if (world_.on_interest)
    world_.on_interest();
  return made;
}

// ---- starting

std::string workflow_coordinator::new_id(std::string base) {
  if (base.empty())
    base = "run";
  constexpr std::string_view digits = "0123456789abcdefghijklmnopqrstuvwxyz";
  constexpr std::uint64_t ids_per_ms = 64;
  for (;;) {
    // By the time, so that ids of runs that were forgotten do not come back.
    last_number_ =
        std::max(last_number_ + 1, static_cast<std::uint64_t>(world_.now_ms()) * ids_per_ms);
    std::string made;
    for (auto number = last_number_; number > 0; number /= digits.size())
      made.insert(made.begin(), digits[number % digits.size()]);
    if (!runs_.contains(base + "-" + made))
      return base + "-" + made;
  }
}

result<std::string> workflow_coordinator::start(start_request asked) {
  const auto& document = asked.document;
  if (asked.id.empty())
    asked.id = !document->id().empty() ? document->id() : new_id(document->name());
  if (auto fine = check_run_id(asked.id); !fine)
    return tl::unexpected<error>(fine.error());
  if (auto same = find_entry(asked.id)) {
    if (same->document->text() != document->text() || !(same->input == asked.input))
      return fail(errc::precondition_failed, "there is a run '" + asked.id
                                                 + "' already, of another document or with "
                                                   "another input");
    return asked.id;
  }
  if (open_ >= bounds_.open_max)
    return fail(errc::limit_reached, std::to_string(open_) + " runs have not ended yet");
  auto made = std::make_shared<entry>();
  made->id = std::move(asked.id);
  made->document = document;
  made->input = std::move(asked.input);
  made->cause = std::move(asked.cause);
  made->run = std::make_shared<workflow_run>(made->id, document, made->input, seed_of(made->id));
  if (auto fine = check_input(*document, made->run->input()); !fine)
    return tl::unexpected<error>(fine.error());
  start_entry(made, {});
  return made->id;
}

// @param first what it begins with besides its own start.
void workflow_coordinator::start_entry(const entry_ptr& made, std::vector<run_record> first) {
  if (world_.log != nullptr) {
    value header{value_map{{"document", value{workflow_catalog::digest_of(made->document->text())}},
                           {"input", made->input},
                           {"cause", value{made->cause}}}};
    made->header.push_back({run_key(made->id, 0), pack_checked(header)});
  }
  insert(made);
  ++counters_.started;
  if (first.empty())
    return executor_of(made).start();
  for (const auto& record : first)
    made->run->apply(record);
  auto go_on = [this, made] {
    made->run->recover(world_.now_ms());
    executor_of(made).drive();
  };
  commit(made, std::move(first), go_on);
}

// ---- what runs do

// Each run's changes are kept in their order, and so is what follows from them.
void workflow_coordinator::commit(const entry_ptr& of, std::vector<run_record> records,
                                  std::function<void()> then) {
  if (log_failed_)
    return;
  auto facts = std::exchange(of->header, {});
  if (world_.log != nullptr)
    for (std::size_t i = 0; i < records.size(); ++i)
      facts.push_back(
          {run_key(of->id, of->records.size() + i + 1), pack_checked(to_value(records[i]))});
  auto count = records.size();
  of->records.insert(of->records.end(), std::make_move_iterator(records.begin()),
                     std::make_move_iterator(records.end()));
  keep(std::move(facts), [this, of, count, then = std::move(then)] {
    kept(of, count);
    then();
  });
}

void workflow_coordinator::keep(std::vector<run_fact> facts, std::function<void()> then) {
  if (world_.log == nullptr || facts.empty())
    return then();
  ++given_;
  auto here = [this, alive = std::weak_ptr<bool>{alive_},
               then = std::move(then)](const result<void>& how) {
    if (!alive.expired() && !log_failed_)
      noted(how, then);
  };
  world_.log->append(std::move(facts), [post = world_.post, here](result<void> how) {
    post([here, how = std::move(how)] { here(how); });
  });
}

void workflow_coordinator::noted(const result<void>& how, const std::function<void()>& then) {
  if (how) {
    ++noted_;
    then();
  } else {
    log_failed_ = true;
    if (world_.on_log_failed)
      world_.on_log_failed(how.error());
  }
  while (!kept_waiters_.empty() && (log_failed_ || kept_waiters_.front().given <= noted_)) {
    auto next = std::move(kept_waiters_.front());
    kept_waiters_.pop_front();
    next.then(how);
  }
}

void workflow_coordinator::when_kept(std::function<void(result<void>)> then) {
  if (log_failed_)
    return then(fail(errc::store_failed, "workflows stand still: their log cannot be written"));
  if (given_ == noted_)
    return then({});
  kept_waiters_.push_back({given_, std::move(then)});
}

void workflow_coordinator::kept(const entry_ptr& of, std::size_t records) {
  auto from = of->kept;
  of->kept += records;
  note_due(of);
  note_waiting(of);
  for (auto i = from; i < of->kept; ++i)
    if (of->records[i].what == run_record::kind::ended)
      ended(of);
  tell_waiters(of);
}

void workflow_coordinator::note_due(const entry_ptr& of, std::int64_t soonest_ms) {
  auto due = of->run->next_due();
  if (due)
    due = std::max(*due, soonest_ms);
  if (due == of->due)
    return;
  if (of->due)
    due_.erase({*of->due, of->id});
  of->due = due;
  if (due)
    due_.emplace(*due, of->id);
}

void workflow_coordinator::note_waiting(const entry_ptr& of) {
  std::set<std::string> now;
  const auto& steps = of->document->steps();
  if (of->document->waits_for_events() && !is_terminal(of->run->state()))
    for (std::uint32_t i = 0; i < steps.size(); ++i)
      if (steps[i].kind == step_kind::wait_event && of->run->step(i).state == step_state::running)
        now.insert(steps[i].event);
  if (now == of->waits_for)
    return;
  for (const auto& event : of->waits_for)
    if (auto known = waiting_.find(event); known != waiting_.end()) {
      known->second.erase(of->id);
      if (known->second.empty())
        waiting_.erase(known);
    }
  for (const auto& event : now)
    waiting_[event].insert(of->id);
  of->waits_for = std::move(now);
  if (world_.on_interest)
    world_.on_interest();
}

void workflow_coordinator::tell_waiters(const entry_ptr& of) {
  if (of->waiters.empty())
    return;
  auto all = std::exchange(of->waiters, {});
  for (auto& one : all) {
    if (of->kept > one.seen || of->has_ended) {
      deadlines_.erase({one.until_ms, of->id});
      one.done();
    } else {
      of->waiters.push_back(std::move(one));
    }
  }
}

void workflow_coordinator::ended(const entry_ptr& of) {
  of->has_ended = true;
  --open_;
  ++counters_.ended;
  counters_.failed += !has_succeeded(of->run->state());
  ended_.push_back(of->id);
  for (auto& parent : std::exchange(of->parents, {}))
    parent(outcome_of(*of->run));
  // Later: it may be what called us.
  world_.post([of] {
    if (!of->run->is_compensating())
      of->executor.reset();
  });
  forget_oldest();
}

void workflow_coordinator::forget_oldest() {
  while (ended_.size() > bounds_.ended_max) {
    auto of = find_entry(ended_.front());
    ended_.pop_front();
    if (of == nullptr)
      continue;
    std::vector<run_fact> gone;
    for (std::size_t i = 0; world_.log != nullptr && i <= of->records.size(); ++i)
      gone.push_back({run_key(of->id, i), std::nullopt});
    if (of->due)
      due_.erase({*of->due, of->id});
    runs_.erase(of->id);
    by_start_.erase(of->number);
    keep(std::move(gone), [] {});
    // Its executor may be what called us.
    world_.post([of] {});
  }
}

// ---- what people and programs do

result<void> workflow_coordinator::cancel(std::string_view id) {
  auto of = open_entry(id);
  if (!of)
    return tl::unexpected<error>(of.error());
  if (is_terminal((*of)->run->state()))
    return fail(errc::illegal_state, "run " + (*of)->id + " is "
                                         + std::string{to_string((*of)->run->state())}
                                         + " already");
  (*of)->run->cancel(world_.now_ms());
  executor_of(*of).drive();
  return {};
}

result<void> workflow_coordinator::pause(std::string_view id) {
  auto of = open_entry(id);
  if (!of)
    return tl::unexpected<error>(of.error());
  if ((*of)->run->state() != run_state::running)
    return fail(errc::illegal_state, "run " + (*of)->id + " is "
                                         + std::string{to_string((*of)->run->state())}
                                         + "; only one that is running can be paused");
  (*of)->run->pause(world_.now_ms());
  executor_of(*of).drive();
  return {};
}

result<void> workflow_coordinator::resume(std::string_view id) {
  auto of = open_entry(id);
  if (!of)
    return tl::unexpected<error>(of.error());
  if ((*of)->run->state() != run_state::paused)
    return fail(errc::illegal_state, "run " + (*of)->id + " is "
                                         + std::string{to_string((*of)->run->state())}
                                         + "; only one that is paused can be resumed");
  (*of)->run->resume(world_.now_ms());
  executor_of(*of).drive();
  return {};
}

result<void> workflow_coordinator::compensate(std::string_view id) {
  auto of = open_entry(id);
  if (!of)
    return tl::unexpected<error>(of.error());
  auto begun = (*of)->run->compensate(world_.now_ms());
  if (begun)
    executor_of(*of).drive();
  return begun;
}

result<std::string> workflow_coordinator::rerun(std::string_view id, std::string_view from,
                                                std::string wanted) {
  auto of = open_entry(id);
  if (!of)
    return tl::unexpected<error>(of.error());
  std::optional<std::uint32_t> step;
  if (!from.empty()) {
    step = (*of)->document->find(from);
    if (!step)
      return fail(errc::not_found, "run " + (*of)->id + " has no step '" + std::string{from} + "'");
  }
  auto first = rerun_records(*(*of)->run, step, world_.now_ms());
  if (!first)
    return tl::unexpected<error>(first.error());
  auto made = std::make_shared<entry>();
  made->id = !wanted.empty() ? std::move(wanted) : new_id((*of)->document->name());
  if (auto fine = check_run_id(made->id); !fine)
    return tl::unexpected<error>(fine.error());
  if (runs_.contains(made->id))
    return fail(errc::precondition_failed, "there is a run '" + made->id + "' already");
  if (open_ >= bounds_.open_max)
    return fail(errc::limit_reached, std::to_string(open_) + " runs have not ended yet");
  made->document = (*of)->document;
  made->input = (*of)->input;
  made->cause = "rerun of " + (*of)->id;
  made->run =
      std::make_shared<workflow_run>(made->id, made->document, made->input, seed_of(made->id));
  start_entry(made, std::move(*first));
  return made->id;
}

result<std::size_t> workflow_coordinator::signal(std::string_view id, std::string_view event,
                                                 std::string_view twin, const value& content) {
  std::vector<std::string> ids;
  if (id.empty()) {
    if (auto known = waiting_.find(event); known != waiting_.end())
      ids.assign(known->second.begin(), known->second.end());
  } else {
    auto of = open_entry(id);
    if (!of)
      return tl::unexpected<error>(of.error());
    if (is_terminal((*of)->run->state()))
      return fail(errc::illegal_state, "run " + (*of)->id + " has ended");
    ids.emplace_back(id);
  }
  std::size_t heard = 0;
  for (const auto& one : ids) {
    auto of = find_entry(one);
    if (of == nullptr)
      continue;
    heard += of->run->signal(event, twin, content, world_.now_ms());
    executor_of(of).drive();
  }
  counters_.signals += heard;
  return heard;
}

// ---- other workflows

// A run that failed is not what another attempt wants: it gets one of its own, whose number follows
// from what is there, so that it is found again after a crash.
void workflow_coordinator::start_child(child_request asked,
                                       std::function<void(step_outcome)> done) {
  auto document = catalog_.find(asked.workflow, asked.version);
  if (document == nullptr)
    return done(
        {"not_found", "there is no workflow '" + asked.workflow + "'"
                          + (asked.version > 0 ? " of version " + std::to_string(asked.version)
                                               : std::string{})});
  auto depth = static_cast<std::size_t>(std::count(asked.key.begin(), asked.key.end(), '/'));
  if (depth > nesting_max || asked.key.size() > run_id_bytes_max)
    return done({"limit_reached",
                 "workflows are nested more than " + std::to_string(nesting_max) + " deep"});
  auto id = asked.key;
  for (std::size_t n = 2;; ++n) {
    auto known = find_entry(id);
    if (known == nullptr)
      break;
    if (!known->has_ended)
      return known->parents.push_back(std::move(done));
    if (has_succeeded(known->run->state()))
      return done(outcome_of(*known->run));
    id = asked.key + "." + std::to_string(n);
  }
  if (open_ >= bounds_.open_max)
    return done({"limit_reached", std::to_string(open_) + " runs have not ended yet"});
  auto made = std::make_shared<entry>();
  made->id = id;
  made->document = document;
  made->input = std::move(asked.input);
  made->cause = "step of a run";
  made->run = std::make_shared<workflow_run>(id, document, made->input, seed_of(id));
  if (auto fine = check_input(*document, made->run->input()); !fine)
    return done({std::string{to_string(fine.error().code)}, fine.error().context});
  made->parents.push_back(std::move(done));
  start_entry(made, {});
}

void workflow_coordinator::cancel_child(const std::string& key) {
  auto id = key;
  for (std::size_t n = 2;; ++n) {
    auto of = find_entry(id);
    if (of == nullptr)
      return;
    of->parents.clear();
    if (!is_terminal(of->run->state())) {
      of->run->cancel(world_.now_ms());
      executor_of(of).drive();
    }
    id = key + "." + std::to_string(n);
  }
}

// ---- what starts runs by itself

void workflow_coordinator::plan_schedules() {
  schedules_.clear();
  auto now = world_.now_ms();
  for (const auto& [name, versions] : catalog_.all()) {
    const auto& triggers = versions.rbegin()->second->triggers();
    for (std::size_t i = 0; i < triggers.size(); ++i)
      if (triggers[i].what != workflow_trigger::kind::event)
        schedules_.emplace(next_time(triggers[i], now), schedule{name, i});
  }
}

// The id holds the time: a node that comes back within it does not start the run again.
void workflow_coordinator::fire_schedules(std::int64_t now_ms) {
  while (!schedules_.empty() && schedules_.begin()->first <= now_ms) {
    auto [due, what] = *schedules_.begin();
    schedules_.erase(schedules_.begin());
    auto document = catalog_.find(what.workflow);
    if (document == nullptr || what.trigger >= document->triggers().size())
      continue;
    schedules_.emplace(next_time(document->triggers()[what.trigger], now_ms), what);
    fire(document, what.workflow + "@" + std::to_string(due) + "." + std::to_string(what.trigger),
         value{value_map{{"due_ms", value{due}}}}, "schedule");
  }
}

void workflow_coordinator::fire_event(const twin_event& what) {
  for (const auto& [name, versions] : catalog_.all()) {
    auto document = versions.rbegin()->second;
    for (std::size_t i = 0; i < document->triggers().size(); ++i) {
      const auto& trigger = document->triggers()[i];
      if (trigger.what != workflow_trigger::kind::event || trigger.on != name_of(what)
          || (!trigger.type.empty() && trigger.type != what.type))
        continue;
      auto changes = changes_of(what);
      if (trigger.where && !holds_for(*trigger.where, what, changes))
        continue;
      fire(document, name + "@" + what.event_id() + "." + std::to_string(i),
           value{value_map{{"event", value{name_of(what)}},
                           {"twin_id", value{what.id}},
                           {"type", value{what.type}},
                           {"changes", std::move(changes)}}},
           "event of " + what.id);
    }
  }
}

void workflow_coordinator::fire(const document_ptr& document, std::string id, value input,
                                std::string cause) {
  auto begun = start({std::move(id), document, std::move(input), std::move(cause)});
  ++(begun ? counters_.triggered : counters_.triggers_refused);
}

void workflow_coordinator::events(const event_batch& batch) {
  for (unsigned i = 0; i < batch.size(); ++i) {
    auto what = batch[i].record();
    if (auto known = waiting_.find(name_of(what)); known != waiting_.end())
      static_cast<void>(signal({}, name_of(what), what.id, changes_of(what)));
    if (catalog_.has_event_triggers())
      fire_event(what);
  }
}

std::set<event_kind> workflow_coordinator::wanted_events() const {
  std::set<event_kind> kinds;
  auto want = [&](std::string_view name) {
    for (auto kind : {event_kind::created, event_kind::updated, event_kind::removed,
                      event_kind::lifecycle, event_kind::crashed, event_kind::moved})
      if (to_string(kind) == name) {
        kinds.insert(kind);
        return;
      }
    kinds.insert(event_kind::emitted);
  };
  for (const auto& [event, runs] : waiting_)
    want(event);
  if (catalog_.has_event_triggers())
    for (const auto& [name, versions] : catalog_.all())
      for (const auto& trigger : versions.rbegin()->second->triggers())
        if (trigger.what == workflow_trigger::kind::event)
          want(trigger.on);
  return kinds;
}

// ---- time

std::optional<std::int64_t> workflow_coordinator::next_due() const {
  std::optional<std::int64_t> due;
  auto sooner = [&](std::int64_t at) { due = due ? std::min(*due, at) : at; };
  if (!due_.empty())
    sooner(due_.begin()->first);
  if (!schedules_.empty())
    sooner(schedules_.begin()->first);
  if (!deadlines_.empty())
    sooner(deadlines_.begin()->first);
  return due;
}

void workflow_coordinator::tick() {
  auto now = world_.now_ms();
  // Each once: a run that is due again at once waits for the next tick, and holds up no other.
  std::vector<entry_ptr> ready;
  for (; !due_.empty() && due_.begin()->first <= now; due_.erase(due_.begin())) {
    ready.push_back(find_entry(due_.begin()->second));
    ready.back()->due.reset();
  }
  for (const auto& of : ready) {
    of->run->tick(now);
    executor_of(of).drive();
    if (of->kept == of->records.size())
      note_due(of, now + overdue_wait_ms); // Else what is being kept does it.
  }
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    auto of = find_entry(deadlines_.begin()->second);
    deadlines_.erase(deadlines_.begin());
    if (of == nullptr)
      continue;
    for (auto& one : std::exchange(of->waiters, {})) {
      if (one.until_ms <= now)
        one.done();
      else
        of->waiters.push_back(std::move(one));
    }
  }
  fire_schedules(now);
}

// ---- looking at runs

std::optional<workflow_coordinator::run_view>
workflow_coordinator::find(std::string_view id) const {
  auto of = find_entry(id);
  if (of == nullptr)
    return std::nullopt;
  return run_view{of->id, of->run, of->input, of->cause, &of->records, of->kept};
}

void workflow_coordinator::each(const std::function<bool(const run_view&)>& each) const {
  for (auto one = by_start_.rbegin(); one != by_start_.rend(); ++one)
    if (!each({one->second->id, one->second->run, one->second->input, one->second->cause,
               &one->second->records, one->second->kept}))
      return;
}

void workflow_coordinator::when_changed(std::string_view id, std::size_t seen,
                                        std::int64_t until_ms, std::function<void()> done) {
  auto of = find_entry(id);
  if (of == nullptr || of->kept > seen || of->has_ended || until_ms <= world_.now_ms())
    return done();
  of->waiters.push_back({seen, until_ms, std::move(done)});
  deadlines_.emplace(until_ms, of->id);
}

void workflow_coordinator::tell_all() {
  for (const auto& [time, id] : std::exchange(deadlines_, {}))
    if (auto of = find_entry(id))
      for (auto& one : std::exchange(of->waiters, {}))
        one.done();
}

// ---- coming back

result<void> workflow_coordinator::recover() {
  if (world_.log == nullptr)
    return {};
  std::map<std::string, std::map<std::size_t, std::string>> runs;
  auto take = [&](std::string_view key, std::string_view content) -> result<void> {
    if (key.starts_with(document_prefix)) {
      // Functions may have gone meanwhile; runs that are over need them no more.
      auto made = catalog_.add(std::string{content}, {}, {});
      if (!made)
        return fail(errc::store_corrupt, std::string{key} + ": " + to_string(made.error().front()));
      return {};
    }
    auto split = key.rfind(separator);
    if (!key.starts_with(run_prefix) || split == std::string_view::npos
        || key.size() - split - 1 != number_digits)
      return fail(errc::store_corrupt, "an unknown key among the runs");
    auto number = std::stoul(std::string{key.substr(split + 1)}, nullptr, 16);
    runs[std::string{key.substr(run_prefix.size(), split - run_prefix.size())}].emplace(
        number, std::string{content});
    return {};
  };
  if (auto all = world_.log->read(take); !all)
    return all;
  std::vector<entry_ptr> made;
  for (const auto& [id, facts] : runs) {
    std::vector<std::string_view> parts;
    for (const auto& [number, content] : facts) {
      if (number != parts.size())
        return fail(errc::store_corrupt,
                    "run " + id + ": change " + std::to_string(parts.size()) + " is missing");
      parts.push_back(content);
    }
    auto one = read_run(id, parts);
    if (!one)
      return tl::unexpected<error>(one.error());
    made.push_back(std::move(*one));
  }
  auto begun = [](const entry_ptr& of) { return of->records.empty() ? 0 : of->records[0].at_ms; };
  std::stable_sort(made.begin(), made.end(),
                   [&](const auto& a, const auto& b) { return begun(a) < begun(b); });
  for (const auto& one : made) {
    insert(one);
    one->has_ended = is_terminal(one->run->state());
    open_ -= one->has_ended;
    if (one->has_ended)
      ended_.push_back(one->id);
    else
      ++counters_.recovered;
  }
  return {};
}

result<workflow_coordinator::entry_ptr>
workflow_coordinator::read_run(const std::string& id, const std::vector<std::string_view>& parts) {
  auto in_run = [&](const error& why) {
    return fail(errc::store_corrupt, "run " + id + ": " + why.context);
  };
  auto header = unpack_checked(parts[0]);
  if (!header)
    return in_run(header.error());
  auto made = std::make_shared<entry>();
  made->id = id;
  made->document = catalog_.find_digest(field_text(*header, "document"));
  if (made->document == nullptr)
    return in_run({errc::store_corrupt, "its document is missing"});
  made->cause = field_text(*header, "cause");
  if (const auto* input = header->find("input"))
    made->input = *input;
  made->run = std::make_shared<workflow_run>(id, made->document, made->input, seed_of(id));
  for (std::size_t i = 1; i < parts.size(); ++i) {
    auto content = unpack_checked(parts[i]);
    if (!content)
      return in_run(content.error());
    auto record = run_record_of(*content);
    if (!record || record->step >= made->document->steps().size())
      return in_run({errc::store_corrupt, "change " + std::to_string(i) + " is damaged"});
    made->run->apply(*record);
    made->records.push_back(std::move(*record));
  }
  made->kept = made->records.size();
  return made;
}

// A compensation that was under way goes on too.
void workflow_coordinator::resume_all() {
  std::vector<entry_ptr> all;
  for (const auto& [number, of] : by_start_)
    if (!of->has_ended || of->run->is_compensating())
      all.push_back(of);
  for (const auto& of : all) {
    if (of->run->state() == run_state::pending) {
      executor_of(of).start();
    } else {
      of->run->recover(world_.now_ms());
      executor_of(of).drive();
    }
    note_due(of);
    note_waiting(of);
  }
  plan_schedules();
}

} // namespace gemel
