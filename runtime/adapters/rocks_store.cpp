#include "runtime/adapters/rocks_store.hpp"

#include "actors/twin_state.hpp"
#include "messages/limits.hpp"
#include "messages/packed.hpp"

#include <algorithm>
#include <array>
#include <future>

namespace gemel {

namespace {

using family = rocks_database::family;

// What one entry costs in the queue beside its texts.
constexpr std::size_t entry_overhead = 64;
constexpr std::size_t snapshots_at_once = 64;
constexpr std::chrono::milliseconds snapshots_gather{250};

std::uint64_t number(log_position position) noexcept {
  return static_cast<std::uint64_t>(position);
}

std::size_t bytes_of(const log_entry& entry) noexcept {
  auto bytes = entry.record.size() + entry_overhead;
  for (const auto& one : entry.meta)
    bytes += one.key.size() + (one.content ? one.content->size() : 0);
  for (const auto& one : entry.twins)
    bytes += one.id.size() + (one.content ? one.content->size() : 0);
  return bytes;
}

std::size_t bytes_of(const shard_snapshot& made) noexcept {
  std::size_t bytes = entry_overhead;
  for (const auto& [id, twin] : made.twins)
    bytes += id.size() + twin.size() + entry_overhead;
  return bytes;
}

void answer(log_entry& entry, const result<void>& what) {
  if (auto done = std::move(entry.done)) {
    entry.done = nullptr;
    done(what);
  }
}

std::chrono::nanoseconds steady_now() {
  return std::chrono::steady_clock::now().time_since_epoch();
}

std::string passive_value(log_position at, std::string_view twin) {
  byte_writer out;
  out.fixed(number(at));
  out.raw(twin);
  return out.take();
}

std::uint64_t passive_position(std::string_view content) {
  byte_reader in{content};
  return in.fixed<std::uint64_t>();
}

void put_entry(rocksdb::WriteBatch& batch, const rocks_database& into, log_position position,
               const log_entry& entry) {
  if (entry.stream != log_stream::none) {
    auto key = store::log_key(position);
    auto stream = static_cast<char>(entry.stream);
    std::array<rocksdb::Slice, 1> keys{rocksdb::Slice{key}};
    std::array<rocksdb::Slice, 2> parts{rocksdb::Slice{&stream, 1}, rocksdb::Slice{entry.record}};
    static_cast<void>(batch.Put(into.at(family::log), {keys.data(), 1}, {parts.data(), 2}));
  }
  for (const auto& one : entry.meta)
    static_cast<void>(one.content ? batch.Put(into.at(family::meta), one.key, *one.content)
                                  : batch.Delete(into.at(family::meta), one.key));
}

void put_twins(rocksdb::WriteBatch& batch, const rocks_database& into, log_position position,
               const log_entry& entry) {
  for (const auto& one : entry.twins) {
    auto key = store::passive_prefix(one.shard) + one.id;
    static_cast<void>(one.content ? batch.Put(into.at(family::passive), key,
                                              passive_value(position, *one.content))
                                  : batch.Delete(into.at(family::passive), key));
  }
}

} // namespace

std::string_view to_string(rocks_store::state present) noexcept {
  constexpr std::string_view names[] = {"open", "full", "failed", "stopped"};
  return names[static_cast<std::size_t>(present)];
}

// ---- opening ------------------------------------------------------------------------------------

rocks_store::rocks_store(options wanted)
    : options_{std::move(wanted)}, folder_{options_.path, options_.files} {
}

result<std::unique_ptr<rocks_store>> rocks_store::open(options wanted) {
  std::unique_ptr<rocks_store> made{new rocks_store{std::move(wanted)}};
  made->state_ = state::stopped; // until its threads run
  if (auto loaded = made->load(); !loaded)
    return tl::unexpected(std::move(loaded.error()));
  made->state_ = state::open;
  auto* self = made.get();
  made->log_thread_ = std::thread{[self] { self->run_log(); }};
  made->snapshot_thread_ = std::thread{[self] { self->run_snapshots(); }};
  return made;
}

result<void> rocks_store::load() {
  if (!options_.must_exist && !folder_.exists())
    if (auto made = folder_.create(); !made)
      return made;
  if (auto known = folder_.check_format(); !known)
    return known;
  if (auto made = folder_.create(); !made)
    return made;
  if (auto sound = folder_.check_write_ahead(); !sound && !options_.after_loss)
    return fail(sound.error().code,
                sound.error().context + "; see `gemel store check`, then `gemel store repair`");
  auto opened = rocks_database::open({.path = folder_.database(),
                                      .files = folder_.files(),
                                      .create_if_missing = !options_.must_exist,
                                      .cache_bytes = options_.cache_bytes});
  if (!opened)
    return tl::unexpected(std::move(opened.error()));
  database_ = std::move(*opened);
  using step = result<void> (rocks_store::*)();
  for (step next :
       {&rocks_store::load_snapshots, &rocks_store::load_log_end, &rocks_store::load_holders,
        &rocks_store::load_identity, &rocks_store::forget_passive})
    if (auto loaded = (this->*next)(); !loaded)
      return loaded;
  if (auto marked = folder_.mark_open(); !marked)
    return marked;
  return folder_.take_ballast(options_.ballast_bytes);
}

result<void> rocks_store::load_snapshots() {
  std::string prefix{store::snapshot_prefix};
  return database_->read(family::meta, prefix, store::prefix_end(prefix),
                         [this](auto key, auto content) -> result<void> {
                           auto shard = store::parse_snapshot_key(key);
                           auto record = store::unpack_snapshot(content);
                           if (!shard || !record)
                             return fail(errc::store_corrupt, "the table of snapshots is damaged");
                           snapshots_[*shard] = *record;
                           return {};
                         });
}

result<void> rocks_store::load_log_end() {
  auto trimmed = database_->get(family::meta, store::trimmed_key);
  if (!trimmed)
    return tl::unexpected(std::move(trimmed.error()));
  if (*trimmed) {
    auto position = store::unpack_position(**trimmed);
    if (!position)
      return tl::unexpected(std::move(position.error()));
    trimmed_ = number(*position);
  }
  auto last = database_->last_key(family::log);
  if (!last)
    return tl::unexpected(std::move(last.error()));
  last_ = trimmed_;
  if (!last->empty()) {
    auto position = store::parse_log_key(*last);
    if (!position)
      return fail(errc::store_corrupt, "the log has a key that is no position");
    last_ = std::max(last_, number(*position));
  }
  auto expected = folder_.closed_at();
  if (!expected)
    return tl::unexpected(std::move(expected.error()));
  auto end = *expected ? number(**expected) : 0;
  for (const auto& [shard, record] : snapshots_)
    end = std::max(end, number(record.position));
  if (last_ < end && !options_.after_loss)
    return fail(errc::store_corrupt, options_.path + ": the log ends at " + std::to_string(last_)
                                         + ", but had records up to " + std::to_string(end)
                                         + "; see `gemel store check`, then `gemel store repair`");
  if (auto filled = fill_log(end); !filled)
    return filled;
  written_ = synced_ = last_;
  return {};
}

// After a loss: positions that were given are not given again, since snapshots and holders name
// them. Empty records stand in their place.
result<void> rocks_store::fill_log(std::uint64_t end) {
  constexpr std::uint64_t step = 10'000;
  while (last_ < end) {
    rocksdb::WriteBatch batch;
    const char nothing = static_cast<char>(log_stream::none);
    for (std::uint64_t i = 0; i < step && last_ < end; ++i)
      static_cast<void>(batch.Put(database_->at(family::log), store::log_key(log_position{++last_}),
                                  rocksdb::Slice{&nothing, 1}));
    if (auto written = database_->write(batch); !written)
      return written;
  }
  return {};
}

// What was out of memory in the life before: snapshots and log have all of it.
result<void> rocks_store::forget_passive() {
  auto first = store::passive_prefix(shard_id{0});
  auto last = store::passive_prefix(shard_id{static_cast<std::uint16_t>(limits::shards - 1)});
  return database_->erase(family::passive, first, store::prefix_end(last));
}

result<void> rocks_store::load_holders() {
  std::string prefix{store::holder_prefix};
  return database_->read(
      family::meta, prefix, store::prefix_end(prefix), [&](auto key, auto content) -> result<void> {
        auto position = store::unpack_position(content);
        if (!position)
          return tl::unexpected(std::move(position.error()));
        holders_.insert_or_assign(std::string{key.substr(prefix.size())}, *position);
        return {};
      });
}

result<void> rocks_store::load_identity() {
  auto stored = database_->get(family::meta, store::identity_key);
  if (!stored)
    return tl::unexpected(std::move(stored.error()));
  auto closed = folder_.closed_at();
  if (*stored) {
    auto known = store::unpack_identity(**stored);
    if (!known)
      return tl::unexpected(std::move(known.error()));
    identity_ = std::move(*known);
    // After the loss of power the last acknowledged writes may be gone, and with them dots that
    // peers have seen.
    auto power_lost = closed && !*closed && !options_.boot.empty() && !identity_.boot.empty()
                      && identity_.boot != options_.boot;
    if (power_lost || options_.after_loss)
      ++identity_.incarnation;
  } else {
    identity_.id = options_.fresh_id;
  }
  identity_.node = options_.node;
  identity_.boot = options_.boot;
  rocksdb::WriteBatch batch;
  static_cast<void>(
      batch.Put(database_->at(family::meta), store::identity_key, store::pack_identity(identity_)));
  static_cast<void>(batch.Put(database_->at(family::meta), store::format_key,
                              store::pack_position(log_position{store::format})));
  if (auto written = database_->write(batch); !written)
    return written;
  return database_->sync();
}

rocks_store::~rocks_store() {
  stop();
}

void rocks_store::stop() {
  {
    std::lock_guard hold{mutex_};
    closing_ = true; // nobody waits for room any more, the snapshots' thread neither
  }
  wake_.notify_all();
  {
    std::lock_guard hold{snapshot_mutex_};
    snapshots_stopping_ = true;
  }
  snapshot_wake_.notify_all();
  if (snapshot_thread_.joinable())
    snapshot_thread_.join();
  {
    std::lock_guard hold{mutex_};
    stopping_ = true;
  }
  wake_.notify_all();
  if (log_thread_.joinable())
    log_thread_.join();
  if (!database_)
    return;
  auto was = state_.exchange(state::stopped);
  if (was == state::open && database_->sync())
    static_cast<void>(folder_.mark_closed(log_position{last_}));
  database_.reset();
}

// ---- the log ------------------------------------------------------------------------------------

result<void> rocks_store::refusal() const {
  switch (state_.load()) {
  case state::open:
    return {};
  case state::full:
    return fail(errc::store_full, "the disk of " + options_.path
                                      + " is full; nothing is changed until there is room");
  case state::failed: {
    std::lock_guard hold{mutex_};
    return tl::unexpected(failure_);
  }
  case state::stopped:
    break;
  }
  return fail(errc::stopping, "the store is closed");
}

result<void> rocks_store::admit() const {
  if (state_.load(std::memory_order_relaxed) != state::open) [[unlikely]]
    return refusal();
  if (queue_bytes_.load(std::memory_order_relaxed) * 2 > options_.queue_bytes_max
      || queue_entries_.load(std::memory_order_relaxed) * 2 > options_.queue_entries_max)
    return fail(errc::overloaded, "the disk is behind");
  return {};
}

result<log_position> rocks_store::append(log_entry entry) {
  auto present = state_.load();
  if (present == state::failed || present == state::stopped)
    return tl::unexpected(refusal().error());
  auto bytes = bytes_of(entry);
  log_entry at_once;
  log_position position{};
  {
    std::lock_guard hold{mutex_};
    if (stopping_)
      return fail(errc::stopping, "the store is closed");
    if (!entry.admitted
        && (queue_bytes_ + bytes > options_.queue_bytes_max
            || queue_.size() >= options_.queue_entries_max)) {
      ++counters_.refused;
      return fail(errc::overloaded, "the disk is behind");
    }
    if (entry.stream != log_stream::none)
      ++last_;
    position = log_position{last_};
    if (entry.wanted == durability::memory)
      std::swap(at_once.done, entry.done);
    queue_bytes_ += bytes;
    ++queue_entries_;
    queue_.push_back({position, std::move(entry)});
  }
  pass("queued");
  wake_.notify_one();
  answer(at_once, {});
  return position;
}

log_position rocks_store::reached(durability level) const noexcept {
  switch (level) {
  case durability::disk:
    return log_position{synced_.load()};
  case durability::process:
    return log_position{written_.load()};
  case durability::memory:
    break;
  }
  std::lock_guard hold{mutex_};
  return log_position{last_};
}

// What waits, up to a group's size; empty: stop.
std::vector<rocks_store::waiting> rocks_store::next_group() {
  std::unique_lock lock{mutex_};
  auto something = [this] { return stopping_ || !queue_.empty(); };
  while (!something()) {
    if (state_ != state::full) {
      wake_.wait(lock, something);
    } else if (!wake_.wait_for(lock, options_.room_check, something)) {
      lock.unlock();
      look_for_room();
      lock.lock();
    }
  }
  std::vector<waiting> group;
  std::size_t bytes = 0;
  while (!queue_.empty() && (group.empty() || bytes < options_.group_bytes_max)) {
    bytes += bytes_of(queue_.front().entry);
    group.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return group;
}

void rocks_store::run_log() {
  for (;;) {
    auto group = next_group();
    if (group.empty())
      return;
    look_at_disk();
    std::size_t bytes = 0;
    for (const auto& one : group)
      bytes += bytes_of(one.entry);
    commit(group);
    queue_bytes_ -= bytes;
    queue_entries_ -= group.size();
  }
}

void rocks_store::commit(std::vector<waiting>& group) {
  auto end = number(group.back().position);
  if (state_ == state::failed || !write_group(group)) {
    auto why = refusal();
    for (auto& one : group)
      answer(one.entry, why);
    return;
  }
  written_ = end;
  if (on_record_)
    for (const auto& one : group)
      if (one.entry.stream != log_stream::none)
        on_record_(one.position, one.entry.stream, one.entry.record);
  auto wants_disk = false;
  for (auto& one : group)
    if (one.entry.wanted == durability::disk)
      wants_disk = true;
    else
      answer(one.entry, {});
  std::size_t record_bytes = 0;
  for (const auto& one : group)
    record_bytes += one.entry.record.size();
  {
    std::lock_guard hold{mutex_};
    counters_.records += group.size();
    counters_.record_bytes += record_bytes;
    ++counters_.groups;
    counters_.syncs += wants_disk ? 1 : 0;
  }
  if (!wants_disk)
    return pass("answered");
  pass("before_sync");
  auto synced = database_->sync();
  pass("after_sync");
  if (synced)
    synced_ = end;
  else
    fail_for_good(synced.error());
  for (auto& one : group)
    answer(one.entry, synced);
  pass("answered");
}

// Before the disk is really full, since RocksDB itself takes seconds to come back from that: what
// was let in still goes into the ballast's room.
void rocks_store::look_at_disk() {
  if (state_ == state::full)
    return look_for_room();
  auto free = folder_.free_bytes();
  if (state_ != state::open || !free || *free >= options_.ballast_bytes)
    return;
  note_full();
  folder_.drop_ballast();
}

void rocks_store::note_full() {
  state_ = state::full;
  std::lock_guard hold{mutex_};
  ++counters_.times_full;
}

// Twins out of memory need no log: at a start they are forgotten.
result<void> rocks_store::write_batches(rocksdb::WriteBatch& lasting,
                                        rocksdb::WriteBatch& passing) {
  if (lasting.Count() > 0)
    if (auto written = database_->write(lasting); !written)
      return written;
  lasting.Clear(); // It is there, whatever becomes of the other.
  if (passing.Count() == 0)
    return {};
  std::lock_guard hold{passive_mutex_};
  return database_->write_passing(passing);
}

// A full disk holds the group back, it does not lose it: somebody else took the ballast's room too.
// RocksDB looks for room itself, every five seconds.
bool rocks_store::write_group(std::vector<waiting>& group) {
  rocksdb::WriteBatch lasting;
  rocksdb::WriteBatch passing;
  for (const auto& one : group) {
    put_entry(lasting, *database_, one.position, one.entry);
    put_twins(passing, *database_, one.position, one.entry);
  }
  for (;;) {
    pass("before_write");
    auto written = write_batches(lasting, passing);
    pass("after_write");
    if (written)
      return true;
    if (written.error().code != errc::store_full) {
      fail_for_good(written.error());
      return false;
    }
    if (!wait_for_room())
      return false;
  }
}

// Makes room, or waits a while for it. False: the store is to stop.
bool rocks_store::wait_for_room() {
  if (state_ != state::full) {
    note_full();
  } else {
    std::unique_lock lock{mutex_};
    if (wake_.wait_for(lock, options_.room_check, [this] { return closing_; })) {
      lock.unlock();
      // What waits is not written, so nothing behind it may be.
      fail_for_good({errc::store_full, "the store was closed on a full disk"});
      return false;
    }
  }
  folder_.drop_ballast();
  static_cast<void>(database_->resume());
  return true;
}

// Whether the ballast can be put back, and as much again is free.
void rocks_store::look_for_room() {
  auto free = folder_.free_bytes();
  if (free && *free < 2 * options_.ballast_bytes)
    return;
  if (folder_.take_ballast(options_.ballast_bytes))
    state_ = state::open;
}

void rocks_store::fail_for_good(const error& why) {
  {
    std::lock_guard hold{mutex_};
    if (failure_.code == errc::none)
      failure_ = {errc::store_failed,
                  why.context + "; nothing more is written, start the node anew"};
  }
  state_ = state::failed;
}

// ---- snapshots ----------------------------------------------------------------------------------

result<void> rocks_store::write_snapshot(shard_snapshot made) {
  if (auto fine = refusal(); !fine)
    return fine;
  auto bytes = bytes_of(made);
  {
    std::lock_guard hold{snapshot_mutex_};
    if (snapshots_stopping_)
      return fail(errc::stopping, "the store is closed");
    if (snapshot_queue_.size() >= options_.snapshots_max
        || (!snapshot_queue_.empty() && snapshot_bytes_ + bytes > options_.snapshot_bytes_max))
      return fail(errc::overloaded, "the disk is behind with snapshots");
    snapshot_bytes_ += bytes;
    snapshot_queue_.push_back(std::move(made));
  }
  snapshot_wake_.notify_one();
  return {};
}

// Empty: there will be no more. Of one shard one at a time, since they have numbers. The first
// waits a moment for others: each file that the database takes in costs a look at all files it has,
// and the disk takes as long to note many as to note one.
std::vector<shard_snapshot> rocks_store::next_snapshots() {
  std::unique_lock lock{snapshot_mutex_};
  snapshot_wake_.wait(lock, [this] { return snapshots_stopping_ || !snapshot_queue_.empty(); });
  snapshot_wake_.wait_for(lock, snapshots_gather, [this] {
    return snapshots_stopping_ || snapshot_queue_.size() >= options_.snapshots_max / 2
           || snapshot_bytes_ >= options_.snapshot_bytes_max / 2;
  });
  std::vector<shard_snapshot> made;
  auto is_new = [&](const shard_snapshot& next) {
    return std::none_of(made.begin(), made.end(),
                        [&](const shard_snapshot& one) { return one.shard == next.shard; });
  };
  while (made.size() < snapshots_at_once && !snapshot_queue_.empty()
         && is_new(snapshot_queue_.front())) {
    made.push_back(std::move(snapshot_queue_.front()));
    snapshot_queue_.pop_front();
  }
  return made;
}

void rocks_store::run_snapshots() {
  for (auto made = next_snapshots(); !made.empty(); made = next_snapshots()) {
    auto done = make_snapshots(made);
    for (std::size_t i = 0; i < made.size(); ++i) {
      {
        std::lock_guard hold{mutex_};
        ++(done[i] ? counters_.snapshots : counters_.snapshots_failed);
      }
      if (made[i].done)
        made[i].done(done[i]);
      std::lock_guard hold{snapshot_mutex_};
      snapshot_bytes_ -= bytes_of(made[i]);
    }
  }
}

std::vector<result<void>> rocks_store::make_snapshots(const std::vector<shard_snapshot>& made) {
  std::vector<result<void>> done(made.size());
  auto note_all = [&](const result<void>& what) {
    for (auto& one : done)
      if (one)
        one = what;
    return what.has_value();
  };
  std::vector<store::snapshot_record> records;
  std::vector<rocks_database::key_range> left; // What earlier tries may have left.
  for (const auto& one : made) {
    records.push_back(next_record(one));
    left.emplace_back(store::state_prefix(one.shard, records.back().number),
                      store::prefix_end(store::passive_prefix(one.shard)));
  }
  if (!note_all(database_->erase(family::state, left)))
    return done;
  std::vector<std::string> files;
  for (std::size_t i = 0; i < made.size(); ++i)
    done[i] = make_file(made[i], records[i], files);
  if (!note_all(database_->ingest(family::state, files)))
    return done;
  pass("snapshot_file");
  if (!note_all(commit_snapshots(made, records, done)))
    return done;
  pass("snapshot_counted");
  note_all(drop_old(made, records, done));
  return done;
}

store::snapshot_record rocks_store::next_record(const shard_snapshot& made) {
  store::snapshot_record record{.number = 1, .position = made.position};
  std::lock_guard hold{snapshot_mutex_};
  if (auto known = snapshots_.find(made.shard); known != snapshots_.end())
    record.number = known->second.number + 1;
  return record;
}

// Its twins as a file, which does not count yet.
result<void> rocks_store::make_file(const shard_snapshot& made, store::snapshot_record& record,
                                    std::vector<std::string>& files) {
  auto prefix = store::state_prefix(made.shard, record.number);
  std::vector<std::pair<std::string, std::string_view>> pairs;
  std::deque<std::string> completions; // pairs point there
  for (const auto& [id, twin] : made.twins) {
    std::string_view whole = twin;
    if (made.passive.contains(id)) {
      auto complete = completed(made.shard, id, twin);
      if (!complete)
        return tl::unexpected(std::move(complete.error()));
      whole = completions.emplace_back(std::move(*complete));
    }
    record.digest = store::digest_with(record.digest, id, whole);
    pairs.emplace_back(prefix + id, whole);
  }
  record.twins = pairs.size();
  auto file =
      folder_.incoming() + "/shard-" + std::to_string(static_cast<unsigned>(made.shard)) + ".sst";
  if (pairs.empty())
    return {};
  auto written = database_->make_file(family::state, file, pairs);
  if (written)
    files.push_back(std::move(file));
  return written;
}

result<void> rocks_store::drop_old(const std::vector<shard_snapshot>& made,
                                   const std::vector<store::snapshot_record>& records,
                                   const std::vector<result<void>>& done) {
  std::vector<rocks_database::key_range> old;
  for (std::size_t i = 0; i < made.size(); ++i)
    if (done[i])
      old.emplace_back(store::passive_prefix(made[i].shard),
                       store::state_prefix(made[i].shard, records[i].number));
  if (auto gone = database_->erase(family::state, old); !gone)
    return gone;
  for (std::size_t i = 0; i < made.size(); ++i)
    if (done[i])
      if (auto cleared = clear_passive(made[i]); !cleared)
        return cleared;
  return {};
}

/// A twin out of memory, of which the cell knows the head.
result<std::string> rocks_store::completed(shard_id shard, const std::string& id,
                                           std::string_view head) const {
  auto known = find_twin(shard, id);
  if (!known)
    return tl::unexpected(std::move(known.error()));
  if (!*known)
    return fail(errc::store_corrupt, "twin " + id + " is neither in memory nor in the store");
  return complete_twin(head, **known);
}

// By way of the log's queue: so a snapshot never counts before the records that it holds are
// written. The disk is waited for here, where no write waits behind.
result<void> rocks_store::commit_snapshots(const std::vector<shard_snapshot>& made,
                                           const std::vector<store::snapshot_record>& records,
                                           const std::vector<result<void>>& done) {
  log_entry counting;
  counting.stream = log_stream::none;
  for (std::size_t i = 0; i < made.size(); ++i)
    if (done[i])
      counting.meta.push_back(
          {store::snapshot_key(made[i].shard), store::pack_snapshot(records[i])});
  if (auto written = append_and_wait(std::move(counting)); !written)
    return written;
  if (auto synced = database_->sync(); !synced) {
    fail_for_good(synced.error());
    return synced;
  }
  {
    std::lock_guard hold{mutex_};
    ++counters_.syncs;
  }
  std::lock_guard hold{snapshot_mutex_};
  for (std::size_t i = 0; i < made.size(); ++i)
    if (done[i])
      snapshots_[made[i].shard] = records[i];
  return {};
}

// The snapshot holds what left memory before it was cut.
result<void> rocks_store::clear_passive(const shard_snapshot& made) {
  auto prefix = store::passive_prefix(made.shard);
  std::vector<std::string> keys;
  auto read = database_->read(family::passive, prefix, store::prefix_end(prefix),
                              [&](auto key, auto content) -> result<void> {
                                if (passive_position(content) <= number(made.position))
                                  keys.emplace_back(key);
                                return {};
                              });
  pass("passive_listed");
  // A few at a time, since the log waits meanwhile.
  constexpr std::size_t at_once = 64;
  std::span<const std::string> left{keys};
  while (read && !left.empty()) {
    auto some = left.first(std::min(at_once, left.size()));
    read = erase_passive(some, made.position);
    left = left.subspan(some.size());
  }
  return read;
}

// But not a twin that has left memory again since it was listed: the log's thread writes those.
result<void> rocks_store::erase_passive(std::span<const std::string> keys, log_position up_to) {
  std::lock_guard hold{passive_mutex_};
  rocksdb::WriteBatch batch;
  for (const auto& key : keys) {
    auto content = database_->get(family::passive, key);
    if (!content)
      return tl::unexpected(std::move(content.error()));
    if (*content && passive_position(**content) <= number(up_to))
      static_cast<void>(batch.Delete(database_->at(family::passive), key));
  }
  return batch.Count() == 0 ? result<void>{} : database_->write_passing(batch);
}

std::map<shard_id, snapshot_info> rocks_store::snapshots() const {
  std::lock_guard hold{snapshot_mutex_};
  std::map<shard_id, snapshot_info> made;
  for (const auto& [shard, record] : snapshots_)
    made[shard] = {record.position, record.twins};
  return made;
}

// ---- reading ------------------------------------------------------------------------------------

result<void> rocks_store::read_snapshot(shard_id shard, const twin_sink& each) const {
  store::snapshot_record record;
  {
    std::lock_guard hold{snapshot_mutex_};
    if (auto known = snapshots_.find(shard); known != snapshots_.end())
      record = known->second;
  }
  auto name = "snapshot of shard " + std::to_string(static_cast<unsigned>(shard));
  auto prefix = store::state_prefix(shard, record.number);
  std::uint64_t count = 0;
  std::uint64_t digest = 0;
  auto take = [&](std::string_view key, std::string_view twin) -> result<void> {
    auto id = key.substr(prefix.size());
    ++count;
    digest = store::digest_with(digest, id, twin);
    if (auto taken = each(id, twin); !taken)
      return fail(taken.error().code,
                  name + ", twin " + std::string{id} + ": " + taken.error().context);
    return {};
  };
  if (record.number > 0)
    if (auto read = database_->read(family::state, prefix, store::prefix_end(prefix), take); !read)
      return read;
  if (count != record.twins || digest != record.digest)
    return fail(errc::store_corrupt,
                name + ": it holds " + std::to_string(count) + " twins, not "
                    + (count != record.twins ? "the " + std::to_string(record.twins) : "those")
                    + " that were written");
  return {};
}

result<std::optional<std::string>> rocks_store::read_twin(shard_id shard,
                                                          std::string_view id) const {
  auto began = steady_now();
  auto found = find_twin(shard, id);
  auto took = steady_now() - began;
  std::lock_guard hold{reads_mutex_};
  reads_.record(std::max(took, histogram::value_min));
  return found;
}

histogram rocks_store::read_latency() const {
  std::lock_guard hold{reads_mutex_};
  return reads_;
}

result<std::optional<std::string>> rocks_store::find_twin(shard_id shard,
                                                          std::string_view id) const {
  auto passive = database_->get(family::passive, store::passive_prefix(shard) + std::string{id});
  if (!passive)
    return passive;
  if (*passive) {
    if ((*passive)->size() < sizeof(std::uint64_t))
      return fail(errc::store_corrupt, "twin " + std::string{id} + ": it ends too early");
    return (*passive)->substr(sizeof(std::uint64_t));
  }
  // A snapshot that is replaced meanwhile is not there any more.
  constexpr int attempts_max = 8;
  std::optional<std::uint32_t> snapshot;
  for (int attempt = 0; attempt < attempts_max; ++attempt) {
    std::uint32_t number = 0;
    {
      std::lock_guard hold{snapshot_mutex_};
      if (auto known = snapshots_.find(shard); known != snapshots_.end())
        number = known->second.number;
    }
    if (snapshot == number)
      break;
    snapshot = number;
    auto found =
        database_->get(family::state, store::state_prefix(shard, number) + std::string{id});
    if (!found || *found)
      return found;
  }
  return std::optional<std::string>{};
}

result<void> rocks_store::read_log(log_position after, const record_sink& each) const {
  auto next = number(after) + 1;
  auto take = [&](std::string_view key, std::string_view content) -> result<void> {
    auto position = store::parse_log_key(key);
    if (!position || content.empty())
      return fail(errc::store_corrupt, "the log has an entry that is none");
    if (number(*position) != next)
      return fail(errc::store_corrupt, "the log misses record " + std::to_string(next));
    ++next;
    if (content.front() == static_cast<char>(log_stream::none))
      return {};
    return each(*position, static_cast<log_stream>(content.front()), content.substr(1));
  };
  auto end = reached(durability::process);
  if (auto read = database_->read(family::log, store::log_key(log_position{next}), {}, take); !read)
    return read;
  if (next <= number(end))
    return fail(errc::store_corrupt, "the log misses record " + std::to_string(next));
  return {};
}

result<std::optional<std::string>> rocks_store::read_meta(std::string_view key) const {
  return database_->get(family::meta, key);
}

result<void> rocks_store::read_meta_all(std::string_view prefix, const meta_sink& each) const {
  return database_->read(family::meta, prefix, store::prefix_end(std::string{prefix}), each);
}

std::pair<log_position, log_position> rocks_store::log_range() const {
  std::scoped_lock hold{mutex_, snapshot_mutex_};
  return {log_position{trimmed_ + 1}, log_position{last_}};
}

rocks_store::counters rocks_store::count() const {
  std::lock_guard hold{mutex_};
  auto made = counters_;
  made.queue_bytes = queue_bytes_;
  made.queue_entries = queue_entries_;
  return made;
}

// ---- keeping it small ---------------------------------------------------------------------------

result<void> rocks_store::append_and_wait(log_entry entry) {
  std::promise<result<void>> answered;
  entry.done = [&](result<void> what) { answered.set_value(std::move(what)); };
  if (auto taken = append(std::move(entry)); !taken)
    return tl::unexpected(std::move(taken.error()));
  return answered.get_future().get();
}

result<void> rocks_store::settle() {
  log_entry entry;
  entry.stream = log_stream::none;
  entry.admitted = true;
  return append_and_wait(std::move(entry));
}

result<void> rocks_store::write_now(std::string_view key, std::optional<std::string> content) {
  log_entry entry;
  entry.stream = log_stream::none;
  entry.meta.push_back({std::string{key}, std::move(content)});
  return append_and_wait(std::move(entry));
}

result<void> rocks_store::retain(std::string_view holder, std::optional<log_position> from) {
  auto content = from ? std::optional{store::pack_position(*from)} : std::nullopt;
  if (auto written = write_now(std::string{store::holder_prefix} + std::string{holder}, content);
      !written)
    return written;
  std::lock_guard hold{snapshot_mutex_};
  if (from)
    holders_.insert_or_assign(std::string{holder}, *from);
  else if (auto known = holders_.find(holder); known != holders_.end())
    holders_.erase(known);
  return {};
}

log_position rocks_store::trimmed() const {
  std::lock_guard hold{snapshot_mutex_};
  return log_position{trimmed_};
}

result<log_position> rocks_store::trim(log_position checkpoint) {
  auto up_to = std::min(number(checkpoint), number(reached(durability::process)));
  std::uint64_t from = 0;
  {
    std::lock_guard hold{snapshot_mutex_};
    for (const auto& [holder, position] : holders_)
      up_to = std::min(up_to, number(position));
    from = trimmed_;
  }
  if (up_to <= from)
    return log_position{from};
  if (auto said = write_now(store::trimmed_key, store::pack_position(log_position{up_to})); !said)
    return tl::unexpected(std::move(said.error()));
  pass("trim_noted");
  {
    std::lock_guard hold{snapshot_mutex_};
    trimmed_ = up_to;
  }
  auto gone =
      database_->erase(family::log, store::log_key({}), store::log_key(log_position{up_to + 1}));
  if (!gone)
    return tl::unexpected(std::move(gone.error()));
  pass("trimmed");
  {
    std::lock_guard hold{mutex_};
    ++counters_.trims;
    counters_.trimmed += up_to - from;
  }
  return log_position{up_to};
}

result<void> rocks_store::backup(const std::string& target) {
  // A fact goes through the queue, and with it all that was appended before.
  if (auto drained = write_now("store/backup", target); !drained)
    return drained;
  return database_->checkpoint(target);
}

} // namespace gemel
