#pragma once

#include "workflows/pattern_stepper.hpp"
#include "workflows/state_archive.hpp"

#include <cstdint>
#include <functional>
#include <list>
#include <map>
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

void save(const match_counters& from, state_writer& into);
void save(const found_match& from, state_writer& into);
match_counters restore_counters(state_reader& from);
found_match restore_match(state_reader& from);

/// Which part of what was saved a partition takes.
struct restored_share {
  /// Of keys, as JSON.
  std::function<bool(const std::string& key)> has{};
  /// One partition alone takes the counters.
  bool with_counters = true;
};

/// Finds a pattern in the events of each key. The matches, their multiset and the effect of the
/// skip strategies are those of Apache Flink's CEP library (`NFA`). Events come in the order of
/// their time. Open runs are found by what they wait for and by when they end, so that an event
/// costs what it changes, however many runs there are. Pure; for one thread.
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

  /// All runs and keys, to be read back by `restore`.
  void save(state_writer& into) const;
  /// Adds what another matcher of the same pattern saved; before the first event.
  void restore(state_reader& from, const restored_share& share);

  const match_counters& counters() const noexcept { return counters_; }
  std::size_t keys() const noexcept { return keys_.size(); }
  std::size_t runs_open() const noexcept { return runs_open_; }
  /// Of keys and open runs, about; without the events, which rules share.
  std::size_t bytes() const noexcept;

private:
  struct held_match {
    pattern_run ended;
    std::int64_t at = 0;
  };
  // Runs of one key in one state that wait for the same, the one that is due first in front.
  struct bucket {
    std::vector<pattern_run> runs{};
    // So many in front are gone; kept until half are.
    std::size_t gone = 0;
    std::uint64_t number = 0;
    std::int64_t deadline = INT64_MAX;
    std::size_t size() const noexcept { return runs.size() - gone; }
  };
  using bucket_id = std::pair<std::uint32_t, std::string>; // state, and what it waits for
  using bucket_map = std::map<bucket_id, bucket>;
  struct key_state {
    value key{};
    std::string text{};
    bucket_map buckets{};
    std::size_t runs = 0;
    // Of open runs by their start, where that decides when a match is told.
    std::map<std::uint64_t, std::uint32_t> starts{};
    // Held back while a run that started earlier lives; oldest first.
    std::vector<held_match> held{};
    // Since when the pattern's `lead` has been absent.
    std::vector<std::int64_t> absent_since{};
    bool has_matched = false;
    std::int64_t used = 0;
  };
  using key_list = std::list<key_state>;
  struct due_entry {
    std::int64_t deadline = 0;
    std::uint64_t number = 0;
    key_list::iterator key{};
    bucket_map::iterator at{};
    friend bool operator<(const due_entry& a, const due_entry& b) noexcept {
      return std::tie(a.deadline, a.number) < std::tie(b.deadline, b.number);
    }
  };

  void advance_key(key_list::iterator key, const rule_event_ptr& event, pattern_stepper::view& at,
                   match_output& into);
  bool may_start(key_state& key, const rule_event& event) const;
  std::vector<placed_run> take_touched(key_list::iterator key, pattern_stepper::view& at);
  void take_all(key_list::iterator key, bucket_map::iterator from, std::vector<placed_run>& into);
  void save(const key_state& of, state_writer& into) const;
  key_list::iterator restore_key(state_reader& from, const restored_share& share);
  void put(key_list::iterator key, placed_run one);
  void note_deadline(key_list::iterator key, bucket_map::iterator at);
  void forget_bucket(key_list::iterator key, bucket_map::iterator at);
  void count_start(key_state& key, const pattern_run& run, int change) const;
  template <class Gone>
  std::size_t erase_runs(key_list::iterator key, const Gone& is_gone);
  void expire(const due_entry& due, match_output& into);
  void settle(key_list::iterator key, std::vector<held_match> complete, match_output& into);
  bool is_held_back(const key_state& key, const held_match& one) const;
  void hold(key_state& key, held_match one) const;
  void prune(key_list::iterator key, const pattern_run& matched);
  void emit(key_state& key, const held_match& found, match_output& into);
  void limit_runs(key_list::iterator key);
  bool is_needed(const key_state& key) const noexcept;
  void drop(key_list::iterator key);
  void set_text(const value& key);
  key_list::iterator make_key(const value& key, std::int64_t time);
  void use(key_list::iterator key, std::int64_t time);
  bool holds_matches() const noexcept {
    return pattern_.longest || pattern_.skip != skip_strategy::none;
  }

  const pattern& pattern_;
  pattern_stepper stepper_;
  match_limits limits_;
  match_counters counters_;
  // By their use, the longest unused first.
  key_list keys_;
  std::unordered_map<std::string, key_list::iterator> by_text_;
  std::set<due_entry> due_;
  std::string text_; // of the key under work
  std::uint64_t events_taken_ = 0;
  std::uint64_t buckets_made_ = 0;
  std::size_t runs_open_ = 0;
};

} // namespace gemel
