#include "workflows/output_gate.hpp"

#include <algorithm>

namespace gemel {

void output_gate::forget(state_map::iterator which) {
  due_.erase({which->second.due, which->first});
  left_out_ += wanted_.kind == output_kind::last ? which->second.kept.size() : 0;
  keys_.erase(which);
}

void output_gate::make_room(std::int64_t now) {
  if (keys_.size() < keys_max_)
    return;
  auto every = wanted_.every.count();
  for (auto at = keys_.begin(); at != keys_.end();) {
    auto here = at++;
    auto is_past = here->second.kept.empty() && now - here->second.told_at >= every;
    if (every > 0 && is_past)
      forget(here);
  }
  while (keys_.size() >= keys_max_)
    forget(keys_.begin());
}

output_gate::state_map::iterator output_gate::find_or_make(const found_match& one,
                                                           const std::string& key) {
  auto text = wanted_.per_key ? key : std::string{};
  auto known = keys_.find(text);
  if (known != keys_.end())
    return known;
  make_room(one.at);
  auto made = keys_.emplace(std::move(text), state{}).first;
  made->second.told_at = one.at - wanted_.every.count();
  return made;
}

bool output_gate::passes(const found_match& one, const std::string& key) {
  auto& of = find_or_make(one, key)->second;
  if (wanted_.events > 0) {
    auto place = of.matches++ % wanted_.events;
    return place == (wanted_.kind == output_kind::first ? 0 : wanted_.events - 1);
  }
  if (one.at - of.told_at < wanted_.every.count())
    return false;
  of.told_at = one.at;
  return true;
}

void output_gate::tell(state& of, std::int64_t at, std::vector<found_match>& into) {
  auto is_snapshot = wanted_.kind == output_kind::snapshot;
  for (auto& [key, one] : of.kept) {
    into.push_back(one);
    if (is_snapshot)
      into.back().at = at;
  }
  if (!is_snapshot)
    of.kept.clear();
}

// Of a snapshot, or of `last` by time.
void output_gate::keep(found_match one, std::string key, std::vector<found_match>& into) {
  auto which = find_or_make(one, key);
  auto& of = which->second;
  auto at = one.at;
  auto is_last = wanted_.kind == output_kind::last;
  auto& place = of.kept[is_last ? std::string{} : std::move(key)];
  left_out_ += is_last && place.bound.length() > 0 ? 1 : 0;
  place = std::move(one);
  if (of.kept.size() > keys_max_)
    of.kept.erase(of.kept.begin());
  if (wanted_.events > 0) {
    if (++of.matches % wanted_.events == 0)
      tell(of, at, into);
  } else if (of.due == INT64_MAX) {
    of.due = at + wanted_.every.count();
    due_.insert({of.due, which->first});
  }
}

void output_gate::filter(std::vector<found_match>& matches, std::size_t begin) {
  if (wanted_.kind == output_kind::all)
    return;
  std::vector<found_match> fresh{
      std::make_move_iterator(matches.begin() + static_cast<std::ptrdiff_t>(begin)),
      std::make_move_iterator(matches.end())};
  matches.resize(begin);
  for (auto& one : fresh) {
    auto key = to_json(one.key);
    if (wanted_.kind == output_kind::snapshot || wanted_.needs_time())
      keep(std::move(one), std::move(key), matches);
    else if (passes(one, key))
      matches.push_back(std::move(one));
    else
      ++left_out_;
  }
}

void output_gate::advance(std::int64_t now, std::vector<found_match>& into) {
  while (!due_.empty() && due_.begin()->first <= now) {
    auto [due, text] = *due_.begin();
    due_.erase(due_.begin());
    auto& of = keys_.at(text);
    tell(of, due, into);
    of.told_at = due;
    of.due = of.kept.empty() ? INT64_MAX : due + wanted_.every.count();
    constexpr std::int64_t told_max = 1'000; // Of a longer pause only its end is told.
    if (of.due != INT64_MAX && (now - of.due) / wanted_.every.count() > told_max)
      of.due += (now - of.due) / wanted_.every.count() * wanted_.every.count();
    if (of.due != INT64_MAX)
      due_.insert({of.due, std::move(text)});
  }
}

void output_gate::finish(std::vector<found_match>& into) {
  for (const auto& [due, text] : due_)
    tell(keys_.at(text), due, into);
  due_.clear();
}

} // namespace gemel
