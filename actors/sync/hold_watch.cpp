#include "actors/sync/hold_watch.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace gemel {

bool hold_watch::add(request wanted) {
  if (open_.size() >= most_)
    return false;
  open_.push_back({std::move(wanted), {}, false});
  return true;
}

// What comes later to a shard does not delay those who wait for what was there before.
void hold_watch::look(const view& replicas, log_position taken, std::int64_t now_ns) {
  for (auto one = open_.begin(); one != open_.end();) {
    if (!one->is_marked && taken >= one->wanted.written) {
      one->is_marked = true;
      for (const auto& twin : one->wanted.twins)
        one->changes.push_back(replicas.last_change(twin));
    }
    one =
        answer(*one, replicas, one->wanted.until_ns <= now_ns) ? open_.erase(one) : std::next(one);
  }
}

void hold_watch::give_up_beyond(std::size_t peers) noexcept {
  for (auto& one : open_)
    if (one.wanted.replicas > peers)
      one.wanted.until_ns = 0;
}

std::int64_t hold_watch::next_due() const noexcept {
  auto due = std::numeric_limits<std::int64_t>::max();
  for (const auto& one : open_)
    due = std::min(due, one.wanted.until_ns);
  return due;
}

bool hold_watch::answer(const entry& of, const view& replicas, bool is_late) {
  if (!of.is_marked && !is_late)
    return false;
  value_map made;
  for (std::size_t i = 0; i < of.wanted.twins.size(); ++i) {
    const auto& twin = of.wanted.twins[i];
    if (!of.is_marked) {
      made.push_back({twin, value{std::int64_t{0}}});
      continue;
    }
    auto change = of.changes[i];
    auto holders = change ? replicas.holders(twin, *change) : 0;
    if (change && holders < of.wanted.replicas && !is_late)
      return false;
    made.push_back({twin, change ? value{static_cast<std::int64_t>(holders)} : value{}});
  }
  of.wanted.done(value{std::move(made)});
  return true;
}

} // namespace gemel
