#include "workflows/pattern_matcher.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace gemel {

namespace {

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

bool wants(const pattern_stage& stage, const rule_event& event, const event_chain& bound) {
  return contains(stage.twin_types, event.twin_type) && contains(stage.events, event.event)
         && (!stage.where || stage.where->test(&event, bound))
         && (stage.relation == event_relation::time || is_related(stage, event, bound));
}

// What tests see that no run has anything to do with.
const event_chain nothing_bound;

} // namespace

// One event as one run sees it; each test is made at most once, and one that reads nothing that a
// run has bound is made once for all of them.
struct pattern_matcher::event_view {
  using answer_list = std::array<test_answer, 2 * pattern_stages_max>;

  const rule_event_ptr& event;
  std::uint64_t number = 0;
  const event_chain* bound = &nothing_bound;
  answer_list answers{};
  answer_list shared{};

  void look_from(const run& from, std::size_t stages) {
    bound = &from.bound;
    std::fill_n(answers.begin(), 2 * stages, test_answer::unknown);
  }
};

pattern_matcher::pattern_matcher(const pattern& of, match_limits limits)
    : pattern_{of}, automaton_{of}, limits_{limits} {
  GEMEL_CHECK(of.stages.size() <= pattern_stages_max);
  for (const auto& stage : of.stages) {
    auto is_free = stage.relation == event_relation::time;
    is_shared_.push_back(is_free && (!stage.where || !reads_stages(*stage.where)));
    is_shared_.push_back(!stage.until || !reads_stages(*stage.until));
  }
  for (const auto& state : automaton_.states()) {
    auto is_free = true;
    for (const auto& edge : state.edges)
      for (const auto& test : edge.tests)
        is_free = is_free && is_shared_[place_of(test)];
    is_free_.push_back(is_free);
  }
}

bool pattern_matcher::holds(const automaton_edge& edge, event_view& view) const {
  using answer = test_answer;
  return std::all_of(edge.tests.begin(), edge.tests.end(), [&](const edge_test& test) {
    auto place = place_of(test);
    auto& known = is_shared_[place] ? view.shared[place] : view.answers[place];
    if (known == answer::unknown) {
      const auto& stage = pattern_.stages[test.stage];
      auto is_true = test.is_until ? stage.until->test(view.event.get(), *view.bound)
                                   : wants(stage, *view.event, *view.bound);
      known = is_true ? answer::yes : answer::no;
    }
    return (known == answer::yes) != test.negated;
  });
}

// Whether all runs in the state stay as they are. Asked once for each event; what reads bound
// events has to be asked run by run.
bool pattern_matcher::is_idle(std::uint32_t state, bool is_start, event_view& view) {
  if (!is_free_[state])
    return false;
  auto stays = is_start;
  for (const auto& edge : automaton_.states()[state].edges) {
    if (is_start && edge.kind == edge_kind::ignore)
      continue;
    if (!holds(edge, view))
      continue;
    if (edge.kind != edge_kind::ignore || edge.target != state || stays)
      return false;
    stays = true;
  }
  return stays;
}

// Whether the event leaves a key with runs in `states`, a bit each, as it is.
bool pattern_matcher::changes_nothing(std::uint64_t states, event_view& view) {
  if ((states & many_states) != 0 || !is_idle(automaton_.start(), true, view))
    return false;
  for (; states != 0; states &= states - 1)
    if (!is_idle(static_cast<std::uint32_t>(std::countr_zero(states)), false, view))
      return false;
  return true;
}

bool pattern_matcher::reaches_final(std::uint32_t state, event_view& view) const {
  const auto& at = automaton_.states()[state];
  return at.role == state_role::final
         || std::any_of(at.edges.begin(), at.edges.end(), [&](const automaton_edge& edge) {
              return edge.kind == edge_kind::proceed && holds(edge, view)
                     && reaches_final(edge.target, view);
            });
}

void pattern_matcher::take_edge(const run& from, bool is_start, const automaton_state& source,
                                const automaton_edge& edge, event_view& view,
                                step_result& into) const {
  auto time = view.event->time_ms();
  run made{edge.target, event_chain{from.bound, source.stage, view.number, view.event},
           is_start ? time : from.start_time, is_start ? view.number : from.start, time};
  if (reaches_final(edge.target, view))
    into.complete.push_back(made);
  if (automaton_.states()[edge.target].role != state_role::final)
    into.next.push_back(std::move(made));
}

