#include "actors/sync/shard_replica.hpp"

#include "messages/error.hpp"

#include <algorithm>
#include <utility>

namespace gemel {

namespace {

const sibling* find_write(const sibling_set& in, write_id write) {
  auto at = std::find_if(in.begin(), in.end(), [&](const sibling& s) { return s.write == write; });
  return at != in.end() ? &*at : nullptr;
}

void sort_by_write(sibling_set& siblings) {
  std::sort(siblings.begin(), siblings.end(),
            [](const sibling& l, const sibling& r) { return l.write < r.write; });
}

const sibling& newest(const sibling_set& siblings) {
  return *std::max_element(siblings.begin(), siblings.end(), [](const auto& l, const auto& r) {
    return std::pair{l.time, l.write} < std::pair{r.time, r.write};
  });
}

bool is_life(std::string_view key) {
  return key == replica_keys::life;
}

} // namespace

// ---- what is there ------------------------------------------------------------------------------

const shard_replica::properties* shard_replica::find(std::string_view twin) const {
  auto at = twins_.find(twin);
  return at != twins_.end() ? &at->second : nullptr;
}

const sibling_set& shard_replica::of(std::string_view twin, std::string_view key) const {
  static const sibling_set none;
  const auto* held = find(twin);
  if (held == nullptr)
    return none;
  auto at = held->find(key);
  return at != held->end() ? at->second.siblings : none;
}

void shard_replica::each_property(std::string_view twin, const property_visitor& visit) const {
  if (const auto* held = find(twin))
    for (const auto& [key, state] : *held)
      if (!state.siblings.empty())
        visit(key, state.siblings);
}

void shard_replica::each_twin(const std::function<void(std::string_view)>& visit) const {
  for (const auto& [twin, held] : twins_)
    visit(twin);
}

std::size_t shard_replica::changed_after(change_number from) const noexcept {
  constexpr std::size_t counted_max = 16;
  if (from >= last_change_)
    return 0;
  auto most = std::min<std::size_t>(last_change_ - from, changes_.size());
  if (most > counted_max)
    return most;
  return static_cast<std::size_t>(std::distance(changes_.upper_bound(from), changes_.end()));
}

write_id shard_replica::latest_life(std::string_view twin) const {
  const auto& lives = of(twin, replica_keys::life);
  GEMEL_CHECK(!lives.empty());
  return newest(lives).write;
}

// ---- changing one property ----------------------------------------------------------------------

shard_replica::property_place shard_replica::place(std::string_view twin, std::string_view key) {
  auto held = twins_.find(twin);
  if (held == twins_.end())
    held = twins_.emplace(std::string{twin}, properties{}).first;
  auto at = held->second.find(key);
  if (at == held->second.end())
    at = held->second.emplace(std::string{key}, property_state{}).first;
  return {&held->first, &at->first, &at->second};
}

void shard_replica::unmark(property_state& state) {
  if (state.changed != 0 && changes_.erase(state.changed) != 0 && state.siblings.empty())
    --delete_marks_;
}

void shard_replica::mark(const property_place& at, change_source source) {
  at.state->changed = ++last_change_;
  at.state->source = source;
  changes_.emplace_hint(changes_.end(), last_change_, at);
  if (at.state->siblings.empty())
    ++delete_marks_;
  if (!std::exchange(at.state->unlogged, true))
    unlogged_.push_back(at);
}

void shard_replica::forget_unlogged(const property_state& state) {
  if (state.unlogged)
    std::erase_if(unlogged_, [&](const property_place& at) { return at.state == &state; });
}

void shard_replica::change(const property_place& at, sibling_set siblings, change_source source) {
  unmark(*at.state);
  digest_.flip(*at.twin, *at.key, at.state->siblings);
  auto was_contested = at.state->siblings.size() > 1;
  at.state->siblings = std::move(siblings);
  digest_.flip(*at.twin, *at.key, at.state->siblings);
  if (at.state->siblings.size() > 1)
    contested_.emplace(*at.twin, *at.key);
  else if (was_contested)
    contested_.erase({*at.twin, *at.key});
  mark(at, source);
}

// All of a twin goes without marks but that of its life: whoever learns that the life is gone
// drops the rest by the same rule.
void shard_replica::forget_twin(twins::iterator twin) {
  auto& held = twin->second;
  for (auto at = held.begin(); at != held.end();) {
    if (is_life(at->first)) {
      ++at;
      continue;
    }
    unmark(at->second);
    digest_.flip(twin->first, at->first, at->second.siblings);
    contested_.erase({twin->first, at->first});
    forget_unlogged(at->second);
    at = held.erase(at);
  }
  if (held.empty())
    twins_.erase(twin);
}

void shard_replica::drop_dead_lives(std::string_view twin) {
  if (rules_->broken(planted_bug::dead_lives_stay))
    return;
  auto held = twins_.find(twin);
  if (held == twins_.end())
    return;
  const auto& lives = of(twin, replica_keys::life);
  if (lives.empty())
    return forget_twin(held);
  for (auto& [key, state] : held->second) {
    if (is_life(key))
      continue;
    sibling_set kept;
    for (const auto& s : state.siblings)
      if (find_write(lives, s.life) != nullptr)
        kept.push_back(s);
    if (kept.size() != state.siblings.size())
      change({&held->first, &key, &state}, std::move(kept), 0);
  }
}

// ---- writes of this node ------------------------------------------------------------------------

write_id shard_replica::write(std::string_view twin, std::string_view key,
                              std::optional<value> content, hybrid_time time) {
  auto write = next_write();
  auto life = is_life(key) ? write : latest_life(twin);
  auto at = place(twin, key);
  sibling_set made;
  if (rules_->broken(planted_bug::write_replaces_one) && at.state->siblings.size() > 1) {
    made = at.state->siblings;
    made.erase(made.begin() + (&newest(made) - made.data()));
  }
  if (content) {
    std::uint32_t depth = 0;
    for (const auto& s : at.state->siblings)
      depth = std::max(depth, s.depth);
    made.push_back({write, time, life, depth + 1, std::move(*content)});
    sort_by_write(made);
  }
  auto deletes = !content;
  change(at, std::move(made), 0);
  if (!deletes || !rules_->broken(planted_bug::delete_without_write))
    clock_.advance(write);
  return write;
}

write_id shard_replica::remove(std::string_view twin, hybrid_time time) {
  auto made = write(twin, replica_keys::life, std::nullopt, time);
  drop_dead_lives(twin);
  return made;
}

// ---- exchange -----------------------------------------------------------------------------------

shard_interval shard_replica::cut(change_number from, change_source to) const {
  shard_interval made;
  made.full = from < forgotten_;
  made.from = made.full ? 0 : from;
  made.to = last_change_;
  made.clock = clock_;
  if (made.full) {
    for (const auto& [twin, held] : twins_)
      for (const auto& [key, state] : held)
        if (!state.siblings.empty())
          made.entries.push_back({twin, key, state.siblings});
    return made;
  }
  for (auto at = changes_.upper_bound(from); at != changes_.end(); ++at) {
    const auto& changed = at->second;
    if (to != 0 && changed.state->source == to)
      continue;
    if (changed.state->siblings.empty() && rules_->broken(planted_bug::deletes_not_named))
      continue;
    made.entries.push_back({*changed.twin, *changed.key, changed.state->siblings});
  }
  return made;
}

sibling_set shard_replica::merged(const sibling_set& ours, const sibling_set& theirs,
                                  const version_vector& context) const {
  sibling_set made;
  for (const auto& s : ours)
    if (find_write(theirs, s.write) != nullptr || !context.covers(s.write)
        || rules_->broken(planted_bug::no_context_check))
      made.push_back(s);
  for (const auto& s : theirs)
    if (find_write(ours, s.write) == nullptr
        && (!clock_.covers(s.write) || rules_->broken(planted_bug::no_clock_check)))
      made.push_back(s);
  if (rules_->broken(planted_bug::newest_only) && made.size() > 1)
    made = {newest(made)};
  sort_by_write(made);
  return made;
}

void shard_replica::merge_one(std::string_view twin, std::string_view key,
                              const sibling_set& theirs, const version_vector& context,
                              const teller& from) {
  const auto& ours = of(twin, key);
  auto made = merged(ours, theirs, context);
  // Even if nothing changes here, the peer may know of deletes of what others still hold.
  auto same = made == ours;
  if (same && (!from.news || rules_->broken(planted_bug::unseen_deletes_forgotten)))
    return;
  auto at = place(twin, key);
  // Not sent back to the peer if it is just what the peer holds. Something that it has not heard
  // from us yet may have told us of deletes, so then it is.
  auto heard = at.state->changed <= from.told || at.state->source == from.source
               || rules_->broken(planted_bug::echo_unheard);
  auto source = made == theirs && heard ? from.source : 0;
  if (!same)
    return change(at, std::move(made), source);
  unmark(*at.state);
  mark(at, source);
}

void shard_replica::merge_absent(const shard_interval& theirs, const teller& from) {
  std::set<std::pair<std::string_view, std::string_view>> named;
  for (const auto& e : theirs.entries)
    named.emplace(e.twin, e.key);
  std::vector<std::pair<std::string, std::string>> absent;
  for (const auto& [twin, held] : twins_)
    for (const auto& [key, state] : held)
      if (!state.siblings.empty() && named.find({twin, key}) == named.end())
        absent.emplace_back(twin, key);
  for (const auto& [twin, key] : absent)
    merge_one(twin, key, {}, theirs.clock, from);
  for (const auto& [twin, key] : absent)
    drop_dead_lives(twin);
}

result<void> shard_replica::merge(const shard_interval& theirs, change_source source,
                                  change_number told) {
  auto joined = clock_;
  auto news = joined.join(theirs.clock);
  teller from{source, told, news};
  if (joined.size() > rules_->writers_max && joined.size() > clock_.size())
    return fail(errc::limit_reached, std::to_string(joined.size())
                                         + " writers of one shard, at most "
                                         + std::to_string(rules_->writers_max) + " are allowed");
  for (const auto& e : theirs.entries)
    merge_one(e.twin, e.key, e.siblings, theirs.clock, from);
  for (const auto& e : theirs.entries)
    drop_dead_lives(e.twin);
  if (theirs.full && !rules_->broken(planted_bug::full_keeps_absent))
    merge_absent(theirs, from);
  auto joins_full = theirs.full && news;
  if (rules_->broken(planted_bug::no_clock_join))
    return {};
  clock_ = std::move(joined);
  // A clock that went on is a change of its own, or third parties would not learn of it.
  if (news && !rules_->broken(planted_bug::no_clock_forward))
    ++last_change_;
  // A full copy tells of deletes by what it does not hold, so there are no marks to hand on.
  if (joins_full && !rules_->broken(planted_bug::full_not_handed_on))
    forgotten_ = last_change_;
  return {};
}

void shard_replica::repair(const std::vector<replicated_entry>& theirs) {
  auto hash = [](const sibling& s) {
    byte_writer packed;
    pack_value(packed, s.content);
    return hash_of(packed.view());
  };
  for (const auto& e : theirs) {
    auto made = of(e.twin, e.key);
    for (const auto& s : e.siblings) {
      auto same = std::find_if(made.begin(), made.end(),
                               [&](const sibling& o) { return o.write == s.write; });
      if (same == made.end())
        made.push_back(s);
      else if (hash(*same) < hash(s))
        *same = s;
    }
    sort_by_write(made);
    if (!(made == of(e.twin, e.key)))
      change(place(e.twin, e.key), std::move(made), 0);
  }
}

std::vector<std::pair<std::string, std::string>> shard_replica::purge(change_number upto) {
  std::vector<std::pair<std::string, std::string>> made;
  for (auto at = changes_.begin(); at != changes_.end() && at->first <= upto;) {
    auto gone = at->second;
    if (!gone.state->siblings.empty()) {
      ++at;
      continue;
    }
    if (!rules_->broken(planted_bug::early_purge))
      forgotten_ = std::max(forgotten_, at->first);
    made.emplace_back(*gone.twin, *gone.key);
    at = changes_.erase(at);
    --delete_marks_;
    forget_unlogged(*gone.state);
    auto twin = twins_.find(*gone.twin);
    twin->second.erase(twin->second.find(*gone.key));
    if (twin->second.empty())
      twins_.erase(twin);
  }
  return made;
}

// ---- the disk -----------------------------------------------------------------------------------

void shard_replica::log_is_up_to_date() {
  for (const auto& at : unlogged_)
    at.state->unlogged = false;
  unlogged_.clear();
}

std::vector<replicated_entry> shard_replica::take_changes() {
  std::vector<replicated_entry> made;
  made.reserve(unlogged_.size());
  for (const auto& at : unlogged_) {
    made.push_back({*at.twin, *at.key, at.state->siblings});
    at.state->unlogged = false;
  }
  unlogged_.clear();
  return made;
}

void shard_replica::restore(const std::vector<replicated_entry>& entries,
                            const version_vector& clock, change_number last_change,
                            change_number forgotten) {
  for (const auto& e : entries)
    change(place(e.twin, e.key), e.siblings, 0);
  for (const auto& e : entries)
    drop_dead_lives(e.twin);
  log_is_up_to_date();
  clock_ = clock;
  if (rules_->broken(planted_bug::counter_from_zero)) {
    clock_ = {};
    for (const auto& e : clock.entries())
      if (e.writer != own_)
        clock_.advance({e.writer, e.number});
  }
  // Changes keep the numbers that they had, or higher ones that were given before the crash too.
  GEMEL_CHECK(last_change >= last_change_);
  last_change_ = last_change;
  forgotten_ = std::max(forgotten_, forgotten);
}

change_number shard_replica::changed(std::string_view twin, std::string_view key) const {
  const auto* held = find(twin);
  if (held == nullptr)
    return 0;
  auto at = held->find(key);
  return at != held->end() ? at->second.changed : 0;
}

void shard_replica::restore_all(std::vector<numbered_entry> all, const version_vector& clock,
                                change_number last_change, change_number forgotten) {
  std::sort(all.begin(), all.end(),
            [](const auto& one, const auto& other) { return one.first < other.first; });
  for (auto& [number, entry] : all) {
    GEMEL_CHECK(number > last_change_);
    last_change_ = number - 1;
    change(place(entry.twin, entry.key), std::move(entry.siblings), 0);
  }
  log_is_up_to_date();
  clock_ = clock;
  GEMEL_CHECK(last_change >= last_change_);
  last_change_ = last_change;
  forgotten_ = forgotten;
}

} // namespace gemel
