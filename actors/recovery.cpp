#include "actors/recovery.hpp"

#include <algorithm>
#include <atomic>
#include <unordered_set>

namespace gemel {

namespace {

constexpr log_position nothing{UINT64_MAX};

// Bytes of records that are read before they are worked on: some 100,000 events.
constexpr std::size_t window_bytes_max = std::size_t{2} << 20;

result<void> at_record(log_position at, const error& why) {
  return fail(why.code,
              "log record " + std::to_string(static_cast<std::uint64_t>(at)) + ": " + why.context);
}

} // namespace

recovery::recovery(store_port& from, directory& twins, std::vector<cell*> cells,
                   run_all_function run_all)
    : from_{from}, twins_{twins}, cells_{std::move(cells)}, basis_(limits::shards),
      needed_(limits::shards, nothing), redo_(cells_.size()), run_all_{std::move(run_all)},
      work_(cells_.size()) {
}

result<recovery_facts> recovery::run(const moment& now) {
  if (auto read = read_snapshots(); !read)
    return tl::unexpected<error>(std::move(read.error()));
  if (auto read = read_log(); !read)
    return tl::unexpected<error>(std::move(read.error()));
  settle_commits();
  for (std::size_t shard = 0; shard < needed_.size(); ++shard)
    if (needed_[shard] != nothing)
      if (auto* journal = owner(shard_id{static_cast<std::uint16_t>(shard)}).journal())
        journal->needs(static_cast<std::uint16_t>(shard), needed_[shard]);
  std::vector<std::size_t> orphans(cells_.size());
  static_cast<void>(in_each_cell([&](std::size_t i) -> result<void> {
    orphans[i] = cells_[i]->restore_groups();
    return {};
  }));
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    facts_.orphans += orphans[i];
    facts_.strangers += work_[i].strangers;
  }
  if (auto opened = open_groups(now); !opened)
    return tl::unexpected<error>(std::move(opened.error()));
  static_cast<void>(in_each_cell([&](std::size_t i) -> result<void> {
    cells_[i]->list_all(now);
    return {};
  }));
  for (auto* one : cells_)
    facts_.twins += one->twins();
  return facts_;
}

std::vector<std::function<void(cell&, const moment&)>> recovery::first_jobs() {
  std::vector<std::function<void(cell&, const moment&)>> jobs;
  for (auto& plans : redo_)
    jobs.emplace_back([plans = std::move(plans)](cell& of, const moment& now) mutable {
      for (auto& [index, what] : plans)
        of.redo(index, what, now);
      of.wake_restored(now);
    });
  return jobs;
}

/// Does `what` for each cell, and returns the first error.
result<void> recovery::in_each_cell(const std::function<result<void>(std::size_t cell)>& what) {
  std::vector<std::function<void()>> jobs;
  for (std::size_t i = 0; i < cells_.size(); ++i)
    jobs.emplace_back([this, i, &what] { work_[i].done = what(i); });
  if (run_all_)
    run_all_(jobs);
  else
    for (const auto& job : jobs)
      job();
  for (auto& one : work_)
    if (!one.done)
      return one.done;
  return {};
}

// ---- snapshots ----------------------------------------------------------------------------------

result<void> recovery::read_snapshots() {
  for (const auto& [shard, known] : from_.snapshots())
    basis_[static_cast<std::size_t>(shard)] = known.position;
  for (auto position : basis_)
    facts_.snapshots += position != log_position{};
  if (auto read = in_each_cell([this](std::size_t cell) { return read_shards_of(cell); }); !read)
    return read;
  for (auto& one : work_)
    for (const auto& twin : one.doubtful)
      if (auto taken = take_twin(twin.shard, twin.id, twin.packed, false); !taken)
        return taken;
  return {};
}

result<void> recovery::read_shards_of(std::size_t cell) {
  for (auto shard = cell; shard < limits::shards; shard += cells_.size()) {
    auto number = shard_id{static_cast<std::uint16_t>(shard)};
    auto read = from_.read_snapshot(number, [&](std::string_view id, std::string_view packed) {
      return take_twin(number, id, packed, true);
    });
    if (!read)
      return read;
  }
  return {};
}

