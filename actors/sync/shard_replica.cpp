#include "actors/sync/shard_replica.hpp"

#include "messages/error.hpp"

#include <boost/container/static_vector.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

#include <algorithm>
#include <utility>

namespace gemel {

namespace {

constexpr std::uint32_t page_twins = 64;
constexpr std::size_t fetched_at_once = 32;

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

const sibling_set& shard_replica::held_at(place at) const {
  static const sibling_set none;
  return at != property_table::nowhere ? table_.at(at).siblings : none;
}

void shard_replica::each_property(std::string_view twin, const property_visitor& visit) const {
  table_.each_of(twin, [&](place at) {
    if (const auto& held = table_.at(at).siblings; !held.empty())
      visit(table_.key_of(at), held);
  });
}

void shard_replica::each_twin(const std::function<void(std::string_view)>& visit) const {
  table_.each_twin(visit);
}

std::size_t shard_replica::changed_after(change_number from) const noexcept {
  constexpr std::size_t counted_max = 16;
  if (from >= last_change_)
    return 0;
  auto most = std::min<std::size_t>(last_change_ - from, table_.size());
  return most > counted_max ? most : table_.count_after(from, counted_max);
}

replicated_entry shard_replica::entry_at(place at) const {
  return {table_.twin_of(at), table_.key_of(at), table_.at(at).siblings};
}

changed_entry shard_replica::view_at(place at) const {
  const auto& one = table_.at(at);
  return {table_.twin_of(at), table_.key_of(at), one.siblings, one.changed};
}

write_id shard_replica::latest_life(found_twin twin) const {
  GEMEL_CHECK(alive(twin));
  return newest(lives(twin)).write;
}

// ---- changing one property ----------------------------------------------------------------------

void shard_replica::unmark(place at) {
  const auto& one = table_.at(at);
  if (one.changed != 0 && one.siblings.empty())
    delete_marks_.erase({one.changed, at});
}

void shard_replica::mark(place at, change_source source) {
  auto& one = table_.at(at);
  table_.touch(at, ++last_change_);
  one.source = source;
  if (one.siblings.empty())
    delete_marks_.emplace(last_change_, at);
  if (!std::exchange(one.unlogged, true))
    unlogged_.push_back(at);
}

void shard_replica::erase(place at) {
  unmark(at);
  if (table_.at(at).unlogged)
    std::erase(unlogged_, at);
  table_.erase(at);
}

void shard_replica::change(place at, sibling_set siblings, change_source source) {
  auto& one = table_.at(at);
  const auto& twin = table_.twin_of(at);
  const auto& key = table_.key_of(at);
  unmark(at);
  digest_.change(twin, key, one.siblings, siblings);
  auto was_contested = one.siblings.size() > 1;
  one.siblings = std::move(siblings);
  if (one.siblings.size() > 1)
    contested_.emplace(twin, key);
  else if (was_contested)
    contested_.erase({twin, key});
  mark(at, source);
}

// All of a twin goes without marks but that of its life: whoever learns that the life is gone
// drops the rest by the same rule.
void shard_replica::forget_twin(std::string_view twin) {
  std::vector<place> gone;
  table_.each_of(twin, [&](place at) {
    if (!is_life(table_.key_of(at)))
      gone.push_back(at);
  });
  for (auto at : gone) {
    const auto& siblings = table_.at(at).siblings;
    digest_.change(twin, table_.key_of(at), siblings, {});
    if (siblings.size() > 1)
      contested_.erase({std::string{twin}, table_.key_of(at)});
    erase(at);
  }
}

void shard_replica::drop_dead_lives(std::string_view twin) {
  if (rules_->broken(planted_bug::dead_lives_stay))
    return;
  auto found = find(twin);
  const auto& lives = this->lives(found);
  if (lives.empty())
    return forget_twin(twin);
  std::vector<place> with_dead;
  auto is_dead = [&](const sibling& s) { return find_write(lives, s.life) == nullptr; };
  table_.each_of(found, [&](place at) {
    const auto& held = table_.at(at).siblings;
    if (!is_life(table_.key_of(at)) && std::any_of(held.begin(), held.end(), is_dead))
      with_dead.push_back(at);
  });
  for (auto at : with_dead) {
    auto kept = table_.at(at).siblings;
    erase_if(kept, is_dead);
    change(at, std::move(kept), 0);
  }
}

// What came with the twin's life may end values that did not come; without it only those that came
// can be of a life that is over.
void shard_replica::drop_dead_values(std::span<const replicated_entry> of_one_twin) {
  const auto& twin = of_one_twin.front().twin;
  auto found = find(twin);
  const auto& lives = this->lives(found);
  auto is_dead = [&](const sibling& s) { return find_write(lives, s.life) == nullptr; };
  auto matters = [&](const replicated_entry& e) {
    const auto& held = of(found, e.key);
    return is_life(e.key) || std::any_of(held.begin(), held.end(), is_dead);
  };
  if (lives.empty() || std::any_of(of_one_twin.begin(), of_one_twin.end(), matters))
    drop_dead_lives(twin);
}

// ---- writes of this node ------------------------------------------------------------------------

write_id shard_replica::write(std::string_view twin, std::string_view key,
                              std::optional<value> content, hybrid_time time) {
  auto write = next_write();
  auto life = is_life(key) ? write : latest_life(find(twin));
  auto at = table_.obtain(twin, key);
  const auto& seen = table_.at(at).siblings;
  sibling_set made;
  if (rules_->broken(planted_bug::write_replaces_one) && seen.size() > 1) {
    made = seen;
    made.erase(made.begin() + (&newest(made) - made.data()));
  }
  if (content) {
    std::uint32_t depth = 0;
    for (const auto& s : seen)
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
    table_.each_twin([&](std::string_view twin) {
      table_.each_of(twin, [&](place at) {
        if (!table_.at(at).siblings.empty())
          made.entries.push_back(entry_at(at));
      });
    });
    return made;
  }
  table_.each_after(from, [&](place at) {
    const auto& changed = table_.at(at);
    if (to != 0 && changed.source == to)
      return;
    if (changed.siblings.empty() && rules_->broken(planted_bug::deletes_not_named))
      return;
    made.entries.push_back(entry_at(at));
  });
  return made;
}

// In two steps, since the second needs what the first asks for.
void shard_replica::fetch(std::span<const replicated_entry> entries) const {
  boost::container::static_vector<found_twin, fetched_at_once> twins;
  for (const auto& e : entries)
    twins.push_back(find(e.twin));
  for (auto twin : twins)
    table_.fetch_row(twin);
  for (auto twin : twins)
    table_.fetch_properties(twin);
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
  auto at = table_.find(twin, key);
  const auto& ours = held_at(at);
  auto made = merged(ours, theirs, context);
  // Even if nothing changes here, the peer may know of deletes of what others still hold.
  auto same = made == ours;
  if (same && (!from.news || rules_->broken(planted_bug::unseen_deletes_forgotten)))
    return;
  if (at == property_table::nowhere)
    at = table_.obtain(twin, key);
  // Not sent back to the peer if it is just what the peer holds. Something that it has not heard
  // from us yet may have told us of deletes, so then it is.
  const auto& one = table_.at(at);
  auto heard = one.changed <= from.told || one.source == from.source
               || rules_->broken(planted_bug::echo_unheard);
  auto source = made == theirs && heard ? from.source : 0;
  if (!same)
    return change(at, std::move(made), source);
  unmark(at);
  mark(at, source);
}

void shard_replica::merge_absent(const shard_interval& theirs, const teller& from) {
  boost::unordered_flat_set<place> named;
  for (const auto& e : theirs.entries)
    named.insert(table_.find(e.twin, e.key));
  std::vector<std::pair<std::string, std::string>> absent;
  table_.each_twin([&](std::string_view twin) {
    table_.each_of(twin, [&](place at) {
      if (!table_.at(at).siblings.empty() && !named.contains(at))
        absent.emplace_back(twin, table_.key_of(at));
    });
  });
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
  std::span<const replicated_entry> entries{theirs.entries};
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (i % fetched_at_once == 0)
      fetch(entries.subspan(i, std::min(fetched_at_once, entries.size() - i)));
    merge_one(entries[i].twin, entries[i].key, entries[i].siblings, theirs.clock, from);
  }
  for (std::size_t i = 0, end = 0; i < entries.size(); i = end) {
    while (end < entries.size() && entries[end].twin == entries[i].twin)
      ++end;
    drop_dead_values(entries.subspan(i, end - i));
  }
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
      change(table_.obtain(e.twin, e.key), std::move(made), 0);
  }
}

