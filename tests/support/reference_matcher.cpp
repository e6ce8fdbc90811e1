#include "tests/support/reference_matcher.hpp"

#include <algorithm>

namespace gemel::test {

// ---- groups -------------------------------------------------------------------------------------

std::vector<reference_matcher::line>
reference_matcher::lines_of(const std::vector<pattern_node>& nodes, bool is_head,
                            contiguity link) const {
  std::vector<line> made{{}};
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    std::vector<line> longer;
    for (const auto& more : lines_of(nodes[i], i == 0 && is_head ? link : nodes[i].link))
      for (auto before : made) {
        before.insert(before.end(), more.begin(), more.end());
        longer.push_back(std::move(before));
      }
    made = std::move(longer);
  }
  return made;
}

std::vector<reference_matcher::line> reference_matcher::rounds_of(const pattern_node& node,
                                                                  contiguity link) const {
  if (node.kind == node_kind::sequence)
    return lines_of(node.parts, true, link);
  std::vector<line> made;
  for (const auto& part : node.parts)
    for (auto& one : lines_of(part, link))
      made.push_back(std::move(one));
  return made;
}

std::vector<reference_matcher::line> reference_matcher::lines_of(const pattern_node& node,
                                                                 contiguity link) const {
  if (node.kind == node_kind::stage)
    return {{{node.stage, link}}};
  std::vector<line> made;
  if (node.optional)
    made.push_back({});
  std::vector<line> open{{}};
  auto most = node.times_max.value_or(UINT32_MAX);
  for (std::uint32_t round = 1; round <= most && round <= events_.size(); ++round) {
    std::vector<line> longer;
    for (const auto& more : rounds_of(node, round == 1 ? link : node.inner))
      for (auto before : open) {
        before.insert(before.end(), more.begin(), more.end());
        if (before.size() <= 2 * events_.size() + 2)
          longer.push_back(std::move(before));
      }
    open = std::move(longer);
    for (auto& one : open)
      one.back().is_watched = false;
    if (round >= node.times_min)
      made.insert(made.end(), open.begin(), open.end());
  }
  return made;
}

// ---- one line -----------------------------------------------------------------------------------

bool reference_matcher::is_wanted(std::uint32_t stage, std::size_t event) const {
  const auto& where = at(stage).where;
  return !where || where->test(events_[event].get(), bound_);
}

bool reference_matcher::is_end(std::uint32_t stage, std::size_t event) const {
  const auto& until = at(stage).until;
  return until && until->test(events_[event].get(), bound_);
}

// When the absences with a time between two stages are over.
std::int64_t reference_matcher::quiet_end(std::uint32_t from, std::uint32_t to) const {
  auto end = taken_.empty() ? INT64_MIN : last_time();
  for (auto i = from + 1; i < to && !taken_.empty(); ++i)
    end += at(i).is_timed() ? at(i).within_prev.count() : 0;
  return end;
}

// Whether the event is one that must be absent then between `from` and `to`.
bool reference_matcher::is_disturbed(std::uint32_t from, std::uint32_t to, std::size_t event,
                                     bool is_next) const {
  auto begin = last_time();
  for (auto i = from + 1; i < to; ++i) {
    const auto& stage = at(i);
    if (!stage.absent)
      continue;
    auto holds = stage.link == contiguity::strict ? is_next : true;
    if (stage.is_timed()) {
      holds = time(event) >= begin && time(event) < begin + stage.within_prev.count();
      begin += stage.within_prev.count();
    }
    if (holds && is_wanted(i, event))
      return true;
  }
  return false;
}

// Whether the event is one that must be absent there. It then ends the run, save that a match which
// it completes stands. A loop is also ended by what must be absent behind it.
bool reference_matcher::is_spoilt(std::uint32_t from, std::uint32_t to, std::uint32_t count,
                                  std::size_t event) const {
  if (taken_.empty())
    return false;
  auto goes_on = from == to && count > 0;
  auto is_next = event == taken_.back().second + 1;
  if (!goes_on)
    return is_disturbed(from, to, event, is_next);
  auto may_end = count >= at(from).times_min;
  // As in Flink, between the optional repetitions of a bounded loop only the next event counts.
  auto is_near = !may_end || at(from).loops() || is_next;
  for (auto i = from + 1; i < line_.size() && at(i).absent; ++i) {
    const auto& stage = at(i);
    if (stage.link == contiguity::strict)
      break;
    auto holds = is_near && line_[from].is_watched
                 && (!stage.is_timed() || time(event) < last_time() + stage.within_prev.count());
    if (holds && is_wanted(i, event))
      return true;
  }
  // And there, once an event was passed over, what must be absent before the stage still counts.
  if (!may_end || at(from).loops() || is_next)
    return false;
  for (auto i = from; i-- > 0 && at(i).absent;)
    if (at(i).link == contiguity::relaxed && !at(i).is_timed() && is_wanted(i, event))
      return true;
  return false;
}