/// A twin that moved may stand in two snapshots: the later one knows where it is.
/// @param others_run nobody else's rows may be looked at: such a twin is put aside.
result<void> recovery::take_twin(shard_id shard, std::string_view id, std::string_view packed,
                                 bool others_run) {
  auto put_aside = [&]() -> result<void> {
    work_[number_of(shard)].doubtful.push_back({shard, std::string{id}, std::string{packed}});
    return {};
  };
  auto twin = unpack_twin(packed);
  if (!twin)
    return tl::unexpected<error>(std::move(twin.error()));
  if (auto known = twins_.find(id)) {
    if (others_run && static_cast<std::size_t>(known->cell) != number_of(shard))
      return put_aside();
    const auto& row = row_at(*known);
    auto other = row.shard;
    bool is_newer = other == static_cast<std::uint16_t>(shard)
                        ? row.version <= twin->version
                        : basis(other) < basis(static_cast<std::uint16_t>(shard));
    // The other one shows what is gone from there until it is written anew: the log must not forget
    // before.
    if (auto stale = is_newer ? other : static_cast<std::uint16_t>(shard);
        other != static_cast<std::uint16_t>(shard))
      note_need(stale, log_position{static_cast<std::uint64_t>(basis(stale)) + 1});
    if (!is_newer)
      return {};
    at(*known).discard(known->row);
  }
  auto made = owner(shard).restore(shard, id, *twin);
  if (!made && made.error().code == errc::twin_exists && others_run)
    return put_aside();
  if (!made)
    return tl::unexpected<error>(std::move(made.error()));
  owner(shard).restored_from_store(*made);
  return {};
}

// ---- the log ------------------------------------------------------------------------------------

result<void> recovery::read_log() {
  auto take = [this](log_position at, log_stream stream, std::string_view bytes) -> result<void> {
    if (stream != log_stream::twins && stream != log_stream::commits)
      return {};
    ++facts_.records;
    window_.push_back({at, stream, std::string{bytes}});
    window_bytes_ += bytes.size();
    return window_bytes_ < window_bytes_max ? result<void>{} : take_window();
  };
  if (auto read = from_.read_log(from_.trimmed(), take); !read)
    return read;
  return take_window();
}

/// Whether another cell may have to come to this record first: it holds a twin that
/// goes to another cell, or one that is made anew, maybe elsewhere. @param removed the twins
/// that were removed by the records before.
bool recovery::concerns_several(const read_record& record,
                                std::unordered_set<std::string_view>& removed) {
  if (record.stream == log_stream::commits)
    return false;
  bool several = false;
  for (const auto& event : record.events) {
    if (event.kind == event_kind::removed)
      removed.insert(event.id);
    several = several || event.kind == event_kind::moved
              || (event.kind == event_kind::created && removed.contains(event.id));
  }
  return several;
}

/// Records are decoded each by itself, their events applied cell by cell, in order. A twin that
/// goes to another cell waits for all before it.
result<void> recovery::take_window() {
  auto decoded = in_each_cell([this](std::size_t cell) -> result<void> {
    for (auto i = cell; i < window_.size(); i += cells_.size())
      if (auto fine = decode(window_[i]); !fine)
        return at_record(window_[i].at, fine.error());
    return {};
  });
  if (!decoded)
    return decoded;
  std::size_t from = 0;
  std::unordered_set<std::string_view> removed;
  for (std::size_t i = 0; i < window_.size(); ++i) {
    const auto& events = window_[i].events;
    facts_.events += events.size();
    if (!concerns_several(window_[i], removed)) [[likely]]
      continue;
    if (auto done = apply(from, i); !done)
      return done;
    for (const auto& event : events)
      if (auto taken = take_event(window_[i].at, event, false); !taken)
        return at_record(window_[i].at, taken.error());
    from = i + 1;
  }
  auto done = apply(from, window_.size());
  window_.clear();
  window_bytes_ = 0;
  return done ? send_out() : done;
}

/// Whom there is no room for leaves before the next window comes.
result<void> recovery::send_out() {
  std::atomic<bool> some_leave{false};
  static_cast<void>(in_each_cell([&](std::size_t i) -> result<void> {
    if (cells_[i]->send_out_restored())
      some_leave = true;
    return {};
  }));
  if (some_leave)
    if (auto settled = from_.settle(); !settled)
      return settled;
  return in_each_cell([&](std::size_t i) -> result<void> {
    cells_[i]->restored_left();
    return {};
  });
}

