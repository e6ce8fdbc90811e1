#include "runtime/adapters/store_tools.hpp"

#include "actors/log_record.hpp"
#include "actors/twin_state.hpp"
#include "runtime/adapters/files.hpp"
#include "runtime/adapters/rocks_database.hpp"
#include "runtime/adapters/rocks_store.hpp"
#include "runtime/adapters/store_folder.hpp"
#include "runtime/store/write_ahead_scan.hpp"

#include <fcntl.h>
#include <rocksdb/env.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>

namespace gemel {

namespace {

namespace fs = std::filesystem;
using family = rocks_database::family;

// Larger than RocksDB lets a log become.
constexpr std::size_t write_ahead_bytes_max = std::size_t{2} << 30;
constexpr const char* manifest_name = "BACKUP";
constexpr std::string_view manifest_head = "gemel backup, format 1\n";

void note(std::vector<std::string>& into, std::string what) {
  if (into.size() < findings_max)
    into.push_back(std::move(what));
  else if (into.size() == findings_max)
    into.emplace_back("there is more");
}

std::uint64_t number(log_position position) noexcept {
  return static_cast<std::uint64_t>(position);
}

std::string shard_name(shard_id shard) {
  return "shard " + std::to_string(static_cast<unsigned>(shard));
}

// RocksDB's lock on the folder, held as long as this lives.
class folder_lock {
public:
  static result<std::unique_ptr<folder_lock>> take(const store_folder& folder) {
    std::unique_ptr<folder_lock> made{new folder_lock};
    auto name = folder.database() + "/LOCK";
    if (!rocksdb::Env::Default()->FileExists(folder.database()).ok())
      return fail(errc::io_failed, folder.path() + ": there is no store here");
    if (!rocksdb::Env::Default()->LockFile(name, &made->lock_).ok())
      return fail(errc::io_failed, folder.path() + ": another process has this store open");
    return made;
  }
  ~folder_lock() {
    if (lock_ != nullptr)
      static_cast<void>(rocksdb::Env::Default()->UnlockFile(lock_));
  }
  folder_lock(const folder_lock&) = delete;
  folder_lock& operator=(const folder_lock&) = delete;

private:
  folder_lock() = default;
  rocksdb::FileLock* lock_ = nullptr;
};

std::uint64_t disk_bytes(const std::string& path) {
  std::uint64_t bytes = 0;
  std::error_code wrong;
  for (const auto& entry : fs::recursive_directory_iterator{path, wrong})
    if (std::error_code ignored; entry.is_regular_file(ignored))
      bytes += entry.file_size(ignored);
  return bytes;
}

// Reads all of a store, noting what is wrong and, for repair, what to do about it.
class auditor {
public:
  auditor(const store_folder& folder, const rocks_database& database, store_findings& into)
      : folder_{folder}, database_{database}, into_{into} {}

  struct bad_twin {
    family where{};
    std::string key{};
  };
  struct kept_snapshot {
    store::snapshot_record record{};
    bool is_wrong = false;
  };

  result<void> run() {
    using step = result<void> (auditor::*)();
    for (step next : {&auditor::read_facts, &auditor::read_table, &auditor::read_state,
                      &auditor::read_passive, &auditor::read_log})
      if (auto read = (this->*next)(); !read)
        return read;
    for (const auto& [shard, kept] : snapshots)
      if (number(kept.record.position) > into_.facts.log_last)
        note(into_.wrong, shard_name(shard) + ": its snapshot is of position "
                              + std::to_string(number(kept.record.position)) + ", the log ends at "
                              + std::to_string(into_.facts.log_last));
    auto closed = folder_.closed_at();
    into_.facts.closed_orderly = closed && *closed;
    if (!closed)
      note(into_.wrong, closed.error().context);
    else if (*closed && number(**closed) > into_.facts.log_last)
      note(into_.wrong, "the log ends at " + std::to_string(into_.facts.log_last)
                            + ", but ended at " + std::to_string(number(**closed))
                            + " when the store was closed");
    return {};
  }

