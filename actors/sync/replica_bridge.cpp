#include "actors/sync/replica_bridge.hpp"

#include "messages/limits.hpp"
#include "messages/packed.hpp"

#include <boost/container/static_vector.hpp>

#include <algorithm>

namespace gemel {

namespace {

constexpr std::uint8_t pending_format = 1;
constexpr std::size_t fetched_at_once = 32;

// What replicas agree upon of the lifecycle: the rest (data that came or did not, crashes) is each
// node's own to see.
lifecycle_state agreed(lifecycle_state shown) noexcept {
  return shown == lifecycle_state::suspended || shown == lifecycle_state::retired
             ? shown
             : lifecycle_state::active;
}

value number_of(lifecycle_state state) {
  return value{static_cast<std::int64_t>(state)};
}

lifecycle_state state_of(const replicated_twin& held) {
  auto at = held.properties.find(replica_keys::lifecycle);
  if (at == held.properties.end() || !at->second.content.is_integer())
    return lifecycle_state::active;
  return agreed(static_cast<lifecycle_state>(at->second.content.as_integer()));
}

// The next step to what is wanted; nothing: it is there, or nothing leads to it.
std::optional<lifecycle_trigger> step_to(lifecycle_state shown, lifecycle_state wanted) {
  if (agreed(shown) == wanted)
    return std::nullopt;
  auto step = wanted == lifecycle_state::retired      ? lifecycle_trigger::retire
              : wanted == lifecycle_state::active     ? lifecycle_trigger::resume
              : shown == lifecycle_state::provisioned ? lifecycle_trigger::activate
                                                      : lifecycle_trigger::suspend;
  return gemel::next(shown, step) ? std::optional{step} : std::nullopt;
}

bool is_property(std::string_view key) noexcept {
  return !key.empty() && static_cast<unsigned char>(key.front()) >= ' ';
}

value life_of(std::string_view type, std::string_view placement) {
  value_map life;
  life.push_back({"type", value{std::string{type}}});
  if (!placement.empty())
    life.push_back({"placement", value{std::string{placement}}});
  return value{std::move(life)};
}

std::string text_in(const value& life, std::string_view key) {
  const auto* found = life.find(key);
  return found != nullptr && found->is_text() ? std::string{found->as_text()} : std::string{};
}

} // namespace

std::uint16_t replica_shard_of(std::string_view twin) noexcept {
  constexpr int unused_by_digests = 32;
  return static_cast<std::uint16_t>((hash_of(twin) >> unused_by_digests) % limits::replica_shards);
}

// ---- the log ------------------------------------------------------------------------------------

const replica_bridge::push* replica_bridge::pending(std::string_view twin) const {
  auto at = pending_.find(twin);
  return at != pending_.end() ? &at->second : nullptr;
}

template <class Ids>
void replica_bridge::fetch(const Ids& ids) const {
  boost::container::static_vector<replica_twin, fetched_at_once> twins;
  for (const std::string_view id : ids)
    twins.push_back(replicas_.find(replica_shard_of(id), id));
  replicas_.fetch(twins);
}

void replica_bridge::take(std::span<const stored_event> events, const moment& read_at) {
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (i % fetched_at_once == 0) {
      boost::container::static_vector<std::string_view, fetched_at_once> ids;
      for (auto k = i; k < std::min(i + fetched_at_once, events.size()); ++k)
        ids.push_back(events[k].id);
      fetch(ids);
    }
    take(events[i], read_at);
  }
}

