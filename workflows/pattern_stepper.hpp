#pragma once

#include "workflows/pattern.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace gemel {

/// One way that leads to a match, as far as it came.
struct pattern_run {
  event_chain bound{};
  std::int64_t start_time = 0;
  /// Order of the first event; runs of one first event share it.
  std::uint64_t start = 0;
  /// Of the event taken last, or of the end of an absence behind it.
  std::int64_t last_time = 0;
  /// When the absence that its state waits for, or leads to, has lasted long enough.
  std::int64_t quiet_due = INT64_MAX;
  /// That was so already.
  bool was_quiet = false;
  /// Where runs do not branch: an event was passed over since the last one taken, and which of the
  /// ways that it may go on are closed by that, a bit each.
  bool has_passed = false;
  std::uint64_t closed = 0;
};

struct placed_run {
  std::uint32_t state = 0;
  pattern_run run{};
};

/// What becomes of a run.
struct step_result {
  std::vector<placed_run> next{};
  std::vector<pattern_run> complete{};
};

/// What an event, or time, does to one run. Pure; knows no keys and keeps no runs.
class pattern_stepper {
public:
  static constexpr std::int64_t never = INT64_MAX;
  enum class answer : std::uint8_t { unknown, no, yes };

  /// One event while runs look at it; what does not depend on a run is asked once.
  struct view {
    using answers = std::array<answer, 2 * pattern_stages_max>;
    const rule_event_ptr& event;
    std::uint64_t number = 0;
    const event_chain* bound = nullptr;
    answers of_run{};
    answers of_all{};
  };

  /// @param of lives as long as this.
  explicit pattern_stepper(const pattern& of);

  std::uint32_t start() const noexcept { return automaton_.start(); }
  std::size_t states() const noexcept { return automaton_.states().size(); }

  /// What the event makes of a run in `state`; the run itself is no more.
  void step(std::uint32_t state, const pattern_run& from, view& at, step_result& into) const;
  /// The runs that begin with the event.
  void begin(view& at, step_result& into) const;
  bool may_begin(view& at) const;

  /// Whether a run in `state` certainly stays as it is, whatever it has bound.
  bool is_idle(std::uint32_t state, view& at) const;
  /// The same of a run that is not found by `text_of_event`.
  bool is_idle_unless_found(std::uint32_t state, view& at) const;
  /// By what an event finds runs in `state`; empty: by nothing.
  std::string text_of_event(std::uint32_t state, const view& at) const;
  std::string text_of_run(std::uint32_t state, const pattern_run& run) const;

  /// Whether the event is one of `stage`, with nothing bound.
  bool is_of(std::uint32_t stage, const rule_event& event) const;

  std::int64_t deadline_of(std::uint32_t state, const pattern_run& run) const noexcept;
  /// The deadline of a run has come. @returns whether it ends unmatched there.
  bool on_deadline(const placed_run& from, std::int64_t deadline, step_result& into) const;

private:
  struct visit;

  answer quick(const edge_test& test, view& at) const;
  answer quick(const automaton_edge& edge, view& at, const pattern_stage* unequal) const;
  bool is_idle(std::uint32_t state, view& at, const pattern_stage* unequal) const;
  bool holds(const edge_test& test, view& at) const;
  bool holds(const automaton_edge& edge, view& at) const;
  bool reaches_final(std::uint32_t state, view& at) const;
  bool ends_at(std::uint32_t state) const;
  bool is_stopped(const automaton_edge& edge, const pattern_run& from, view& at) const;
  bool is_in_time(const automaton_state& state, const pattern_run& from, const view& at,
                  bool is_start) const;
  void walk(std::uint32_t state, visit& what) const;
  void walk_alone(std::uint32_t state, visit& what) const;
  void close_all(std::uint32_t state, visit& what) const;
  bool is_blocked(const automaton_state& here, visit& what) const;
  void take_edge(const automaton_state& source, const automaton_edge& edge, visit& what) const;
  bool begins_at(std::uint32_t state, view& at) const;
  void settle(placed_run& made) const;
  std::uint32_t quiet_from(std::uint32_t state) const;
  const pattern_stage& stage_of(std::uint32_t state) const {
    return pattern_.stages[automaton_.states()[state].stage];
  }

  static constexpr std::uint32_t none = ~std::uint32_t{0};

  const pattern& pattern_;
  automaton automaton_;
  // By place of a test: whether it reads nothing that a run has bound.
  std::vector<bool> is_shared_;
  // By state: the pending state that it is, or leads to without an event.
  std::vector<std::uint32_t> quiet_;
  // By state: whether it can let other states look.
  std::vector<bool> has_proceed_;
};

} // namespace gemel
