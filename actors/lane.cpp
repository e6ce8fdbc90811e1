#include "actors/lane.hpp"

#include "messages/wire.hpp"

#include <algorithm>

namespace gemel {

namespace {

// Whether a group of children that lies at `path`, such as `/hall-3/line-1`, is below `ancestor`.
bool is_below(std::string_view path, std::string_view ancestor) {
  for (auto at = path.find(ancestor); at != std::string_view::npos;
       at = path.find(ancestor, at + 1)) {
    auto end = at + ancestor.size();
    if (at > 0 && path[at - 1] == '/' && (end == path.size() || path[end] == '/'))
      return true;
  }
  return false;
}

} // namespace

// ---- events -------------------------------------------------------------------------------------

bool lane::is_wanted(const lane_subject& of) {
  return !all_readers_.empty() || of.row.has(twin_row::watched)
         || (!typed_readers_.empty() && !readers_of_type(of.row.layout->type()).empty())
         || (!parent_readers_.empty() && of.group != nullptr
             && parent_readers_.contains(of.group->parent))
         || (!subtree_readers_.empty() && !readers_above(of).empty());
}

void lane::note(event_kind kind, const lane_subject& of, const event_origin& from,
                const moment& now, std::string detail) {
  ++world_.counters.events;
  if (!wanted(of))
    return;
  auto happened = event_of(kind, of, from, now);
  happened.changes_begin = happened.changes_end;
  happened.detail = std::move(detail);
  put(std::move(happened), of, now);
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
  put(std::move(happened), of, now);
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
  put(std::move(happened), of, now);
}

lane_event lane::event_of(event_kind kind, const lane_subject& of, const event_origin& from,
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

void lane::put(lane_event&& happened, const lane_subject& of, const moment& now) {
  auto place = static_cast<std::uint32_t>(events_.size());
  events_.push_back(std::move(happened));
  auto match_all = [&](std::span<reader* const> list) {
    for (auto* r : list)
      match(*r, place, of, now);
  };
  match_all(all_readers_);
  if (of.row.has(twin_row::watched))
    match_all(row_readers_.of(of.index));
  if (!typed_readers_.empty())
    match_all(readers_of_type(of.row.layout->type()));
  if (!parent_readers_.empty() && of.group != nullptr)
    if (auto list = parent_readers_.find(of.group->parent); list != parent_readers_.end())
      match_all(list->second);
  if (!subtree_readers_.empty())
    match_all(readers_above(of));
  if (events_.size() >= world_.events_max)
    flush();
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
    auto events = static_cast<std::uint32_t>(r->pending.size());
    r->asked->lose(events);
    world_.counters.events_missed += events;
    r->pending.clear();
  }
  pending_readers_.clear();
  events_.clear();
  changes_.clear();
}

void lane::end_turn(const moment& now) {
  while (!timers_.empty() && timers_.top().at <= now.steady_ns) {
    auto found = readers_.find(timers_.top().subscription);
    timers_.pop();
    if (found == readers_.end())
      continue;
    auto& r = *found->second;
    r.is_timed = false;
    while (auto due = r.folder->take_due(now.steady_ns))
      give_held(r, std::move(*due));
    set_timer(r);
  }
  flush();
}

std::optional<std::int64_t> lane::next_due() const {
  return timers_.empty() ? std::nullopt : std::optional{timers_.top().at};
}

// ---- who wants what -----------------------------------------------------------------------------

const lane::reader_list& lane::readers_of_type(type_id type) {
  auto [entry, fresh] = typed_readers_of_.try_emplace(static_cast<std::uint32_t>(type));
  if (fresh)
    for (auto* r : typed_readers_)
      if (has_type(*r, type))
        entry->second.push_back(r);
  return entry->second;
}

const lane::reader_list& lane::readers_above(const lane_subject& of) {
  static const reader_list none;
  if (of.group == nullptr)
    return none;
  auto [entry, fresh] = subtree_readers_of_.try_emplace(of.row.group);
  if (fresh)
    for (auto* r : subtree_readers_)
      if (is_below(of.group->path, r->asked->asked().ancestor))
        entry->second.push_back(r);
  return entry->second;
}

bool lane::has_type(reader& r, type_id type) {
  const auto& asked = r.asked->asked().type;
  if (asked.empty())
    return true;
  auto [known, fresh] = r.types.try_emplace(static_cast<std::uint32_t>(type));
  if (fresh)
    known->second = world_.is_a(world_.types.text(type), asked);
  return known->second;
}

// A reader stands in the most selective of the lists; here its other conditions are checked.
bool lane::accepts(reader& r, std::uint32_t place, const lane_subject& of) {
  const auto& asked = r.asked->asked();
  const auto& e = events_[place];
  if (!r.asked->wants(e.kind) || !has_type(r, e.type))
    return false;
  if (!asked.parent.empty() && asked.parent != e.parent)
    return false;
  if (!asked.ancestor.empty() && (of.group == nullptr || !is_below(of.group->path, asked.ancestor)))
    return false;
  return !r.where
         || r.asked->where()->test(
             r.where->bind(of.row, {world_.types.text(e.type), e.parent}, e, changes_of(e)));
}

void lane::match(reader& r, std::uint32_t place, const lane_subject& of, const moment& now) {
  if (accepts(r, place, of) && !(r.folder && is_held(r, place, of, now)))
    add_pending(r, place);
}

void lane::add_pending(reader& r, std::uint32_t place) {
  if (r.pending.empty())
    pending_readers_.push_back(&r);
  r.pending.push_back(place);
}

// ---- rate limits --------------------------------------------------------------------------------

/// Whether the event is held back for later. One that is not brings what is held of its twin first,
/// so that the events of a twin never change order.
bool lane::is_held(reader& r, std::uint32_t place, const lane_subject& of, const moment& now) {
  const auto& e = events_[place];
  if (e.kind == event_kind::updated) {
    if (r.folder->passes(of.index, e, changes_of(e), now.steady_ns))
      return false;
    if (r.folder->full())
      give_held(r, std::move(*r.folder->take(of.index)));
    set_timer(r);
    return true;
  }
  if (auto held = r.folder->take(of.index))
    give_held(r, std::move(*held));
  return false;
}

void lane::give_held(reader& r, update_folder::folded&& held) {
  held.event.changes_begin = mark();
  std::move(held.changes.begin(), held.changes.end(), std::back_inserter(changes_));
  held.event.changes_end = mark();
  add_pending(r, static_cast<std::uint32_t>(events_.size()));
  events_.push_back(std::move(held.event));
}

void lane::set_timer(reader& r) {
  auto due = r.folder->next_due();
  if (r.is_timed || !due)
    return;
  r.is_timed = true;
  timers_.push({*due, r.asked->number()});
}

// ---- delivery -----------------------------------------------------------------------------------

/// Bytes of an event in a frame, at most and about.
std::size_t lane::wire_bytes(const lane_event& e) {
  // Two wire values and the key's name for each change. Elements of lists grow by half on the wire.
  constexpr std::size_t event_bytes = 512;
  constexpr std::size_t change_bytes = 96;
  auto sum = event_bytes + e.parent.size() + e.detail.size() + e.cause.size();
  for (const auto& change : changes_of(e)) {
    auto heap = change.before.heap_bytes() + change.after.heap_bytes();
    sum += change_bytes + world_.keys.text(change.key).size() + heap + heap / 2;
  }
  return sum;
}

/// Where the frame that begins with pending event `from` ends: as many events as fit with room to
/// spare, at least one. The bytes bound the number of different keys too.
std::size_t lane::frame_end(const reader& r, std::size_t from) {
  auto last = std::min<std::size_t>(from + r.asked->frame_events_max(), r.pending.size());
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
    auto taken = r.asked->reserve(count);
    if (taken > 0) {
      constexpr std::size_t words_per_event = 32;
      frame_builder built{64 + taken * words_per_event};
      write_events(built, r, from, from + taken);
      publish(r, built, taken);
    }
    if (taken < count)
      lose(r, count - taken);
  }
  r.pending.clear();
  r.asked->tell_gap();
}

