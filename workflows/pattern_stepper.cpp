#include "workflows/pattern_stepper.hpp"

#include <algorithm>

namespace gemel {

namespace {

// Further ways share the last bit.
constexpr std::uint32_t longest_ways_max = 64;

bool contains(const std::vector<std::string>& words, const value& word) {
  return words.empty()
         || (word.is_text()
             && std::find(words.begin(), words.end(), word.as_text()) != words.end());
}

// An event without a stamp or an id stands in no relation.
bool is_related(const pattern_stage& stage, const rule_event& event, const event_chain& bound) {
  for (const auto* at = bound.last(); at != nullptr; at = at->before) {
    if (at->stage != stage.relative_to)
      continue;
    const auto& other = *at->event;
    if (stage.relation == event_relation::caused_by) {
      if (!event.cause.is_null() && event.cause == other.id)
        return true;
      continue;
    }
    if (event.stamp == nullptr || other.stamp == nullptr)
      return false;
    return stage.relation == event_relation::happened_before
               ? happened_before(*other.stamp, *event.stamp)
               : are_concurrent(*other.stamp, *event.stamp);
  }
  return false;
}

bool reads_stages(const rule_expression& code) {
  auto references = code.code().references();
  return std::any_of(references.begin(), references.end(),
                     [](const reference& one) { return !one.scope.empty(); });
}

std::size_t place_of(const edge_test& test) {
  return 2 * std::size_t{test.stage} + (test.is_until ? 1 : 0);
}

bool is_of_kind(const pattern_stage& stage, const rule_event& event) {
  return contains(stage.twin_types, event.twin_type) && contains(stage.events, event.event);
}

bool wants(const pattern_stage& stage, const rule_event& event, const event_chain& bound) {
  return is_of_kind(stage, event) && (!stage.where || stage.where->test(&event, bound))
         && (stage.relation == event_relation::time || is_related(stage, event, bound));
}

// What is bound where no run has anything to do with a test.
const event_chain nothing_bound;

} // namespace

// One run while an event is looked at.
struct pattern_stepper::visit {
  std::uint32_t state = 0;
  const pattern_run& from;
  bool is_start = false;
  view& at;
  step_result& into;
  // Of a run that does not branch.
  bool has_taken = false;
  bool is_dead = false;
  bool may_wait = false;
  std::uint32_t ways = 0;
  std::uint64_t closed = 0;

