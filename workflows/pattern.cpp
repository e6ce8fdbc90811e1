#include "workflows/pattern.hpp"

#include <algorithm>
#include <map>

namespace gemel {

namespace {

using test_list = std::vector<edge_test>;
using stage_list = std::vector<std::uint32_t>;
using node_list = std::vector<pattern_node>;

// How a node is come to.
struct place {
  contiguity link = contiguity::relaxed;
  // Of stages that must be absent while it waits for its first event.
  stage_list absences{};
  // Of stages that must be absent right behind it.
  stage_list behind{};
};

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
    states.push_back({stage, role, {}, 0});
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

  // Stands on the edges of the states around it.
  bool is_relaxed_absence(std::uint32_t stage) const {
    return of.stages[stage].absent && of.stages[stage].link != contiguity::strict;
  }
  bool is_optional(const pattern_node& node) const {
    return node.kind == node_kind::stage ? of.stages[node.stage].optional : node.optional;
  }

  // The absences that still hold when the node at `index` begins to wait.
  stage_list absences_at(const node_list& nodes, std::size_t index, const stage_list& outer) const {
    stage_list found;
    while (index > 0) {
      const auto& node = nodes[--index];
      auto is_absence = node.kind == node_kind::stage && of.stages[node.stage].absent;
      if (is_absence && is_relaxed_absence(node.stage) && !of.stages[node.stage].is_timed())
        found.push_back(node.stage);
      else if (!is_absence && !is_optional(node))
        return found;
    }
    found.insert(found.end(), outer.begin(), outer.end());
    return found;
  }
  // The absences right behind it.
  stage_list absences_behind(const node_list& nodes, std::size_t index) const {
    stage_list found;
    while (++index < nodes.size() && nodes[index].kind == node_kind::stage
           && is_relaxed_absence(nodes[index].stage))
      found.push_back(nodes[index].stage);
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
  void stop_at_all(std::uint32_t state, const stage_list& absences) {
    for (auto absence : absences)
      stop_at(state, absence);
  }

  std::uint32_t copy(std::uint32_t state) {
    auto made = add(states[state].stage, states[state].role);
    states[made].then = states[state].then;
    states[made].edges = states[state].edges;
    for (auto& one : states[made].edges)
      if (one.target == state)
        one.target = made;
    return made;
  }

  // An event taken by what is optional ends the absences before it: its sink must not know them.
  std::uint32_t without(const stage_list& absences, std::uint32_t sink) {
    if (absences.empty())
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
        one.target = without(absences, one.target);
      states[made].edges.push_back(std::move(one));
    }
    return made;
  }
  std::uint32_t behind_optional(const place& at, std::uint32_t stage, std::uint32_t sink) {
    return of.stages[stage].optional ? without(at.absences, sink) : sink;
  }

  bool is_hub(std::uint32_t state) const {
    const auto& edges = states[state].edges;
    return !edges.empty() && std::all_of(edges.begin(), edges.end(), [&](const auto& edge) {
      return edge.kind == edge_kind::proceed && edge.tests.empty();
    });
  }

  // While a greedy stage wants an event, the state behind it must not look at it. @returns that
  // state; another one if others lead there, too.
  std::uint32_t restricted(std::uint32_t state, std::uint32_t greedy, bool is_shared = false) {
    if (is_hub(state)) {
      auto made = copy(state);
      for (std::size_t i = 0; i < states[made].edges.size(); ++i) {
        auto target = restricted(states[made].edges[i].target, greedy, true);
        states[made].edges[i].target = target;
      }
      return made;
    }
    auto made = is_shared ? copy(state) : state;
    for (auto& one : states[made].edges)
      one.tests.push_back(takes(greedy, true));
    return made;
  }

