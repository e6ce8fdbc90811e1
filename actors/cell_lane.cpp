#include "actors/cell.hpp"
#include "messages/wire.hpp"

#include <algorithm>

namespace gemel {

/// Whether anybody may want an event of this twin; cheap, since every update asks.
bool cell::wanted(const twin_row& row) const {
  if (readers_.empty())
    return false;
  return !all_readers_.empty() || row.has(twin_row::watched)
         || (!type_readers_.empty()
             && type_readers_.contains(static_cast<std::uint32_t>(row.layout->type())))
         || (!parent_readers_.empty() && row.group != twin_row::none
             && parent_readers_.contains(groups_[row.group]->parent));
}

/// Tells those who want it of an event without changes. Must be called while the row is as the
/// event left it.
void cell::note(event_kind kind, std::uint32_t index, const moment& now, std::string detail) {
  ++counters_.events;
  auto& row = row_at(index);
  if (!wanted(row))
    return;
  auto event = event_of(kind, row, now);
  event.changes_begin = event.changes_end;
  event.detail = std::move(detail);
  put_on_lane(std::move(event), index);
}

/// The same of an update, whose changes lie on the lane from `changes_begin` on.
void cell::note_update(std::uint32_t index, std::uint32_t changes_begin,
                       std::int64_t source_time_us, const moment& now) {
  ++counters_.events;
  auto& row = row_at(index);
  if (!wanted(row)) {
    lane_changes_.resize(changes_begin);
    return;
  }
  auto event = event_of(event_kind::updated, row, now);
  event.changes_begin = changes_begin;
  event.source_time_us = source_time_us;
  put_on_lane(std::move(event), index);
}

cell::lane_event cell::event_of(event_kind kind, const twin_row& row, const moment& now) const {
  return {.kind = kind,
          .id = row.id,
          .type = row.layout->type(),
          .parent = std::string{about(row).parent},
          .version = row.version,
          .time_us = now.unix_us,
          .source_time_us = 0,
          .lifecycle = row.lifecycle,
          .changes_begin = 0,
          .changes_end = static_cast<std::uint32_t>(lane_changes_.size()),
          .detail = {}};
}

void cell::put_on_lane(lane_event&& event, std::uint32_t index) {
  const auto& row = row_at(index);
  auto place = static_cast<std::uint32_t>(lane_events_.size());
  lane_events_.push_back(std::move(event));
  auto match_all = [&](const auto& table, const auto& key) {
    if (auto list = table.find(key); list != table.end()) {
      for (auto* r : list->second)
        match(*r, place, index);
    }
  };
  for (auto* r : all_readers_)
    match(*r, place, index);
  if (row.has(twin_row::watched))
    match_all(row_readers_, index);
  match_all(type_readers_, static_cast<std::uint32_t>(row.layout->type()));
  if (!parent_readers_.empty())
    match_all(parent_readers_, lane_events_[place].parent);
  if (lane_events_.size() >= world_.limits.lane_events_max)
    flush();
}

// A reader stands in the most selective of the lists; here its other conditions are checked.
void cell::match(reader& r, std::uint32_t event, std::uint32_t index) {
  const auto& asked = r.asked->asked();
  const auto& e = lane_events_[event];
  if (r.type && *r.type != e.type)
    return;
  if (!asked.parent.empty() && asked.parent != e.parent)
    return;
  if (r.where && !r.asked->where()->test(r.where->bind(row_at(index), about(row_at(index)))))
    return;
  if (r.pending.empty())
    pending_readers_.push_back(&r);
  r.pending.push_back(event);
}

void cell::flush() {
  for (auto* r : pending_readers_)
    deliver(*r);
  pending_readers_.clear();
  lane_events_.clear();
  lane_changes_.clear();
}

void cell::drop_lane() noexcept {
  for (auto* r : pending_readers_) {
    r->missed += r->pending.size();
    counters_.events_missed += r->pending.size();
    r->pending.clear();
  }
  pending_readers_.clear();
  lane_events_.clear();
  lane_changes_.clear();
}

/// Bytes of an event in a frame, at most and about.
std::size_t cell::wire_bytes(const lane_event& e) {
  // Two wire values and the key's name for each change. Elements of lists grow by half on the wire.
  constexpr std::size_t event_bytes = 512;
  constexpr std::size_t change_bytes = 96;
  auto sum = event_bytes + e.parent.size() + e.detail.size();
  for (auto i = e.changes_begin; i < e.changes_end; ++i) {
    const auto& change = lane_changes_[i];
    auto heap = change.before.heap_bytes() + change.after.heap_bytes();
    sum += change_bytes + keys_.text(change.key).size() + heap + heap / 2;
  }
  return sum;
}

/// Where the frame that begins with pending event `from` ends: as many events as fit with room to
/// spare, at least one. The bytes bound the number of different keys too.
std::size_t cell::frame_end(const reader& r, std::size_t from) {
  constexpr std::size_t events_per_frame = 4'096;
  auto last = std::min(from + events_per_frame, r.pending.size());
  auto bytes = wire_bytes(lane_events_[r.pending[from]]);
  for (auto to = from + 1; to < last; ++to) {
    bytes += wire_bytes(lane_events_[r.pending[to]]);
    if (bytes > limits::page_bytes_max)
      return to;
  }
  return last;
}

void cell::deliver(reader& r) {
  for (std::size_t from = 0, to = 0; from < r.pending.size(); from = to) {
    to = frame_end(r, from);
    auto count = static_cast<std::uint32_t>(to - from);
    if (!r.asked->spend(count)) {
      r.missed += count;
      counters_.events_missed += count;
      continue;
    }
    r.asked->deliver(build_events(r, from, to));
    counters_.events_delivered += count;
    r.missed = 0;
  }
  r.pending.clear();
}

frame cell::build_events(const reader& r, std::size_t from, std::size_t to) {
  auto count = static_cast<unsigned>(to - from);
  constexpr std::size_t words_per_event = 40;
  frame_builder builder{64 + count * words_per_event};
  auto batch = builder.message().initEvents();
  name_table keys;
  name_table types;
  batch.setSubscription(r.asked->number());
  batch.setMissed(r.missed);
  auto list = batch.initEvents(count);
  for (unsigned i = 0; i < count; ++i) {
    const auto& e = lane_events_[r.pending[from + i]];
    auto one = list[i];
    compact_id::text_buffer buffer;
    auto id = e.id.text(buffer);
    set_text(one.initId(static_cast<unsigned>(id.size())), id);
    one.setType(types.intern(types_.text(e.type)));
    if (!e.parent.empty())
      one.setParent(e.parent);
    one.setKind(static_cast<wire::EventKind>(e.kind));
    one.setVersion(e.version);
    one.setTimeUs(e.time_us);
    one.setSourceTimeUs(e.source_time_us);
    one.setLifecycle(static_cast<std::uint8_t>(e.lifecycle));
    if (!e.detail.empty())
      set_text(one.initDetail(static_cast<unsigned>(e.detail.size())), e.detail);
    auto change_count = e.changes_end - e.changes_begin;
    if (change_count == 0)
      continue;
    auto changes = one.initChanges(change_count);
    auto previous = one.initPrevious(change_count);
    for (unsigned c = 0; c < change_count; ++c) {
      const auto& from_lane = lane_changes_[e.changes_begin + c];
      auto key = keys.intern(keys_.text(from_lane.key));
      changes[c].setKey(key);
      write_value(changes[c], from_lane.after);
      previous[c].setKey(key);
      write_value(previous[c], from_lane.before);
    }
  }
  keys.write(batch.initKeys(static_cast<unsigned>(keys.names().size())));
  types.write(batch.initTypes(static_cast<unsigned>(types.names().size())));
  return builder.finish();
}

void cell::subscribe(const subscription_ptr& asked, const std::vector<watched_row>& rows) {
  const auto& request = asked->asked();
  if (!request.ids.empty() && rows.empty())
    return;
  std::optional<type_id> type;
  if (!request.type.empty()) {
    auto known = resolve_type(request.type);
    if (!known)
      return; // No room for its name, so there is no such twin and never will be.
    type = *known;
  }
  auto& r = *readers_.emplace(asked->number(), std::make_unique<reader>()).first->second;
  r.asked = asked;
  r.type = type;
  if (asked->where())
    r.where.emplace(*asked->where(), keys_);
  if (!request.ids.empty()) {
    for (auto [place, index] : rows) {
      if (!holds(index, request.ids[place]))
        continue; // Deleted since it was looked up.
      auto& watchers = row_readers_[index];
      if (!watchers.empty() && watchers.back() == &r)
        continue; // Named twice.
      watchers.push_back(&r);
      r.rows.push_back(index);
      row_at(index).set(twin_row::watched);
    }
  } else if (!request.parent.empty()) {
    parent_readers_[request.parent].push_back(&r);
  } else if (r.type) {
    type_readers_[static_cast<std::uint32_t>(*r.type)].push_back(&r);
  } else {
    all_readers_.push_back(&r);
  }
}

void cell::unsubscribe(std::uint64_t number) {
  auto i = readers_.find(number);
  if (i == readers_.end())
    return;
  auto* gone = i->second.get();
  if (std::erase(pending_readers_, gone) > 0)
    deliver(*gone);
  auto drop_from = [gone](auto& table, const auto& key) {
    auto entry = table.find(key);
    if (entry == table.end())
      return false;
    std::erase(entry->second, gone);
    if (!entry->second.empty())
      return false;
    table.erase(entry);
    return true;
  };
  for (auto index : gone->rows)
    if (drop_from(row_readers_, index))
      row_at(index).set(twin_row::watched, false);
  if (gone->type)
    drop_from(type_readers_, static_cast<std::uint32_t>(*gone->type));
  drop_from(parent_readers_, gone->asked->asked().parent);
  std::erase(all_readers_, gone);
  readers_.erase(i);
}

} // namespace gemel
