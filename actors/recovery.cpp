#include "actors/recovery.hpp"

#include <algorithm>

namespace gemel {

namespace {

constexpr log_position nothing{UINT64_MAX};

result<void> at_record(log_position at, const error& why) {
  return fail(why.code,
              "log record " + std::to_string(static_cast<std::uint64_t>(at)) + ": " + why.context);
}

} // namespace

recovery::recovery(const store_port& from, directory& twins, std::vector<cell*> cells)
    : from_{from}, twins_{twins}, cells_{std::move(cells)}, basis_(limits::shards),
      needed_(limits::shards, nothing), redo_(cells_.size()) {
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
  for (auto* one : cells_)
    facts_.orphans += one->restore_groups();
  if (auto opened = open_groups(now); !opened)
    return tl::unexpected<error>(std::move(opened.error()));
  for (auto* one : cells_) {
    one->list_all(now);
    facts_.twins += one->twins();
  }
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

// ---- snapshots ----------------------------------------------------------------------------------

result<void> recovery::read_snapshots() {
  for (const auto& [shard, known] : from_.snapshots())
    basis_[static_cast<std::size_t>(shard)] = known.position;
  for (std::uint16_t shard = 0; shard < limits::shards; ++shard) {
    facts_.snapshots += basis_[shard] != log_position{};
    auto read =
        from_.read_snapshot(shard_id{shard}, [&](std::string_view id, std::string_view packed) {
          return take_twin(shard_id{shard}, id, packed);
        });
    if (!read)
      return read;
  }
  return {};
}

/// A twin that moved may stand in two snapshots: the later one knows where it is.
result<void> recovery::take_twin(shard_id shard, std::string_view id, std::string_view packed) {
  auto twin = unpack_twin(packed);
  if (!twin)
    return tl::unexpected<error>(std::move(twin.error()));
  if (auto known = twins_.find(id)) {
    const auto& row = row_at(*known);
    auto other = row.shard;
    bool is_newer = other == static_cast<std::uint16_t>(shard)
                        ? row.version <= twin->version
                        : basis(other) < basis(static_cast<std::uint16_t>(shard));
    if (!is_newer)
      return {};
    at(*known).discard(known->row);
  }
  auto made = owner(shard).restore(shard, id, *twin);
  if (!made)
    return tl::unexpected<error>(std::move(made.error()));
  return {};
}

// ---- the log ------------------------------------------------------------------------------------

result<void> recovery::read_log() {
  return from_.read_log(from_.trimmed(),
                        [this](log_position at, log_stream stream, std::string_view bytes) {
                          return take_record(at, stream, bytes);
                        });
}

result<void> recovery::take_record(log_position at, log_stream stream, std::string_view bytes) {
  if (stream != log_stream::twins && stream != log_stream::commits)
    return {};
  ++facts_.records;
  auto reader = log_record_reader::open(bytes);
  if (!reader)
    return at_record(at, reader.error());
  stored_event event;
  for (;;) {
    auto more = reader->next(event);
    if (!more)
      return at_record(at, more.error());
    if (!*more)
      return {};
    ++facts_.events;
    if (stream == log_stream::commits)
      take_commit(at, event);
    else if (auto taken = take_event(at, event); !taken)
      return at_record(at, taken.error());
  }
}

void recovery::note_need(std::uint16_t shard, log_position from) {
  needed_[shard] = std::min(needed_[shard], from);
}

result<void> recovery::take_event(log_position at, const stored_event& event) {
  if (!commits_.empty()) {
    auto known = commits_.find(std::string{event.id});
    if (known != commits_.end()
        && (event.kind != event_kind::updated || event.version > known->second.what.version))
      commits_.erase(known);
  }
  auto shard = static_cast<std::uint16_t>(event.shard);
  if (at > basis(shard))
    note_need(shard, at);
  auto where = twins_.find(event.id);
  bool is_known = where && this->at(*where).holds(where->row, event.id);
  if (event.kind == event_kind::created)
    return create(at, event);
  if (!is_known) {
    facts_.strangers += at > basis(shard);
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

result<void> recovery::create(log_position at, const stored_event& event) {
  if (at <= basis(static_cast<std::uint16_t>(event.shard)))
    return {};
  if (auto known = twins_.find(event.id)) {
    if (at <= basis(row_at(*known).shard))
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
  changes_.clear();
  for (const auto& one : event.changes)
    changes_.push_back(
        {one.key, one.removed ? nullptr : &one.content, one.at, event.source_time_us});
  auto& in = at(where);
  in.restore_changes(where.row, changes_, event.version, event.time);
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
  auto& lost = commits_[std::string{event.id}];
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
  for (auto& [id, lost] : commits_) {
    auto where = twins_.find(id);
    if (!where)
      continue;
    auto& in = at(*where);
    const auto& row = in.row(where->row);
    if (lost.position <= basis(row.shard) || row.version != lost.what.version)
      continue;
    for (auto& [key, change] : lost.changes)
      if (auto number = in.keys().intern(key)) {
        change.key = key_id{*number};
        lost.what.changes.push_back(std::move(change));
      }
    note_need(row.shard, lost.position);
    redo_[static_cast<std::size_t>(where->cell)].emplace_back(where->row, std::move(lost.what));
    ++facts_.redone;
  }
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