void replica_bridge::take(const stored_event& event, const moment& read_at) {
  // It was written then, however late it is read here.
  auto now = read_at;
  now.unix_us = std::min(now.unix_us, unix_ms(event.time) * 1'000);
  switch (event.kind) {
  case event_kind::created:
    return took_create(event, now);
  case event_kind::updated:
    return took_changes(event, now);
  case event_kind::removed:
    return took_remove(event, now);
  case event_kind::moved:
    return took_move(event, now);
  case event_kind::lifecycle:
    return took_lifecycle(event, now);
  default:
    return;
  }
}

void replica_bridge::note(std::string_view twin, std::string_view key) {
  news_.note(twin, key);
}

void replica_bridge::took_create(const stored_event& event, const moment& now) {
  auto shard = replica_shard_of(event.id);
  const auto* ours = pending(event.id);
  if (ours == nullptr || !ours->creates) {
    // A twin that went to another cell is created there, too.
    auto known = replicas_.alive(shard, event.id);
    if (!known && !replicates(event.type))
      return;
    if (!known && replicas_.create(shard, event.id, life_of(event.type, event.placement), now)) {
      ++writes_;
      note_children(event.id);
    }
  }
  // Deleted here while it was on its way to the cells.
  if (!replicas_.alive(shard, event.id))
    return note(event.id, replica_keys::life);
  took_changes(event, now);
  took_move(event, now);
  note_missing(event);
}

// A twin that was just made lacks what its replica got before.
void replica_bridge::note_missing(const stored_event& created) {
  auto held = replicas_.read(replica_shard_of(created.id), created.id);
  for (const auto& [key, content] : held.properties) {
    auto has = [&key = key](const stored_change& change) { return change.key == key; };
    if (is_property(key) && content.present
        && std::none_of(created.changes.begin(), created.changes.end(), has))
      note(created.id, key);
  }
  if (state_of(held) != agreed(created.lifecycle))
    note(created.id, replica_keys::lifecycle);
}

// Another strategy may show another of the values.
void replica_bridge::note_contested(std::string_view twin) {
  if (const auto* held = replicas_.replica(replica_shard_of(twin)))
    held->each_property(twin, [&](std::string_view key, const sibling_set& siblings) {
      if (siblings.size() > 1)
        note(twin, key);
    });
}

result<void> replica_bridge::set_policy(std::string_view twin, std::optional<std::string> strategy,
                                        const moment& now) {
  auto set = replicas_.set_policy(replica_shard_of(twin), twin, std::move(strategy), now);
  if (set)
    note_contested(twin);
  return set;
}

bool replica_bridge::is_push(const push* ours, const stored_change& change) const {
  if (ours == nullptr)
    return false;
  if (change.removed)
    return std::find(ours->unset.begin(), ours->unset.end(), change.key) != ours->unset.end();
  return std::any_of(ours->set.begin(), ours->set.end(), [&](const property& set) {
    return set.key == change.key && set.content == change.content;
  });
}

void replica_bridge::took_changes(const stored_event& event, const moment& now) {
  auto twin = replicas_.find(replica_shard_of(event.id), event.id);
  const auto* ours = pending(event.id);
  if (!replicas_.alive(twin)) {
    // Not replicated, or deleted meanwhile: the write goes with the life it was for, also if a new
    // life comes before the cells hear of it.
    if (ours != nullptr || news_.contains(event.id))
      for (const auto& change : event.changes)
        note(event.id, change.key);
    return;
  }
  auto differs = [&](const stored_change& change) {
    return !replicas_.shows(twin, change.key, change.removed ? nullptr : &change.content);
  };
  for (const auto& change : event.changes) {
    if (!differs(change))
      continue;
    if (!is_push(ours, change))
      write(twin, change.key, change.removed ? std::nullopt : std::optional{change.content}, now);
    if (differs(change)) // A push that is outdated, or what merged with others shows otherwise.
      note(event.id, change.key);
  }
}

void replica_bridge::took_remove(const stored_event& event, const moment& now) {
  const auto* ours = pending(event.id);
  if (ours != nullptr && ours->removes)
    return note(event.id, replica_keys::life); // It may have been made again meanwhile.
  if (!replicas_.remove(replica_shard_of(event.id), event.id, now))
    return;
  ++writes_;
  note_children(event.id);
}

void replica_bridge::took_move(const stored_event& event, const moment& now) {
  const auto* ours = pending(event.id);
  bool is_ours = ours != nullptr && ours->parent && *ours->parent == event.parent;
  if (!is_ours && parent_of(event.id) != event.parent) {
    write(event.id, replica_keys::parent,
          event.parent.empty() ? value{} : value{std::string{event.parent}}, now);
    note_child(std::string{event.id}, std::string{event.parent});
  }
  if (parent_of(event.id) != event.parent)
    note(event.id, replica_keys::parent);
}

void replica_bridge::took_lifecycle(const stored_event& event, const moment& now) {
  auto held = replicas_.read(replica_shard_of(event.id), event.id);
  if (!held.alive)
    return;
  const auto* ours = pending(event.id);
  bool is_ours = ours != nullptr && ours->lifecycle && *ours->lifecycle == agreed(event.lifecycle);
  if (!is_ours && state_of(held) != agreed(event.lifecycle))
    write(event.id, replica_keys::lifecycle, number_of(agreed(event.lifecycle)), now);
  for (const auto& [key, content] : held.properties) // It may take what it refused before.
    note(event.id, key);
  note(event.id, replica_keys::lifecycle);
}

void replica_bridge::write(std::string_view twin, std::string_view key,
                           std::optional<value> content, const moment& now) {
  auto found = replicas_.find(replica_shard_of(twin), twin);
  if (replicas_.alive(found))
    write(found, key, std::move(content), now);
}

void replica_bridge::write(const replica_twin& twin, std::string_view key,
                           std::optional<value> content, const moment& now) {
  if (replicas_.set(twin, key, std::move(content), now))
    ++writes_;
  else
    ++refused_;
}

void replica_bridge::import(const twin_record& twin, const moment& now) {
  if (!replicates(twin.type))
    return;
  auto shard = replica_shard_of(twin.id);
  if (!replicas_.create(shard, twin.id, life_of(twin.type, {}), now))
    return;
  ++writes_;
  for (const auto& [key, content] : twin.properties)
    write(twin.id, key, content, now);
  if (!twin.parent.empty()) {
    write(twin.id, replica_keys::parent, value{twin.parent}, now);
    note_child(twin.id, twin.parent);
  }
  if (agreed(twin.lifecycle) != lifecycle_state::active)
    write(twin.id, replica_keys::lifecycle, number_of(agreed(twin.lifecycle)), now);
}

// ---- the tree -----------------------------------------------------------------------------------

shown_place replica_bridge::place_of(std::string_view twin) const {
  shown_place made;
  const auto* held = replicas_.replica(replica_shard_of(twin));
  if (held == nullptr || !held->alive(twin))
    return made;
  made.alive = true;
  for (const auto& one : held->of(twin, replica_keys::parent)) {
    if (std::pair{one.time, one.write} < std::pair{made.time, made.write})
      continue;
    made.time = one.time;
    made.write = one.write;
    made.parent = one.content.is_text() ? std::string{one.content.as_text()} : std::string{};
  }
  return made;
}

std::string replica_bridge::parent_of(std::string_view twin) const {
  return parent_in_tree(twin, [this](std::string_view each) { return place_of(each); });
}

void replica_bridge::note_child(const std::string& child, const std::string& parent) {
  note_line(child);
  if (auto at = parents_.find(child); at != parents_.end()) {
    auto siblings = children_.find(at->second);
    siblings->second.erase(child);
    if (siblings->second.empty())
      children_.erase(siblings);
    parents_.erase(at);
  }
  if (parent.empty())
    return;
  parents_[child] = parent;
  children_[parent].insert(child);
  note_line(child);
}

// Who lies on one circle with the twin, by what was written, may lie elsewhere now.
void replica_bridge::note_line(std::string_view twin) {
  std::set<std::string_view> seen{twin};
  for (auto at = parents_.find(twin); at != parents_.end() && seen.insert(at->second).second;
       at = parents_.find(at->second))
    note(at->second, replica_keys::parent);
}

// A parent came or went: those that were put below it lie elsewhere now.
void replica_bridge::note_children(std::string_view parent) {
  note_line(parent);
  if (auto at = children_.find(parent); at != children_.end())
    for (const auto& child : at->second)
      note(child, replica_keys::parent);
}

void replica_bridge::merged(std::span<const changed_entry> changes) {
  for (const auto& entry : changes) {
    note(entry.twin, entry.key);
    if (entry.key == replica_keys::life)
      note_children(entry.twin);
    if (entry.key == replica_keys::parent)
      note_child(std::string{entry.twin}, place_of(entry.twin).parent);
    if (entry.key == replica_keys::conflict)
      note_contested(entry.twin);
  }
}

void replica_bridge::restored() {
  for (auto shard : replicas_.shards())
    replicas_.replica(shard)->each_twin(
        [this](std::string_view twin) { note_child(std::string{twin}, place_of(twin).parent); });
}

// ---- the cells ----------------------------------------------------------------------------------

std::vector<std::string> replica_bridge::to_look_at(const std::vector<std::string>& twins) const {
  std::vector<std::string> made;
  for (const auto& twin : twins)
    if (const auto* changed = news_.find(twin);
        changed != nullptr && !std::all_of(changed->begin(), changed->end(), is_property))
      made.push_back(twin);
  return made;
}

replica_pushes replica_bridge::next(const std::vector<std::string>& twins,
                                    const std::vector<twin_record>& shown) {
  boost::unordered_flat_map<std::string_view, const twin_record*, text_hash> by_id;
  for (const auto& one : shown)
    by_id.emplace(one.id, &one);
  replica_pushes made;
  std::vector<absent_twin> absent;
  for (std::size_t i = 0; i < twins.size(); ++i) {
    if (i % fetched_at_once == 0)
      fetch(std::span{twins}.subspan(i, std::min(fetched_at_once, twins.size() - i)));
    const auto& twin = twins[i];
    auto changed = news_.take(twin);
    if (!changed)
      continue;
    if (std::all_of(changed->begin(), changed->end(), is_property)) {
      push_blindly(twin, *changed, made);
    } else {
      auto at = by_id.find(twin);
      push_seen(twin, *changed, at != by_id.end() ? at->second : nullptr, absent, made);
    }
  }
  push_creates(absent, made);
  pushes_ += made.creates.size() + made.updates.size() + made.removes.size() + made.moves.size()
             + made.steps.size();
  return made;
}

void replica_bridge::push_seen(const std::string& twin, const keys& changed,
                               const twin_record* shown, std::vector<absent_twin>& absent,
                               replica_pushes& into) {
  auto held = replicas_.read(replica_shard_of(twin), twin);
  if (!replicates(shown != nullptr ? shown->type : text_in(held.life, "type")))
    return; // Only handed on to others.
  if (shown == nullptr && held.alive) {
    absent.emplace_back(twin, std::move(held));
  } else if (shown != nullptr && held.alive) {
    push_changes(*shown, held, changed, into);
    push_place(*shown, into);
    push_lifecycle(*shown, held, into);
  } else if (shown != nullptr
             && std::find(changed.begin(), changed.end(), replica_keys::life) != changed.end()) {
    into.removes.push_back(twin);
    pending_[twin].removes = true;
  }
}

void replica_bridge::push_blindly(const std::string& twin, const keys& changed,
                                  replica_pushes& into) {
  auto found = replicas_.find(replica_shard_of(twin), twin);
  if (!replicas_.alive(found)
      || (!types_.empty() && !replicates(replicas_.type_of(found.shard, twin))))
    return;
  twin_update made;
  made.id = twin;
  for (const auto& key : changed) {
    auto held = replicas_.read_property(found, key);
    if (held.present)
      made.set.push_back({key, std::move(held.content)});
    else
      made.unset.push_back(key);
  }
  push_set(std::move(made), into);
}

void replica_bridge::push_set(twin_update wanted, replica_pushes& into) {
  if (wanted.set.empty() && wanted.unset.empty())
    return;
  auto& ours = pending_[wanted.id];
  ours.set.insert(ours.set.end(), wanted.set.begin(), wanted.set.end());
  ours.unset.insert(ours.unset.end(), wanted.unset.begin(), wanted.unset.end());
  into.updates.push_back(std::move(wanted));
}

void replica_bridge::push_creates(const std::vector<absent_twin>& absent, replica_pushes& into) {
  auto depth = [this](std::string_view twin) {
    std::size_t made = 0;
    for (auto parent = parent_of(twin); !parent.empty(); parent = parent_of(parent))
      ++made;
    return made;
  };
  std::vector<std::pair<std::size_t, std::size_t>> order;
  for (std::size_t i = 0; i < absent.size(); ++i)
    order.emplace_back(depth(absent[i].first), i);
  std::sort(order.begin(), order.end());
  for (auto [level, i] : order) {
    const auto& [twin, held] = absent[i];
    auto& wanted = pending_[twin];
    new_twin made;
    made.id = twin;
    made.type = text_in(held.life, "type");
    made.parent = parent_of(twin);
    made.placement = text_in(held.life, "placement");
    for (const auto& [key, shown] : held.properties)
      if (is_property(key) && shown.present) {
        made.properties.push_back({key, shown.content});
        wanted.set.push_back({key, shown.content});
      }
    wanted.creates = true;
    wanted.parent = made.parent;
    into.creates.push_back(std::move(made));
    if (state_of(held) != lifecycle_state::active)
      note(twin, replica_keys::lifecycle); // Once it is there.
  }
}

void replica_bridge::push_changes(const twin_record& shown, const replicated_twin& held,
                                  const keys& changed, replica_pushes& into) {
  std::set<std::string_view> all{changed.begin(), changed.end()};
  if (all.contains(replica_keys::life)) { // A life went with all it held, and another is there.
    for (const auto& [key, content] : shown.properties)
      all.insert(key);
    for (const auto& [key, content] : held.properties)
      all.insert(key);
  }
  twin_update made;
  made.id = shown.id;
  made.if_version = shown.version;
  for (auto name : all) {
    if (!is_property(name))
      continue;
    std::string key{name};
    auto at = held.properties.find(key);
    const auto* is = shown.find(key);
    if (at == held.properties.end() || !at->second.present) {
      if (is != nullptr)
        made.unset.push_back(key);
    } else if (is == nullptr || *is != at->second.content) {
      made.set.push_back({key, at->second.content});
    }
  }
  push_set(std::move(made), into);
}

void replica_bridge::push_place(const twin_record& shown, replica_pushes& into) {
  auto parent = parent_of(shown.id);
  if (parent == shown.parent)
    return;
  pending_[shown.id].parent = parent;
  into.moves.emplace_back(shown.id, parent);
}

void replica_bridge::push_lifecycle(const twin_record& shown, const replicated_twin& held,
                                    replica_pushes& into) {
  auto wanted = state_of(held);
  auto step = step_to(shown.lifecycle, wanted);
  if (!step)
    return;
  pending_[shown.id].lifecycle = agreed(*gemel::next(shown.lifecycle, *step));
  into.steps.emplace_back(shown.id, *step);
}

void replica_bridge::failed(std::string_view twin) {
  const auto* ours = pending(twin);
  if (ours == nullptr)
    return;
  for (const auto& [key, content] : ours->set)
    note(twin, key);
  for (const auto& key : ours->unset)
    note(twin, key);
  note(twin, ours->creates || ours->removes ? replica_keys::life : replica_keys::parent);
}

void replica_bridge::retry() {
  for (const auto& [twin, one] : pending_)
    failed(twin);
  pushed();
}

void replica_bridge::everything_is_news() {
  for (auto shard : replicas_.shards())
    replicas_.replica(shard)->each_twin(
        [&](std::string_view twin) { note(twin, replica_keys::life); });
}

// ---- over a crash -------------------------------------------------------------------------------

std::string replica_bridge::pending_bytes() const {
  byte_writer out;
  out.u8(pending_format);
  out.varint(pending_.size());
  for (const auto& [twin, one] : pending_) {
    out.text(twin);
    out.u8(static_cast<std::uint8_t>((one.creates ? 1 : 0) | (one.removes ? 2 : 0)
                                     | (one.parent ? 4 : 0) | (one.lifecycle ? 8 : 0)));
    out.varint(one.set.size());
    for (const auto& [key, content] : one.set) {
      out.text(key);
      pack_value(out, content);
    }
    out.varint(one.unset.size());
    for (const auto& key : one.unset)
      out.text(key);
    if (one.parent)
      out.text(*one.parent);
    if (one.lifecycle)
      out.u8(static_cast<std::uint8_t>(*one.lifecycle));
  }
  return out.take();
}

result<void> replica_bridge::restore_pending(std::string_view bytes) {
  byte_reader in{bytes};
  auto name = [&in] { return std::string{in.text(limits::id_bytes_max, "a name")}; };
  if (in.u8() != pending_format)
    in.fail("another format");
  for (auto twins = in.varint(); twins > 0 && in.ok(); --twins) {
    auto& one = pending_[name()];
    auto flags = in.u8();
    one.creates = (flags & 1) != 0;
    one.removes = (flags & 2) != 0;
    for (auto left = in.varint(); left > 0 && in.ok(); --left) {
      auto key = name();
      one.set.push_back({std::move(key), unpack_value(in)});
    }
    for (auto left = in.varint(); left > 0 && in.ok(); --left)
      one.unset.push_back(name());
    if ((flags & 4) != 0)
      one.parent = name();
    if ((flags & 8) != 0)
      one.lifecycle = static_cast<lifecycle_state>(in.u8());
  }
  if (in.ok() && !in.at_end())
    in.fail("more than there should be");
  if (!in.ok())
    return tl::unexpected<error>(in.why("the pushes under way"));
  return {};
}

void replica_bridge::pushed() {
  pending_.clear();
}

} // namespace gemel
