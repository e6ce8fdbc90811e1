#include "actors/cell_journal.hpp"

#include "actors/rule_cause.hpp"
#include "actors/slots.hpp"
#include "actors/transaction.hpp"
#include "actors/twin_state.hpp"
#include "messages/replies.hpp"
#include "messages/wire.hpp"

#include <algorithm>
#include <mutex>

namespace gemel {

namespace {

std::optional<durability> asked_by(const batch& of) {
  auto message = of.message().message();
  switch (of.kind()) {
  case wire::Message::UPDATE:
    return durability_of(message.getUpdate().getDurability());
  case wire::Message::CREATE:
    return durability_of(message.getCreate().getDurability());
  case wire::Message::REMOVE:
    return durability_of(message.getRemove().getDurability());
  case wire::Message::LIFECYCLE:
    return durability_of(message.getLifecycle().getDurability());
  case wire::Message::MOVE:
    return durability_of(message.getMove().getDurability());
  default:
    return std::nullopt;
  }
}

// Keys never stand twice in a log's list unless an update wrote twice: the row has the last.
const value* content_of(const twin_row& row, key_id key) {
  return row.find(key);
}

} // namespace

/// Answers that wait for one record.
struct cell_journal::answers {
  struct part {
    batch_ptr of;
    std::uint32_t applied;
  };
  struct reply {
    reply_function to;
    frame content;
  };
  std::vector<part> parts;
  std::vector<reply> replies;
  std::vector<std::function<void()>> later;
  std::function<void(std::string_view)> on_fault;

  bool empty() const noexcept { return parts.empty() && replies.empty() && later.empty(); }

  /// Gives all of them; what a caller's function throws ends there.
  void give(const result<void>& stored) {
    for (auto& one : parts)
      contain([&] {
        if (!stored)
          one.of->spoil(stored.error());
        one.of->close_part(stored ? one.applied : 0);
      });
    for (auto& one : replies)
      contain([&] { one.to(stored ? std::move(one.content) : make_error_reply(stored.error())); });
    if (stored)
      for (auto& one : later)
        contain(one);
  }