// Whether the event may be passed over between what stage `from` took (its `count`-th) and the next
// event, which `to` takes.
bool reference_matcher::may_pass(std::uint32_t from, std::uint32_t to, std::uint32_t count,
                                 std::size_t event) const {
  auto goes_on = from == to && count > 0;
  if (!goes_on && time(event) < quiet_end(from, to))
    return !is_spoilt(from, to, count, event);
  auto how = goes_on ? at(to).inner : line_[to].link;
  if (how == contiguity::strict || (how == contiguity::relaxed && is_wanted(to, event)))
    return false;
  if (goes_on && is_end(to, event))
    return false;
  return !is_spoilt(from, to, count, event);
}

// Whether what must be absent before the first event was.
bool reference_matcher::may_begin(std::size_t event) const {
  for (auto stage : of_.lead) {
    const auto& absent = of_.stages[stage];
    auto since = time(0);
    for (std::size_t i = 0; i <= event; ++i)
      if (!absent.where || absent.where->test(events_[i].get(), {}))
        since = time(i);
    if (time(event) - since < absent.within_prev.count())
      return false;
  }
  return true;
}

void reference_matcher::take(std::uint32_t to, std::size_t event) {
  taken_.emplace_back(to, event);
  bound_ = event_chain{bound_, line_[to].stage, event, events_[event]};
}

// Gives one more event to stage `to`, which is `from` or behind it.
void reference_matcher::try_stage(std::uint32_t from, std::uint32_t to, std::uint32_t count) {
  auto goes_on = from == to && count > 0;
  auto last = taken_.empty() ? 0 : taken_.back().second;
  auto ready = goes_on || taken_.empty() ? INT64_MIN : quiet_end(from, to);
  for (auto event = taken_.empty() ? 0 : last + 1; event < events_.size(); ++event) {
    if (of_.within.count() > 0 && !taken_.empty()
        && time(event) - time(taken_[0].second) >= of_.within.count())
      return;
    auto pause = at(to).within_prev.count();
    if (pause > 0 && !taken_.empty() && time(event) - std::max(last_time(), ready) >= pause)
      return;
    auto is_next = !taken_.empty() && event == last + 1;
    // A strict absence is asked of the very next event only.
    auto stopped = false;
    for (auto i = from + 1; i < to && is_next && !goes_on; ++i)
      stopped =
          stopped || (at(i).absent && at(i).link == contiguity::strict && is_wanted(i, event));
    if (stopped)
      return;
    // The stage behind a greedy one looks at no event that the greedy one wants.
    auto greedy = !goes_on && to > 0 && at(to - 1).greedy;
    if (greedy && is_wanted(to - 1, event)) {
      if (taken_.empty())
        continue;
      return;
    }
    auto is_spoilt_now = is_spoilt(from, to, goes_on ? count : 0, event);
    auto may_take = time(event) >= ready && (!taken_.empty() || may_begin(event));
    if (may_take && is_wanted(to, event) && !is_end(to, event)) {
      auto bound = bound_;
      take(to, event);
      extend(to, goes_on ? count + 1 : 1, is_spoilt_now);
      bound_ = bound;
      taken_.pop_back();
    }
    if (!taken_.empty() && !may_pass(from, to, goes_on ? count : 0, event))
      return;
  }
}

// Whether what must be absent at the end is, behind the last event of `stage`.
bool reference_matcher::ends_undisturbed(std::uint32_t stage) const {
  auto end = quiet_end(stage, static_cast<std::uint32_t>(line_.size()));
  auto is_untimed = false;
  auto is_strict = false;
  for (auto i = stage + 1; i < line_.size(); ++i) {
    is_untimed = is_untimed || (at(i).absent && !at(i).is_timed());
    is_strict = is_strict || (at(i).absent && at(i).link == contiguity::strict);
  }
  auto last = taken_.back().second;
  auto limit = of_.within.count() > 0 ? time(taken_[0].second) + of_.within.count() : INT64_MAX;
  if (is_strict && (last + 1 >= events_.size() || time(last + 1) >= limit))
    return false; // It takes an event to say so.
  if (is_strict)
    return !is_disturbed(stage, static_cast<std::uint32_t>(line_.size()), last + 1, true);
  for (auto event = last + 1; event < events_.size(); ++event) {
    if (time(event) >= limit || (!is_untimed && time(event) >= end))
      return true;
    if (is_disturbed(stage, static_cast<std::uint32_t>(line_.size()), event, event == last + 1))
      return false;
  }
  return true;
}

bool reference_matcher::is_complete(std::uint32_t stage, std::uint32_t count) const {
  if (count < at(stage).times_min)
    return false;
  for (auto i = stage + 1; i < line_.size(); ++i)
    if (!at(i).optional && !at(i).absent)
      return false;
  return ends_undisturbed(stage);
}

