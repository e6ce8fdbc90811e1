// What the engines of rules write down of themselves and read back: `save` and `restore` of each.

#include "workflows/event_order.hpp"
#include "workflows/rule_state.hpp"
#include "workflows/state_archive.hpp"

#include <algorithm>

namespace gemel {

namespace {

// Of the whole format.
constexpr std::uint64_t state_version = 1;

void save_run(const pattern_run& from, state_writer& into) {
  into.chain(from.bound);
  into.number(from.start_time);
  into.count(from.start);
  into.number(from.last_time);
  into.number(from.quiet_due);
  into.flag(from.was_quiet);
  into.flag(from.has_passed);
  into.count(from.closed);
}

pattern_run restore_run(state_reader& from) {
  pattern_run made;
  made.bound = from.chain();
  made.start_time = from.number();
  made.start = from.count();
  made.last_time = from.number();
  made.quiet_due = from.number();
  made.was_quiet = from.flag();
  made.has_passed = from.flag();
  made.closed = from.count();
  return made;
}

} // namespace

void save(const match_counters& from, state_writer& into) {
  for (auto count : {from.events, from.matches, from.timeouts, from.runs_dropped, from.keys_dropped,
                     from.keys_idle, from.late})
    into.count(count);
}

match_counters restore_counters(state_reader& from) {
  match_counters made;
  for (auto* count : {&made.events, &made.matches, &made.timeouts, &made.runs_dropped,
                      &made.keys_dropped, &made.keys_idle, &made.late})
    *count = from.count();
  return made;
}

void save(const found_match& from, state_writer& into) {
  into.content(from.key);
  into.chain(from.bound);
  into.number(from.at);
  into.content(from.content);
}

found_match restore_match(state_reader& from) {
  found_match made;
  made.key = from.content();
  made.bound = from.chain();
  made.at = from.number();
  made.content = from.content();
  return made;
}

// ---- patterns -----------------------------------------------------------------------------------

void pattern_matcher::save(const key_state& of, state_writer& into) const {
  into.content(of.key);
  into.number(of.used);
  into.flag(of.has_matched);
  for (auto since : of.absent_since)
    into.number(since);
  into.count(of.held.size());
  for (const auto& one : of.held) {
    save_run(one.ended, into);
    into.number(one.at);
  }
}

void pattern_matcher::save(state_writer& into) const {
  gemel::save(counters_, into);
  into.count(stepper_.states());
  into.count(events_taken_);
  into.count(keys_.size());
  struct placed_bucket {
    std::uint64_t key = 0;
    const bucket_map::value_type* what = nullptr;
  };
  std::vector<placed_bucket> buckets;
  std::uint64_t place = 0;
  for (const auto& key : keys_) {
    save(key, into);
    for (const auto& one : key.buckets)
      buckets.push_back({place, &one});
    ++place;
  }
  // As they were made, which is the order in which those of one time are due.
  std::sort(buckets.begin(), buckets.end(), [](const auto& a, const auto& b) {
    return a.what->second.number < b.what->second.number;
  });
  into.count(buckets.size());
  for (const auto& one : buckets) {
    const auto& [id, content] = *one.what;
    into.count(one.key);
    into.count(id.first);
    into.count(content.size());
    for (auto i = content.gone; i < content.runs.size(); ++i)
      save_run(content.runs[i], into);
  }
}

pattern_matcher::key_list::iterator pattern_matcher::restore_key(state_reader& from,
                                                                 const restored_share& share) {
  key_state made;
  made.key = from.content();
  made.used = from.number();
  made.has_matched = from.flag();
  for (std::size_t i = 0; i < pattern_.lead.size(); ++i)
    made.absent_since.push_back(from.number());
  for (auto left = from.length(); left > 0 && from.ok(); --left) {
    auto run = restore_run(from);
    auto at = from.number();
    made.held.push_back({std::move(run), at});
  }
  if (!from.ok() || !share.has(to_json(made.key)))
    return keys_.end();
  set_text(made.key);
  made.text = text_;
  auto at = keys_.insert(keys_.end(), std::move(made));
  by_text_.emplace(text_, at);
  return at;
}

void pattern_matcher::restore(state_reader& from, const restored_share& share) {
  auto counters = restore_counters(from);
  if (share.with_counters)
    counters_ += counters;
  if (from.count() != stepper_.states())
    return from.fail("the runs of another automaton");
  events_taken_ = std::max(events_taken_, from.count());
  std::vector<key_list::iterator> keys;
  for (auto left = from.length(); left > 0 && from.ok(); --left)
    keys.push_back(restore_key(from, share));
  for (auto left = from.length(); left > 0 && from.ok(); --left) {
    auto key = from.count();
    auto state = from.count();
    if (key >= keys.size() || state >= stepper_.states())
      return from.fail("no such key or state");
    for (auto runs = from.length(); runs > 0 && from.ok(); --runs)
      if (auto run = restore_run(from); from.ok() && keys[key] != keys_.end())
        put(keys[key], {static_cast<std::uint32_t>(state), std::move(run)});
  }
}

// ---- windows ------------------------------------------------------------------------------------

void compensated_sum::save(state_writer& into) const {
  into.real(sum_);
  into.real(rest_);
}

void compensated_sum::restore(state_reader& from) {
  sum_ = from.real();
  rest_ = from.real();
}

void window_value::save(state_writer& into) const {
  into.number(count_);
  into.real(x0_);
  into.number(t0_);
  into.flag(has_origin_);
  for (const auto* sum : {&sum_, &squares_, &times_, &time_squares_, &products_})
    sum->save(into);
  into.count(numbers_.size());
  for (const auto& [number, count] : numbers_) {
    into.real(number);
    into.count(count);
  }
  into.count(texts_.size());
  for (const auto& [text, count] : texts_) {
    into.text(text);
    into.count(count);
  }
  into.content(first_);
  into.content(last_);
  into.number(first_time_);
  into.number(last_time_);
}

void window_value::restore(state_reader& from) {
  count_ = from.number();
  x0_ = from.real();
  t0_ = from.number();
  has_origin_ = from.flag();
  for (auto* sum : {&sum_, &squares_, &times_, &time_squares_, &products_})
    sum->restore(from);
  for (auto left = from.length(); left > 0 && from.ok(); --left) {
    auto number = from.real();
    numbers_[number] = static_cast<std::uint32_t>(from.count());
  }
  for (auto left = from.length(); left > 0 && from.ok(); --left) {
    auto text = from.text();
    texts_[std::move(text)] = static_cast<std::uint32_t>(from.count());
  }
  first_ = from.content();
  last_ = from.content();
  first_time_ = from.number();
  last_time_ = from.number();
}

void window_engine::save(const key_state& of, state_writer& into) {
  into.content(of.key);
  into.count(of.groups.size());
  for (const auto& one : of.groups)
    into.content(one);
  into.count(of.windows.size());
  for (const auto& [place, one] : of.windows) {
    into.number(place);
    into.number(one.start);
    into.number(one.end);
    into.number(one.count);
    for (const auto& each : one.values)
      each.save(into);
    into.count(one.counts.size());
    for (auto count : one.counts)
      into.number(count);
    into.event(one.last);
    into.flag(one.was_told);
    into.flag(one.corrects);
  }
  into.count(of.entries.size());
  for (const auto& one : of.entries) {
    into.number(one.time);
    for (const auto& each : one.contents)
      into.content(each);
  }
  into.count(of.events);
  into.number(of.origin);
  into.number(of.used);
}

void window_engine::save(state_writer& into) const {
  gemel::save(counters_, into);
  into.number(now_);
  into.count(of_.aggregates.size());
  into.count(keys_.size());
  for (const auto& key : keys_)
    save(key, into);
}

window_engine::window window_engine::restore_window(state_reader& from) const {
  window made;
  made.start = from.number();
  made.end = from.number();
  made.count = from.number();
  for (const auto& one : of_.aggregates) {
    made.values.emplace_back(one);
    made.values.back().restore(from);
  }
  for (auto left = from.length(); left > 0 && from.ok(); --left)
    made.counts.push_back(from.number());
  made.last = from.event();
  made.was_told = from.flag();
  made.corrects = from.flag();
  return made;
}

window_engine::key_state window_engine::restore_key(state_reader& from) const {
  key_state made;
  made.key = from.content();
  made.text = to_json(made.key);
  for (auto left = from.length(); left > 0 && from.ok(); --left) {
    made.groups.push_back(from.content());
    made.text += "\n" + to_json(made.groups.back());
  }
  for (auto left = from.length(); left > 0 && from.ok(); --left) {
    auto place = from.number();
    made.windows.emplace(place, restore_window(from));
  }
  for (auto left = from.length(); left > 0 && from.ok(); --left) {
    entry one;
    one.time = from.number();
    for (std::size_t i = 0; i < of_.aggregates.size(); ++i)
      one.contents.push_back(from.content());
    made.entries.push_back(std::move(one));
  }
  made.events = static_cast<std::uint32_t>(from.count());
  made.origin = from.number();
  made.used = from.number();
  return made;
}

void window_engine::place(key_state made) {
  if (of_.is_sliding())
    sliding_ += made.windows.empty() ? 0 : 1;
  else
    for (const auto& [start, one] : made.windows)
      due_.insert({due_of(one), made.text});
  auto text = made.text;
  auto at = keys_.insert(keys_.end(), std::move(made));
  by_text_.emplace(std::move(text), at);
}

void window_engine::restore(state_reader& from, const restored_share& share) {
  auto counters = restore_counters(from);
  if (share.with_counters)
    counters_ += counters;
  now_ = std::max(now_, from.number());
  if (from.count() != of_.aggregates.size())
    return from.fail("the windows of another rule");
  for (auto left = from.length(); left > 0 && from.ok(); --left)
    if (auto key = restore_key(from); from.ok() && share.has(to_json(key.key)))
      place(std::move(key));
}

// ---- what is told -------------------------------------------------------------------------------

void output_gate::save(state_writer& into) const {
  into.count(left_out_);
  into.count(keys_.size());
  for (const auto& [text, of] : keys_) {
    into.text(text);
    into.number(of.told_at);
    into.count(of.matches);
    into.number(of.due);
    into.count(of.kept.size());
    for (const auto& [key, one] : of.kept) {
      into.text(key);
      gemel::save(one, into);
    }
  }
}

void output_gate::restore(state_reader& from, const restored_share& share) {
  auto left_out = from.count();
  left_out_ += share.with_counters ? left_out : 0;
  for (auto left = from.length(); left > 0 && from.ok(); --left) {
    auto text = from.text();
    state made;
    made.told_at = from.number();
    made.matches = from.count();
    made.due = from.number();
    for (auto kept = from.length(); kept > 0 && from.ok(); --kept) {
      auto key = from.text();
      made.kept.emplace(std::move(key), restore_match(from));
    }
    if (!from.ok() || !share.has(text))
      continue;
    if (made.due != INT64_MAX)
      due_.insert({made.due, text});
    keys_.insert_or_assign(std::move(text), std::move(made));
  }
}

void rule_state::save(state_writer& into) const {
  into.count(state_version);
  into.flag(windows_.has_value());
  gate_->save(into);
  windows_ ? windows_->save(into) : matcher_->save(into);
}

void rule_state::restore(state_reader& from, const restored_share& share) {
  if (from.count() != state_version)
    return from.fail("the state of another version of gemel");
  if (from.flag() != windows_.has_value())
    return from.fail("the state of another rule");
  gate_->restore(from, share);
  windows_ ? windows_->restore(from, share) : matcher_->restore(from, share);
}

// ---- order --------------------------------------------------------------------------------------

void event_order::save(state_writer& into) const {
  into.count(sources_.size());
  for (const auto* name : by_arrival_) {
    const auto& one = sources_.at(*name);
    into.text(*name);
    into.number(one.youngest);
    into.number(one.arrived);
    into.flag(one.is_idle);
  }
  into.number(youngest_of_all_);
  into.number(arrived_last_);
  into.number(watermark_);
  into.count(waiting_.size());
  for (const auto& [time, one] : waiting_)
    into.event(one);
}

void event_order::restore(state_reader& from) {
  *this = event_order{time_};
  for (auto left = from.length(); left > 0 && from.ok(); --left) {
    auto [at, is_new] = sources_.try_emplace(from.text());
    if (!is_new)
      return from.fail("a source twice");
    auto& one = at->second;
    one.youngest = from.number();
    one.arrived = from.number();
    one.is_idle = from.flag();
    one.place = by_arrival_.insert(by_arrival_.end(), &at->first);
    if (!one.is_idle)
      youngest_.insert(one.youngest);
  }
  youngest_of_all_ = from.number();
  arrived_last_ = from.number();
  watermark_ = from.number();
  for (auto left = from.length(); left > 0 && from.ok(); --left)
    if (auto one = from.event(); one != nullptr) {
      auto time = one->time_ms();
      waiting_.emplace(time, std::move(one));
    }
}

} // namespace gemel
