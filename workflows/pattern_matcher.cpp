#include "workflows/pattern_matcher.hpp"

#include <algorithm>

namespace gemel {

namespace {

constexpr auto never = pattern_stepper::never;

} // namespace

pattern_matcher::pattern_matcher(const pattern& of, match_limits limits)
    : pattern_{of}, stepper_{of}, limits_{limits} {
}

std::size_t pattern_matcher::bytes() const noexcept {
  constexpr std::size_t node = 48; // of a tree or table, with what the allocator adds
  constexpr auto each_key = sizeof(key_state) + 2 * node;
  constexpr auto each_bucket = sizeof(bucket_map::value_type) + 2 * node;
  std::size_t buckets = 0;
  for (const auto& key : keys_)
    buckets += key.buckets.size();
  return keys_.size() * each_key + buckets * each_bucket
         + runs_open_ * (sizeof(pattern_run) + sizeof(event_chain::link));
}

// ---- where runs lie -----------------------------------------------------------------------------

void pattern_matcher::count_start(key_state& key, const pattern_run& run, int change) const {
  if (!holds_matches())
    return;
  auto at = key.starts.try_emplace(run.start, 0).first;
  if (change > 0)
    ++at->second;
  else if (--at->second == 0)
    key.starts.erase(at);
}

void pattern_matcher::note_deadline(key_list::iterator key, bucket_map::iterator at) {
  auto& into = at->second;
  auto deadline = stepper_.deadline_of(at->first.first, into.runs[into.gone]);
  if (deadline == into.deadline)
    return;
  if (into.deadline != never)
    due_.erase({into.deadline, into.number, key, at});
  into.deadline = deadline;
  if (deadline != never)
    due_.insert({deadline, into.number, key, at});
}

void pattern_matcher::put(key_list::iterator key, placed_run one) {
  if (one.run.bound.length() > limits_.events_per_run) {
    ++counters_.runs_dropped;
    return;
  }
  count_start(*key, one.run, 1);
  ++key->runs;
  ++runs_open_;
  auto [at, is_new] =
      key->buckets.try_emplace({one.state, stepper_.text_of_run(one.state, one.run)});
  auto& into = at->second;
  if (is_new)
    into.number = buckets_made_++;
  auto deadline = stepper_.deadline_of(one.state, one.run);
  auto place = into.runs.end();
  while (place != into.runs.begin() + static_cast<std::ptrdiff_t>(into.gone)
         && stepper_.deadline_of(one.state, *std::prev(place)) > deadline)
    --place;
  into.runs.insert(place, std::move(one.run));
  note_deadline(key, at);
}

// The runs of a bucket were taken away, or counted, before.
void pattern_matcher::forget_bucket(key_list::iterator key, bucket_map::iterator at) {
  if (at->second.deadline != never)
    due_.erase({at->second.deadline, at->second.number, key, at});
  key->buckets.erase(at);
}

void pattern_matcher::take_all(key_list::iterator key, bucket_map::iterator from,
                               std::vector<placed_run>& into) {
  auto& runs = from->second.runs;
  for (auto i = from->second.gone; i < runs.size(); ++i) {
    count_start(*key, runs[i], -1);
    into.push_back({from->first.first, std::move(runs[i])});
  }
  key->runs -= from->second.size();
  runs_open_ -= from->second.size();
  forget_bucket(key, from);
}

// Takes the runs that the event may change from their places.
std::vector<placed_run> pattern_matcher::take_touched(key_list::iterator key,
                                                      pattern_stepper::view& at) {
  std::vector<placed_run> taken;
  auto& buckets = key->buckets;
  for (auto one = buckets.begin(); one != buckets.end();) {
    auto state = one->first.first;
    auto behind = buckets.lower_bound({state + 1, {}});
    if (stepper_.is_idle(state, at)) {
      one = behind;
    } else if (stepper_.is_idle_unless_found(state, at)) {
      auto text = stepper_.text_of_event(state, at);
      auto found = text.empty() ? buckets.end() : buckets.find({state, std::move(text)});
      if (found != buckets.end())
        take_all(key, found, taken);
      one = behind;
    } else {
      while (one != behind)
        take_all(key, one++, taken);
    }
  }
  return taken;
}

template <class Gone>
std::size_t pattern_matcher::erase_runs(key_list::iterator key, const Gone& is_gone) {
  std::size_t count = 0;
  for (auto at = key->buckets.begin(); at != key->buckets.end();) {
    auto here = at++;
    auto& from = here->second;
    auto begin = from.runs.begin() + static_cast<std::ptrdiff_t>(from.gone);
    auto end = std::remove_if(begin, from.runs.end(), [&](const pattern_run& one) {
      auto goes = is_gone(one);
      if (goes)
        count_start(*key, one, -1);
      return goes;
    });
    auto erased = static_cast<std::size_t>(from.runs.end() - end);
    from.runs.erase(end, from.runs.end());
    count += erased;
    if (from.size() == 0)
      forget_bucket(key, here);
    else if (erased > 0)
      note_deadline(key, here);
  }
  key->runs -= count;
  runs_open_ -= count;
  return count;
}

// ---- matches ------------------------------------------------------------------------------------

void pattern_matcher::emit(key_state& key, const held_match& found, match_output& into) {
  ++counters_.matches;
  key.has_matched = true;
  into.matches.push_back({key.key, found.ended.bound, found.at, {}});
}

void pattern_matcher::prune(key_list::iterator key, const pattern_run& matched) {
  using enum skip_strategy;
  // The links run from the last event to the first.
  const event_chain::link* target = nullptr;
  for (const auto* at = matched.bound.last(); at != nullptr; at = at->before) {
    auto fits =
        pattern_.skip == past_last || pattern_.skip == to_next || at->stage == pattern_.skip_stage;
    auto is_last_wanted = pattern_.skip == past_last || pattern_.skip == to_last;
    if (fits && (!is_last_wanted || target == nullptr))
      target = at;
  }
  if (pattern_.skip == none || target == nullptr)
    return;
  auto first_kept =
      target->number + (pattern_.skip == past_last || pattern_.skip == to_next ? 1 : 0);
  erase_runs(key, [&](const pattern_run& one) { return one.start < first_kept; });
  std::erase_if(key->held, [&](const held_match& one) { return one.ended.start < first_kept; });
}

// Where only the longest match of a run counts, what it may still be part of holds it back, too.
bool pattern_matcher::is_held_back(const key_state& key, const held_match& one) const {
  if (key.starts.empty())
    return false;
  if (pattern_.longest && key.starts.contains(one.ended.start))
    return true;
  return pattern_.skip != skip_strategy::none && key.starts.begin()->first < one.ended.start;
}

void pattern_matcher::hold(key_state& key, held_match one) const {
  auto place = std::upper_bound(
      key.held.begin(), key.held.end(), one.ended.start,
      [](std::uint64_t start, const held_match& held) { return start < held.ended.start; });
  if (pattern_.longest && place != key.held.begin()
      && std::prev(place)->ended.start == one.ended.start)
    *std::prev(place) = std::move(one); // A run does not branch: it is the longer one.
  else
    key.held.insert(place, std::move(one));
}

void pattern_matcher::settle(key_list::iterator key, std::vector<held_match> complete,
                             match_output& into) {
  if (!holds_matches()) {
    for (const auto& one : complete)
      emit(*key, one, into);
    return;
  }
  for (auto& one : complete)
    hold(*key, std::move(one));
  for (std::size_t i = 0; i < key->held.size();) {
    if (is_held_back(*key, key->held[i])) {
      if (pattern_.skip != skip_strategy::none)
        return;
      ++i;
      continue;
    }
    auto found = std::move(key->held[i]);
    key->held.erase(key->held.begin() + static_cast<std::ptrdiff_t>(i));
    prune(key, found.ended);
    emit(*key, found, into);
  }
}

// ---- time ---------------------------------------------------------------------------------------

void pattern_matcher::expire(const due_entry& due, match_output& into) {
  auto& from = due.at->second;
  auto state = due.at->first.first;
  step_result made;
  auto is_due = [&] {
    return from.size() > 0 && stepper_.deadline_of(state, from.runs[from.gone]) <= due.deadline;
  };
  while (is_due()) {
    placed_run one{state, std::move(from.runs[from.gone])};
    ++from.gone;
    --due.key->runs;
    --runs_open_;
    count_start(*due.key, one.run, -1);
    if (!stepper_.on_deadline(one, due.deadline, made))
      continue;
    ++counters_.timeouts;
    into.timeouts.push_back({due.key->key, std::move(one.run.bound), due.deadline, {}});
  }
  if (from.size() == 0) {
    forget_bucket(due.key, due.at);
  } else {
    if (from.gone * 2 > from.runs.size()) {
      from.runs.erase(from.runs.begin(),
                      from.runs.begin() + static_cast<std::ptrdiff_t>(from.gone));
      from.gone = 0;
    }
    note_deadline(due.key, due.at);
  }
  for (auto& one : made.next)
    put(due.key, std::move(one));
  std::vector<held_match> complete;
  for (auto& one : made.complete)
    complete.push_back({std::move(one), due.deadline});
  settle(due.key, std::move(complete), into);
  limit_runs(due.key);
  if (!is_needed(*due.key))
    drop(due.key);
}

void pattern_matcher::advance(std::int64_t now, match_output& into) {
  while (!due_.empty() && due_.begin()->deadline <= now)
    expire(due_entry{*due_.begin()}, into);
  while (!keys_.empty() && now - keys_.front().used >= limits_.key_idle.count()) {
    ++counters_.keys_idle;
    counters_.runs_dropped += keys_.front().runs;
    drop(keys_.begin());
  }
}

void pattern_matcher::finish(match_output& into) {
  while (!due_.empty())
    expire(due_entry{*due_.begin()}, into);
}

// ---- one event ----------------------------------------------------------------------------------

bool pattern_matcher::may_start(key_state& key, const rule_event& event) const {
  for (std::size_t i = 0; i < pattern_.lead.size(); ++i)
    if (stepper_.is_of(pattern_.lead[i], event))
      key.absent_since[i] = event.time_ms();
  for (std::size_t i = 0; i < pattern_.lead.size(); ++i)
    if (event.time_ms() - key.absent_since[i]
        < pattern_.stages[pattern_.lead[i]].within_prev.count())
      return false;
  if (pattern_.restart == restart_mode::each)
    return true;
  auto is_done = pattern_.restart == restart_mode::once && key.has_matched;
  return !is_done && key.runs == 0 && key.held.empty();
}

void pattern_matcher::advance_key(key_list::iterator key, const rule_event_ptr& event,
                                  pattern_stepper::view& at, match_output& into) {
  auto starts = may_start(*key, *event); // Before the event ends what is open.
  auto touched = take_touched(key, at);
  step_result made;
  for (const auto& one : touched)
    stepper_.step(one.state, one.run, at, made);
  if (starts)
    stepper_.begin(at, made);
  touched.clear();
  for (auto& one : made.next)
    put(key, std::move(one));
  std::stable_sort(made.complete.begin(), made.complete.end(),
                   [](const auto& a, const auto& b) { return a.start < b.start; });
  std::vector<held_match> complete;
  for (auto& one : made.complete)
    complete.push_back({std::move(one), event->time_ms()});
  settle(key, std::move(complete), into);
  limit_runs(key);
}

void pattern_matcher::take(const value& key, const rule_event_ptr& event, match_output& into) {
  advance(event->time_ms(), into);
  ++counters_.events;
  set_text(key);
  pattern_stepper::view at{event, events_taken_++};
  auto known = by_text_.find(text_);
  if (known == by_text_.end() && pattern_.lead.empty() && !stepper_.may_begin(at))
    return;
  auto state = known != by_text_.end() ? known->second : make_key(key, event->time_ms());
  if (state == keys_.end())
    return;
  use(state, event->time_ms());
  advance_key(state, event, at, into);
  if (!is_needed(*state))
    drop(state);
}

// ---- keys and limits ----------------------------------------------------------------------------

void pattern_matcher::limit_runs(key_list::iterator key) {
  if (key->held.size() > limits_.runs_per_key) {
    counters_.runs_dropped += key->held.size() - limits_.runs_per_key;
    key->held.resize(limits_.runs_per_key);
  }
  if (key->runs <= limits_.runs_per_key)
    return;
  auto surplus = key->runs - limits_.runs_per_key;
  std::vector<std::uint64_t> starts;
  for (const auto& [id, one] : key->buckets)
    for (auto i = one.gone; i < one.runs.size(); ++i)
      starts.push_back(one.runs[i].start);
  auto is_oldest = limits_.full == when_full::drop_oldest;
  auto last = starts.begin() + static_cast<std::ptrdiff_t>(surplus - 1);
  auto before = [&](std::uint64_t a, std::uint64_t b) { return is_oldest ? a < b : a > b; };
  std::nth_element(starts.begin(), last, starts.end(), before);
  auto bound = *last;
  // Runs of the start at the bound go only as far as there are too many.
  auto at_bound =
      surplus
      - static_cast<std::size_t>(std::count_if(
          starts.begin(), starts.end(), [&](std::uint64_t one) { return before(one, bound); }));
  counters_.runs_dropped += erase_runs(key, [&](const pattern_run& one) {
    if (one.start != bound)
      return before(one.start, bound);
    auto goes = at_bound > 0;
    at_bound -= goes ? 1 : 0;
    return goes;
  });
}

void pattern_matcher::use(key_list::iterator key, std::int64_t time) {
  key->used = time;
  keys_.splice(keys_.end(), keys_, key);
}

bool pattern_matcher::is_needed(const key_state& key) const noexcept {
  auto is_done = pattern_.restart == restart_mode::once && key.has_matched;
  return key.runs > 0 || !key.held.empty() || !pattern_.lead.empty() || is_done;
}

void pattern_matcher::drop(key_list::iterator key) {
  for (auto at = key->buckets.begin(); at != key->buckets.end();)
    forget_bucket(key, at++);
  runs_open_ -= key->runs;
  by_text_.erase(key->text);
  keys_.erase(key);
}

// The key as a text in `text_`, different for different keys, without an allocation for short ones.
void pattern_matcher::set_text(const value& key) {
  if (key.is_text()) {
    text_.assign(1, '\x01');
    text_.append(key.as_text());
  } else {
    text_ = to_json(key);
  }
}

pattern_matcher::key_list::iterator pattern_matcher::make_key(const value& key, std::int64_t time) {
  if (keys_.size() >= limits_.keys) {
    ++counters_.keys_dropped;
    if (limits_.full == when_full::drop_newest)
      return keys_.end();
    counters_.runs_dropped += keys_.front().runs;
    drop(keys_.begin());
  }
  key_state made;
  made.key = key;
  made.text = text_;
  made.absent_since.assign(pattern_.lead.size(), time);
  auto at = keys_.insert(keys_.end(), std::move(made));
  by_text_.emplace(text_, at);
  return at;
}

} // namespace gemel