void pattern_matcher::step(const run& from, bool is_start, event_view& view,
                           step_result& into) const {
  view.look_from(from, pattern_.stages.size());
  std::vector<std::uint32_t> open{from.state};
  while (!open.empty()) {
    const auto& state = automaton_.states()[open.back()];
    open.pop_back();
    for (const auto& edge : state.edges) {
      if (!holds(edge, view))
        continue;
      auto role = automaton_.states()[edge.target].role;
      if (edge.kind == edge_kind::take) {
        take_edge(from, is_start, state, edge, view, into);
      } else if (edge.kind == edge_kind::proceed) {
        into.is_stopped = into.is_stopped || role == state_role::stop;
        open.push_back(edge.target);
      } else if (!is_start) {
        run passed = from;
        passed.state = edge.target;
        (role == state_role::final ? into.complete : into.next).push_back(std::move(passed));
      }
    }
  }
}

std::int64_t pattern_matcher::deadline_of(const run& of) const noexcept {
  auto deadline = never;
  if (pattern_.within.count() > 0)
    deadline = of.start_time + pattern_.within.count();
  const auto& state = automaton_.states()[of.state];
  auto pause = pattern_.stages[state.stage].within_prev.count();
  if (pause > 0)
    deadline = std::min(deadline, of.last_time + pause);
  return deadline;
}

void pattern_matcher::emit(const key_state& key, const held_match& found, match_output& into) {
  ++counters_.matches;
  into.matches.push_back({key.key, found.ended.bound, found.at, {}});
}

void pattern_matcher::prune(key_state& key, const run& matched) {
  using enum skip_strategy;
  // The links run from the last event to the first.
  const event_chain::link* target = nullptr;
  for (const auto* at = matched.bound.last(); at != nullptr; at = at->before) {
    auto fits =
        pattern_.skip == past_last || pattern_.skip == to_next || at->stage == pattern_.skip_stage;
    auto is_last_wanted = pattern_.skip == past_last || pattern_.skip == to_last;
    if (fits && (!is_last_wanted || target == nullptr))
      target = at;
  }
  if (pattern_.skip == none || target == nullptr)
    return;
  auto first_kept =
      target->number + (pattern_.skip == past_last || pattern_.skip == to_next ? 1 : 0);
  std::erase_if(key.runs, [&](const run& one) { return one.start < first_kept; });
  std::erase_if(key.held, [&](const held_match& one) { return one.ended.start < first_kept; });
}

void pattern_matcher::settle(key_state& key, std::vector<held_match> complete, match_output& into) {
  if (pattern_.skip == skip_strategy::none) {
    for (const auto& one : complete)
      emit(key, one, into);
    return;
  }
  for (auto& one : complete) {
    auto place = std::upper_bound(
        key.held.begin(), key.held.end(), one.ended.start,
        [](std::uint64_t start, const held_match& held) { return start < held.ended.start; });
    key.held.insert(place, std::move(one));
  }
  auto is_held_back = [&](const held_match& one) {
    return std::any_of(key.runs.begin(), key.runs.end(),
                       [&](const run& open) { return open.start < one.ended.start; });
  };
  while (!key.held.empty() && !is_held_back(key.held.front())) {
    auto found = std::move(key.held.front());
    key.held.erase(key.held.begin());
    prune(key, found.ended);
    emit(key, found, into);
  }
}

void pattern_matcher::expire(key_state& key, std::int64_t now, match_output& into) {
  if (key.deadline > now)
    return;
  std::vector<held_match> complete;
  std::vector<run> left;
  for (auto& one : key.runs) {
    auto deadline = deadline_of(one);
    if (deadline > now) {
      left.push_back(std::move(one));
    } else if (automaton_.states()[one.state].role == state_role::pending) {
      complete.push_back({std::move(one), deadline});
    } else {
      ++counters_.timeouts;
      into.timeouts.push_back({key.key, std::move(one.bound), deadline, {}});
    }
  }
  key.runs = std::move(left);
  settle(key, std::move(complete), into);
}

void pattern_matcher::limit_runs(key_state& key) {
  auto is_long = [&](const run& one) { return one.bound.length() > limits_.events_per_run; };
  counters_.runs_dropped += std::erase_if(key.runs, is_long);
  if (key.held.size() > limits_.runs_per_key) {
    counters_.runs_dropped += key.held.size() - limits_.runs_per_key;
    key.held.resize(limits_.runs_per_key);
  }
  if (key.runs.size() <= limits_.runs_per_key)
    return;
  auto surplus = key.runs.size() - limits_.runs_per_key;
  counters_.runs_dropped += surplus;
  std::stable_sort(key.runs.begin(), key.runs.end(),
                   [](const run& a, const run& b) { return a.start < b.start; });
  auto count = static_cast<std::ptrdiff_t>(surplus);
  if (limits_.full == when_full::drop_oldest)
    key.runs.erase(key.runs.begin(), key.runs.begin() + count);
  else
    key.runs.erase(key.runs.end() - count, key.runs.end());
}