void shard_replica::purge(change_number upto) {
  while (!delete_marks_.empty() && delete_marks_.begin()->first <= upto) {
    auto [number, at] = *delete_marks_.begin();
    if (!rules_->broken(planted_bug::early_purge))
      forgotten_ = std::max(forgotten_, number);
    erase(at);
  }
}

// ---- the disk -----------------------------------------------------------------------------------

void shard_replica::log_is_up_to_date() {
  for (auto at : unlogged_)
    table_.at(at).unlogged = false;
  unlogged_.clear();
}

std::vector<changed_entry> shard_replica::take_changes() {
  std::vector<changed_entry> made;
  made.reserve(unlogged_.size());
  for (auto at : unlogged_)
    made.push_back(view_at(at));
  log_is_up_to_date();
  return made;
}

std::uint32_t shard_replica::pages() const noexcept {
  return (table_.rows_end() + page_twins - 1) / page_twins;
}

std::vector<changed_entry> shard_replica::page(std::uint32_t number) const {
  std::vector<changed_entry> made;
  auto end = std::min(table_.rows_end(), (number + 1) * page_twins);
  for (auto row = number * page_twins; row < end; ++row)
    table_.each_of(row, [&](place at) { made.push_back(view_at(at)); });
  return made;
}

change_number shard_replica::changed(std::string_view twin, std::string_view key) const {
  auto at = table_.find(twin, key);
  return at != property_table::nowhere ? table_.at(at).changed : 0;
}

void shard_replica::restore_all(std::vector<numbered_entry> all, const version_vector& clock,
                                change_number last_change, change_number forgotten) {
  for (auto& [number, entry] : all) {
    GEMEL_CHECK(number > last_change_);
    last_change_ = number - 1;
    change(table_.obtain(entry.twin, entry.key), std::move(entry.siblings), 0);
  }
  log_is_up_to_date();
  GEMEL_CHECK(last_change >= last_change_);
  last_change_ = last_change;
  forgotten_ = forgotten;
  for (const auto& e : clock.entries())
    if (e.writer != own_ || !rules_->broken(planted_bug::counter_from_zero))
      clock_.advance({e.writer, e.number});
}

} // namespace gemel
