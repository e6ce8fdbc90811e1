#include "workflows/pattern.hpp"

#include <algorithm>
#include <map>

namespace gemel {

namespace {

using test_list = std::vector<edge_test>;

test_list with(test_list tests, edge_test more) {
  tests.push_back(more);
  return tests;
}

} // namespace

// Builds from the last stage to the first: each state knows the state behind it, its sink.
struct automaton::builder {
  const pattern& of;
  std::vector<automaton_state> states{};
  std::map<std::uint32_t, std::uint32_t> stops{}; // by stage
  // Of a greedy loop with `until`: the state behind it without the loop's restrictions.
  std::map<std::uint32_t, std::uint32_t> unrestricted{};

  std::uint32_t add(std::uint32_t stage, state_role role = state_role::normal) {
    states.push_back({stage, role, {}});
    return static_cast<std::uint32_t>(states.size() - 1);
  }
  void edge(std::uint32_t from, edge_kind kind, std::uint32_t to, test_list tests = {}) {
    states[from].edges.push_back({kind, to, std::move(tests)});
  }
  edge_test takes(std::uint32_t stage, bool negated = false) const {
    return {stage, false, negated};
  }
  edge_test ends(std::uint32_t stage, bool negated = false) const { return {stage, true, negated}; }

  test_list take_tests(std::uint32_t stage) const {
    test_list tests{takes(stage)};
    return of.stages[stage].until ? with(tests, ends(stage, true)) : tests;
  }
  std::optional<test_list> ignore_tests(std::uint32_t stage, contiguity how) const {
    if (how == contiguity::strict)
      return std::nullopt;
    return how == contiguity::any ? test_list{} : test_list{takes(stage, true)};
  }
  std::optional<test_list> inner_ignore_tests(std::uint32_t stage) const {
    auto tests = ignore_tests(stage, of.stages[stage].inner);
    if (tests && of.stages[stage].until)
      tests->push_back(ends(stage, true));
    return tests;
  }

  bool is_relaxed_absence(std::uint32_t stage) const {
    return of.stages[stage].absent && of.stages[stage].link != contiguity::strict;
  }

  // The absences that still hold when `stage` begins to wait.
  std::vector<std::uint32_t> absences_before(std::uint32_t stage) const {
    std::vector<std::uint32_t> found;
    while (stage > 0) {
      --stage;
      if (is_relaxed_absence(stage))
        found.push_back(stage);
      else if (!of.stages[stage].optional)
        break;
    }
    return found;
  }

  std::uint32_t stop_of(std::uint32_t absence) {
    auto [known, is_new] = stops.emplace(absence, 0);
    if (is_new)
      known->second = add(absence, state_role::stop);
    return known->second;
  }
  void stop_at(std::uint32_t state, std::uint32_t absence) {
    edge(state, edge_kind::proceed, stop_of(absence), {takes(absence)});
  }
  void stop_at_absences(std::uint32_t state, std::uint32_t stage) {
    for (auto absence : absences_before(stage))
      stop_at(state, absence);
  }
  // A loop that has begun already waits for what must be absent behind it.
  void stop_loop(std::uint32_t state, std::uint32_t stage) {
    if (stage + 1 < of.stages.size() && is_relaxed_absence(stage + 1))
      stop_at(state, stage + 1);
  }

  std::uint32_t copy(std::uint32_t state) {
    auto made = add(states[state].stage, states[state].role);
    states[made].edges = states[state].edges;
    for (auto& one : states[made].edges)
      if (one.target == state)
        one.target = made;
    return made;
  }

  // An event taken by an optional stage ends the absences before it: its sink must not know them.
  std::uint32_t without_absences(std::uint32_t stage, std::uint32_t sink) {
    auto absences = absences_before(stage);
    if (absences.empty() || !of.stages[stage].optional)
      return sink;
    auto made = copy(sink);
    auto edges = std::move(states[made].edges);
    states[made].edges.clear();
    for (auto& one : edges) {
      auto is_stop = states[one.target].role == state_role::stop;
      if (is_stop
          && std::find(absences.begin(), absences.end(), states[one.target].stage)
                 != absences.end())
        continue;
      if (one.kind == edge_kind::proceed && !is_stop)
        one.target = without_absences(stage, one.target);
      states[made].edges.push_back(std::move(one));
    }
    return made;
  }