result<void> recovery::decode(read_record& record) const {
  auto reader = log_record_reader::open(record.bytes);
  if (!reader)
    return tl::unexpected<error>(std::move(reader.error()));
  record.reader.emplace(std::move(*reader)); // the events' ids lie in it
  record.events.reserve(record.reader->events());
  for (;;) {
    auto more = record.reader->next(record.events.emplace_back());
    if (!more)
      return tl::unexpected<error>(std::move(more.error()));
    if (!*more)
      break;
  }
  record.events.pop_back();
  return {};
}

/// Records of which none concerns several cells.
result<void> recovery::apply(std::size_t from, std::size_t to) {
  if (from == to)
    return {};
  return in_each_cell([&](std::size_t cell) { return apply(cell, from, to); });
}

/// The events of one cell's shards.
result<void> recovery::apply(std::size_t cell, std::size_t from, std::size_t to) {
  for (auto i = from; i < to; ++i)
    for (const auto& event : window_[i].events) {
      if (number_of(event.shard) != cell)
        continue;
      if (window_[i].stream == log_stream::commits)
        take_commit(window_[i].at, event);
      else if (auto taken = take_event(window_[i].at, event, true); !taken)
        return at_record(window_[i].at, taken.error());
    }
  return {};
}

void recovery::note_need(std::uint16_t shard, log_position from) {
  needed_[shard] = std::min(needed_[shard], from);
}

/// @param others_run nobody else's rows may be looked at.
result<void> recovery::take_event(log_position at, const stored_event& event, bool others_run) {
  auto& mine = work_[number_of(event.shard)];
  if (!mine.commits.empty()) {
    auto known = mine.commits.find(std::string{event.id});
    if (known != mine.commits.end()
        && (event.kind != event_kind::updated || event.version > known->second.what.version))
      mine.commits.erase(known);
  }
  auto shard = static_cast<std::uint16_t>(event.shard);
  if (at > basis(shard))
    note_need(shard, at);
  auto where = twins_.find(event.id);
  if (event.kind == event_kind::created)
    return create(at, event, others_run);
  // What came to another cell is known from there, with all that was before.
  if (where && event.kind != event_kind::moved && event.kind != event_kind::created
      && static_cast<std::size_t>(where->cell) != number_of(event.shard))
    return {};
  bool is_known = where && this->at(*where).holds(where->row, event.id);
  if (!is_known) {
    mine.strangers += at > basis(shard);
    return {};
  }
  if (at <= basis(row_at(*where).shard))
    return {};
  if (event.kind == event_kind::updated)
    update(*where, event);
  else if (event.kind == event_kind::lifecycle)
    this->at(*where).restore_lifecycle(where->row, event.lifecycle);
  else if (event.kind == event_kind::removed)
    this->at(*where).discard(where->row);
  else if (event.kind == event_kind::moved)
    return move(*where, at, event);
  return {};
}

/// Of a new twin, or of one that came from another shard, of which `moved` stands behind it.
result<void> recovery::create(log_position at, const stored_event& event, bool others_run) {
  if (at <= basis(static_cast<std::uint16_t>(event.shard)))
    return {};
  if (auto known = twins_.find(event.id)) {
    // It went to another cell later, whose snapshot has it.
    bool elsewhere = static_cast<std::size_t>(known->cell) != number_of(event.shard);
    if ((elsewhere && others_run) || at <= basis(row_at(*known).shard))
      return {};
    this->at(*known).discard(known->row);
  }
  stored_twin made;
  made.type = event.type;
  made.parent = event.parent;
  made.placement = event.placement;
  made.lifecycle = event.lifecycle;
  made.version = event.version;
  made.created = {event.time, event.write};
  made.updated = event.time;
  for (const auto& one : event.changes)
    if (!one.removed)
      made.properties.push_back({std::string{one.key}, one.content, one.at, event.source_time_us});
  auto done = owner(event.shard).restore(event.shard, event.id, made);
  if (!done)
    return tl::unexpected<error>(std::move(done.error()));
  return {};
}

