#include "workflows/pattern_matcher.hpp"

#include <algorithm>
#include <array>

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

bool wants(const pattern_stage& stage, const rule_event& event, const event_chain& bound) {
  return contains(stage.twin_types, event.twin_type) && contains(stage.events, event.event)
         && (!stage.where || stage.where->test(&event, bound))
         && (stage.relation == event_relation::time || is_related(stage, event, bound));
}

} // namespace

// One event as one run sees it; each test is made at most once.
struct pattern_matcher::event_view {
  enum class answer : std::uint8_t { unknown, no, yes };

  const rule_event_ptr& event;
  std::uint64_t number = 0;
  const event_chain* bound = nullptr;
  std::vector<answer> answers{};

  void look_from(const run& from, std::size_t stages) {
    bound = &from.bound;
    answers.assign(2 * stages, answer::unknown);
  }
};

pattern_matcher::pattern_matcher(const pattern& of, match_limits limits)
    : pattern_{of}, automaton_{of}, limits_{limits} {
}

bool pattern_matcher::holds(const automaton_edge& edge, event_view& view) const {
  using answer = event_view::answer;
  return std::all_of(edge.tests.begin(), edge.tests.end(), [&](const edge_test& test) {
    auto& known = view.answers[2 * test.stage + (test.is_until ? 1 : 0)];
    if (known == answer::unknown) {
      const auto& stage = pattern_.stages[test.stage];
      auto is_true = test.is_until ? stage.until->test(view.event.get(), *view.bound)
                                   : wants(stage, *view.event, *view.bound);
      known = is_true ? answer::yes : answer::no;
    }
    return (known == answer::yes) != test.negated;
  });
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
  auto state = find_or_make(key, to_json(key));
  if (state == keys_.end())
    return;
  runs_open_ -= state->runs.size();
  event_view view{event, events_taken_++};
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
  state->used = event->time_ms();
  keys_.splice(keys_.end(), keys_, state);
  settle(*state, std::move(complete), into);
  limit_runs(*state);
  keep(state);
}

void pattern_matcher::keep(key_list::iterator key) {
  deadlines_.erase({key->deadline, key->number});
  runs_open_ += key->runs.size();
  if (key->runs.empty() && key->held.empty())
    return drop(key);
  key->deadline = never;
  for (const auto& one : key->runs)
    key->deadline = std::min(key->deadline, deadline_of(one));
  if (key->deadline != never)
    deadlines_.insert({key->deadline, key->number});
}

void pattern_matcher::drop(key_list::iterator key) {
  deadlines_.erase({key->deadline, key->number});
  runs_open_ -= key->runs.size();
  by_number_.erase(key->number);
  by_text_.erase(key->text);
  keys_.erase(key);
}

pattern_matcher::key_list::iterator pattern_matcher::find_or_make(const value& key,
                                                                  std::string text) {
  if (auto known = by_text_.find(text); known != by_text_.end())
    return known->second;
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
  made.text = text;
  auto at = keys_.insert(keys_.end(), std::move(made));
  by_text_.emplace(std::move(text), at);
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
