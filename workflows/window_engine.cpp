#include "workflows/window_engine.hpp"

#include <algorithm>

namespace gemel {

namespace {

// The greatest multiple of `step`, counted from `origin`, that is not above `time`.
std::int64_t floor_to(std::int64_t time, std::int64_t step, std::int64_t origin) {
  auto rest = (time - origin) % step;
  return time - (rest < 0 ? rest + step : rest);
}

} // namespace

std::size_t window_engine::bytes() const noexcept {
  constexpr std::size_t node = 48; // of a tree or table, with what the allocator adds
  auto values = of_.aggregates.size();
  std::size_t sum = 0;
  for (const auto& key : keys_)
    sum += sizeof(key_state) + 2 * node
           + key.windows.size() * (sizeof(window) + 2 * node + values * sizeof(window_value))
           + key.entries.size() * (sizeof(entry) + values * (sizeof(value) + node));
  return sum;
}

window_engine::key_list::iterator window_engine::find_or_make(const value& key,
                                                              const rule_event& event) {
  value_list groups;
  for (const auto& one : of_.group_by)
    groups.push_back(one.evaluate(&event, {}));
  auto text = to_json(key);
  for (const auto& one : groups)
    text += "\n" + to_json(one);
  if (auto known = by_text_.find(text); known != by_text_.end()) {
    keys_.splice(keys_.end(), keys_, known->second);
    return known->second;
  }
  if (keys_.size() >= limits_.keys) {
    ++counters_.keys_dropped;
    if (limits_.full == when_full::drop_newest)
      return keys_.end();
    drop(keys_.begin());
  }
  key_state made;
  made.text = text;
  made.key = key;
  made.groups = std::move(groups);
  made.origin = of_.align_first ? event.time_ms() : 0;
  auto at = keys_.insert(keys_.end(), std::move(made));
  by_text_.emplace(std::move(text), at);
  return at;
}

void window_engine::drop(key_list::iterator key) {
  for (const auto& [start, one] : key->windows)
    due_.erase({due_of(one), key->text});
  sliding_ -= key->entries.empty() ? 0 : 1;
  by_text_.erase(key->text);
  keys_.erase(key);
}

std::vector<value> window_engine::contents_of(const rule_event& event) const {
  std::vector<value> made;
  for (const auto& one : of_.aggregates)
    made.push_back(one.of ? one.of->evaluate(&event, {}) : value{});
  return made;
}

std::int64_t window_engine::due_of(const window& what) const noexcept {
  if (of_.kind == window_kind::count)
    return INT64_MAX;
  return what.was_told ? what.end + of_.allowed_lateness.count() : what.end;
}

window_engine::window& window_engine::window_at(key_state& key, std::int64_t start,
                                                std::int64_t end) {
  auto [at, is_new] = key.windows.try_emplace(start);
  if (is_new) {
    at->second.start = start;
    at->second.end = end;
    for (const auto& one : of_.aggregates)
      at->second.values.emplace_back(one);
    due_.insert({due_of(at->second), key.text});
  }
  return at->second;
}

void window_engine::put(window& into, const rule_event_ptr& event) const {
  ++into.count;
  if (into.last == nullptr || event->time_ms() >= into.last->time_ms())
    into.last = event;
  into.counts.resize(of_.sides.size());
  for (std::size_t i = 0; i < of_.sides.size(); ++i)
    into.counts[i] += of_.sides[i].has(*event) ? 1 : 0;
  for (std::size_t i = 0; i < into.values.size(); ++i) {
    const auto& of = of_.aggregates[i].of;
    if (!of_.sides.empty() && !of_.sides[of_.aggregates[i].side].has(*event))
      continue;
    into.values[i].add(of ? of->evaluate(event.get(), {}) : value{}, event->time_ms());
  }
}

// Whether every side that must be there is.
bool window_engine::is_joined(const window& what) const {
  for (std::size_t i = 0; i < of_.sides.size(); ++i)
    if (what.counts[i] == 0 && !of_.sides[i].optional)
      return false;
  return true;
}

void window_engine::take_by_time(key_state& key, const rule_event_ptr& event, match_output& into) {
  auto time = event->time_ms();
  auto size = of_.size.count();
  auto slide = of_.kind == window_kind::hopping ? of_.slide.count() : size;
  auto is_late = true;
  for (auto start = floor_to(time, slide, key.origin); start > time - size; start -= slide) {
    if (start + size + of_.allowed_lateness.count() <= now_)
      break; // It is over for good.
    auto& one = window_at(key, start, start + size);
    put(one, event);
    is_late = false;
    if (one.was_told || one.end <= now_) {
      tell(key, one, now_, into);
      due_.insert({due_of(one), key.text});
    }
  }
  counters_.late += is_late ? 1 : 0;
}

// What the other window has; it began later.
void window_engine::absorb(window& into, const window& other) const {
  into.end = std::max(into.end, other.end);
  into.count += other.count;
  if (into.last == nullptr || other.last->time_ms() >= into.last->time_ms())
    into.last = other.last;
  for (std::size_t i = 0; i < into.values.size(); ++i)
    into.values[i].merge(other.values[i]);
  into.counts.resize(of_.sides.size());
  for (std::size_t i = 0; i < of_.sides.size(); ++i)
    into.counts[i] += other.counts[i];
  into.corrects = into.corrects || into.was_told || other.corrects || other.was_told;
}

// The session that covers these times: one that is there, or those that the event joins.
window_engine::window& window_engine::joined_session(key_state& key, std::int64_t start,
                                                     std::int64_t end) {
  auto touches = [&](const window& one) { return one.start < end && one.end > start; };
  auto first = std::find_if(key.windows.begin(), key.windows.end(),
                            [&](const auto& one) { return touches(one.second); });
  if (first == key.windows.end())
    return window_at(key, start, end);
  due_.erase({due_of(first->second), key.text});
  for (auto next = std::next(first); next != key.windows.end() && touches(next->second);) {
    due_.erase({due_of(next->second), key.text});
    absorb(first->second, next->second);
    next = key.windows.erase(next);
  }
  auto place = std::min(first->second.start, start);
  auto moved = key.windows.extract(first);
  moved.key() = place;
  auto& one = key.windows.insert(std::move(moved)).position->second;
  one.start = place;
  one.end = std::max(one.end, end);
  one.corrects = one.corrects || one.was_told;
  one.was_told = false;
  due_.insert({due_of(one), key.text});
  return one;
}

void window_engine::take_session(key_state& key, const rule_event_ptr& event, match_output& into) {
  auto start = event->time_ms();
  auto end = start + of_.gap.count();
  auto joins = std::any_of(key.windows.begin(), key.windows.end(), [&](const auto& one) {
    return one.second.start < end && one.second.end > start;
  });
  if (!joins && end <= now_ - of_.allowed_lateness.count()) {
    ++counters_.late;
    return;
  }
  auto& one = joined_session(key, start, end);
  put(one, event);
  if (one.end > now_)
    return;
  due_.erase({due_of(one), key.text});
  tell(key, one, now_, into);
  due_.insert({due_of(one), key.text});
}

void window_engine::take_count(key_state& key, const rule_event_ptr& event, match_output& into) {
  auto& one = key.windows.empty() ? window_at(key, event->time_ms(), INT64_MAX)
                                  : key.windows.begin()->second;
  put(one, event);
  if (one.count < of_.events)
    return;
  one.end = event->time_ms() + 1;
  tell(key, one, event->time_ms(), into);
  due_.erase({INT64_MAX, key.text});
  key.windows.clear();
}

// The oldest entry leaves the window.
void window_engine::leave(key_state& key) {
  auto gone = std::move(key.entries.front());
  key.entries.pop_front();
  auto& one = key.windows.begin()->second;
  --one.count;
  for (std::size_t i = 0; i < one.values.size(); ++i) {
    const value* next = nullptr;
    for (std::size_t j = 0; of_.aggregates[i].function == window_function::first
                            && j < key.entries.size() && next == nullptr;
         ++j)
      next = key.entries[j].contents[i].is_null() ? nullptr : &key.entries[j].contents[i];
    one.values[i].remove(gone.contents[i], gone.time, next);
  }
}

void window_engine::take_sliding(key_state& key, const rule_event_ptr& event, match_output& into) {
  auto time = event->time_ms();
  if (key.windows.empty()) {
    auto& made = key.windows.try_emplace(0).first->second;
    for (const auto& one : of_.aggregates)
      made.values.emplace_back(one);
    ++sliding_;
  }
  auto by_count = of_.kind == window_kind::count_sliding;
  while (!by_count && !key.entries.empty() && key.entries.front().time <= time - of_.size.count())
    leave(key);
  while (key.entries.size() >= (by_count ? of_.events : limits_.events_per_run)) {
    counters_.runs_dropped += by_count ? 0 : 1;
    leave(key);
  }
  auto& one = key.windows.begin()->second;
  key.entries.push_back({time, contents_of(*event)});
  for (std::size_t i = 0; i < one.values.size(); ++i)
    one.values[i].add(key.entries.back().contents[i], time);
  ++one.count;
  one.last = event;
  one.start = by_count ? key.entries.front().time : time - of_.size.count() + 1;
  one.end = time + 1;
  if (by_count && ++key.events < of_.events_slide)
    return;
  key.events = 0;
  if (!by_count || key.entries.size() == of_.events)
    tell(key, one, time, into);
}

void window_engine::take(const value& key, const rule_event_ptr& event, match_output& into) {
  advance(event->time_ms(), into);
  ++counters_.events;
  if (!of_.has(*event))
    return;
  auto state = find_or_make(key, *event);
  if (state == keys_.end())
    return;
  state->used = std::max(state->used, event->time_ms());
  if (of_.is_by_time())
    take_by_time(*state, event, into);
  else if (of_.kind == window_kind::session)
    take_session(*state, event, into);
  else if (of_.kind == window_kind::count)
    take_count(*state, event, into);
  else
    take_sliding(*state, event, into);
}

void window_engine::tell(const key_state& key, window& what, std::int64_t at, match_output& into) {
  value_map made{
      {"start", value{what.start}}, {"end", value{what.end}}, {"count", value{what.count}}};
  if (what.was_told || what.corrects)
    made.push_back({"correction", value{true}});
  for (std::size_t i = 0; i < key.groups.size(); ++i)
    made.push_back({of_.group_by[i].code().to_string(), key.groups[i]});
  for (std::size_t i = 0; i < what.values.size(); ++i)
    made.push_back({of_.aggregates[i].name, what.values[i].result()});
  what.was_told = of_.is_by_time() || of_.kind == window_kind::session;
  what.corrects = false;
  if (!is_joined(what))
    return;
  value content{std::move(made)};
  if (of_.having) {
    std::vector<const value*> bound;
    for (const auto& one : of_.having->code().references())
      bound.push_back(content.find(one.root));
    if (!of_.having->code().test(bound))
      return;
  }
  ++counters_.matches;
  into.matches.push_back(
      {key.key, event_chain{{}, 0, counters_.events, what.last}, at, std::move(content)});
}

// The windows of a key that are over.
void window_engine::close(key_state& key, std::int64_t now, match_output& into) {
  for (auto at = key.windows.begin(); at != key.windows.end();) {
    auto& one = at->second;
    auto due = due_of(one);
    if (due > now || of_.kind == window_kind::count) {
      ++at;
      continue;
    }
    due_.erase({due, key.text});
    if (!one.was_told)
      tell(key, one, one.end, into);
    if (due_of(one) > now) {
      due_.insert({due_of(one), key.text});
      ++at;
    } else {
      at = key.windows.erase(at);
    }
  }
}

void window_engine::close_due(std::int64_t now, match_output& into) {
  while (!due_.empty() && due_.begin()->first <= now) {
    // Each time for itself, so that windows of all keys end in the order of their ends. A window
    // that was corrected may have left an entry of before.
    auto [due, text] = *due_.begin();
    due_.erase(due_.begin());
    auto known = by_text_.find(text);
    if (known == by_text_.end())
      continue;
    close(*known->second, due, into);
    if (known->second->windows.empty() && !of_.align_first)
      drop(known->second);
  }
}

void window_engine::advance(std::int64_t now, match_output& into) {
  now_ = std::max(now_, now);
  if (!of_.is_sliding() && of_.kind != window_kind::count)
    close_due(now_, into);
  auto idle = std::max(limits_.key_idle, of_.size).count();
  while (!keys_.empty() && now_ - keys_.front().used >= idle
         && (keys_.front().windows.empty() || !of_.is_by_time())
         && of_.kind != window_kind::session) {
    ++counters_.keys_idle;
    drop(keys_.begin());
  }
}

void window_engine::finish(match_output& into) {
  if (!of_.is_sliding() && of_.kind != window_kind::count)
    close_due(INT64_MAX - 1, into);
}

} // namespace gemel
