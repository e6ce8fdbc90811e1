#include "actors/workflow_executor.hpp"

#include "messages/replies.hpp"
#include "messages/requests.hpp"

#include <algorithm>

namespace gemel {

namespace {

// Twins asked for at once; their answer must fit a frame.
constexpr std::size_t twins_per_request = 500;
// Twins of one step. A step's result is one value.
constexpr std::size_t step_twins_max = limits::value_elements_max;
// Calls of a step's function under way, if it does not say so itself.
constexpr std::size_t step_calls_default = 256;

value properties_map(const twin_record& twin) {
  value_map made;
  for (const auto& one : twin.properties)
    made.push_back({one.key, one.content});
  return value{std::move(made)};
}

value error_value(const error& why) {
  return value{value_map{{"error", value{to_string(why.code)}}, {"message", value{why.context}}}};
}

properties properties_of(const value& map) {
  properties made;
  if (map.is_map())
    for (const auto& member : map.as_map())
      made.push_back({member.key, member.content});
  return made;
}

} // namespace

value as_map(const twin_record& twin) {
  return value{value_map{{"id", value{twin.id}},
                         {"type", value{twin.type}},
                         {"parent", twin.parent.empty() ? value{} : value{twin.parent}},
                         {"path", value{twin.path}},
                         {"version", value{static_cast<std::int64_t>(twin.version)}},
                         {"lifecycle", value{to_string(twin.lifecycle)}},
                         {"updated_at", value{twin.updated_at_us}},
                         {"properties", properties_map(twin)}}};
}

struct workflow_executor::attempt {
  std::uint32_t step = 0;
  std::uint32_t number = 0;
  const workflow_step* about = nullptr;
  bool given_up = false;
  // Twins that expressions read: their properties by id.
  std::map<std::string, value, std::less<>> read;
  step_work todo;
  // The step's own twins, in order.
  std::vector<twin_input> twins;
  // Of compute: the next twin, how many are under way, what came back.
  std::size_t next = 0;
  std::size_t computing = 0;
  value_map results;
  value_map errors;
  stop_flag stop;
  std::shared_ptr<const function_info> function;
};

workflow_executor::workflow_executor(std::shared_ptr<const ports> world,
                                     const function_library& functions,
                                     std::shared_ptr<workflow_run> run)
    : world_{std::move(world)},
      functions_{functions}, run_{std::move(run)}, alive_{std::make_shared<bool>(true)} {
}

bool workflow_executor::is_done() const noexcept {
  return is_terminal(run_->state()) && under_way_ == 0 && !run_->next_due();
}

void workflow_executor::start() {
  run_->start(world_->now_ms());
  drive();
}

void workflow_executor::tick() {
  run_->tick(world_->now_ms());
  drive();
}

// What steps do at once may end them: the loop goes on instead of a call inside a call.
void workflow_executor::drive() {
  if (driving_)
    return;
  driving_ = true;
  for (;;) {
    auto records = run_->take_records();
    auto commands = run_->take_commands();
    if (records.empty() && commands.empty())
      break;
    if (!world_->commit) {
      carry_out(commands);
      continue;
    }
    auto then = [this, alive = std::weak_ptr<bool>{alive_}, commands = std::move(commands)] {
      if (alive.expired())
        return;
      carry_out(commands);
      drive();
    };
    world_->commit(*run_, std::move(records), std::move(then));
  }
  driving_ = false;
}

void workflow_executor::carry_out(const std::vector<run_command>& commands) {
  for (const auto& command : commands) {
    if (command.what == run_command::kind::cancel)
      stop(command);
    else if (command.what == run_command::kind::proceed)
      proceed(command);
    else
      begin(command);
  }
}

// An attempt that cannot be stopped is noticed by its next answer: `is_current`.
void workflow_executor::stop(const run_command& command) {
  auto found = stoppable_.find(command.step);
  if (found == stoppable_.end() || found->second->number != command.attempt)
    return;
  auto of = found->second;
  stoppable_.erase(found);
  if (of->stop != nullptr)
    of->stop->store(true, std::memory_order_relaxed);
  if (of->about->kind != step_kind::workflow || of->given_up)
    return;
  of->given_up = true;
  --under_way_;
  world_->cancel_child(idempotency_key(run_->id(), of->about->id));
}

bool workflow_executor::is_current(const attempt_ptr& of) const {
  const auto& now = run_->step(of->step);
  return now.state == step_state::running && now.attempt == of->number;
}

void workflow_executor::give_up(const attempt_ptr& of) {
  if (of->given_up)
    return;
  of->given_up = true;
  --under_way_;
}

void workflow_executor::ask(const attempt_ptr& of, passage through, frame asked,
                            std::function<void(const frame&)> then) {
  ask_apart(
      of, std::move(through), std::move(asked),
      [then = std::move(then)](const frame& answer) { return [then, answer] { then(answer); }; });
}

void workflow_executor::ask_apart(const attempt_ptr& of, passage through, frame asked,
                                  std::function<std::function<void()>(const frame&)> read) {
  auto here = [this, alive = std::weak_ptr<bool>{alive_}, of,
               through](const std::function<void()>& then) {
    if (through.gate != nullptr)
      through.gate->leave(through.weight);
    if (alive.expired())
      return;
    if (is_current(of))
      then();
    else
      give_up(of);
  };
  if (through.gate == nullptr)
    return send(std::move(asked), std::move(read), here);
  auto enter = [this, alive = std::weak_ptr<bool>{alive_}, of, asked = std::move(asked),
                read = std::move(read), here] {
    if (alive.expired() || !is_current(of))
      return here([] {});
    send(asked, read, here);
  };
  through.gate->enter(through.weight, std::move(enter));
}

void workflow_executor::send(frame asked, std::function<std::function<void()>(const frame&)> read,
                             std::function<void(const std::function<void()>&)> here) {
  world_->request(std::move(asked),
                  [post = world_->post, here = std::move(here), read = std::move(read)](
                      const frame& answer) { post([here, then = read(answer)] { here(then); }); });
}

void workflow_executor::begin(const run_command& command) {
  const auto& now = run_->step(command.step);
  if (now.state != step_state::running || now.attempt != command.attempt)
    return; // Cancelled before it began.
  auto made = std::make_shared<attempt>();
  made->step = command.step;
  made->number = command.attempt;
  made->about = &run_->document().steps()[command.step];
  ++under_way_;
  fetch_read_twins(made);
}

void workflow_executor::fetch_read_twins(const attempt_ptr& of) {
  auto ids = run_->twins_read_by(of->step);
  if (ids.empty())
    return prepare(of);
  ask(of, reading(), make_get(ids), [this, of](const frame& answer) {
    auto page = expect_page(answer);
    if (!page)
      return fail(of, page.error());
    for (const auto& twin : page->twins)
      of->read.emplace(twin.id, properties_map(twin));
    prepare(of);
  });
}

void workflow_executor::prepare(const attempt_ptr& of) {
  auto todo = run_->prepare(of->step, [of](std::string_view id) -> const value* {
    auto found = of->read.find(id);
    return found != of->read.end() ? &found->second : nullptr;
  });
  if (!todo)
    return fail(of, todo.error());
  if (todo->skipped) {
    --under_way_;
    run_->skip_step(of->step, of->number, world_->now_ms());
    return drive();
  }
  of->todo = std::move(*todo);
  if (!run_->keep_prepared(of->step, of->number, of->todo, world_->now_ms()))
    return select_twins(of);
  prepared_[of->step] = of;
  drive();
}

void workflow_executor::proceed(const run_command& command) {
  auto found = prepared_.find(command.step);
  if (found == prepared_.end())
    return;
  auto of = found->second;
  prepared_.erase(found);
  if (is_current(of))
    select_twins(of);
  else
    give_up(of);
}

void workflow_executor::select_twins(const attempt_ptr& of) {
  if (!of->about->twins)
    return work(of);
  if (!of->todo.twin_ids)
    return query_twins(of, {});
  if (of->todo.twin_ids->size() > step_twins_max)
    return fail(of,
                {errc::limit_reached, std::to_string(of->todo.twin_ids->size()) + " twins, at most "
                                          + std::to_string(step_twins_max)});
  fetch_twins(of, 0);
}

namespace {

// What a step reads of its twins; empty: everything.
std::vector<std::string> properties_read_by(const workflow_step& about, const value& parameters) {
  std::vector<std::string> keys;
  if (about.kind != step_kind::aggregate)
    return keys;
  for (const auto* name : {"property", "by"})
    if (const auto* key = parameters.find(name);
        key != nullptr && key->is_text()
        && std::find(keys.begin(), keys.end(), key->as_text()) == keys.end())
      keys.emplace_back(key->as_text());
  return keys;
}

// The answer holds the twins in the order of `ids`, without those that are not there, which stay
// null: each is an error of its own in the step's result.
result<std::vector<twin_input>> read_twins(const frame& answer, std::span<const std::string> ids,
                                           bool whole) {
  auto page = expect_page(answer);
  if (!page)
    return tl::unexpected<error>(page.error());
  std::vector<twin_input> made;
  made.reserve(ids.size());
  auto next = page->twins.begin();
  for (const auto& id : ids) {
    auto& one = made.emplace_back(twin_input{id, {}});
    if (next == page->twins.end() || next->id != id)
      continue;
    one.twin = whole ? as_map(*next)
                     : value{value_map{{"id", value{id}}, {"properties", properties_map(*next)}}};
    ++next;
  }
  return made;
}

} // namespace

void workflow_executor::fetch_twins(const attempt_ptr& of, std::size_t from) {
  const auto& all = *of->todo.twin_ids;
  if (from >= all.size())
    return work(of);
  auto ids = std::span{all}.subspan(from, std::min(twins_per_request, all.size() - from));
  auto keys = properties_read_by(*of->about, of->todo.parameters);
  bool aggregated = of->about->kind == step_kind::aggregate && ids.size() == all.size();
  auto read = [this, of, from, ids, whole = keys.empty(),
               aggregated](const frame& answer) -> std::function<void()> {
    auto twins = read_twins(answer, ids, whole);
    if (!twins)
      return [this, of, why = twins.error()] { fail(of, why); };
    if (aggregated)
      return [this, of, made = aggregate(of->about->function, *twins, of->todo.parameters)] {
        finish_aggregate(of, made);
      };
    return [this, of, next = from + ids.size(), twins = std::move(*twins)] {
      of->twins.insert(of->twins.end(), twins.begin(), twins.end());
      fetch_twins(of, next);
    };
  };
  ask_apart(of, reading(), make_get(ids, {}, false, keys), read);
}

void workflow_executor::query_twins(const attempt_ptr& of, std::string page_token) {
  query_request asked;
  asked.type = of->todo.type;
  asked.where = of->todo.where;
  asked.limit = twins_per_request;
  asked.page_token = std::move(page_token);
  ask(of, reading(), make_query(asked), [this, of](const frame& answer) {
    auto page = expect_page(answer);
    if (!page)
      return fail(of, page.error());
    for (const auto& twin : page->twins)
      of->twins.push_back({twin.id, as_map(twin)});
    if (of->twins.size() > step_twins_max)
      return fail(of, {errc::limit_reached,
                       "more than " + std::to_string(step_twins_max) + " twins match"});
    if (page->next.empty())
      return work(of);
    query_twins(of, page->next);
  });
}

void workflow_executor::work(const attempt_ptr& of) {
  using enum step_kind;
  switch (of->about->kind) {
  case aggregate:
    return work_aggregate(of);
  case compute:
    return work_compute(of);
  case update:
    return work_update(of);
  case emit:
    return work_emit(of);
  case sync:
    return work_sync(of);
  case query:
    return work_query(of);
  case workflow:
    return work_child(of);
  case wait:
  case wait_event:
  case set:
  case choose:
    break; // The run does these itself.
  }
  GEMEL_CHECK(false);
}

void workflow_executor::work_aggregate(const attempt_ptr& of) {
  finish_aggregate(of, aggregate(of->about->function, of->twins, of->todo.parameters));
}

void workflow_executor::finish_aggregate(const attempt_ptr& of, result<value> made) {
  if (!made)
    return fail(of, made.error());
  auto twins = of->todo.twin_ids ? of->todo.twin_ids->size() : of->twins.size();
  const auto* errors = made->find("errors");
  auto failed = errors != nullptr && errors->is_map() ? errors->as_map().size() : 0;
  if (too_many_failed(of->about->twin_failures, twins, failed))
    return finish(
        of, {"twin_failures",
             std::to_string(failed) + " of " + std::to_string(twins) + " twins could not be read",
             *made});
  finish(of, {"", "", *made, failed > 0});
}

// ---- compute

void workflow_executor::work_compute(const attempt_ptr& of) {
  of->function = functions_.share(of->about->function);
  if (of->function == nullptr)
    return fail(of, {errc::unsupported, "there is no function '" + of->about->function + "'"});
  if (!of->about->twins)
    of->twins.push_back({{}, value{value_map{}}});
  if (of->twins.empty())
    return finish_by_twin(of, {}, {});
  of->stop = std::make_shared<std::atomic<bool>>(false);
  stoppable_[of->step] = of;
  compute_next(of);
}

// Starts as many twins as may be under way.
void workflow_executor::compute_next(const attempt_ptr& of) {
  auto most = of->about->concurrency > 0 ? of->about->concurrency : step_calls_default;
  while (of->next < of->twins.size() && of->computing < most) {
    auto index = of->next++;
    const auto& one = of->twins[index];
    if (one.twin.is_null()) {
      of->errors.push_back({one.id, error_value({errc::twin_not_found, one.id})});
      continue;
    }
    ++of->computing;
    compute_one(of, index);
  }
  if (of->computing == 0 && of->next >= of->twins.size())
    finish_by_twin(of, std::move(of->results), std::move(of->errors));
}

void workflow_executor::compute_one(const attempt_ptr& of, std::size_t index) {
  auto done = [this, alive = std::weak_ptr<bool>{alive_}, of, index,
               gate = world_->calls](result<value> answer) {
    if (gate != nullptr)
      gate->leave(1);
    if (!alive.expired())
      computed(of, index, std::move(answer));
  };
  auto deliver = [post = world_->post, done](result<value> answer) {
    post([done, answer = std::move(answer)] { done(answer); });
  };
  compute_job job;
  job.function = of->function->name;
  job.about = of->function;
  job.input.twin = of->about->twins ? of->twins[index].twin : value{};
  job.input.parameters = of->todo.parameters;
  job.input.inputs = of->todo.inputs;
  job.input.stop = of->stop;
  job.input.key = idempotency_key(run_->id(), of->about->id);
  job.input.attempt = of->number;
  if (of->about->twins)
    job.input.key += "/" + of->twins[index].id;
  if (of->about->heartbeat.count() > 0)
    job.input.alive = [this, alive = std::weak_ptr<bool>{alive_}, of, post = world_->post] {
      post([this, alive, of] {
        if (!alive.expired())
          run_->heartbeat(of->step, of->number, world_->now_ms());
      });
    };
  job.tenant = run_->document().name();
  job.priority = of->about->priority;
  job.place = of->about->place;
  job.concurrency = of->function->concurrency;
  if (of->about->timeout.count() > 0)
    job.deadline_ms = run_->step(of->step).started_ms + of->about->timeout.count();
  job.done = deliver;
  if (world_->calls == nullptr)
    return world_->compute(std::move(job));
  auto shared = std::make_shared<compute_job>(std::move(job));
  world_->calls->enter(1, [world = world_, shared] { world->compute(std::move(*shared)); });
}

void workflow_executor::computed(const attempt_ptr& of, std::size_t index, result<value> answer) {
  --of->computing;
  if (!is_current(of)) {
    if (of->computing == 0)
      give_up(of);
    return;
  }
  run_->heartbeat(of->step, of->number, world_->now_ms());
  // A function for no twins has one answer, which is the step's.
  if (!of->about->twins) {
    if (!answer)
      return fail(of, answer.error());
    return finish(of, {"", "", std::move(*answer)});
  }
  if (answer)
    of->results.push_back({of->twins[index].id, std::move(*answer)});
  else
    of->errors.push_back({of->twins[index].id, error_value(answer.error())});
  compute_next(of);
}

/// One result for each twin; those that failed hold `error` and `message`, as the first documents
/// expect.
void workflow_executor::finish_by_twin(const attempt_ptr& of, value_map results, value_map errors) {
  auto failed = errors.size();
  results.insert(results.end(), errors.begin(), errors.end());
  step_outcome outcome;
  outcome.with_errors = failed > 0;
  outcome.result = value{std::move(results)};
  if (too_many_failed(of->about->twin_failures, of->twins.size(), failed)) {
    const auto* first = errors.front().content.find("error");
    outcome.error = first != nullptr && first->is_text() ? first->as_text() : "twin_failures";
    outcome.message =
        std::to_string(failed) + " of " + std::to_string(of->twins.size()) + " twins failed";
  }
  finish(of, std::move(outcome));
}

// ---- steps that change twins

void workflow_executor::work_update(const attempt_ptr& of) {
  std::vector<twin_update> updates;
  for (const auto& one : of->twins) {
    auto& update = updates.emplace_back();
    update.id = one.id;
    update.set = properties_of(of->todo.parameters);
    update.unset = of->about->unset;
  }
  if (updates.empty())
    return finish_by_twin(of, {}, {});
  update_options options;
  options.cause = idempotency_key(run_->id(), of->about->id).substr(0, limits::id_bytes_max);
  ask(of, changing(updates.size()), make_update(updates, options),
      [this, of](const frame& answer) { take_outcome(of, answer); });
}

void workflow_executor::work_emit(const attempt_ptr& of) {
  std::vector<twin_emit> events;
  for (const auto& one : of->twins)
    events.push_back({one.id, of->about->event, properties_of(of->todo.parameters)});
  if (events.empty())
    return finish_by_twin(of, {}, {});
  auto cause = idempotency_key(run_->id(), of->about->id).substr(0, limits::id_bytes_max);
  ask(of, changing(events.size()), make_emit(events, cause),
      [this, of](const frame& answer) { take_outcome(of, answer); });
}

void workflow_executor::take_outcome(const attempt_ptr& of, const frame& answer) {
  auto outcome = expect_outcome(answer);
  if (!outcome)
    return fail(of, outcome.error());
  std::vector<const error*> why(of->twins.size());
  for (const auto& one : outcome->failures)
    if (one.index < why.size())
      why[one.index] = &one.why;
  value_map results;
  value_map errors;
  for (std::size_t i = 0; i < why.size(); ++i) {
    if (why[i] != nullptr)
      errors.push_back({of->twins[i].id, error_value(*why[i])});
    else
      results.push_back({of->twins[i].id, value{true}});
  }
  finish_by_twin(of, std::move(results), std::move(errors));
}

namespace {

// Until when peers are waited for: a little less than the step may take, so that it can tell who
// does not hold what.
std::int64_t sync_wait_ms(const workflow_step& about) {
  constexpr std::int64_t otherwise = 30'000;
  constexpr std::int64_t margin_max = 1'000;
  auto timeout = about.timeout.count();
  return timeout > 0 ? timeout - std::min(timeout / 10, margin_max) : otherwise;
}

std::int64_t integer_at(const value* map, std::string_view key) {
  const auto* found = map != nullptr ? map->find(key) : nullptr;
  return found != nullptr && found->is_integer() ? found->as_integer() : 0;
}

} // namespace

void workflow_executor::work_sync(const attempt_ptr& of) {
  auto wanted = integer_at(&of->todo.parameters, "replicas");
  if (wanted <= 0)
    return finish_sync(of, 0, nullptr);
  value_list twins;
  for (const auto& one : of->twins)
    if (!one.twin.is_null())
      twins.emplace_back(one.id);
  auto call = make_service_call({"sync", "held",
                                 value{value_map{{"twins", value{std::move(twins)}},
                                                 {"replicas", value{wanted}},
                                                 {"wait_ms", value{sync_wait_ms(*of->about)}}}}});
  ask(of, {}, std::move(call), [this, of, wanted](const frame& answer) {
    auto made = expect_result(answer);
    if (!made && made.error().code == errc::unsupported)
      return fail(of, {errc::unreachable, "this node has no peers, so no twin is held by "
                                              + std::to_string(wanted) + " of them"});
    if (!made)
      return fail(of, made.error());
    if (auto peers = integer_at(&*made, "peers"); peers < wanted)
      return fail(of, {errc::unreachable, "this node has " + std::to_string(peers)
                                              + " peers, so no twin is held by "
                                              + std::to_string(wanted) + " of them"});
    finish_sync(of, wanted, made->find("held"));
  });
}

// @param held by twin, how many peers hold it.
void workflow_executor::finish_sync(const attempt_ptr& of, std::int64_t wanted, const value* held) {
  value_map results;
  value_map errors;
  for (const auto& one : of->twins) {
    const auto* version = one.twin.find("version");
    const auto* count = held != nullptr ? held->find(one.id) : nullptr;
    auto holders = integer_at(held, one.id);
    if (version == nullptr)
      errors.push_back({one.id, error_value({errc::twin_not_found, one.id})});
    else if (count != nullptr && count->is_null())
      errors.push_back({one.id, error_value({errc::unsupported, one.id + " is not replicated"})});
    else if (holders < wanted)
      errors.push_back({one.id, error_value({errc::unreachable, std::to_string(holders) + " of "
                                                                    + std::to_string(wanted)
                                                                    + " peers hold it"})});
    else
      results.push_back(
          {one.id, value{value_map{{"version", *version}, {"replicas", value{holders}}}}});
  }
  finish_by_twin(of, std::move(results), std::move(errors));
}

void workflow_executor::work_query(const attempt_ptr& of) {
  value_list twins;
  for (const auto& one : of->twins)
    if (!one.twin.is_null())
      twins.push_back(one.twin);
  auto count = static_cast<std::int64_t>(twins.size());
  finish(of,
         {"", "", value{value_map{{"count", value{count}}, {"twins", value{std::move(twins)}}}}});
}

// ---- other workflows

void workflow_executor::work_child(const attempt_ptr& of) {
  if (!world_->start_child)
    return fail(of, {errc::unsupported, "steps that run another workflow need a node that keeps "
                                        "workflows by name"});
  stoppable_[of->step] = of;
  auto done = [this, alive = std::weak_ptr<bool>{alive_}, of](step_outcome outcome) {
    if (!alive.expired())
      finish(of, std::move(outcome));
  };
  world_->start_child({idempotency_key(run_->id(), of->about->id), of->about->workflow,
                       of->about->workflow_version, of->todo.parameters},
                      done);
}

// ---- the end of an attempt

void workflow_executor::finish(const attempt_ptr& of, step_outcome outcome) {
  if (of->given_up)
    return;
  of->given_up = true;
  --under_way_;
  if (auto found = stoppable_.find(of->step); found != stoppable_.end() && found->second == of)
    stoppable_.erase(found);
  if (auto bytes = outcome.result.heap_bytes(); bytes > limits::step_result_bytes_max)
    outcome = {std::string{to_string(errc::limit_reached)},
               "the result has " + std::to_string(bytes) + " bytes, at most "
                   + std::to_string(limits::step_result_bytes_max) + " are kept"};
  run_->finish_step(of->step, of->number, std::move(outcome), world_->now_ms());
  drive();
}

void workflow_executor::fail(const attempt_ptr& of, const error& why) {
  finish(of, {std::string{to_string(why.code)}, why.context});
}

} // namespace gemel