void reference_matcher::extend(std::uint32_t stage, std::uint32_t count, bool is_last) {
  auto has_end = line_.size() > 0 && at(line_.size() - 1).absent;
  if (is_complete(stage, count) && !(is_last && has_end)) {
    auto by_stage = taken_;
    for (auto& one : by_stage)
      one.first = line_[one.first].stage;
    found_.push_back(std::move(by_stage));
  }
  if (is_last)
    return;
  if (count < at(stage).times_max.value_or(UINT32_MAX))
    try_stage(stage, stage, count);
  if (count < at(stage).times_min)
    return;
  for (auto next = stage + 1; next < line_.size(); ++next) {
    if (at(next).absent)
      continue;
    try_stage(stage, next, 0);
    if (!at(next).optional)
      return;
  }
}

void reference_matcher::match_line() {
  for (std::uint32_t first = 0; first < line_.size(); ++first) {
    if (at(first).absent)
      continue;
    try_stage(first, first, 0);
    if (!at(first).optional)
      break;
  }
}

std::vector<assignment> reference_matcher::matches() {
  found_.clear();
  if (of_.longest)
    match_alone();
  else
    for (auto& one : lines_of(of_.steps, false, contiguity::relaxed)) {
      line_ = std::move(one);
      match_line();
    }
  std::sort(found_.begin(), found_.end());
  return found_;
}

// ---- runs that do not branch --------------------------------------------------------------------

// The stages that may take the next event.
std::vector<std::uint32_t> reference_matcher::candidates(const lone_run& run) const {
  std::vector<std::uint32_t> made;
  auto has_begun = !taken_.empty();
  if (has_begun && run.count < at(run.stage).times_max.value_or(UINT32_MAX))
    made.push_back(run.stage);
  if (has_begun && run.count < at(run.stage).times_min)
    return made;
  for (auto i = has_begun ? run.stage + 1 : 0; i < line_.size(); ++i) {
    if (at(i).absent)
      continue;
    made.push_back(i);
    if (!at(i).optional)
      break;
  }
  return made;
}

// Whether the event is one that must be absent while the run waits for `to`.
bool reference_matcher::is_disturbed(const lone_run& run, std::uint32_t to,
                                     std::size_t event) const {
  if (taken_.empty())
    return false;
  if (to != run.stage)
    return is_disturbed(run.stage, to, event, false);
  for (auto i = run.stage + 1; i < line_.size() && at(i).absent; ++i)
    if (at(i).link == contiguity::relaxed && is_wanted(i, event))
      return true;
  return false;
}

// Whether stage `to` takes the event; else the run notes whether it may still take a later one.
bool reference_matcher::offer(lone_run& run, std::uint32_t to, std::size_t event) {
  auto goes_on = !taken_.empty() && to == run.stage;
  auto is_next = !taken_.empty() && event == taken_.back().second + 1;
  auto stopped = false;
  for (auto i = run.stage + 1; i < to && is_next; ++i)
    stopped = stopped || (at(i).absent && at(i).link == contiguity::strict && is_wanted(i, event));
  if (!stopped && is_wanted(to, event) && !is_end(to, event)) {
    run.count = goes_on ? run.count + 1 : 1;
    run.stage = to;
    take(to, event);
    if (is_complete(run.stage, run.count))
      run.best = taken_;
    return true;
  }
  auto how = goes_on ? at(to).inner : line_[to].link;
  run.waits[to] = !stopped && how != contiguity::strict && !(goes_on && is_end(to, event))
                  && (how == contiguity::any || !is_wanted(to, event));
  return false;
}

// Looks at one event. @returns whether the run goes on.
bool reference_matcher::look(lone_run& run, std::size_t event) {
  auto is_spoilt_now = false;
  auto any_waits = false;
  for (auto to : candidates(run)) {
    if (!run.waits[to])
      continue;
    is_spoilt_now = is_spoilt_now || is_disturbed(run, to, event);
    if (offer(run, to, event)) {
      run.waits.assign(line_.size(), true);
      auto is_last = run.count >= at(run.stage).times_max.value_or(UINT32_MAX)
                     && run.stage + 1 == line_.size();
      return !is_last && !is_spoilt_now;
    }
    any_waits = any_waits || run.waits[to];
  }
  return !taken_.empty() && !is_spoilt_now && any_waits;
}

// One after the other event is given to the first stage that may take it, as long as any stage may
// still do so. Of patterns without groups and without absences at the end.
void reference_matcher::match_alone() {
  line_ = lines_of(of_.steps, false, contiguity::relaxed).front();
  std::size_t open_until = 0; // The first event that may begin a run.
  for (std::size_t first = 0; first < events_.size(); ++first) {
    if (of_.restart != restart_mode::each && first < open_until)
      continue;
    taken_.clear();
    bound_ = {};
    lone_run run;
    run.waits.assign(line_.size(), true);
    auto end = first;
    auto goes_on = true;
    while (goes_on && end < events_.size()) {
      auto is_out = of_.within.count() > 0 && time(end) - time(first) >= of_.within.count();
      goes_on = !is_out && look(run, end);
      end += is_out ? 0 : 1;
    }
    if (!taken_.empty())
      open_until = end;
    if (run.best.empty())
      continue;
    for (auto& one : run.best)
      one.first = line_[one.first].stage;
    found_.push_back(run.best);
    if (of_.restart == restart_mode::once)
      return;
  }
}

} // namespace gemel::test
