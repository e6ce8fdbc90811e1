#pragma once

#include "workflows/condition_parts.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gemel {

inline constexpr std::size_t pattern_stages_max = 64;
/// Of an automaton; groups of groups multiply.
inline constexpr std::size_t pattern_states_max = 20'000;

/// What may lie between two events of a run.
enum class contiguity : std::uint8_t {
  /// Nothing: the very next event.
  strict,
  /// Events that the stage does not want.
  relaxed,
  /// Anything, candidates of the stage too.
  any,
};

/// How an event must stand to those that another stage took.
enum class event_relation : std::uint8_t {
  /// By time alone, as all do.
  time,
  /// The last one of that stage happened before it.
  happened_before,
  /// Neither it nor the last one of that stage happened before the other.
  concurrent,
  /// Its cause is one of that stage.
  caused_by,
};

/// One step of a pattern.
struct pattern_stage {
  std::string name{};
  /// Must not happen; `link` is strict or relaxed.
  bool absent = false;
  contiguity link = contiguity::relaxed;
  contiguity inner = contiguity::relaxed;
  /// At least 1; a stage that may be left out is `optional`.
  std::uint32_t times_min = 1;
  /// Nothing: no bound.
  std::optional<std::uint32_t> times_max = 1;
  bool optional = false;
  bool greedy = false;
  /// Events of other types or names are none of this stage; empty: all are.
  std::vector<std::string> twin_types{};
  std::vector<std::string> events{};
  std::optional<rule_expression> where{};
  /// Of `where`.
  condition_parts parts{};
  std::optional<rule_expression> until{};
  event_relation relation = event_relation::time;
  /// Of `relation`.
  std::uint32_t relative_to = 0;
  /// From the event before; exclusive; 0: no bound. Of an absence: for how long; 0: until the next
  /// step.
  std::chrono::milliseconds within_prev{0};

  bool loops() const noexcept { return !times_max; }
  bool is_single() const noexcept { return times_min == 1 && times_max == 1u; }
  /// An absence with a time.
  bool is_timed() const noexcept { return absent && within_prev.count() > 0; }
};

enum class node_kind : std::uint8_t {
  stage,
  /// Its parts one behind the other.
  sequence,
  /// One of its parts.
  choice,
};

/// A stage or a group of them, as it stands in a pattern.
struct pattern_node {
  node_kind kind = node_kind::stage;
  /// Of `stage`, which has its own `times` and the like.
  std::uint32_t stage = 0;
  /// To what comes before. A group's holds for its first event.
  contiguity link = contiguity::relaxed;
  /// Of groups, from one round to the next.
  contiguity inner = contiguity::relaxed;
  /// At least 1.
  std::uint32_t times_min = 1;
  /// Nothing: no bound.
  std::optional<std::uint32_t> times_max = 1;
  bool optional = false;
  /// Not empty in a group; none can be without an event.
  std::vector<pattern_node> parts{};
};

/// When an event may begin a run.
enum class restart_mode : std::uint8_t {
  /// Always.
  each,
  /// While the key has no open run, until its first match.
  once,
  /// While the key has no open run.
  after_match,
};

/// What a match does to others of its key that started before its end.
enum class skip_strategy : std::uint8_t { none, to_next, past_last, to_first, to_last };

struct pattern {
  /// All of them, wherever they stand in `steps`.
  std::vector<pattern_stage> stages{};
  std::vector<pattern_node> steps{};
  /// Stages that must have been absent for their time before the first event; they stand in no
  /// step.
  std::vector<std::uint32_t> lead{};
  restart_mode restart = restart_mode::each;
  /// A run never leaves out what it can take, so it does not branch, and only its longest match
  /// counts.
  bool longest = false;
  /// From the first event; exclusive; 0: no bound.
  std::chrono::milliseconds within{0};
  skip_strategy skip = skip_strategy::none;
  /// Of `to_first` and `to_last`.
  std::uint32_t skip_stage = 0;
};

/// A test that an edge makes: whether the event is one of a stage (or ends its loop).
struct edge_test {
  std::uint32_t stage = 0;
  bool is_until = false;
  bool negated = false;

  friend bool operator==(const edge_test&, const edge_test&) = default;
};

enum class edge_kind : std::uint8_t {
  /// The event is bound, and the run goes to the target.
  take,
  /// The event is passed over.
  ignore,
  /// The target looks at the same event.
  proceed,
};

struct automaton_edge {
  edge_kind kind = edge_kind::take;
  std::uint32_t target = 0;
  /// All must hold.
  std::vector<edge_test> tests{};
};

enum class state_role : std::uint8_t {
  normal,
  /// Waits undisturbed for its time: then it goes to `then`.
  pending,
  /// What must be absent has come.
  stop,
  final,
};

struct automaton_state {
  std::uint32_t stage = 0;
  state_role role = state_role::normal;
  std::vector<automaton_edge> edges{};
  /// Of a pending one.
  std::uint32_t then = 0;
};

/// The states of a pattern. Its construction has the meaning of Apache Flink's CEP library
/// (`NFACompiler`): a stage is a state with a `take` edge, contiguity is its `ignore` edge, what
/// may be left out has a `proceed` edge, and a state that has passed over an event cannot proceed
/// any more, so that no way to a match is taken twice. A group is its parts' states, once more for
/// each round; a pattern finds what all the plain patterns find that its groups can be written as.
class automaton {
public:
  /// `of` has at least one stage that is not absent, and is as `rule` checks it.
  explicit automaton(const pattern& of);

  const std::vector<automaton_state>& states() const noexcept { return states_; }
  std::uint32_t start() const noexcept { return start_; }

private:
  struct builder;

  std::vector<automaton_state> states_;
  std::uint32_t start_ = 0;
};

} // namespace gemel