void recovery::update(location where, const stored_event& event) {
  if (event.version <= row_at(where).version)
    return;
  auto& changes = work_[number_of(event.shard)].changes;
  changes.clear();
  for (const auto& one : event.changes)
    changes.push_back(
        {one.key, one.removed ? nullptr : &one.content, one.at, event.source_time_us});
  auto& in = at(where);
  in.restore_changes(where.row, changes, event.version, event.time);
  in.restore_lifecycle(where.row, event.lifecycle);
}

result<void> recovery::move(location where, log_position at, const stored_event& event) {
  auto& from = this->at(where);
  auto before = from.row(where.row).shard;
  auto after = static_cast<std::uint16_t>(event.shard);
  note_need(before, at);
  if (before != after && at <= basis(after)) {
    // Where it went is known from there, and it is not there any more.
    from.discard(where.row);
    return {};
  }
  stamp created{event.time, event.write};
  if (&owner(event.shard) == &from) {
    from.restore_place(where.row, event.shard, event.parent, created);
    return {};
  }
  auto twin = from.stored(where.row);
  twin.parent = event.parent;
  twin.created = created;
  from.discard(where.row);
  auto made = owner(event.shard).restore(event.shard, event.id, twin);
  if (!made)
    return tl::unexpected<error>(std::move(made.error()));
  return {};
}

// ---- atomic batches -----------------------------------------------------------------------------

/// What follows in the log of this twin is its share, carried out, or comes after it.
void recovery::take_commit(log_position at, const stored_event& event) {
  auto& lost = work_[number_of(event.shard)].commits[std::string{event.id}];
  lost = {};
  lost.position = at;
  lost.what.id = event.id;
  lost.what.shard = static_cast<std::uint16_t>(event.shard);
  lost.what.version = event.version;
  lost.what.source_time_us = event.source_time_us;
  for (const auto& one : event.changes)
    lost.changes.push_back({std::string{one.key}, {{}, one.content, one.removed}});
}

void recovery::settle_commits() {
  for (auto& one : work_)
    for (auto& [id, lost] : one.commits)
      settle(id, lost);
}

void recovery::settle(const std::string& id, lost_share& lost) {
  auto where = twins_.find(id);
  if (!where)
    return;
  auto& in = at(*where);
  const auto& row = in.row(where->row);
  if (lost.position <= basis(row.shard) || row.version != lost.what.version)
    return;
  for (auto& [key, change] : lost.changes)
    if (auto number = in.keys().intern(key)) {
      change.key = key_id{*number};
      lost.what.changes.push_back(std::move(change));
    }
  note_need(row.shard, lost.position);
  redo_[static_cast<std::size_t>(where->cell)].emplace_back(where->row, std::move(lost.what));
  ++facts_.redone;
}

// ---- the tree -----------------------------------------------------------------------------------

result<void> recovery::open_groups(const moment& now) {
  for (std::size_t i = 0; i < cells_.size(); ++i)
    for (std::uint32_t group = 0; group < cells_[i]->group_count(); ++group)
      if (auto opened = open_group(i, group, now); !opened)
        return opened;
  return {};
}

/// Opens a group after those above it, whose paths are in its own.
result<void> recovery::open_group(std::size_t cell, std::uint32_t group, const moment& now) {
  struct step {
    std::size_t cell;
    std::uint32_t group;
  };
  std::vector<step> path{{cell, group}};
  while (!path.empty()) {
    auto [c, g] = path.back();
    if (cells_[c]->is_open(g)) {
      path.pop_back();
      continue;
    }
    const auto& parent = cells_[c]->parent_of(g);
    if (path.size() > limits::hierarchy_depth_max)
      return fail(errc::store_corrupt, "twin " + parent + " lies below itself");
    auto where = twins_.find(parent);
    GEMEL_CHECK(where.has_value());
    const auto& row = row_at(*where);
    if (row.group != twin_row::none && !at(*where).is_open(row.group)) {
      path.push_back({static_cast<std::size_t>(where->cell), row.group});
      continue;
    }
    cells_[c]->open_restored(g, at(*where).describe_for_group(where->row),
                             row.lifecycle == lifecycle_state::retired, now);
    path.pop_back();
  }
  return {};
}

} // namespace gemel