  std::vector<bad_twin> bad_twins{};
  /// As they are without the bad twins.
  std::map<shard_id, kept_snapshot> snapshots{};
  /// Entries of the table of snapshots that say nothing.
  std::vector<std::string> bad_entries{};
  /// The log must end before here; 0: it need not.
  std::uint64_t cut_log_at = 0;
  std::uint64_t trimmed = 0;

private:
  result<void> read_facts() {
    return database_.read(family::meta, {}, {}, [&](auto key, auto content) -> result<void> {
      ++into_.facts.facts;
      if (key == store::identity_key)
        take_identity(content);
      if (key == store::trimmed_key) {
        if (auto position = store::unpack_position(content))
          trimmed = number(*position);
        else
          note(into_.wrong, position.error().context);
      }
      return {};
    });
  }

  void take_identity(std::string_view content) {
    auto known = store::unpack_identity(content);
    if (!known)
      return note(into_.wrong, known.error().context);
    into_.facts.id = known->id;
    into_.facts.node = known->node;
    into_.facts.incarnation = known->incarnation;
  }

  result<void> read_table() {
    std::string prefix{store::snapshot_prefix};
    return database_.read(family::meta, prefix, store::prefix_end(prefix),
                          [&](auto key, auto content) -> result<void> {
                            auto shard = store::parse_snapshot_key(key);
                            auto record = store::unpack_snapshot(content);
                            if (shard && record) {
                              written_[*shard] = *record;
                            } else {
                              bad_entries.emplace_back(key);
                              note(into_.wrong, "the table of snapshots has a damaged entry");
                            }
                            return {};
                          });
  }

  result<void> read_state() {
    for (const auto& [shard, record] : written_)
      if (auto read = read_snapshot(shard, record); !read)
        return read;
    into_.facts.shards = written_.size();
    return {};
  }

  result<void> read_snapshot(shard_id shard, const store::snapshot_record& written) {
    auto prefix = store::state_prefix(shard, written.number);
    auto& kept = snapshots[shard];
    kept.record = {written.number, written.position};
    std::uint64_t digest = 0;
    std::uint64_t count = 0;
    auto read = database_.read(
        family::state, prefix, store::prefix_end(prefix), [&](auto key, auto twin) -> result<void> {
          auto id = key.substr(prefix.size());
          ++count;
          digest = store::digest_with(digest, id, twin);
          into_.facts.twin_bytes += twin.size();
          if (!take_twin(family::state, shard, key, id, twin))
            return {};
          ++kept.record.twins;
          kept.record.digest = store::digest_with(kept.record.digest, id, twin);
          return {};
        });
    into_.facts.twins += kept.record.twins;
    kept.is_wrong = kept.record != written;
    if (count != written.twins || digest != written.digest)
      note(into_.wrong, shard_name(shard) + ": its snapshot holds " + std::to_string(count)
                            + " twins; " + std::to_string(written.twins)
                            + (count == written.twins ? " others" : "") + " were written");
    return read;
  }

  bool take_twin(family where, shard_id shard, std::string_view key, std::string_view id,
                 std::string_view bytes) {
    auto twin = unpack_twin(bytes);
    if (twin)
      return true;
    note(into_.wrong,
         shard_name(shard) + ", twin " + std::string{id} + ": " + twin.error().context);
    bad_twins.push_back({where, std::string{key}});
    return false;
  }

  result<void> read_passive() {
    constexpr std::size_t head = sizeof(std::uint64_t);
    return database_.read(family::passive, {}, {}, [&](auto key, auto content) -> result<void> {
      auto shard = shard_id{};
      if (key.size() > 2)
        shard = shard_id{static_cast<std::uint16_t>(static_cast<std::uint8_t>(key[0]) << 8
                                                    | static_cast<std::uint8_t>(key[1]))};
      auto id = key.substr(std::min<std::size_t>(2, key.size()));
      auto twin = content.substr(std::min(head, content.size()));
      if (take_twin(family::passive, shard, key, id, twin))
        ++into_.facts.passive_twins;
      return {};
    });
  }

