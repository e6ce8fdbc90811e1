#include "tests/support/reference_matcher.hpp"

#include <algorithm>

namespace gemel::test {

bool reference_matcher::is_wanted(std::uint32_t stage, std::size_t at) const {
  const auto& where = of_.stages[stage].where;
  return !where || where->test(events_[at].get(), bound_);
}

bool reference_matcher::is_end(std::uint32_t stage, std::size_t at) const {
  const auto& until = of_.stages[stage].until;
  return until && until->test(events_[at].get(), bound_);
}

// Whether the event is one that must be absent there. It then ends the run, save that a match which
// it completes stands. A loop is also ended by what must be absent behind it.
bool reference_matcher::is_spoilt(std::uint32_t from, std::uint32_t to, std::uint32_t count,
                                  std::size_t at) const {
  auto goes_on = from == to && count > 0;
  auto end = goes_on ? from + 2 : to;
  for (auto i = from + 1; i < end && i < of_.stages.size(); ++i) {
    const auto& stage = of_.stages[i];
    if (!stage.absent || taken_.empty())
      continue;
    auto is_next = at == taken_.back().second + 1;
    auto may_end = goes_on && count >= of_.stages[from].times_min;
    // As in Flink, between the optional repetitions of a bounded loop only the next event counts.
    auto holds = stage.link == contiguity::relaxed ? !may_end || of_.stages[from].loops() || is_next
                                                   : may_end && is_next;
    if (holds && is_wanted(i, at))
      return true;
  }
  // And there, once an event was passed over, what must be absent before the stage still counts.
  auto waits = goes_on && count >= of_.stages[from].times_min && !of_.stages[from].loops()
               && at > taken_.back().second + 1;
  if (waits && from > 0) {
    const auto& before = of_.stages[from - 1];
    return before.absent && before.link == contiguity::relaxed && is_wanted(from - 1, at);
  }
  return false;
}

// Whether the event `at` may be passed over between what stage `from` took (its `count`-th) and
// the next event, which `to` takes.
bool reference_matcher::may_pass(std::uint32_t from, std::uint32_t to, std::uint32_t count,
                                 std::size_t at) const {
  const auto& stage = of_.stages[to];
  auto goes_on = from == to && count > 0;
  auto how = goes_on ? stage.inner : stage.link;
  if (how == contiguity::strict || (how == contiguity::relaxed && is_wanted(to, at)))
    return false;
  if (goes_on && is_end(to, at))
    return false;
  return !is_spoilt(from, to, count, at);
}

// Gives one more event to stage `to`, which is `from` or behind it.
void reference_matcher::try_stage(std::uint32_t from, std::uint32_t to, std::uint32_t count) {
  auto goes_on = from == to && count > 0;
  auto last = taken_.empty() ? 0 : taken_.back().second;
  for (auto at = taken_.empty() ? 0 : last + 1; at < events_.size(); ++at) {
    if (of_.within.count() > 0 && !taken_.empty()
        && events_[at]->time_ms() - events_[taken_[0].second]->time_ms() >= of_.within.count())
      return;
    auto is_next = !taken_.empty() && at == last + 1;
    // A strict absence is asked of the very next event only.
    auto stopped = false;
    for (auto i = from + 1; i < to && is_next && !goes_on; ++i)
      stopped =
          stopped
          || (of_.stages[i].absent && of_.stages[i].link == contiguity::strict && is_wanted(i, at));
    if (stopped)
      return;
    // The stage behind a greedy one looks at no event that the greedy one wants.
    auto greedy = !goes_on && to > 0 && of_.stages[to - 1].greedy;
    if (greedy && is_wanted(to - 1, at)) {
      if (taken_.empty())
        continue;
      return;
    }
    auto is_spoilt_now = is_spoilt(from, to, goes_on ? count : 0, at);
    if (is_wanted(to, at) && !is_end(to, at)) {
      auto bound = bound_;
      taken_.emplace_back(to, at);
      bound_ = event_chain{bound, to, at, events_[at]};
      extend(to, goes_on ? count + 1 : 1, is_spoilt_now);
      bound_ = bound;
      taken_.pop_back();
    }
    if (!taken_.empty() && !may_pass(from, to, goes_on ? count : 0, at))
      return;
  }
}

bool reference_matcher::is_complete(std::uint32_t stage, std::uint32_t count) const {
  if (count < of_.stages[stage].times_min)
    return false;
  for (auto i = stage + 1; i < of_.stages.size(); ++i)
    if (!of_.stages[i].optional)
      return false;
  return true;
}

void reference_matcher::extend(std::uint32_t stage, std::uint32_t count, bool is_last) {
  const auto& what = of_.stages[stage];
  if (is_complete(stage, count))
    found_.push_back(taken_);
  if (is_last)
    return;
  if (count < what.times_max.value_or(UINT32_MAX))
    try_stage(stage, stage, count);
  if (count < what.times_min)
    return;
  for (auto next = stage + 1; next < of_.stages.size(); ++next) {
    if (of_.stages[next].absent)
      continue;
    try_stage(stage, next, 0);
    if (!of_.stages[next].optional)
      return;
  }
}

std::vector<assignment> reference_matcher::matches() {
  found_.clear();
  for (std::uint32_t first = 0; first < of_.stages.size(); ++first) {
    try_stage(first, first, 0);
    if (!of_.stages[first].optional)
      break;
  }
  std::sort(found_.begin(), found_.end());
  return found_;
}

} // namespace gemel::test
