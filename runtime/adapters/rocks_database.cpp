#include "runtime/adapters/rocks_database.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>

#include <algorithm>
#include <array>

namespace gemel {

namespace {

// In the order of `rocks_database::family`. RocksDB itself wants a family `default`; it is empty.
constexpr std::array<std::string_view, 6> family_names = {
    store::meta_family,    store::log_family,     store::state_family,
    store::passive_family, store::history_family, store::replica_family};

rocksdb::Slice slice(std::string_view text) {
  return {text.data(), text.size()};
}

// A log that is bounded bounds the time of recovery.
constexpr std::uint64_t write_ahead_bytes_max = std::uint64_t{256} << 20;
constexpr std::size_t log_buffer_bytes = std::size_t{64} << 20;
constexpr std::size_t small_buffer_bytes = std::size_t{4} << 20;
// Only nodes with more twins than memory fill it, and they fill it fast.
constexpr std::size_t passive_buffer_bytes = std::size_t{16} << 20;
constexpr std::size_t read_ahead_bytes = std::size_t{2} << 20;

rocksdb::DBOptions database_options(const rocks_database::options& wanted, rocksdb::Env* env) {
  rocksdb::DBOptions made;
  made.env = env;
  made.create_if_missing = wanted.create_if_missing;
  made.create_missing_column_families = true;
  made.paranoid_checks = true;
  // A torn tail of the last log ends recovery there; see the project's background, section 5.2.
  made.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  made.track_and_verify_wals_in_manifest = true;
  made.max_total_wal_size = write_ahead_bytes_max;
  made.max_background_jobs = 2;
  made.bytes_per_sync = std::uint64_t{1} << 20;
  // After an error we decide when to go on.
  made.max_bgerror_resume_count = 0;
  made.keep_log_file_num = 2;
  made.max_log_file_size = std::size_t{4} << 20;
  made.max_open_files = 512;
  made.stats_dump_period_sec = 0;
  made.stats_persist_period_sec = 0;
  return made;
}

std::size_t buffer_bytes_of(std::string_view name) {
  if (name == store::log_family || name == store::replica_family)
    return log_buffer_bytes;
  return name == store::passive_family ? passive_buffer_bytes : small_buffer_bytes;
}

rocksdb::ColumnFamilyOptions family_options(std::string_view name,
                                            const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions made;
  made.compression = rocksdb::kLZ4Compression;
  made.write_buffer_size = buffer_bytes_of(name);
  // Snapshots come as whole sorted files and go as such.
  made.disable_auto_compactions = name == store::state_family;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.block_size = 16 * 1024;
  table.format_version = 5;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  made.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return made;
}

std::vector<rocksdb::ColumnFamilyDescriptor> descriptors(std::size_t cache_bytes) {
  auto cache = rocksdb::NewLRUCache(cache_bytes);
  std::vector<rocksdb::ColumnFamilyDescriptor> made;
  for (auto name : family_names)
    made.emplace_back(std::string{name}, family_options(name, cache));
  made.emplace_back(rocksdb::kDefaultColumnFamilyName, family_options("default", cache));
  return made;
}

result<void> check_families(const rocksdb::DBOptions& with, const std::string& path) {
  std::vector<std::string> there;
  if (!rocksdb::DB::ListColumnFamilies(with, path, &there).ok())
    return {}; // no database yet, or a damaged one, which opening says better
  for (const auto& name : there)
    if (name != rocksdb::kDefaultColumnFamilyName
        && std::find(family_names.begin(), family_names.end(), name) == family_names.end())
      return fail(errc::incompatible,
                  path + ": a store of a newer format, it has a family '" + name + "'");
  return {};
}

} // namespace

error error_of(const rocksdb::Status& status, std::string_view doing) {
  auto text = std::string{doing} + ": " + status.ToString();
  if (status.IsNoSpace())
    return {errc::store_full, text};
  if (status.IsCorruption())
    return {errc::store_corrupt, text};
  return {errc::store_failed, text};
}

result<std::unique_ptr<rocks_database>> rocks_database::open(options wanted) {
  std::unique_ptr<rocks_database> made{new rocks_database};
  made->env_ =
      rocksdb::NewCompositeEnv(wanted.files ? wanted.files : rocksdb::FileSystem::Default());
  auto with = database_options(wanted, made->env_.get());
  if (auto known = check_families(with, wanted.path); !known)
    return tl::unexpected(std::move(known.error()));
  auto families = descriptors(wanted.cache_bytes);
  rocksdb::DB* opened = nullptr;
  auto status =
      wanted.read_only
          ? rocksdb::DB::OpenForReadOnly(with, wanted.path, families, &made->handles_, &opened)
          : rocksdb::DB::Open(with, wanted.path, families, &made->handles_, &opened);
  if (!status.ok()) {
    auto why = error_of(status, "opening " + wanted.path);
    if (why.code == errc::store_failed) {
      why.code = errc::io_failed;
      if (why.context.find("lock") != std::string::npos)
        why.context = wanted.path + ": another process has this store open";
    }
    return tl::unexpected(std::move(why));
  }
  made->db_.reset(opened);
  return made;
}

result<void> rocks_database::rebuild(const std::string& path) {
  constexpr std::size_t cache_bytes = std::size_t{8} << 20;
  auto with = database_options({.path = path}, rocksdb::Env::Default());
  if (auto done = rocksdb::RepairDB(path, with, descriptors(cache_bytes)); !done.ok())
    return tl::unexpected(error_of(done, "rebuilding " + path));
  return {};
}

rocks_database::~rocks_database() {
  if (!db_)
    return;
  for (auto* handle : handles_)
    db_->DestroyColumnFamilyHandle(handle);
  static_cast<void>(db_->Close());
}

result<void> rocks_database::write(rocksdb::WriteBatch& batch) {
  if (auto done = db_->Write({}, &batch); !done.ok())
    return tl::unexpected(error_of(done, "writing the log"));
  return {};
}

result<void> rocks_database::write_passing(rocksdb::WriteBatch& batch) {
  rocksdb::WriteOptions how;
  how.disableWAL = true;
  if (auto done = db_->Write(how, &batch); !done.ok())
    return tl::unexpected(error_of(done, "writing twins out of memory"));
  return {};
}

result<void> rocks_database::sync() {
  auto done = db_->SyncWAL();
  if (done.ok())
    return {};
  auto why = error_of(done, "syncing the log");
  // What the system dropped is not known: even for want of room nothing may be tried again.
  why.code = errc::store_failed;
  return tl::unexpected(std::move(why));
}

result<void> rocks_database::resume() {
  if (auto done = db_->Resume(); !done.ok())
    return tl::unexpected(error_of(done, "going on after a full disk"));
  return {};
}

result<std::optional<std::string>> rocks_database::get(family from, std::string_view key) const {
  std::string content;
  auto done = db_->Get({}, at(from), slice(key), &content);
  if (done.IsNotFound())
    return std::nullopt;
  if (!done.ok())
    return tl::unexpected(error_of(done, "reading a key"));
  return content;
}

result<void> rocks_database::read(family from, std::string_view begin, std::string_view end,
                                  const pair_sink& each) const {
  auto upper = slice(end);
  rocksdb::ReadOptions with;
  with.fill_cache = false;
  with.readahead_size = read_ahead_bytes;
  if (!end.empty())
    with.iterate_upper_bound = &upper;
  std::unique_ptr<rocksdb::Iterator> at_pair{db_->NewIterator(with, at(from))};
  for (at_pair->Seek(slice(begin)); at_pair->Valid(); at_pair->Next())
    if (auto taken = each(at_pair->key().ToStringView(), at_pair->value().ToStringView()); !taken)
      return taken;
  if (!at_pair->status().ok())
    return tl::unexpected(
        error_of(at_pair->status(), "reading the family '" + at(from)->GetName() + "'"));
  return {};
}

result<std::string> rocks_database::last_key(family from) const {
  std::unique_ptr<rocksdb::Iterator> at_pair{db_->NewIterator({}, at(from))};
  at_pair->SeekToLast();
  if (at_pair->Valid())
    return at_pair->key().ToString();
  if (!at_pair->status().ok())
    return tl::unexpected(error_of(at_pair->status(), "reading the last key"));
  return std::string{};
}

result<void>
rocks_database::make_file(family of, const std::string& file,
                          const std::vector<std::pair<std::string, std::string_view>>& pairs) {
  auto with = db_->GetOptions(at(of));
  with.env = env_.get();
  rocksdb::SstFileWriter writer{rocksdb::EnvOptions{}, with, at(of)};
  auto done = writer.Open(file);
  for (std::size_t i = 0; i < pairs.size() && done.ok(); ++i)
    done = writer.Put(pairs[i].first, slice(pairs[i].second));
  if (done.ok())
    done = writer.Finish();
  if (done.ok())
    return {};
  static_cast<void>(env_->DeleteFile(file)); // of no use
  return tl::unexpected(error_of(done, "writing a snapshot"));
}

result<void> rocks_database::ingest(family into, const std::vector<std::string>& files) {
  if (files.empty())
    return {};
  rocksdb::IngestExternalFileOptions how;
  how.move_files = true;
  auto done = db_->IngestExternalFile(at(into), files, how);
  for (const auto& file : files)
    static_cast<void>(env_->DeleteFile(file)); // moved away, or of no use
  if (!done.ok())
    return tl::unexpected(error_of(done, "taking a snapshot in"));
  return {};
}

result<void> rocks_database::erase(family from, std::string_view begin, std::string_view end) {
  return erase(from, {{std::string{begin}, std::string{end}}});
}

result<void> rocks_database::erase(family from, const std::vector<key_range>& ranges) {
  std::vector<rocksdb::Slice> ends;
  ends.reserve(2 * ranges.size());
  std::vector<rocksdb::RangePtr> all;
  for (const auto& [begin, end] : ranges) {
    ends.emplace_back(begin);
    ends.emplace_back(end);
    all.emplace_back(&ends[ends.size() - 2], &ends.back());
  }
  // Whole files go without a trace; only what is left over needs a marker in the log.
  if (auto done = rocksdb::DeleteFilesInRanges(db_.get(), at(from), all.data(), all.size(), false);
      !done.ok())
    return tl::unexpected(error_of(done, "dropping old files"));
  std::unique_ptr<rocksdb::Iterator> left{db_->NewIterator({}, at(from))};
  for (const auto& [begin, end] : ranges) {
    left->Seek(begin);
    if (!left->Valid() || left->key().compare(end) >= 0)
      continue;
    if (auto done = db_->DeleteRange({}, at(from), begin, end); !done.ok())
      return tl::unexpected(error_of(done, "dropping old records"));
  }
  return {};
}

result<void> rocks_database::verify() {
  if (auto done = db_->VerifyChecksum(); !done.ok())
    return tl::unexpected(error_of(done, "checking the files"));
  return {};
}

result<void> rocks_database::checkpoint(const std::string& path) {
  rocksdb::Checkpoint* made = nullptr;
  auto done = rocksdb::Checkpoint::Create(db_.get(), &made);
  std::unique_ptr<rocksdb::Checkpoint> owned{made};
  // 0: the buffers become files first, so that the copy needs no log of its own.
  if (done.ok())
    done = owned->CreateCheckpoint(path, 0);
  if (!done.ok())
    return tl::unexpected(error_of(done, "copying to " + path));
  return {};
}

std::uint64_t rocks_database::property(family of, const std::string& name) const {
  std::uint64_t number = 0;
  return db_->GetIntProperty(at(of), name, &number) ? number : 0;
}

} // namespace gemel