  std::uint64_t next_way() {
    auto bit = std::uint64_t{1} << std::min(ways, longest_ways_max - 1);
    ++ways;
    return bit;
  }
};

pattern_stepper::pattern_stepper(const pattern& of) : pattern_{of}, automaton_{of} {
  GEMEL_CHECK(of.stages.size() <= pattern_stages_max);
  for (const auto& stage : of.stages) {
    auto is_free = stage.relation == event_relation::time;
    is_shared_.push_back(is_free && (!stage.where || !reads_stages(*stage.where)));
    is_shared_.push_back(!stage.until || !reads_stages(*stage.until));
  }
  const auto& states = automaton_.states();
  for (std::uint32_t i = 0; i < states.size(); ++i) {
    quiet_.push_back(quiet_from(i));
    has_proceed_.push_back(std::any_of(
        states[i].edges.begin(), states[i].edges.end(), [&](const automaton_edge& edge) {
          return edge.kind == edge_kind::proceed && states[edge.target].role != state_role::stop;
        }));
  }
}

std::uint32_t pattern_stepper::quiet_from(std::uint32_t state) const {
  const auto& at = automaton_.states()[state];
  if (at.role == state_role::pending)
    return state;
  for (const auto& edge : at.edges) {
    if (edge.kind != edge_kind::proceed || !edge.tests.empty())
      continue;
    if (auto found = quiet_from(edge.target); found != none)
      return found;
  }
  return none;
}

// ---- tests --------------------------------------------------------------------------------------

bool pattern_stepper::holds(const edge_test& test, view& at) const {
  auto place = place_of(test);
  auto& known = is_shared_[place] ? at.of_all[place] : at.of_run[place];
  if (known == answer::unknown) {
    const auto& stage = pattern_.stages[test.stage];
    auto is_true = test.is_until ? stage.until->test(at.event.get(), *at.bound)
                                 : wants(stage, *at.event, *at.bound);
    known = is_true ? answer::yes : answer::no;
  }
  return (known == answer::yes) != test.negated;
}

bool pattern_stepper::holds(const automaton_edge& edge, view& at) const {
  return std::all_of(edge.tests.begin(), edge.tests.end(),
                     [&](const edge_test& test) { return holds(test, at); });
}

// Without asking a run.
pattern_stepper::answer pattern_stepper::quick(const edge_test& test, view& at) const {
  at.bound = &nothing_bound;
  if (is_shared_[place_of(test)])
    return holds(test, at) ? answer::yes : answer::no;
  const auto& stage = pattern_.stages[test.stage];
  if (test.is_until)
    return answer::unknown;
  // Its place is free: what a run has to be asked is kept elsewhere.
  auto& known = at.of_all[place_of(test)];
  if (known == answer::unknown) {
    auto may = is_of_kind(stage, *at.event)
               && (!stage.parts.of_event || stage.parts.of_event->test(at.event.get(), {}));
    known = may ? answer::yes : answer::no;
  }
  if (known == answer::yes)
    return answer::unknown;
  return test.negated ? answer::yes : answer::no;
}

pattern_stepper::answer pattern_stepper::quick(const automaton_edge& edge, view& at,
                                               const pattern_stage* unequal) const {
  auto all = answer::yes;
  for (const auto& test : edge.tests) {
    auto is_unequal = !test.is_until && &pattern_.stages[test.stage] == unequal;
    auto one = is_unequal ? (test.negated ? answer::yes : answer::no) : quick(test, at);
    if (one == answer::no)
      return one;
    all = one == answer::unknown ? one : all;
  }
  return all;
}

bool pattern_stepper::is_idle(std::uint32_t state, view& at, const pattern_stage* unequal) const {
  if (pattern_.longest && has_proceed_[state])
    return false; // That an event was passed over has to be noted.
  auto stays = false;
  for (const auto& edge : automaton_.states()[state].edges) {
    auto one = quick(edge, at, unequal);
    if (one == answer::no)
      continue;
    if (one == answer::unknown || edge.kind != edge_kind::ignore || edge.target != state || stays)
      return false;
    stays = true;
  }
  return stays;
}

bool pattern_stepper::is_idle(std::uint32_t state, view& at) const {
  return is_idle(state, at, nullptr);
}

bool pattern_stepper::is_idle_unless_found(std::uint32_t state, view& at) const {
  const auto& stage = stage_of(state);
  return stage.parts.event_side && is_idle(state, at, &stage);
}

std::string pattern_stepper::text_of_event(std::uint32_t state, const view& at) const {
  const auto& side = stage_of(state).parts.event_side;
  return side ? equality_text(side->evaluate(at.event.get(), {})) : std::string{};
}

std::string pattern_stepper::text_of_run(std::uint32_t state, const pattern_run& run) const {
  const auto& side = stage_of(state).parts.bound_side;
  return side ? equality_text(side->evaluate(nullptr, run.bound)) : std::string{};
}

bool pattern_stepper::is_of(std::uint32_t stage, const rule_event& event) const {
  return wants(pattern_.stages[stage], event, {});
}

// ---- one event ----------------------------------------------------------------------------------

bool pattern_stepper::reaches_final(std::uint32_t state, view& at) const {
  const auto& here = automaton_.states()[state];
  return here.role == state_role::final
         || std::any_of(here.edges.begin(), here.edges.end(), [&](const automaton_edge& edge) {
              return edge.kind == edge_kind::proceed && holds(edge, at)
                     && reaches_final(edge.target, at);
            });
}

// Whether what is left may be left out, whatever comes.
bool pattern_stepper::ends_at(std::uint32_t state) const {
  const auto& here = automaton_.states()[state];
  return here.role == state_role::final
         || std::any_of(here.edges.begin(), here.edges.end(), [&](const automaton_edge& edge) {
              return edge.kind == edge_kind::proceed && edge.tests.empty() && ends_at(edge.target);
            });
}

// Sets what the time of a run depends on in its new state.
void pattern_stepper::settle(placed_run& made) const {
  auto quiet = quiet_[made.state];
  made.run.was_quiet = false;
  made.run.quiet_due =
      quiet != none && stage_of(quiet).is_timed()
          ? made.run.last_time + static_cast<std::int64_t>(stage_of(quiet).within_prev.count())
          : never;
}

bool pattern_stepper::is_in_time(const automaton_state& state, const pattern_run& from,
                                 const view& at, bool is_start) const {
  auto pause = pattern_.stages[state.stage].within_prev.count();
  return is_start || pause == 0 || at.event->time_ms() - from.last_time < pause;
}

// What must be absent for a time counts for that time.
bool pattern_stepper::is_stopped(const automaton_edge& edge, const pattern_run& from,
                                 view& at) const {
  const auto& stop = automaton_.states()[edge.target];
  if (edge.kind != edge_kind::proceed || stop.role != state_role::stop || !holds(edge, at))
    return false;
  return !pattern_.stages[stop.stage].is_timed() || is_in_time(stop, from, at, false);
}

void pattern_stepper::take_edge(const automaton_state& source, const automaton_edge& edge,
                                visit& what) const {
  auto time = what.at.event->time_ms();
  placed_run made{edge.target, {}};
  made.run.bound = event_chain{what.from.bound, source.stage, what.at.number, what.at.event};
  made.run.start_time = what.is_start ? time : what.from.start_time;
  made.run.start = what.is_start ? what.at.number : what.from.start;
  made.run.last_time = time;
  if (reaches_final(edge.target, what.at))
    what.into.complete.push_back(made.run);
  if (automaton_.states()[edge.target].role == state_role::final || what.is_dead)
    return;
  settle(made);
  what.into.next.push_back(std::move(made));
}

// A state whose absence is disturbed leads nowhere, save to matches that the event completes.
void pattern_stepper::walk(std::uint32_t state, visit& what) const {
  const auto& here = automaton_.states()[state];
  auto was_dead = what.is_dead;
  for (const auto& edge : here.edges)
    what.is_dead = what.is_dead || is_stopped(edge, what.from, what.at);
  for (const auto& edge : here.edges) {
    const auto& target = automaton_.states()[edge.target];
    if (target.role == state_role::stop || !holds(edge, what.at))
      continue;
    if (edge.kind == edge_kind::take) {
      if (is_in_time(here, what.from, what.at, what.is_start))
        take_edge(here, edge, what);
    } else if (edge.kind == edge_kind::proceed) {
      if (target.role != state_role::pending || !what.from.was_quiet)
        walk(edge.target, what);
    } else if (!what.is_start && !what.is_dead) {
      if (target.role == state_role::final) {
        what.into.complete.push_back(what.from);
        continue;
      }
      placed_run passed{edge.target, what.from};
      if (edge.target != what.state)
        settle(passed);
      what.into.next.push_back(std::move(passed));
    }
  }
  what.is_dead = was_dead;
}

// What must not be the very next event was asked of that event.
bool pattern_stepper::is_blocked(const automaton_state& here, visit& what) const {
  if (what.from.has_passed)
    return false;
  return std::any_of(here.edges.begin(), here.edges.end(), [&](const automaton_edge& edge) {
    return is_stopped(edge, what.from, what.at);
  });
}

void pattern_stepper::close_all(std::uint32_t state, visit& what) const {
  what.closed |= what.next_way();
  for (const auto& edge : automaton_.states()[state].edges)
    if (edge.kind == edge_kind::proceed
        && automaton_.states()[edge.target].role != state_role::stop)
      close_all(edge.target, what);
}

// The same for a run that does not branch: of the ways that are open it goes the first one, in the
// order of the pattern, whose stage wants the event; else those stay open that may pass it over.
void pattern_stepper::walk_alone(std::uint32_t state, visit& what) const {
  const auto& here = automaton_.states()[state];
  const auto& stage = stage_of(state);
  auto is_question = stage.absent && here.role == state_role::normal
                     && here.edges.front().kind == edge_kind::proceed;
  if (is_question && is_blocked(here, what))
    return close_all(state, what);
  auto way = what.next_way();
  auto is_open = (what.closed & way) == 0;
  auto may_wait = false;
  for (const auto& edge : here.edges)
    what.is_dead = what.is_dead || (!is_question && is_stopped(edge, what.from, what.at));
  for (const auto& edge : here.edges) {
    if (!is_open || what.has_taken || edge.kind == edge_kind::proceed || !holds(edge, what.at))
      continue;
    auto is_end = automaton_.states()[edge.target].role == state_role::final;
    if (edge.kind == edge_kind::take) {
      if (is_in_time(here, what.from, what.at, what.is_start)) {
        take_edge(here, edge, what);
        what.has_taken = true;
      }
    } else if (is_end) {
      if (!what.is_dead)
        what.into.complete.push_back(what.from);
      what.has_taken = true;
    } else {
      may_wait = true;
    }
  }
  what.may_wait = what.may_wait || may_wait;
  what.closed |= may_wait ? 0 : way;
  for (const auto& edge : here.edges)
    if (edge.kind == edge_kind::proceed && !what.has_taken
        && automaton_.states()[edge.target].role != state_role::stop)
      walk_alone(edge.target, what);
}

void pattern_stepper::step(std::uint32_t state, const pattern_run& from, view& at,
                           step_result& into) const {
  at.bound = &from.bound;
  std::fill_n(at.of_run.begin(), 2 * pattern_.stages.size(), answer::unknown);
  visit what{.state = state, .from = from, .at = at, .into = into};
  if (!pattern_.longest)
    return walk(state, what);
  what.closed = from.closed;
  walk_alone(state, what);
  if (what.has_taken || what.is_dead || !what.may_wait)
    return;
  placed_run passed{state, from};
  passed.run.has_passed = true;
  passed.run.closed = what.closed;
  into.next.push_back(std::move(passed));
}

void pattern_stepper::begin(view& at, step_result& into) const {
  const pattern_run fresh;
  at.bound = &nothing_bound;
  std::fill_n(at.of_run.begin(), 2 * pattern_.stages.size(), answer::unknown);
  visit what{.state = start(), .from = fresh, .is_start = true, .at = at, .into = into};
  pattern_.longest ? walk_alone(start(), what) : walk(start(), what);
}

bool pattern_stepper::begins_at(std::uint32_t state, view& at) const {
  const auto& here = automaton_.states()[state];
  return std::any_of(here.edges.begin(), here.edges.end(), [&](const automaton_edge& edge) {
    if (edge.kind == edge_kind::ignore || !holds(edge, at))
      return false;
    return edge.kind == edge_kind::take || begins_at(edge.target, at);
  });
}

bool pattern_stepper::may_begin(view& at) const {
  at.bound = &nothing_bound;
  std::fill_n(at.of_run.begin(), 2 * pattern_.stages.size(), answer::unknown);
  return begins_at(start(), at);
}

// ---- time ---------------------------------------------------------------------------------------

std::int64_t pattern_stepper::deadline_of(std::uint32_t state,
                                          const pattern_run& run) const noexcept {
  auto deadline = run.quiet_due;
  if (pattern_.within.count() > 0)
    deadline = std::min<std::int64_t>(deadline, run.start_time + pattern_.within.count());
  const auto& stage = stage_of(state);
  // Who may leave the stage out may also come too late for it.
  if (!stage.absent && stage.within_prev.count() > 0 && !has_proceed_[state])
    deadline = std::min<std::int64_t>(deadline, run.last_time + stage.within_prev.count());
  return deadline;
}

bool pattern_stepper::on_deadline(const placed_run& from, std::int64_t deadline,
                                  step_result& into) const {
  auto quiet = quiet_[from.state];
  auto left = from;
  left.run.quiet_due = never;
  left.run.was_quiet = true;
  auto is_over = deadline_of(from.state, left.run) <= deadline;
  auto is_quiet = from.run.quiet_due <= deadline;
  auto then = quiet != none ? automaton_.states()[quiet].then : none;
  if (!is_quiet) {
    // An absence that lasts until the end has lasted long enough.
    if (quiet == none || from.run.was_quiet || automaton_.states()[then].role != state_role::final)
      return true;
    into.complete.push_back(from.run);
    return false;
  }
  if (ends_at(then))
    into.complete.push_back(from.run);
  if (automaton_.states()[then].role != state_role::final && !is_over) {
    placed_run moved{then, from.run};
    moved.run.last_time = from.run.quiet_due;
    moved.run.has_passed = false;
    moved.run.closed = 0;
    settle(moved);
    into.next.push_back(std::move(moved));
  }
  auto is_moved = quiet == from.state || pattern_.longest;
  if (is_moved)
    return is_over && !ends_at(then);
  if (!is_over)
    into.next.push_back(std::move(left));
  return is_over && !ends_at(then);
}

} // namespace gemel