  result<void> read_log() {
    auto next = trimmed + 1;
    into_.facts.log_first = next;
    auto read =
        database_.read(family::log, store::log_key(log_position{next}), {},
                       [&](auto key, auto content) -> result<void> {
                         auto position = store::parse_log_key(key);
                         auto why = why_bad(position, content, next);
                         if (!why.empty() && cut_log_at == 0) {
                           note(into_.wrong, "log record " + std::to_string(next) + ": " + why);
                           cut_log_at = next;
                         }
                         if (position)
                           next = number(*position) + 1;
                         ++into_.facts.log_records;
                         into_.facts.log_bytes += content.size();
                         return {};
                       });
    into_.facts.log_last = next - 1;
    return read;
  }

  // Empty: it is what it should be.
  std::string why_bad(std::optional<log_position> position, std::string_view content,
                      std::uint64_t expected) {
    if (!position || content.empty())
      return "it is none";
    if (number(*position) != expected)
      return "it is missing";
    auto stream = static_cast<log_stream>(content.front());
    if (stream > log_stream::rules)
      return "it is of an unknown kind";
    return stream == log_stream::twins ? why_no_record(content.substr(1)) : std::string{};
  }

  std::string why_no_record(std::string_view bytes) {
    auto reader = log_record_reader::open(bytes);
    if (!reader)
      return reader.error().context;
    for (;;) {
      auto more = reader->next(event_);
      if (!more)
        return more.error().context;
      if (!*more)
        return {};
      ++into_.facts.events;
    }
  }

