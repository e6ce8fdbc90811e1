#pragma once

#include "workflows/pattern_matcher.hpp"
#include "workflows/window_values.hpp"

#include <deque>
#include <list>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace gemel {

/// The windows of one rule. Events come in the order of their time, save for late ones that may
/// still correct a window. A window without events is none. Pure; for one thread.
class window_engine {
public:
  /// @param of lives as long as this.
  window_engine(const window_spec& of, match_limits limits) : of_{of}, limits_{limits} {}

  /// First ends the windows that are over at the event's time.
  void take(const value& key, const rule_event_ptr& event, match_output& into);

  /// No event before `now` will come, but late ones.
  void advance(std::int64_t now, match_output& into);

  /// All windows end.
  void finish(match_output& into);

  /// All windows and keys, to be read back by `restore`.
  void save(state_writer& into) const;
  /// Adds what another engine of the same windows saved; before the first event.
  void restore(state_reader& from, const restored_share& share);

  /// `events_per_run` bounds the events of a sliding window; what leaves for it counts as a run
  /// dropped.
  const match_counters& counters() const noexcept { return counters_; }
  std::size_t keys() const noexcept { return keys_.size(); }
  std::size_t windows_open() const noexcept { return due_.size() + sliding_; }
  /// Of keys, windows and the readings of sliding ones, about.
  std::size_t bytes() const noexcept;

private:
  struct window {
    std::int64_t start = 0;
    std::int64_t end = 0;
    std::int64_t count = 0;
    std::vector<window_value> values{};
    std::vector<std::int64_t> counts{}; // by side
    rule_event_ptr last{};
    bool was_told = false;
    // It was told, or a window that is part of it was, and goes on.
    bool corrects = false;
  };
  // One event of a sliding window, with what the aggregates take of it.
  struct entry {
    std::int64_t time = 0;
    std::vector<value> contents{};
  };
  struct key_state {
    std::string text{};
    value key{};
    std::vector<value> groups{};
    std::map<std::int64_t, window> windows{}; // by start
    std::deque<entry> entries{};              // of sliding windows
    std::uint32_t events = 0;                 // since a sliding count was last told
    std::int64_t origin = 0;
    std::int64_t used = 0;
  };
  using key_list = std::list<key_state>;
  using due_entry = std::pair<std::int64_t, std::string>; // when, and of which key

  static void save(const key_state& of, state_writer& into);
  key_state restore_key(state_reader& from) const;
  window restore_window(state_reader& from) const;
  void place(key_state made);
  key_list::iterator find_or_make(const value& key, const rule_event& event);
  void take_by_time(key_state& key, const rule_event_ptr& event, match_output& into);
  void take_session(key_state& key, const rule_event_ptr& event, match_output& into);
  window& joined_session(key_state& key, std::int64_t start, std::int64_t end);
  void absorb(window& into, const window& other) const;
  void take_count(key_state& key, const rule_event_ptr& event, match_output& into);
  void take_sliding(key_state& key, const rule_event_ptr& event, match_output& into);
  window& window_at(key_state& key, std::int64_t start, std::int64_t end);
  void put(window& into, const rule_event_ptr& event) const;
  bool is_joined(const window& what) const;
  std::vector<value> contents_of(const rule_event& event) const;
  void leave(key_state& key);
  void close_due(std::int64_t now, match_output& into);
  void close(key_state& key, std::int64_t now, match_output& into);
  void tell(const key_state& key, window& what, std::int64_t at, match_output& into);
  void drop(key_list::iterator key);
  std::int64_t due_of(const window& what) const noexcept;

  const window_spec& of_;
  match_limits limits_;
  match_counters counters_;
  key_list keys_; // the longest unused first
  std::unordered_map<std::string, key_list::iterator> by_text_;
  std::set<due_entry> due_;
  std::size_t sliding_ = 0;
  std::int64_t now_ = INT64_MIN;
};

} // namespace gemel