void lane::publish(reader& r, frame_builder& built, std::uint32_t events) {
  // Only a single event can be so large: one that changed much, from old values to new ones.
  if (built.sizeInWords() * sizeof(capnp::word) > limits::frame_bytes_max) {
    r.asked->give_back(events);
    return lose(r, events);
  }
  world_.counters.events_delivered += events;
  if (!r.asked->asked().durable || !world_.when_durable) [[likely]]
    return r.asked->publish(built, events);
  // On the store's thread, in the order of the turns.
  world_.when_durable([to = r.asked, events, content = built.finish()] {
    frame_builder copy{content.bytes().size() / sizeof(capnp::word)};
    copy.setRoot(content.message());
    to->publish(copy, events);
  });
}

void lane::lose(reader& r, std::uint32_t events) {
  r.asked->lose(events);
  world_.counters.events_missed += events;
}

namespace {

void write_name(capnp::List<capnp::Text>::Builder names, unsigned index, std::string_view name) {
  set_text(names.init(index, static_cast<unsigned>(name.size())), name);
}

} // namespace

void lane::write_events(frame_builder& into, const reader& r, std::size_t from, std::size_t to) {
  auto batch = into.message().initEvents();
  frame_keys_.start();
  frame_types_.start();
  batch.setSubscription(r.asked->number());
  auto list = batch.initEvents(static_cast<unsigned>(to - from));
  for (auto i = from; i < to; ++i) {
    const auto& e = events_[r.pending[i]];
    auto one = list[static_cast<unsigned>(i - from)];
    one.setType(frame_types_.number(e.type));
    write_event(one, e);
  }
  auto keys = batch.initKeys(static_cast<unsigned>(frame_keys_.used().size()));
  for (unsigned i = 0; i < keys.size(); ++i)
    write_name(keys, i, world_.keys.text(frame_keys_.used()[i]));
  auto types = batch.initTypes(static_cast<unsigned>(frame_types_.used().size()));
  for (unsigned i = 0; i < types.size(); ++i)
    write_name(types, i, world_.types.text(frame_types_.used()[i]));
}

