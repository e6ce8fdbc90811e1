#pragma once

#include "workflows/rule.hpp"
#include "workflows/state_archive.hpp"

#include <cstdint>
#include <list>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace gemel {

/// Puts events into the order of their time. Each source's watermark is its youngest time less the
/// lateness and 1 ms; the watermark of all is the least of those that are not idle, and never goes
/// back. An event at or before it is late. Of one time, what arrived first comes first.
class event_order {
public:
  /// Events that may wait; more are answered as if the watermark had come: the oldest goes first.
  static constexpr std::size_t waiting_max = 1'000'000;

  /// Sources that are known at a time; of more the longest silent one is forgotten.
  static constexpr std::size_t sources_max = 100'000;

  explicit event_order(rule_time time) : time_{time} {}

  /// @param arrived when the event was seen; milliseconds, must not go back.
  /// @returns false if it is late and was not taken.
  bool add(rule_event_ptr event, const std::string& source, std::int64_t arrived);

  /// It is `now` by the clock that `arrived` is of. If nothing came for `still` ms, time goes on
  /// from the youngest event as that clock does.
  void pass(std::int64_t now, std::int64_t still);

  /// Takes what is at or before the watermark, in order.
  std::vector<rule_event_ptr> take_ready();

  /// Takes all that waits, in order: no further event will come.
  std::vector<rule_event_ptr> take_all();

  void save(state_writer& into) const;
  /// In the place of all that is here.
  void restore(state_reader& from);

  /// INT64_MIN: none yet.
  std::int64_t watermark() const noexcept { return watermark_; }
  std::size_t waiting() const noexcept { return waiting_.size(); }

private:
  struct source_state {
    std::int64_t youngest = INT64_MIN;
    std::int64_t arrived = INT64_MIN;
    bool is_idle = false;
    std::list<const std::string*>::iterator place{};
  };
  using source_map = std::unordered_map<std::string, source_state>;
  source_state& heard(const std::string& source, std::int64_t arrived);
  void move_watermark(std::int64_t arrived);

  rule_time time_;
  source_map sources_;
  std::list<const std::string*> by_arrival_; // the longest silent first
  std::multiset<std::int64_t> youngest_;     // of the sources that are not idle
  std::int64_t youngest_of_all_ = INT64_MIN;
  std::int64_t arrived_last_ = INT64_MIN;
  std::multimap<std::int64_t, rule_event_ptr> waiting_; // of one time in the order of arrival
  std::int64_t watermark_ = INT64_MIN;
};

} // namespace gemel