  template <class Action>
  void contain(Action&& action) {
    try {
      action();
    } catch (const std::exception& thrown) {
      if (on_fault)
        on_fault(thrown.what());
    } catch (...) { // Any other type.
      if (on_fault)
        on_fault("an exception that is no std::exception");
    }
  }
};

struct cell_journal::reports {
  std::mutex mutex;
  std::vector<std::pair<std::uint16_t, bool>> done;
};

cell_journal::cell_journal(store_link& link, cell_id self, std::uint32_t cells, symbol_cache& keys,
                           symbol_cache& types)
    : link_{link}, self_{self}, cells_{cells}, types_{types}, builder_{keys, types},
      commits_{keys, types}, process_{std::make_shared<answers>()},
      disk_{std::make_shared<answers>()}, last_{link.store.reached(durability::process)},
      shards_(limits::shards / cells + 1), reports_{std::make_shared<reports>()} {
}

const result<void>& cell_journal::admitted() {
  if (!admitted_)
    admitted_ = link_.store.admit();
  return *admitted_;
}

// ---- what happened ------------------------------------------------------------------------------

void cell_journal::touch_type(type_id type) {
  if (link_.by_type.empty()) [[likely]]
    return;
  auto number = static_cast<std::size_t>(type);
  if (number >= type_classes_.size())
    type_classes_.resize(number + 1);
  auto& known = type_classes_[number];
  if (!known) {
    auto own = link_.by_type.find(types_.text(type));
    known = own != link_.by_type.end() ? own->second : link_.fallback;
  }
  touched_ = touched_ ? std::max(*touched_, *known) : *known;
}

void cell_journal::led_by(std::string_view cause) {
  if (cause.empty()) [[likely]]
    return;
  if (auto action = action_in(cause); !action.empty())
    facts_.push_back({done_fact(action), std::string{}});
}

void cell_journal::forget(std::uint32_t index, std::uint16_t shard) {
  touch(shard);
  builder_.forget(index);
}

void cell_journal::touch(std::uint16_t shard) {
  auto& state = state_of(shard);
  if (state.dirty_since != none) [[likely]]
    return;
  // Whatever this turn logs lies behind all that is written now.
  if (turn_floor_ == 0)
    turn_floor_ = static_cast<std::uint64_t>(link_.store.reached(durability::process)) + 1;
  state.dirty_since = turn_floor_;
  if (turn_floor_ < oldest_.load(std::memory_order_relaxed))
    oldest_.store(turn_floor_);
}

void cell_journal::add(const event_facts& happened, const twin_row& row, std::uint32_t index) {
  touch(row.shard);
  touch_type(row.layout->type());
  compact_id::text_buffer buffer;
  logged_event event;
  event.kind = happened.kind;
  event.lifecycle = row.lifecycle;
  event.shard = shard_id{row.shard};
  event.row = index;
  event.id = row.id.text(buffer);
  event.version = row.version;
  event.time = happened.time;
  event.write = happened.write;
  event.source_time_us = happened.source_time_us;
  event.parent = happened.parent;
  if (happened.kind == event_kind::updated) {
    for (auto& one : changes_)
      one.content = content_of(row, one.key);
    event.changes = changes_;
    event.write = changes_.front().at.write;
  } else if (happened.kind == event_kind::created) {
    all_.clear();
    for (std::size_t i = 0; i < row.layout->size(); ++i)
      all_.push_back({row.layout->keys()[i], &row.slots[i].content, row.slots[i].at});
    // In the order of their writes, so that their dots need not be spelt.
    std::sort(all_.begin(), all_.end(),
              [](const auto& a, const auto& b) { return a.at.write < b.at.write; });
    event.changes = all_;
    event.type = row.layout->type();
    if (row.has(twin_row::pinned))
      event.placement = pinned_placement;
  }
  builder_.add(event);
}

// ---- answers ------------------------------------------------------------------------------------

durability cell_journal::class_of(std::optional<durability> asked) const noexcept {
  return asked.value_or(touched_.value_or(link_.fallback));
}

void cell_journal::hold(const batch_ptr& of, std::uint32_t applied) {
  auto wanted = class_of(asked_by(*of));
  touched_.reset();
  if (wanted == durability::memory)
    return of->close_part(applied);
  (wanted == durability::disk ? disk_ : process_)->parts.push_back({of, applied});
}

void cell_journal::hold(reply_function reply, frame answer) {
  auto wanted = class_of(std::nullopt);
  touched_.reset();
  if (wanted == durability::memory)
    return reply(std::move(answer));
  (wanted == durability::disk ? disk_ : process_)
      ->replies.push_back({std::move(reply), std::move(answer)});
}

void cell_journal::end_turn(const outlets& to) {
  admitted_.reset();
  touched_.reset();
  changes_.clear();
  hand_over();
  turn_floor_ = 0;
  release(to);
}

void cell_journal::hand_over() {
  process_->later = std::move(later_);
  later_.clear();
  auto has_record = !builder_.empty();
  // One entry for the stricter class alone, if nobody waits for the other.
  auto disk_only = process_->empty() && !disk_->empty();
  if (has_record || !process_->empty())
    append(has_record ? builder_.take() : std::string{},
           disk_only ? durability::disk : durability::process, disk_only ? disk_ : process_);
  else if (disk_only)
    append({}, durability::disk, disk_);
  if (!disk_only && !disk_->empty())
    append({}, durability::disk, disk_);
}

void cell_journal::append(std::string record, durability wanted, std::shared_ptr<answers> waiting) {
  auto fresh = std::make_shared<answers>();
  fresh->on_fault = link_.on_fault;
  (waiting == process_ ? process_ : disk_) = std::move(fresh);
  if (record.empty() && last_ <= link_.store.reached(wanted))
    return waiting->give({});
  log_entry entry;
  entry.stream = record.empty() ? log_stream::none : log_stream::twins;
  bytes_since_cut_ += record.size();
  entry.record = std::move(record);
  entry.wanted = wanted;
  entry.admitted = true;
  entry.meta = std::exchange(facts_, {});
  entry.done = [waiting](result<void> stored) { waiting->give(stored); };
  auto taken = link_.store.append(std::move(entry));
  if (taken)
    last_ = *taken;
  else
    waiting->give(tl::unexpected<error>(std::move(taken.error())));
}

/// Behind the record: whoever is told of something can rely on it being in the log before what it
/// does about it.
void cell_journal::release(const outlets& to) {
  for (auto& [cell, message] : sendings_)
    to.send(cell, std::move(message));
  sendings_.clear();
  for (const auto& events : emissions_)
    to.emit(events);
  emissions_.clear();
  for (const auto& of : decisions_)
    if (auto& joint = *of->joint(); joint.share_done([&] { return log_commit(*of); }))
      joint.tell();
  decisions_.clear();
}

/// Logs what an atomic batch over several cells comes to, before anybody carries it out: whoever
/// has not logged its share when the process ends does so at the next start. By now every cell has
/// logged what its rows were when they were held.
bool cell_journal::log_commit(const batch& of) {
  for (auto& share : of.joint()->shares())
    for (auto& [index, plan] : share.plans) {
      changes_.clear();
      for (const auto& one : plan.changes)
        changes_.push_back({one.key, one.gone ? nullptr : &one.content, {}});
      logged_event event;
      event.kind = event_kind::updated;
      event.shard = shard_id{plan.shard};
      event.row = static_cast<std::uint32_t>(commits_.events());
      event.id = plan.id;
      event.version = plan.version;
      event.source_time_us = plan.source_time_us;
      event.changes = changes_;
      commits_.add(event);
    }
  changes_.clear();
  log_entry entry;
  entry.stream = log_stream::commits;
  entry.record = commits_.take();
  entry.admitted = true;
  auto taken = link_.store.append(std::move(entry));
  if (taken)
    last_ = *taken;
  return taken.has_value();
}

/// It is let out by whoever asked `admit`: a queue that is full meanwhile takes it all the same.
void cell_journal::archive(std::vector<twin_change> twins, std::function<void(result<void>)> done) {
  log_entry entry;
  entry.stream = log_stream::none;
  entry.wanted = durability::process;
  entry.twins = std::move(twins);
  entry.admitted = true;
  entry.done = done;
  if (auto taken = link_.store.append(std::move(entry)); !taken)
    done(tl::unexpected<error>(std::move(taken.error())));
}

// ---- snapshots ----------------------------------------------------------------------------------

void cell_journal::publish_oldest() {
  auto oldest = none;
  for (const auto& one : shards_)
    oldest = std::min({oldest, one.dirty_since, one.pending_since});
  oldest_.store(oldest);
}

void cell_journal::needs(std::uint16_t shard, log_position from) {
  auto& state = state_of(shard);
  state.dirty_since = std::min(state.dirty_since, static_cast<std::uint64_t>(from));
  publish_oldest();
}

/// Shards are written in turn, each once while about as much is logged as all snapshots take: so
/// what is read at the next start is at most some two times what the twins themselves are.
std::optional<std::uint16_t> cell_journal::due_snapshot() {
  std::vector<std::pair<std::uint16_t, bool>> done;
  {
    std::lock_guard guard{reports_->mutex};
    done.swap(reports_->done);
  }
  for (auto [shard, counts] : done) {
    auto& state = state_of(shard);
    if (!counts)
      state.dirty_since = std::min(state.dirty_since, state.pending_since);
    state.pending_since = none;
  }
  if (!done.empty())
    publish_oldest();
  if (bytes_since_cut_ < step())
    return std::nullopt;
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    auto at = (next_shard_ + i) % shards_.size();
    const auto& state = shards_[at];
    if (state.dirty_since == none || state.pending_since != none)
      continue;
    next_shard_ = at + 1;
    return static_cast<std::uint16_t>(at * cells_ + static_cast<std::size_t>(self_));
  }
  bytes_since_cut_ = 0;
  return std::nullopt;
}

