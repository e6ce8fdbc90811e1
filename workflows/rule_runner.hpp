#pragma once

#include "workflows/event_order.hpp"
#include "workflows/rule_event_document.hpp"
#include "workflows/rule_state.hpp"

#include <algorithm>

namespace gemel {

struct rule_counters {
  std::uint64_t events = 0;
  /// That the rule looked at.
  std::uint64_t concerned = 0;
  std::uint64_t late = 0;
};

/// One rule over a stream of events in simulated time: order, keys, pattern. Pure; for one thread.
class rule_runner {
public:
  /// @param of lives as long as this.
  explicit rule_runner(const rule& of)
      : rule_{of}, order_{of.time()}, state_{std::make_shared<const rule>(of)} {}

  /// @returns false if the event came too late and was not looked at.
  bool add(const recorded_event& from, match_output& into) {
    ++counters_.events;
    arrived_ = std::max(arrived_, from.arrived.value_or(from.event->time_ms()));
    if (!rule_.concerns(*from.event))
      return true;
    ++counters_.concerned;
    if (rule_.time().clock == event_clock::arrival) {
      auto event = *from.event;
      event.time = value{arrived_};
      take(std::make_shared<const rule_event>(std::move(event)), into);
      return true;
    }
    auto in_time = order_.add(from.event, rule_.source_of(*from.event, from.source), arrived_);
    if (!in_time && rule_.corrects_windows()) {
      auto before = state_.counters().late;
      take(from.event, into);
      in_time = state_.counters().late == before;
    }
    counters_.late += in_time ? 0 : 1;
    for (const auto& one : order_.take_ready())
      take(one, into);
    if (order_.watermark() != INT64_MIN)
      state_.advance(order_.watermark(), into);
    return in_time;
  }

  /// After the last event: time goes on until no run waits for it.
  void finish(match_output& into) {
    for (const auto& one : order_.take_all())
      take(one, into);
    state_.finish(into);
  }

  const rule_counters& counters() const noexcept { return counters_; }
  const rule_state& state() const noexcept { return state_; }

private:
  void take(const rule_event_ptr& event, match_output& into) {
    state_.take(rule_.key_of(*event), event, into);
  }

  const rule& rule_;
  event_order order_;
  rule_state state_;
  rule_counters counters_;
  std::int64_t arrived_ = INT64_MIN;
};

} // namespace gemel
