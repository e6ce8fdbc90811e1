#include "actors/lane.hpp"

#include "messages/wire.hpp"

#include <algorithm>

namespace gemel {

bool lane::wanted(const lane_subject& of) const {
  if (readers_.empty())
    return false;
  return !all_readers_.empty() || of.row.has(twin_row::watched)
         || (!type_readers_.empty()
             && type_readers_.contains(static_cast<std::uint32_t>(of.row.layout->type())))
         || (!parent_readers_.empty() && of.group != nullptr
             && parent_readers_.contains(of.group->parent));
}

void lane::note(event_kind kind, const lane_subject& of, const event_origin& from,
                const moment& now, std::string detail) {
  ++world_.counters.events;
  if (!wanted(of))
    return;
  auto happened = event_of(kind, of, from, now);
  happened.changes_begin = happened.changes_end;
  happened.detail = std::move(detail);
  put(std::move(happened), of);
}

void lane::note_update(const lane_subject& of, const event_origin& from,
                       std::uint32_t changes_begin, const moment& now) {
  ++world_.counters.events;
  if (!wanted(of)) {
    changes_.resize(changes_begin);
    return;
  }
  auto happened = event_of(event_kind::updated, of, from, now);
  happened.changes_begin = changes_begin;
  put(std::move(happened), of);
}

void lane::note_emitted(const lane_subject& of, const event_origin& from,
                        std::uint32_t changes_begin, const moment& now, std::string name) {
  ++world_.counters.events;
  if (!wanted(of)) {
    changes_.resize(changes_begin);
    return;
  }
  auto happened = event_of(event_kind::emitted, of, from, now);
  happened.changes_begin = changes_begin;
  happened.detail = std::move(name);
  put(std::move(happened), of);
}

lane::event lane::event_of(event_kind kind, const lane_subject& of, const event_origin& from,
                           const moment& now) const {
  return {.kind = kind,
          .id = of.row.id,
          .type = of.row.layout->type(),
          .parent = of.group != nullptr ? of.group->parent : std::string{},
          .version = of.row.version,
          .time_us = now.unix_us,
          .source_time_us = from.source_time_us,
          .lifecycle = of.row.lifecycle,
          .changes_begin = 0,
          .changes_end = mark(),
          .detail = {},
          .shard = of.row.shard,
          .write = from.write,
          .cause = std::string{from.cause}};
}

void lane::put(event&& happened, const lane_subject& of) {
  auto place = static_cast<std::uint32_t>(events_.size());
  events_.push_back(std::move(happened));
  auto match_all = [&](const auto& table, const auto& key) {
    if (auto list = table.find(key); list != table.end()) {
      for (auto* r : list->second)
        match(*r, place, of);
    }
  };
  for (auto* r : all_readers_)
    match(*r, place, of);
  if (of.row.has(twin_row::watched))
    match_all(row_readers_, of.index);
  match_all(type_readers_, static_cast<std::uint32_t>(of.row.layout->type()));
  if (!parent_readers_.empty() && of.group != nullptr)
    match_all(parent_readers_, of.group->parent);
  if (events_.size() >= world_.events_max)
    flush();
}

// A reader stands in the most selective of the lists; here its other conditions are checked.
void lane::match(reader& r, std::uint32_t place, const lane_subject& of) {
  const auto& asked = r.asked->asked();
  const auto& e = events_[place];
  if (r.type && *r.type != e.type)
    return;
  if (!asked.parent.empty() && asked.parent != e.parent)
    return;
  if (r.where
      && !r.asked->where()->test(r.where->bind(of.row, {world_.types.text(e.type), e.parent})))
    return;
  if (r.pending.empty())
    pending_readers_.push_back(&r);
  r.pending.push_back(place);
}

void lane::flush() {
  for (auto* r : pending_readers_)
    deliver(*r);
  pending_readers_.clear();
  events_.clear();
  changes_.clear();
}

void lane::drop() noexcept {
  for (auto* r : pending_readers_) {
    r->missed += r->pending.size();
    world_.counters.events_missed += r->pending.size();
    r->pending.clear();
  }
  pending_readers_.clear();
  events_.clear();
  changes_.clear();
}

/// Bytes of an event in a frame, at most and about.
std::size_t lane::wire_bytes(const event& e) {
  // Two wire values and the key's name for each change. Elements of lists grow by half on the wire.
  constexpr std::size_t event_bytes = 512;
  constexpr std::size_t change_bytes = 96;
  auto sum = event_bytes + e.parent.size() + e.detail.size() + e.cause.size();
  for (auto i = e.changes_begin; i < e.changes_end; ++i) {
    const auto& change = changes_[i];
    auto heap = change.before.heap_bytes() + change.after.heap_bytes();
    sum += change_bytes + world_.keys.text(change.key).size() + heap + heap / 2;
  }
  return sum;
}

/// Where the frame that begins with pending event `from` ends: as many events as fit with room to
/// spare, at least one. The bytes bound the number of different keys too.
std::size_t lane::frame_end(const reader& r, std::size_t from) {
  constexpr std::size_t events_per_frame = 4'096;
  auto last = std::min(from + events_per_frame, r.pending.size());
  auto bytes = wire_bytes(events_[r.pending[from]]);
  for (auto to = from + 1; to < last; ++to) {
    bytes += wire_bytes(events_[r.pending[to]]);
    if (bytes > limits::page_bytes_max)
      return to;
  }
  return last;
}

void lane::deliver(reader& r) {
  for (std::size_t from = 0, to = 0; from < r.pending.size(); from = to) {
    to = frame_end(r, from);
    auto count = static_cast<std::uint32_t>(to - from);
    if (!r.asked->spend(count)) {
      r.missed += count;
      world_.counters.events_missed += count;
      continue;
    }
    r.asked->deliver(build_events(r, from, to));
    world_.counters.events_delivered += count;
    r.missed = 0;
  }
  r.pending.clear();
}

frame lane::build_events(const reader& r, std::size_t from, std::size_t to) {
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
    const auto& e = events_[r.pending[from + i]];
    auto one = list[i];
    compact_id::text_buffer buffer;
    auto id = e.id.text(buffer);
    set_text(one.initId(static_cast<unsigned>(id.size())), id);
    one.setType(types.intern(world_.types.text(e.type)));
    if (!e.parent.empty())
      one.setParent(e.parent);
    one.setKind(static_cast<wire::EventKind>(e.kind));
    one.setVersion(e.version);
    one.setTimeUs(e.time_us);
    one.setSourceTimeUs(e.source_time_us);
    one.setLifecycle(static_cast<std::uint8_t>(e.lifecycle));
    if (e.kind == event_kind::emitted)
      set_text(one.initName(static_cast<unsigned>(e.detail.size())), e.detail);
    else if (!e.detail.empty())
      set_text(one.initDetail(static_cast<unsigned>(e.detail.size())), e.detail);
    one.setShard(e.shard);
    one.setDot(static_cast<std::uint64_t>(e.write));
    if (!e.cause.empty())
      set_text(one.initCause(static_cast<unsigned>(e.cause.size())), e.cause);
    auto change_count = e.changes_end - e.changes_begin;
    if (change_count == 0)
      continue;
    auto changes = one.initChanges(change_count);
    auto previous = one.initPrevious(change_count);
    for (unsigned c = 0; c < change_count; ++c) {
      const auto& from_lane = changes_[e.changes_begin + c];
      auto key = keys.intern(world_.keys.text(from_lane.key));
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

void lane::subscribe(const subscription_ptr& asked, std::optional<type_id> type,
                     const std::vector<std::uint32_t>& rows) {
  auto& r = *readers_.emplace(asked->number(), std::make_unique<reader>()).first->second;
  r.asked = asked;
  r.type = type;
  if (asked->where())
    r.where.emplace(*asked->where(), world_.keys);
  list_reader(r, rows);
}

void lane::list_reader(reader& r, const std::vector<std::uint32_t>& rows) {
  const auto& request = r.asked->asked();
  if (!request.ids.empty()) {
    for (auto index : rows) {
      auto& watchers = row_readers_[index];
      if (!watchers.empty() && watchers.back() == &r)
        continue; // Named twice.
      watchers.push_back(&r);
      r.rows.push_back(index);
      world_.row(index).set(twin_row::watched);
    }
  } else if (!request.parent.empty()) {
    parent_readers_[request.parent].push_back(&r);
  } else if (r.type) {
    type_readers_[static_cast<std::uint32_t>(*r.type)].push_back(&r);
  } else {
    all_readers_.push_back(&r);
  }
}

void lane::unsubscribe(std::uint64_t number) {
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
      world_.row(index).set(twin_row::watched, false);
  if (gone->type)
    drop_from(type_readers_, static_cast<std::uint32_t>(*gone->type));
  drop_from(parent_readers_, gone->asked->asked().parent);
  std::erase(all_readers_, gone);
  readers_.erase(i);
}

void lane::forget_row(std::uint32_t index) {
  auto watchers = row_readers_.find(index);
  if (watchers == row_readers_.end())
    return;
  for (auto* r : watchers->second)
    std::erase(r->rows, index);
  row_readers_.erase(watchers);
}

} // namespace gemel