/// Bytes of records for each snapshot.
std::uint64_t cell_journal::step() const noexcept {
  return std::max(link_.pass_bytes_min, snapshot_bytes_) / shards_.size();
}

bool cell_journal::write_snapshot(std::uint16_t shard, std::map<std::string, std::string> twins,
                                  std::set<std::string> passive) {
  bytes_since_cut_ -= std::min(bytes_since_cut_, step());
  std::uint64_t bytes = 0;
  for (const auto& [id, packed] : twins)
    bytes += id.size() + packed.size();
  auto& state = state_of(shard);
  snapshot_bytes_ += bytes - std::exchange(state.bytes, bytes);
  shard_snapshot made;
  made.shard = shard_id{shard};
  made.position = last_;
  made.twins = std::move(twins);
  made.passive = std::move(passive);
  made.done = [to = reports_, shard, &link = link_](const result<void>& counts) {
    {
      std::lock_guard guard{to->mutex};
      to->done.emplace_back(shard, counts.has_value());
    }
    if (counts && link.on_snapshot)
      link.on_snapshot();
  };
  state.pending_since = std::exchange(state.dirty_since, none);
  auto taken = link_.store.write_snapshot(std::move(made)).has_value();
  if (!taken)
    state.dirty_since = std::exchange(state.pending_since, none);
  return taken;
}

} // namespace gemel