void pattern_matcher::take(const value& key, const rule_event_ptr& event, match_output& into) {
  advance(event->time_ms(), into);
  ++counters_.events;
  set_text(key);
  auto known = by_text_.find(text_);
  event_view view{event, events_taken_++};
  if (changes_nothing(known != by_text_.end() ? known->second->states : 0, view)) {
    if (known != by_text_.end())
      use(known->second, event->time_ms());
    return;
  }
  auto state = known != by_text_.end() ? known->second : make_key(key);
  if (state == keys_.end())
    return;
  runs_open_ -= state->runs.size();
  std::vector<held_match> complete;
  std::vector<run> next;
  auto look = [&](const run& from, bool is_start) {
    step_result made;
    step(from, is_start, view, made);
    for (auto& one : made.complete)
      complete.push_back({std::move(one), event->time_ms()});
    if (!made.is_stopped)
      std::move(made.next.begin(), made.next.end(), std::back_inserter(next));
  };
  for (const auto& one : state->runs)
    look(one, false);
  look(run{.state = automaton_.start()}, true);
  state->runs = std::move(next);
  use(state, event->time_ms());
  settle(*state, std::move(complete), into);
  limit_runs(*state);
  keep(state);
}

void pattern_matcher::use(key_list::iterator key, std::int64_t time) {
  key->used = time;
  keys_.splice(keys_.end(), keys_, key);
}

void pattern_matcher::keep(key_list::iterator key) {
  runs_open_ += key->runs.size();
  if (key->runs.empty() && key->held.empty())
    return drop(key);
  auto deadline = never;
  key->states = 0;
  for (const auto& one : key->runs) {
    deadline = std::min(deadline, deadline_of(one));
    key->states |= one.state < 63 ? std::uint64_t{1} << one.state : many_states;
  }
  if (deadline == key->deadline)
    return;
  deadlines_.erase({key->deadline, key->number});
  key->deadline = deadline;
  if (deadline != never)
    deadlines_.insert({deadline, key->number});
}

void pattern_matcher::drop(key_list::iterator key) {
  deadlines_.erase({key->deadline, key->number});
  runs_open_ -= key->runs.size();
  by_number_.erase(key->number);
  by_text_.erase(key->text);
  keys_.erase(key);
}

// The key as a text in `text_`, different for different keys, without an allocation for short ones.
void pattern_matcher::set_text(const value& key) {
  if (key.is_text()) {
    text_.assign(1, '\x01');
    text_.append(key.as_text());
  } else {
    text_ = to_json(key);
  }
}

pattern_matcher::key_list::iterator pattern_matcher::make_key(const value& key) {
  if (keys_.size() >= limits_.keys) {
    ++counters_.keys_dropped;
    if (limits_.full == when_full::drop_newest)
      return keys_.end();
    counters_.runs_dropped += keys_.front().runs.size();
    drop(keys_.begin());
  }
  key_state made;
  made.key = key;
  made.number = keys_made_++;
  made.text = text_;
  auto at = keys_.insert(keys_.end(), std::move(made));
  by_text_.emplace(text_, at);
  by_number_.emplace(at->number, at);
  return at;
}

void pattern_matcher::advance(std::int64_t now, match_output& into) {
  while (!deadlines_.empty() && std::get<0>(*deadlines_.begin()) <= now) {
    auto key = by_number_.at(std::get<1>(*deadlines_.begin()));
    runs_open_ -= key->runs.size();
    expire(*key, now, into);
    keep(key);
  }
  while (!keys_.empty() && now - keys_.front().used >= limits_.key_idle.count()) {
    ++counters_.keys_idle;
    counters_.runs_dropped += keys_.front().runs.size();
    drop(keys_.begin());
  }
}

void pattern_matcher::finish(match_output& into) {
  while (!deadlines_.empty()) {
    auto key = by_number_.at(std::get<1>(*deadlines_.begin()));
    runs_open_ -= key->runs.size();
    expire(*key, never - 1, into);
    keep(key);
  }
}

} // namespace gemel