  std::uint32_t single(std::uint32_t stage, const place& at, std::uint32_t sink,
                       std::uint32_t proceed_to, const std::optional<test_list>& ignore,
                       bool optional) {
    auto state = add(stage);
    auto behind = behind_optional(at, stage, sink);
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
      stop_at_all(waiting, at.absences);
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

  std::uint32_t repeated(std::uint32_t stage, const place& at, std::uint32_t sink,
                         std::uint32_t proceed_to, std::uint32_t most) {
    const auto& what = of.stages[stage];
    auto inner = inner_ignore_tests(stage);
    for (auto i = what.times_min; i < most; ++i) {
      sink = single(stage, at, sink, proceed_to, inner, true);
      stop_at_all(sink, at.behind);
    }
    for (std::uint32_t i = 1; i < what.times_min; ++i) {
      sink = single(stage, at, sink, proceed_to, inner, false);
      stop_at_all(sink, at.behind);
    }
    return single(stage, at, sink, proceed_to, ignore_tests(stage, at.link), what.optional);
  }

  // A loop that has begun already waits for what must be absent behind it.
  std::uint32_t loop(std::uint32_t stage, const place& at, std::uint32_t sink) {
    auto state = add(stage);
    proceed(state, stage, sink);
    edge(state, edge_kind::take, state, take_tests(stage));
    stop_at_all(state, at.behind);
    if (auto ignore = inner_ignore_tests(stage)) {
      auto waiting = add(stage);
      edge(waiting, edge_kind::take, state, take_tests(stage));
      edge(waiting, edge_kind::ignore, waiting, *ignore);
      edge(state, edge_kind::ignore, waiting, *ignore);
      stop_at_all(waiting, at.behind);
    }
    return state;
  }

  std::uint32_t present(std::uint32_t stage, std::uint32_t sink, const place& at) {
    const auto& what = of.stages[stage];
    std::uint32_t made = 0;
    if (what.greedy && what.until)
      unrestricted[stage] = copy(sink);
    if (what.greedy && what.times_max != what.times_min)
      sink = restricted(sink, stage);
    if (what.loops())
      made = repeated(stage, at, loop(stage, at, behind_optional(at, stage, sink)), sink,
                      what.times_min);
    else if (!what.is_single())
      made = repeated(stage, at, sink, sink, *what.times_max);
    else
      made = single(stage, at, sink, sink, ignore_tests(stage, at.link), what.optional);
    stop_at_all(made, at.absences);
    unrestricted.erase(stage);
    return made;
  }

  std::uint32_t absence(std::uint32_t stage, std::uint32_t sink, const place& at) {
    auto at_end = states[sink].role == state_role::final;
    auto waits = is_relaxed_absence(stage);
    if (waits && !at_end && !of.stages[stage].is_timed())
      return sink;
    auto state = add(stage, waits ? state_role::pending : state_role::normal);
    states[state].then = sink;
    if (waits)
      edge(state, edge_kind::ignore, state, {takes(stage, true)});
    else // At the end any other event completes the match, but is no part of it.
      edge(state, at_end ? edge_kind::ignore : edge_kind::proceed, sink, {takes(stage, true)});
    stop_at(state, stage);
    stop_at_all(state, at.absences);
    return state;
  }

  // A state that looks at an event with the eyes of others.
  std::uint32_t hub(const pattern_node& node) {
    const auto* first = &node;
    while (first->kind != node_kind::stage)
      first = &first->parts.front();
    return add(first->stage);
  }

  std::uint32_t one_round(const pattern_node& node, std::uint32_t sink, const place& at) {
    if (node.kind == node_kind::sequence)
      return sequence(node.parts, sink, at);
    auto made = hub(node);
    for (const auto& part : node.parts)
      edge(made, edge_kind::proceed, one(part, sink, at));
    return made;
  }

  std::uint32_t group(const pattern_node& node, std::uint32_t sink, const place& at) {
    auto behind = node.optional ? without(at.absences, sink) : sink;
    const place again{node.inner, {}, {}};
    auto next = behind;
    auto may_end = [&](std::uint32_t made, std::uint32_t round) {
      edge(made, edge_kind::proceed, round);
      edge(made, edge_kind::proceed, behind);
      return made;
    };
    if (!node.times_max) {
      next = hub(node);
      may_end(next, one_round(node, next, again));
    } else {
      for (auto i = node.times_min; i < *node.times_max; ++i) {
        auto round = one_round(node, next, again);
        next = may_end(hub(node), round);
      }
    }
    for (std::uint32_t i = 1; i < node.times_min; ++i)
      next = one_round(node, next, again);
    auto made = one_round(node, next, {at.link, at.absences, {}});
    if (!node.optional)
      return made;
    auto choice = hub(node);
    edge(choice, edge_kind::proceed, made);
    edge(choice, edge_kind::proceed, sink);
    return choice;
  }

  std::uint32_t one(const pattern_node& node, std::uint32_t sink, const place& at) {
    if (node.kind != node_kind::stage)
      return group(node, sink, at);
    return of.stages[node.stage].absent ? absence(node.stage, sink, at)
                                        : present(node.stage, sink, at);
  }

  std::uint32_t sequence(const node_list& nodes, std::uint32_t sink, const place& at) {
    for (auto i = nodes.size(); i-- > 0;) {
      place here{i == 0 ? at.link : nodes[i].link, absences_at(nodes, i, at.absences),
                 absences_behind(nodes, i)};
      sink = one(nodes[i], sink, here);
    }
    return sink;
  }
};

automaton::automaton(const pattern& of) {
  builder make{of};
  auto sink = make.add(0, state_role::final);
  start_ = make.sequence(of.steps, sink, {});
  states_ = std::move(make.states);
}

} // namespace gemel