void lane::write_event(wire::Event::Builder one, const lane_event& e) {
  compact_id::text_buffer buffer;
  auto id = e.id.text(buffer);
  set_text(one.initId(static_cast<unsigned>(id.size())), id);
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
  auto happened = changes_of(e);
  if (happened.empty())
    return;
  auto changes = one.initChanges(static_cast<unsigned>(happened.size()));
  auto previous = one.initPrevious(static_cast<unsigned>(happened.size()));
  for (unsigned c = 0; c < happened.size(); ++c) {
    auto key = frame_keys_.number(happened[c].key);
    changes[c].setKey(key);
    write_value(changes[c], happened[c].after);
    previous[c].setKey(key);
    write_value(previous[c], happened[c].before);
  }
}

// ---- readers ------------------------------------------------------------------------------------

void lane::subscribe(const subscription_ptr& asked, const std::vector<std::uint32_t>& rows) {
  auto& r = *readers_.emplace(asked->number(), std::make_unique<reader>()).first->second;
  r.asked = asked;
  if (asked->where())
    r.where.emplace(*asked->where(), world_.keys);
  if (asked->asked().min_interval_ms > 0) {
    r.folder.emplace(asked->folding());
    folding_readers_.push_back(&r);
  }
  list_reader(r, rows);
}

void lane::list_reader(reader& r, const std::vector<std::uint32_t>& rows) {
  const auto& request = r.asked->asked();
  if (!request.ids.empty()) {
    for (auto index : rows) {
      if (auto watchers = row_readers_.of(index); !watchers.empty() && watchers.back() == &r)
        continue; // Named twice.
      row_readers_.add(index, &r);
      r.rows.push_back(index);
      world_.row(index).set(twin_row::watched);
    }
  } else if (!request.parent.empty()) {
    parent_readers_[request.parent].push_back(&r);
  } else if (!request.ancestor.empty()) {
    subtree_readers_.push_back(&r);
    subtree_readers_of_.clear();
  } else if (!request.type.empty()) {
    typed_readers_.push_back(&r);
    typed_readers_of_.clear();
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
  for (auto index : gone->rows)
    if (row_readers_.remove(index, gone))
      world_.row(index).set(twin_row::watched, false);
  if (auto of = parent_readers_.find(gone->asked->asked().parent); of != parent_readers_.end())
    if (std::erase(of->second, gone) > 0 && of->second.empty())
      parent_readers_.erase(of);
  if (std::erase(subtree_readers_, gone) > 0)
    subtree_readers_of_.clear();
  if (std::erase(typed_readers_, gone) > 0)
    typed_readers_of_.clear();
  std::erase(all_readers_, gone);
  std::erase(folding_readers_, gone);
  readers_.erase(i);
  drop_idle_timers();
}

/// Timers of readers that left stay until they are due; here, until they are the most.
void lane::drop_idle_timers() {
  constexpr std::size_t few = 64;
  if (timers_.size() < 2 * folding_readers_.size() + few)
    return;
  timers_ = {};
  for (auto* r : folding_readers_) {
    r->is_timed = false;
    set_timer(*r);
  }
}

void lane::forget_row(std::uint32_t index) {
  for (auto* r : folding_readers_) {
    if (auto held = r->folder->take(index))
      give_held(*r, std::move(*held));
    r->folder->forget(index);
  }
  for (auto* r : row_readers_.of(index))
    std::erase(r->rows, index);
  row_readers_.clear(index);
}

std::vector<subscription_ptr> lane::give_row_away(std::uint32_t index) {
  std::vector<subscription_ptr> made;
  for (auto* r : row_readers_.of(index))
    made.push_back(r->asked);
  forget_row(index);
  // What comes of it in the other cell is later.
  flush();
  return made;
}

void lane::take_row(std::uint32_t index, const std::vector<subscription_ptr>& asked) {
  for (const auto& each : asked) {
    if (auto known = readers_.find(each->number()); known != readers_.end())
      list_reader(*known->second, {index});
    else
      subscribe(each, {index});
  }
}

} // namespace gemel