  const store_folder& folder_;
  const rocks_database& database_;
  store_findings& into_;
  std::map<shard_id, store::snapshot_record> written_;
  stored_event event_;
};

// ---- repair -------------------------------------------------------------------------------------

result<void> mend(rocks_database& database, const auditor& seen, store_findings& into) {
  rocksdb::WriteBatch batch;
  for (const auto& bad : seen.bad_twins)
    static_cast<void>(batch.Delete(database.at(bad.where), bad.key));
  for (const auto& key : seen.bad_entries)
    static_cast<void>(batch.Delete(database.at(family::meta), key));
  for (const auto& [shard, kept] : seen.snapshots)
    if (kept.is_wrong)
      static_cast<void>(batch.Put(database.at(family::meta), store::snapshot_key(shard),
                                  store::pack_snapshot(kept.record)));
  if (auto written = database.write(batch); !written)
    return written;
  if (!seen.bad_twins.empty())
    note(into.done, "removed " + std::to_string(seen.bad_twins.size()) + " damaged twins");
  if (seen.cut_log_at == 0)
    return database.sync();
  auto from = store::log_key(log_position{seen.cut_log_at});
  if (auto cut = database.erase(family::log, from, std::string(9, '\xff')); !cut)
    return cut;
  note(into.done, "removed the log from record " + std::to_string(seen.cut_log_at) + " on");
  return database.sync();
}

// ---- backup -------------------------------------------------------------------------------------

result<std::string> line_of(const std::string& folder, const std::string& name) {
  auto bytes = read_file(folder + "/" + name, SIZE_MAX);
  if (!bytes)
    return tl::unexpected(std::move(bytes.error()));
  char text[64];
  auto size = std::snprintf(text, sizeof text, "%016llx %zu ",
                            static_cast<unsigned long long>(store::digest_with(0, {}, *bytes)),
                            bytes->size());
  return std::string{text, static_cast<std::size_t>(size)} + name + "\n";
}

result<void> sync_path(const std::string& path) {
  auto file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  auto done = file >= 0 && ::fsync(file) == 0;
  if (file >= 0)
    ::close(file);
  if (!done)
    return fail(errc::io_failed, path + ": it could not be synced");
  return {};
}

// All files below `folder` but the list itself, by name.
std::vector<std::string> files_in(const std::string& folder) {
  std::vector<std::string> made;
  std::error_code wrong;
  for (const auto& entry : fs::recursive_directory_iterator{folder, wrong})
    if (std::error_code ignored; entry.is_regular_file(ignored))
      made.push_back(fs::relative(entry.path(), folder, ignored).string());
  std::erase(made, manifest_name);
  std::sort(made.begin(), made.end());
  return made;
}

// RocksDB 7.8 does not sync all that it puts into a copy.
result<std::string> sync_and_list(const std::string& folder) {
  std::string text{manifest_head};
  for (const auto& name : files_in(folder)) {
    if (auto synced = sync_path(folder + "/" + name); !synced)
      return tl::unexpected(std::move(synced.error()));
    auto line = line_of(folder, name);
    if (!line)
      return line;
    text += *line;
  }
  for (const auto& below : {folder + "/db", folder})
    if (auto synced = sync_path(below); !synced)
      return tl::unexpected(std::move(synced.error()));
  return text;
}

result<void> check_backup(const std::string& folder) {
  auto listed = read_file(folder + "/" + manifest_name, std::size_t{64} << 20);
  if (!listed)
    return fail(errc::io_failed, folder + ": there is no backup here (no file BACKUP)");
  std::string_view text{*listed};
  if (!text.starts_with(manifest_head))
    return fail(errc::incompatible, folder + "/BACKUP: a list of another format");
  text.remove_prefix(manifest_head.size());
  while (!text.empty()) {
    auto line = text.substr(0, text.find('\n') + 1);
    auto name = line.size() > 18 ? line.substr(line.find(' ', 17) + 1) : std::string_view{};
    if (!name.ends_with('\n'))
      return fail(errc::store_corrupt, folder + "/BACKUP: it ends too early");
    name.remove_suffix(1);
    auto now = line_of(folder, std::string{name});
    if (!now)
      return tl::unexpected(std::move(now.error()));
    if (*now != line)
      return fail(errc::store_corrupt,
                  folder + "/" + std::string{name} + ": it is not as it was when it was backed up");
    text.remove_prefix(line.size());
  }
  return {};
}

result<void> make_new_folder(const std::string& path) {
  std::error_code wrong;
  if (fs::exists(path, wrong) && !fs::is_empty(path, wrong))
    return fail(errc::io_failed, path + ": it is there and not empty");
  fs::create_directories(path, wrong);
  if (wrong)
    return fail(errc::io_failed, path + ": " + wrong.message());
  return {};
}

result<std::unique_ptr<rocks_database>> open_to_read(const store_folder& folder) {
  return rocks_database::open(
      {.path = folder.database(), .create_if_missing = false, .read_only = true});
}

// Opens and closes it with a new incarnation.
result<void> renew(const std::string& path, const std::string& node) {
  rocks_store::options wanted;
  wanted.path = path;
  wanted.node = node;
  wanted.must_exist = true;
  wanted.after_loss = true;
  wanted.ballast_bytes = 0;
  auto opened = rocks_store::open(std::move(wanted));
  if (!opened)
    return tl::unexpected(std::move(opened.error()));
  (*opened)->stop();
  return {};
}

} // namespace

result<store_findings> check_store(const std::string& path) {
  store_folder folder{path};
  store_findings made;
  if (auto known = folder.check_format(); !known) {
    if (known.error().code != errc::store_corrupt)
      return tl::unexpected(std::move(known.error()));
    note(made.wrong, known.error().context);
  }
  auto lock = folder_lock::take(folder);
  if (!lock)
    return tl::unexpected(std::move(lock.error()));
  made.facts.disk_bytes = disk_bytes(path);
  if (auto logs = folder.check_write_ahead(); !logs)
    note(made.wrong, logs.error().context);
  auto database = open_to_read(folder);
  if (!database) {
    if (database.error().code == errc::incompatible)
      return tl::unexpected(std::move(database.error()));
    note(made.wrong, database.error().context);
    return made;
  }
  if (auto sound = (*database)->verify(); !sound)
    note(made.wrong, sound.error().context);
  auditor audit{folder, **database, made};
  if (auto read = audit.run(); !read)
    note(made.wrong, read.error().context);
  return made;
}

result<store_findings> repair_store(const std::string& path) {
  auto found = check_store(path);
  if (!found || found->wrong.empty())
    return found;
  store_folder folder{path};
  if (!folder.check_format())
    if (auto written =
            folder.write("FORMAT", "gemel store, format " + std::to_string(store::format) + "\n");
        !written)
      return tl::unexpected(std::move(written.error()));
  auto database = rocks_database::open({.path = folder.database(), .create_if_missing = false});
  if (!database) {
    if (auto rebuilt = rocks_database::rebuild(folder.database()); !rebuilt)
      return tl::unexpected(std::move(rebuilt.error()));
    note(found->done, "rebuilt the database from the files that are there");
    database = rocks_database::open({.path = folder.database(), .create_if_missing = false});
  }
  if (!database)
    return tl::unexpected(std::move(database.error()));
  store_findings again;
  auditor audit{folder, **database, again};
  if (auto read = audit.run(); !read)
    return tl::unexpected(std::move(read.error()));
  if (auto mended = mend(**database, audit, *found); !mended)
    return tl::unexpected(std::move(mended.error()));
  database->reset();
  if (auto renewed = renew(path, again.facts.node); !renewed)
    return tl::unexpected(std::move(renewed.error()));
  note(found->done, "took a new incarnation");
  auto facts = stats_of_store(path);
  if (!facts)
    return tl::unexpected(std::move(facts.error()));
  found->facts = *facts;
  return found;
}

result<store_facts> backup_store(const std::string& path, const std::string& target) {
  store_folder folder{path};
  if (auto known = folder.check_format(); !known)
    return tl::unexpected(std::move(known.error()));
  if (auto made = make_new_folder(target); !made)
    return tl::unexpected(std::move(made.error()));
  auto database = rocks_database::open({.path = folder.database(), .create_if_missing = false});
  if (!database)
    return tl::unexpected(std::move(database.error()));
  if (auto copied = (*database)->checkpoint(target + "/db"); !copied)
    return tl::unexpected(std::move(copied.error()));
  database->reset();
  store_folder copy{target};
  if (auto made = copy.create(); !made)
    return tl::unexpected(std::move(made.error()));
  auto listed = sync_and_list(target);
  if (!listed)
    return tl::unexpected(std::move(listed.error()));
  if (auto written = copy.write(manifest_name, *listed); !written)
    return tl::unexpected(std::move(written.error()));
  return stats_of_store(target);
}

result<store_facts> restore_store(const std::string& backup, const std::string& target) {
  if (auto known = store_folder{backup}.check_format(); !known)
    return tl::unexpected(std::move(known.error()));
  if (auto sound = check_backup(backup); !sound)
    return tl::unexpected(std::move(sound.error()));
  if (auto made = make_new_folder(target); !made)
    return tl::unexpected(std::move(made.error()));
  std::error_code wrong;
  fs::copy(backup, target, fs::copy_options::recursive, wrong);
  if (wrong)
    return fail(errc::io_failed, target + ": " + wrong.message());
  fs::remove(target + "/" + manifest_name, wrong);
  if (auto synced = sync_and_list(target); !synced)
    return tl::unexpected(std::move(synced.error()));
  auto facts = stats_of_store(target);
  if (!facts)
    return facts;
  if (auto renewed = renew(target, facts->node); !renewed)
    return tl::unexpected(std::move(renewed.error()));
  return stats_of_store(target);
}

result<store_facts> stats_of_store(const std::string& path) {
  store_folder folder{path};
  if (auto known = folder.check_format(); !known)
    return tl::unexpected(std::move(known.error()));
  auto lock = folder_lock::take(folder);
  if (!lock)
    return tl::unexpected(std::move(lock.error()));
  auto database = open_to_read(folder);
  if (!database)
    return tl::unexpected(std::move(database.error()));
  store_findings made;
  auditor audit{folder, **database, made};
  if (auto read = audit.run(); !read)
    return tl::unexpected(std::move(read.error()));
  made.facts.disk_bytes = disk_bytes(path);
  return made.facts;
}

} // namespace gemel
