#pragma once

#include "workflows/pattern.hpp"

#include <cstdint>
#include <list>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

namespace gemel {

/// What gives way when a bound of a matcher is reached.
enum class when_full : std::uint8_t { drop_oldest, drop_newest };

/// The bounds of one rule's state.
struct match_limits {
  std::uint32_t runs_per_key = 1'000;
  std::uint32_t keys = 1'000'000;
  std::uint32_t events_per_run = 10'000;
  /// A key without events for so long is given up with its runs.
  std::chrono::milliseconds key_idle{std::chrono::hours{1}};
  when_full full = when_full::drop_oldest;
};

/// A match, or what a run had when its time ended.
struct found_match {
  value key{};
  event_chain bound{};
  /// Of the event that completed it, or when its time ended; milliseconds since 1970.
  std::int64_t at = 0;
  /// Of a window what it selects; null of a match, whose events say it.
  value content{};
};

struct match_output {
  std::vector<found_match> matches{};
  std::vector<found_match> timeouts{};
};

struct match_counters {
  std::uint64_t events = 0;
  std::uint64_t matches = 0;
  std::uint64_t timeouts = 0;
  /// Runs given up because of `runs_per_key`, `events_per_run`, `keys` and `key_idle`.
  std::uint64_t runs_dropped = 0;
  /// Keys given up because of `keys`, or refused.
  std::uint64_t keys_dropped = 0;
  std::uint64_t keys_idle = 0;
  /// Events that came too late even to correct a window.
  std::uint64_t late = 0;

  match_counters& operator+=(const match_counters& other) noexcept {
    events += other.events;
    matches += other.matches;
    timeouts += other.timeouts;
    runs_dropped += other.runs_dropped;
    keys_dropped += other.keys_dropped;
    keys_idle += other.keys_idle;
    late += other.late;
    return *this;
  }
};

/// Finds a pattern in the events of each key. The matches, their multiset and the effect of the
/// skip strategies are those of Apache Flink's CEP library (`NFA`). Events come in the order of
/// their time. Pure; for one thread.
class pattern_matcher {
public:
  /// @param of lives as long as this.
  pattern_matcher(const pattern& of, match_limits limits);

  /// The event of `key`; first ends what is out of time. Time must not go back.
  void take(const value& key, const rule_event_ptr& event, match_output& into);

  /// No event before `now` will come: ends all runs that are out of time, gives up idle keys.
  void advance(std::int64_t now, match_output& into);

  /// Every run with a bound in time ends, as after the last event of all.
  void finish(match_output& into);

  const match_counters& counters() const noexcept { return counters_; }
  std::size_t keys() const noexcept { return keys_.size(); }
  std::size_t runs_open() const noexcept { return runs_open_; }

private:
  struct run {
    std::uint32_t state = 0;
    event_chain bound{};
    std::int64_t start_time = 0;
    // Order of the first event; runs of one first event share it.
    std::uint64_t start = 0;
    std::int64_t last_time = 0;
  };
  struct held_match {
    run ended;
    std::int64_t at = 0;
  };
  // The open runs of one key, oldest first.
  struct key_state {
    value key{};
    std::string text{};
    std::vector<run> runs{};
    // Held back while a run that started earlier lives; oldest first.
    std::vector<held_match> held{};
    std::int64_t deadline = never;
    // A bit for each state that a run is in.
    std::uint64_t states = 0;
    std::int64_t used = 0;
    std::uint64_t number = 0;
  };
  using key_list = std::list<key_state>;
  struct step_result {
    std::vector<run> next{};
    std::vector<run> complete{};
    bool is_stopped = false;
  };
  enum class test_answer : std::uint8_t { unknown, no, yes };
  struct event_view;

  // A key has runs in states that have no bit of their own.
  static constexpr std::uint64_t many_states = std::uint64_t{1} << 63;
  static constexpr std::int64_t never = INT64_MAX;

  void step(const run& from, bool is_start, event_view& view, step_result& into) const;
  void take_edge(const run& from, bool is_start, const automaton_state& source,
                 const automaton_edge& edge, event_view& view, step_result& into) const;
  bool holds(const automaton_edge& edge, event_view& view) const;
  bool reaches_final(std::uint32_t state, event_view& view) const;
  std::int64_t deadline_of(const run& of) const noexcept;
  void expire(key_state& key, std::int64_t now, match_output& into);
  void settle(key_state& key, std::vector<held_match> complete, match_output& into);
  void prune(key_state& key, const run& matched);
  void emit(const key_state& key, const held_match& found, match_output& into);
  void limit_runs(key_state& key);
  void keep(key_list::iterator key);
  void drop(key_list::iterator key);
  void set_text(const value& key);
  key_list::iterator make_key(const value& key);
  void use(key_list::iterator key, std::int64_t time);
  bool is_idle(std::uint32_t state, bool is_start, event_view& view);
  bool changes_nothing(std::uint64_t states, event_view& view);

  const pattern& pattern_;
  automaton automaton_;
  match_limits limits_;
  match_counters counters_;
  // By their use, the longest unused first.
  key_list keys_;
  std::unordered_map<std::string, key_list::iterator> by_text_;
  std::set<std::tuple<std::int64_t, std::uint64_t>> deadlines_;
  std::unordered_map<std::uint64_t, key_list::iterator> by_number_;
  // Whether a test, by its place, reads nothing that a run has bound; and a state with all its
  // tests.
  std::vector<bool> is_shared_;
  std::vector<bool> is_free_;
  std::string text_; // of the key under work
  std::uint64_t events_taken_ = 0;
  std::uint64_t keys_made_ = 0;
  std::size_t runs_open_ = 0;
};

} // namespace gemel