  // While a greedy stage wants an event, the state behind it must not look at it.
  void restrict(std::uint32_t state, std::uint32_t greedy) {
    for (auto& one : states[state].edges)
      one.tests.push_back(takes(greedy, true));
  }

  std::uint32_t single(std::uint32_t stage, std::uint32_t sink, std::uint32_t proceed_to,
                       const std::optional<test_list>& ignore, bool optional) {
    auto state = add(stage);
    auto behind = without_absences(stage, sink);
    edge(state, edge_kind::take, behind, take_tests(stage));
    if (optional)
      proceed(state, stage, proceed_to);
    if (!ignore)
      return state;
    auto waiting = state;
    if (optional) {
      waiting = add(stage);
      edge(waiting, edge_kind::take, behind, take_tests(stage));
      edge(waiting, edge_kind::ignore, waiting, *ignore);
      stop_at_absences(waiting, stage);
    }
    edge(state, edge_kind::ignore, waiting, *ignore);
    return state;
  }

  void proceed(std::uint32_t from, std::uint32_t stage, std::uint32_t to) {
    auto free = unrestricted.find(stage);
    if (free == unrestricted.end())
      return edge(from, edge_kind::proceed, to);
    edge(from, edge_kind::proceed, free->second, {ends(stage)});
    edge(from, edge_kind::proceed, to, {ends(stage, true)});
  }

  std::uint32_t repeated(std::uint32_t stage, std::uint32_t sink, std::uint32_t proceed_to,
                         std::uint32_t most) {
    const auto& what = of.stages[stage];
    auto inner = inner_ignore_tests(stage);
    if (what.greedy && what.times_min != most)
      restrict(sink, stage);
    for (auto i = what.times_min; i < most; ++i) {
      sink = single(stage, sink, proceed_to, inner, true);
      stop_loop(sink, stage);
    }
    for (std::uint32_t i = 1; i < what.times_min; ++i) {
      sink = single(stage, sink, proceed_to, inner, false);
      stop_loop(sink, stage);
    }
    return single(stage, sink, proceed_to, ignore_tests(stage, what.link), what.optional);
  }

  std::uint32_t loop(std::uint32_t stage, std::uint32_t sink) {
    const auto& what = of.stages[stage];
    auto state = add(stage);
    if (what.greedy) {
      if (what.until)
        unrestricted[stage] = copy(sink);
      restrict(sink, stage);
    }
    proceed(state, stage, sink);
    edge(state, edge_kind::take, state, take_tests(stage));
    stop_loop(state, stage);
    if (auto ignore = inner_ignore_tests(stage)) {
      auto waiting = add(stage);
      edge(waiting, edge_kind::take, state, take_tests(stage));
      edge(waiting, edge_kind::ignore, waiting, *ignore);
      edge(state, edge_kind::ignore, waiting, *ignore);
      stop_loop(waiting, stage);
    }
    return state;
  }

  std::uint32_t present(std::uint32_t stage, std::uint32_t sink) {
    const auto& what = of.stages[stage];
    std::uint32_t made = 0;
    if (what.loops())
      made = repeated(stage, loop(stage, without_absences(stage, sink)), sink, what.times_min);
    else if (!what.is_single())
      made = repeated(stage, sink, sink, *what.times_max);
    else
      made = single(stage, sink, sink, ignore_tests(stage, what.link), what.optional);
    stop_at_absences(made, stage);
    return made;
  }

  std::uint32_t absence(std::uint32_t stage, std::uint32_t sink) {
    auto at_end = states[sink].role == state_role::final;
    if (is_relaxed_absence(stage) && !at_end)
      return sink; // It stands on the edges of the states behind and before it.
    auto state = add(stage, is_relaxed_absence(stage) ? state_role::pending : state_role::normal);
    if (is_relaxed_absence(stage))
      edge(state, edge_kind::ignore, state, {takes(stage, true)});
    else // At the end any other event completes the match, but is no part of it.
      edge(state, at_end ? edge_kind::ignore : edge_kind::proceed, sink, {takes(stage, true)});
    stop_at(state, stage);
    return state;
  }
};

automaton::automaton(const pattern& of) {
  builder make{of};
  auto sink = make.add(0, state_role::final);
  for (auto stage = static_cast<std::uint32_t>(of.stages.size()); stage-- > 0;)
    sink = of.stages[stage].absent ? make.absence(stage, sink) : make.present(stage, sink);
  states_ = std::move(make.states);
  start_ = sink;
}

} // namespace gemel
