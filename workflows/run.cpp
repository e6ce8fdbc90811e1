#include "workflows/run.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <utility>

namespace gemel {

namespace {

constexpr std::array<std::string_view, 8> run_names = {
    "pending", "running",   "paused",   "completed", "completed_with_errors",
    "failed",  "cancelled", "timed_out"};
constexpr std::array<std::string_view, 10> step_names = {
    "pending", "running", "retry_wait", "completed", "completed_with_errors",
    "caught",  "skipped", "failed",     "cancelled", "not_run"};

constexpr bool is_success(step_state state) noexcept {
  return state == step_state::completed || state == step_state::completed_with_errors
         || state == step_state::skipped;
}

// The finalizer of splitmix64 (Steele, Lea, Flood 2014) over the parts, as a number in [0, 1).
double share_of(std::uint64_t seed, std::uint64_t step, std::uint64_t attempt) {
  auto x = seed + 0x9e3779b97f4a7c15U * (step * step_attempts_max + attempt + 1);
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  x ^= x >> 31;
  constexpr int bits = 53;
  return std::ldexp(static_cast<double>(x >> (64 - bits)), -bits);
}

value error_of(const step_outcome& outcome) {
  if (outcome.error.empty())
    return {};
  return value{value_map{{"error", value{outcome.error}}, {"message", value{outcome.message}}}};
}

value with_members(const value& base, const value& added) {
  value_map members;
  if (base.is_map())
    members.assign(base.as_map().begin(), base.as_map().end());
  if (added.is_map())
    members.insert(members.end(), added.as_map().begin(), added.as_map().end());
  return value{std::move(members)}; // Of equal keys the last one stays.
}

} // namespace

std::string_view to_string(run_state state) noexcept {
  return run_names[static_cast<std::size_t>(state)];
}

std::string_view to_string(step_state state) noexcept {
  return step_names[static_cast<std::size_t>(state)];
}

std::string idempotency_key(std::string_view run_id, std::string_view step_id) {
  return std::string{run_id}.append("/").append(step_id);
}

bool too_many_failed(const twin_failure_rule& rule, std::size_t twins,
                     std::size_t failed) noexcept {
  using enum twin_failure_rule::mode;
  constexpr double whole = 100;
  switch (rule.how) {
  case collect:
    return false;
  case fail:
    return failed > 0;
  case max:
    return static_cast<double>(failed) > rule.limit;
  case max_percent:
    return static_cast<double>(failed) * whole > rule.limit * static_cast<double>(twins);
  }
  return false;
}

workflow_run::workflow_run(std::string id, std::shared_ptr<const workflow> document, value input,
                           std::uint64_t seed)
    : id_{std::move(id)}, document_{std::move(document)},
      input_{with_members(document_->input(), input)}, vars_{document_->vars()}, seed_{seed},
      steps_(document_->steps().size()), reached_(steps_.size()), heartbeat_ms_(steps_.size()) {
}

// ---- changes: every one is a record, and `apply` is the only place that makes it

void workflow_run::note(run_record record) {
  apply(record);
  ++changes_;
  records_.push_back(std::move(record));
}

void workflow_run::apply(const run_record& record) {
  using enum run_record::kind;
  auto& step = steps_[record.step < steps_.size() ? record.step : 0];
  switch (record.what) {
  case started:
    state_ = run_state::running;
    started_ms_ = record.at_ms;
    return;
  case step_started:
    running_ += step.state != step_state::running;
    step.state = step_state::running;
    step.attempt = record.attempt;
    step.started_ms = record.at_ms;
    step.outcome = {};
    heartbeat_ms_[record.step] = record.at_ms;
    return;
  case step_ended:
    running_ -= step.state == step_state::running;
    step.state = record.state;
    step.ended_ms = record.at_ms;
    step.outcome = record.outcome;
    failed_ = failed_ || record.state == step_state::failed;
    if (record.state == step_state::completed || record.state == step_state::completed_with_errors)
      completed_order_.push_back(record.step);
    return;
  case step_retry:
    --running_;
    step.state = step_state::retry_wait;
    step.due_ms = record.due_ms;
    step.outcome = record.outcome;
    return;
  case step_reached:
    reached_[record.step] = true;
    return;
  case vars_set:
    vars_ = with_members(vars_, record.outcome.result);
    return;
  case paused:
    state_ = run_state::paused;
    return;
  case resumed:
    state_ = run_state::running;
    return;
  case ended:
    state_ = record.run;
    return;
  case compensating:
    compensating_ = true;
    return;
  case step_prepared:
    prepared_.insert_or_assign(record.step, record.outcome.result);
    return;
  }
}

// ---- which step may start

workflow_run::readiness workflow_run::readiness_of(std::uint32_t index) const {
  using enum readiness;
  const auto& about = document_->steps()[index];
  if (reached_[index])
    return start;
  if (about.on_demand)
    return wait;
  std::size_t ended = 0;
  std::size_t succeeded = 0;
  std::size_t failures = 0;
  std::size_t lost = 0;
  for (auto before : about.depends_on) {
    auto state = steps_[before].state;
    ended += is_terminal(state);
    succeeded += is_success(state);
    failures += state == step_state::failed || state == step_state::caught;
    lost += state == step_state::cancelled || state == step_state::not_run;
  }
  bool all = ended == about.depends_on.size();
  switch (about.trigger) {
  case step_trigger::all_success:
    return ended > succeeded ? never : all ? start : wait;
  case step_trigger::all_completed:
    return lost > 0 ? never : all ? start : wait;
  case step_trigger::all_done:
    return all ? start : wait;
  case step_trigger::one_success:
    return succeeded > 0 || about.depends_on.empty() ? start : all ? never : wait;
  case step_trigger::one_failed:
    return failures > 0 ? start : all ? never : wait;
  case step_trigger::none_failed:
    return failures + lost > 0 ? never : all ? start : wait;
  }
  return wait;
}

// Goes on until nothing more follows: a step that ends within may let others start or end.
void workflow_run::advance(std::int64_t now_ms) {
  if (compensating_)
    return next_compensation(now_ms);
  while (state_ == run_state::running) {
    auto before = changes_;
    drop_lost(now_ms);
    begin_ready(now_ms);
    if (changes_ != before)
      continue;
    if (is_open())
      return;
    if (!drop_unreached(now_ms))
      end_run(final_state(), now_ms);
  }
}

void workflow_run::drop(std::uint32_t index, std::int64_t now_ms) {
  note({.what = run_record::kind::step_ended,
        .step = index,
        .state = step_state::not_run,
        .at_ms = now_ms});
}

void workflow_run::drop_lost(std::int64_t now_ms) {
  for (auto index : document_->order())
    if (steps_[index].state == step_state::pending && readiness_of(index) == readiness::never)
      drop(index, now_ms);
}

// Nothing runs any more that could reach those that start on demand.
bool workflow_run::drop_unreached(std::int64_t now_ms) {
  bool any = false;
  for (std::uint32_t i = 0; i < steps_.size(); ++i) {
    if (steps_[i].state != step_state::pending || !document_->steps()[i].on_demand)
      continue;
    drop(i, now_ms);
    any = true;
  }
  return any;
}

bool workflow_run::is_open() const {
  return std::any_of(steps_.begin(), steps_.end(), [](const step_view& step) {
    return step.state == step_state::running || step.state == step_state::retry_wait;
  });
}

run_state workflow_run::final_state() const {
  if (failed_ && document_->on_error() == on_error_rule::fail_fast)
    return run_state::failed;
  bool with_errors = std::any_of(steps_.begin(), steps_.end(), [](const step_view& step) {
    return step.state == step_state::completed_with_errors;
  });
  return failed_ || with_errors ? run_state::completed_with_errors : run_state::completed;
}

bool workflow_run::follows_failures(std::uint32_t index) const {
  using enum step_trigger;
  const auto& about = document_->steps()[index];
  bool tolerant =
      about.trigger == all_done || about.trigger == one_failed || about.trigger == all_completed;
  return reached_[index] || (tolerant && !about.depends_on.empty());
}

void workflow_run::begin_ready(std::int64_t now_ms) {
  // After a failure only those go on that were written to follow one.
  bool stopping = failed_ && document_->on_error() == on_error_rule::fail_fast;
  for (auto index : document_->order()) {
    if (running_ >= document_->max_parallel())
      return;
    auto& step = steps_[index];
    if (step.state == step_state::retry_wait && step.due_ms <= now_ms) {
      begin(index, now_ms);
    } else if (step.state == step_state::pending && readiness_of(index) == readiness::start) {
      if (!stopping || follows_failures(index))
        begin(index, now_ms);
      else
        drop(index, now_ms);
    }
    if (state_ != run_state::running)
      return;
  }
}

bool workflow_run::runs_inside(std::uint32_t index) const {
  using enum step_kind;
  auto kind = document_->steps()[index].kind;
  return kind == wait || kind == wait_event || kind == set || kind == choose;
}

void workflow_run::begin(std::uint32_t index, std::int64_t now_ms) {
  auto attempt = steps_[index].attempt + 1;
  note(
      {.what = run_record::kind::step_started, .step = index, .attempt = attempt, .at_ms = now_ms});
  if (runs_inside(index))
    begin_inside(index, now_ms);
  else
    commands_.push_back({run_command::kind::begin, index, attempt});
}

// What needs nobody else: these steps read no twins.
void workflow_run::begin_inside(std::uint32_t index, std::int64_t now_ms) {
  const auto& about = document_->steps()[index];
  if (about.when && !holds(*about.when, index))
    return end_step(index, step_state::skipped, {}, now_ms);
  if (about.kind == step_kind::choose)
    return choose_case(index, now_ms);
  if (about.kind == step_kind::set) {
    std::deque<value> made;
    step_outcome outcome;
    outcome.result = about.parameters.render(resolver(index, {}, made));
    note({.what = run_record::kind::vars_set, .at_ms = now_ms, .outcome = outcome});
    end_step(index, step_state::completed, std::move(outcome), now_ms);
  }
  // A wait ends by `tick`, a wait for an event by `signal`.
}

void workflow_run::choose_case(std::uint32_t index, std::int64_t now_ms) {
  const auto& about = document_->steps()[index];
  auto next = about.otherwise;
  for (const auto& one : about.cases) {
    if (holds(one.when, index)) {
      next = one.next;
      break;
    }
  }
  step_outcome outcome;
  if (next) {
    note({.what = run_record::kind::step_reached, .step = *next, .at_ms = now_ms});
    outcome.result = value{document_->steps()[*next].id};
  }
  end_step(index, step_state::completed, std::move(outcome), now_ms);
}

// ---- how steps end

void workflow_run::end_step(std::uint32_t index, step_state state, step_outcome outcome,
                            std::int64_t now_ms) {
  note({.what = run_record::kind::step_ended,
        .step = index,
        .attempt = steps_[index].attempt,
        .state = state,
        .at_ms = now_ms,
        .outcome = std::move(outcome)});
}

void workflow_run::finish_step(std::uint32_t index, std::uint32_t attempt, step_outcome outcome,
                               std::int64_t now_ms) {
  if (index >= steps_.size() || steps_[index].state != step_state::running
      || steps_[index].attempt != attempt)
    return;
  if (outcome.error.empty()) {
    auto state = outcome.with_errors ? step_state::completed_with_errors : step_state::completed;
    end_step(index, state, std::move(outcome), now_ms);
  } else {
    fail_step(index, std::move(outcome), now_ms);
  }
  advance(now_ms);
}

void workflow_run::skip_step(std::uint32_t index, std::uint32_t attempt, std::int64_t now_ms) {
  if (index >= steps_.size() || steps_[index].state != step_state::running
      || steps_[index].attempt != attempt)
    return;
  end_step(index, step_state::skipped, {}, now_ms);
  advance(now_ms);
}

void workflow_run::fail_step(std::uint32_t index, step_outcome outcome, std::int64_t now_ms) {
  if (retry(index, outcome, now_ms))
    return;
  const auto& catches = document_->steps()[index].catches;
  auto rule = std::find_if(catches.begin(), catches.end(), [&](const catch_rule& one) {
    return one.errors.matches(outcome.error);
  });
  if (rule != catches.end() && !compensating_) {
    end_step(index, step_state::caught, std::move(outcome), now_ms);
    note({.what = run_record::kind::step_reached, .step = rule->next, .at_ms = now_ms});
    return;
  }
  // Only the first failure stops the others: what follows a failure is not stopped by the next.
  bool stops = !failed_ && !compensating_ && document_->on_error() == on_error_rule::fail_fast;
  end_step(index, step_state::failed, std::move(outcome), now_ms);
  if (stops)
    stop_running(now_ms);
}

bool workflow_run::retry(std::uint32_t index, const step_outcome& outcome, std::int64_t now_ms) {
  const auto& rules = document_->steps()[index].retry;
  auto rule = std::find_if(rules.begin(), rules.end(), [&](const retry_rule& one) {
    return one.errors.matches(outcome.error);
  });
  if (rule == rules.end() || steps_[index].attempt >= rule->max_attempts)
    return false;
  note({.what = run_record::kind::step_retry,
        .step = index,
        .attempt = steps_[index].attempt,
        .at_ms = now_ms,
        .due_ms = now_ms + retry_delay(index, *rule),
        .outcome = outcome});
  return true;
}

std::int64_t workflow_run::retry_delay(std::uint32_t index, const retry_rule& rule) const {
  auto attempt = steps_[index].attempt;
  auto grown = static_cast<double>(rule.interval.count())
               * std::pow(rule.backoff, static_cast<double>(attempt - 1));
  auto wait = std::min(grown, static_cast<double>(rule.max_interval.count()));
  auto share = 1 + rule.jitter * (2 * share_of(seed_, index, attempt) - 1);
  return static_cast<std::int64_t>(wait * share);
}

void workflow_run::stop_running(std::int64_t now_ms) {
  for (std::uint32_t i = 0; i < steps_.size(); ++i) {
    auto state = steps_[i].state;
    if (state != step_state::running && state != step_state::retry_wait)
      continue;
    if (state == step_state::running && !runs_inside(i))
      commands_.push_back({run_command::kind::cancel, i, steps_[i].attempt});
    end_step(i, step_state::cancelled, {}, now_ms);
  }
}

void workflow_run::end_run(run_state state, std::int64_t now_ms) {
  for (std::uint32_t i = 0; i < steps_.size(); ++i)
    if (steps_[i].state == step_state::pending)
      drop(i, now_ms);
  note({.what = run_record::kind::ended, .run = state, .at_ms = now_ms});
}

// ---- what happens from outside

void workflow_run::start(std::int64_t now_ms) {
  if (state_ != run_state::pending)
    return;
  note({.what = run_record::kind::started, .at_ms = now_ms});
  advance(now_ms);
}

bool workflow_run::keep_prepared(std::uint32_t index, std::uint32_t attempt, const step_work& work,
                                 std::int64_t now_ms) {
  const auto& about = document_->steps()[index];
  bool writes = about.kind == step_kind::update || about.kind == step_kind::emit;
  if (!writes || prepared_.contains(index) || about.parameters.is_constant()
      || twins_read_by(index).empty())
    return false;
  note({.what = run_record::kind::step_prepared,
        .step = index,
        .attempt = attempt,
        .at_ms = now_ms,
        .outcome = {.result = work.parameters}});
  commands_.push_back({run_command::kind::proceed, index, attempt});
  return true;
}

void workflow_run::heartbeat(std::uint32_t index, std::uint32_t attempt, std::int64_t now_ms) {
  if (index < steps_.size() && steps_[index].state == step_state::running
      && steps_[index].attempt == attempt)
    heartbeat_ms_[index] = now_ms;
}

std::size_t workflow_run::signal(std::string_view event, std::string_view twin,
                                 const value& content, std::int64_t now_ms) {
  std::size_t heard = 0;
  if (state_ != run_state::running && state_ != run_state::paused)
    return heard;
  value name{event};
  value whom{twin};
  auto resolve = [&](const reference& what) -> const value* {
    if (what.root == "event")
      return &name;
    if (what.root == "twin_id")
      return &whom;
    return content.find(what.root);
  };
  for (std::uint32_t i = 0; i < steps_.size(); ++i) {
    const auto& about = document_->steps()[i];
    if (about.kind != step_kind::wait_event || steps_[i].state != step_state::running
        || about.event != event)
      continue;
    if (about.twins && !about.twins->by_query) {
      std::deque<value> made;
      auto ids = about.twins->ids.render(resolver(i, {}, made));
      bool meant =
          ids.is_list()
          && std::find(ids.as_list().begin(), ids.as_list().end(), whom) != ids.as_list().end();
      if (!meant)
        continue;
    }
    if (about.where && !is_true(*about.where, resolve))
      continue;
    ++heard;
    step_outcome outcome;
    outcome.result = content;
    end_step(i, step_state::completed, std::move(outcome), now_ms);
  }
  if (heard > 0)
    advance(now_ms);
  return heard;
}

void workflow_run::cancel(std::int64_t now_ms) {
  if (is_terminal(state_))
    return;
  stop_running(now_ms);
  end_run(run_state::cancelled, now_ms);
}

void workflow_run::pause(std::int64_t now_ms) {
  if (state_ == run_state::running)
    note({.what = run_record::kind::paused, .at_ms = now_ms});
}

void workflow_run::resume(std::int64_t now_ms) {
  if (state_ != run_state::paused)
    return;
  note({.what = run_record::kind::resumed, .at_ms = now_ms});
  tick(now_ms);
  advance(now_ms);
}

// ---- time

std::optional<std::int64_t> workflow_run::due_of(std::uint32_t index) const {
  const auto& step = steps_[index];
  const auto& about = document_->steps()[index];
  if (step.state == step_state::retry_wait)
    return step.due_ms;
  if (step.state != step_state::running)
    return std::nullopt;
  std::optional<std::int64_t> due;
  auto sooner = [&](std::int64_t at) { due = due ? std::min(*due, at) : at; };
  if (about.kind == step_kind::wait)
    sooner(step.started_ms + about.duration.count());
  if (about.timeout.count() > 0)
    sooner(step.started_ms + about.timeout.count());
  if (about.heartbeat.count() > 0 && !runs_inside(index))
    sooner(heartbeat_ms_[index] + about.heartbeat.count());
  return due;
}

std::optional<std::int64_t> workflow_run::next_due() const {
  std::optional<std::int64_t> due;
  if (is_terminal(state_) && !compensating_)
    return due;
  auto sooner = [&](std::int64_t at) { due = due ? std::min(*due, at) : at; };
  if (document_->timeout().count() > 0 && !is_terminal(state_) && state_ != run_state::pending)
    sooner(started_ms_ + document_->timeout().count());
  // No attempt begins then, so a retry whose time has come would be due without end.
  bool held =
      state_ == run_state::paused || (!compensating_ && running_ >= document_->max_parallel());
  for (std::uint32_t i = 0; i < steps_.size(); ++i) {
    if (held && steps_[i].state == step_state::retry_wait)
      continue;
    if (auto at = due_of(i))
      sooner(*at);
  }
  return due;
}

void workflow_run::check_due(std::uint32_t index, std::int64_t now_ms) {
  const auto& step = steps_[index];
  const auto& about = document_->steps()[index];
  auto due = due_of(index);
  if (step.state != step_state::running || !due || *due > now_ms)
    return;
  if (about.kind == step_kind::wait && step.started_ms + about.duration.count() <= now_ms)
    return end_step(index, step_state::completed, {}, now_ms);
  if (!runs_inside(index))
    commands_.push_back({run_command::kind::cancel, index, step.attempt});
  bool late = about.timeout.count() > 0 && step.started_ms + about.timeout.count() <= now_ms;
  fail_step(index,
            late ? step_outcome{"timed_out", "it took longer than its timeout"}
                 : step_outcome{"heartbeat_missed", "it did not say that it is alive"},
            now_ms);
}

void workflow_run::tick(std::int64_t now_ms) {
  if (state_ == run_state::pending || (is_terminal(state_) && !compensating_))
    return;
  if (document_->timeout().count() > 0 && !is_terminal(state_)
      && started_ms_ + document_->timeout().count() <= now_ms) {
    stop_running(now_ms);
    return end_run(run_state::timed_out, now_ms);
  }
  for (std::uint32_t i = 0; i < steps_.size(); ++i)
    check_due(i, now_ms);
  advance(now_ms);
}

// ---- undoing

result<void> workflow_run::compensate(std::int64_t now_ms) {
  bool may = state_ == run_state::failed || state_ == run_state::cancelled
             || state_ == run_state::timed_out;
  if (!may || compensating_)
    return fail(errc::illegal_state,
                compensating_ ? "run " + id_ + " is compensated already"
                              : "run " + id_ + " is " + std::string{to_string(state_)}
                                    + "; only one that failed, timed out or was cancelled can be "
                                      "compensated");
  note({.what = run_record::kind::compensating, .at_ms = now_ms});
  advance(now_ms);
  return {};
}

// One after the other, the last one completed first; those that failed do not stop the rest.
void workflow_run::next_compensation(std::int64_t now_ms) {
  for (auto done = completed_order_.rbegin(); done != completed_order_.rend(); ++done) {
    auto undo = document_->steps()[*done].compensate;
    if (!undo)
      continue;
    auto state = steps_[*undo].state;
    if (state == step_state::running)
      return;
    if (state == step_state::retry_wait && steps_[*undo].due_ms > now_ms)
      return;
    if (state == step_state::not_run || state == step_state::pending
        || state == step_state::retry_wait) {
      begin(*undo, now_ms);
      if (steps_[*undo].state == step_state::running)
        return;
    }
  }
}

// ---- the content of steps

reference_resolver workflow_run::resolver(std::uint32_t index, const twin_lookup& twins,
                                          std::deque<value>& made) const {
  return [this, index, &twins, &made](const reference& what) -> const value* {
    auto keep = [&](value content) { return &made.emplace_back(std::move(content)); };
    if (what.scope == "vars")
      return vars_.find(what.root);
    if (what.scope == "input")
      return input_.find(what.root);
    if (what.scope == "twins")
      return twins ? twins(what.root) : nullptr;
    if (what.scope == "steps") {
      auto found = document_->find(what.root);
      if (!found)
        return nullptr;
      const auto& step = steps_[*found];
      return keep(value{value_map{{"result", step.outcome.result},
                                  {"state", value{to_string(step.state)}},
                                  {"error", error_of(step.outcome)}}});
    }
    if (what.root == "attempt")
      return keep(value{static_cast<std::int64_t>(steps_[index].attempt)});
    if (what.root != "error")
      return nullptr;
    // Of a step that was reached by a catch: what was caught; else what its own last attempt met.
    for (std::uint32_t i = 0; i < steps_.size(); ++i)
      for (const auto& rule : document_->steps()[i].catches)
        if (rule.next == index && steps_[i].state == step_state::caught)
          return keep(error_of(steps_[i].outcome));
    return keep(error_of(steps_[index].outcome));
  };
}

bool workflow_run::holds(const expression& of, std::uint32_t index) const {
  std::deque<value> made;
  return is_true(of, resolver(index, {}, made));
}

result<step_work> workflow_run::prepare(std::uint32_t index, const twin_lookup& twins) const {
  const auto& about = document_->steps()[index];
  std::deque<value> made;
  auto resolve = resolver(index, twins, made);
  step_work work;
  if (about.when && !is_true(*about.when, resolve)) {
    work.skipped = true;
    return work;
  }
  auto kept = prepared_.find(index);
  work.parameters = kept != prepared_.end() ? kept->second : about.parameters.render(resolve);
  value_map inputs;
  for (auto before : about.depends_on)
    inputs.push_back({document_->steps()[before].id, steps_[before].outcome.result});
  work.inputs = value{std::move(inputs)};
  if (!about.twins)
    return work;
  if (about.twins->by_query) {
    work.type = about.twins->type;
    auto where = about.twins->where.render(resolve);
    work.where = where.is_text() ? std::string{where.as_text()} : std::string{};
    return work;
  }
  auto ids = about.twins->ids.render(resolve);
  if (!ids.is_list())
    return fail(errc::bad_value, "step '" + about.id + "': twin_ids is no list but "
                                     + std::string{to_string(ids.kind())});
  auto& list = work.twin_ids.emplace();
  for (const auto& one : ids.as_list()) {
    if (!one.is_text())
      return fail(errc::bad_value, "step '" + about.id + "': an id of a twin is no text but "
                                       + std::string{to_string(one.kind())});
    list.emplace_back(one.as_text());
  }
  return work;
}

std::vector<std::string> workflow_run::twins_read_by(std::uint32_t index) const {
  const auto& about = document_->steps()[index];
  std::set<std::string> ids;
  auto each = [&](const reference& what, const std::string&) {
    if (what.scope == "twins")
      ids.insert(what.root);
  };
  about.parameters.for_each_reference(each);
  if (about.twins) {
    about.twins->ids.for_each_reference(each);
    about.twins->where.for_each_reference(each);
  }
  if (about.when)
    for (const auto& what : about.when->references())
      each(what, {});
  return {ids.begin(), ids.end()};
}

// ---- coming back

std::vector<run_record> workflow_run::take_records() {
  return std::exchange(records_, {});
}

std::vector<run_command> workflow_run::take_commands() {
  return std::exchange(commands_, {});
}

void workflow_run::recover(std::int64_t now_ms) {
  bool alive = state_ == run_state::running || state_ == run_state::paused || compensating_;
  for (std::uint32_t i = 0; alive && i < steps_.size(); ++i) {
    if (steps_[i].state != step_state::running)
      continue;
    auto kind = document_->steps()[i].kind;
    if (kind == step_kind::wait || kind == step_kind::wait_event)
      continue; // Their time goes on.
    begin(i, now_ms);
  }
  tick(now_ms);
}

value workflow_run::results() const {
  value_map all;
  for (std::uint32_t i = 0; i < steps_.size(); ++i)
    if (is_terminal(steps_[i].state) && steps_[i].outcome.error.empty())
      all.push_back({document_->steps()[i].id, steps_[i].outcome.result});
  return value{std::move(all)};
}

} // namespace gemel
