#pragma once

#include "actors/store_port.hpp"
#include "runtime/store/store_keys.hpp"

#include <rocksdb/db.h>
#include <rocksdb/file_system.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gemel {

/// RocksDB as the store needs it: opened with the settings that were measured to keep what was
/// acknowledged (recovery to a point in time, no manual flush of the log, no unordered writes), and
/// its errors in our words. Functions block; one writer at a time.
class rocks_database {
public:
  struct options {
    std::string path{};
    /// Null: the machine's. Tests give one that loses and breaks.
    std::shared_ptr<rocksdb::FileSystem> files{};
    bool create_if_missing = true;
    bool read_only = false;
    std::size_t cache_bytes = std::size_t{64} << 20;
  };

  enum class family : std::uint8_t { meta, log, state, passive, history, replicas };

  /// @returns errc::io_failed if the folder cannot be used or another process has it;
  ///          errc::store_corrupt with RocksDB's words; errc::incompatible for unknown families.
  static result<std::unique_ptr<rocks_database>> open(options wanted);

  /// Makes a database that can be opened from what can be read of one that cannot.
  static result<void> rebuild(const std::string& path);

  ~rocks_database();
  rocks_database(const rocks_database&) = delete;
  rocks_database& operator=(const rocks_database&) = delete;

  rocksdb::DB& db() noexcept { return *db_; }
  rocksdb::ColumnFamilyHandle* at(family which) const noexcept {
    return handles_[static_cast<std::size_t>(which)];
  }
  rocksdb::Env* env() const noexcept { return env_.get(); }

  /// One atomic write, in the hands of the operating system when it returns.
  /// @returns errc::store_full, errc::store_failed.
  result<void> write(rocksdb::WriteBatch& batch);
  /// The same of what may be gone after the process ended: it is not logged.
  result<void> write_passing(rocksdb::WriteBatch& batch);
  /// Everything written so far is on the disk (fdatasync).
  result<void> sync();
  /// After `errc::store_full`, when there is room again.
  result<void> resume();

  result<std::optional<std::string>> get(family from, std::string_view key) const;

  using pair_sink = std::function<result<void>(std::string_view key, std::string_view content)>;
  /// Hands out all pairs in [begin, end); an empty end: to the last.
  result<void> read(family from, std::string_view begin, std::string_view end,
                    const pair_sink& each) const;
  /// The last key of a family; empty: there is none.
  result<std::string> last_key(family from) const;

  /// Writes sorted pairs as a file, synced, which `ingest` takes in.
  result<void> make_file(family of, const std::string& file,
                         const std::vector<std::pair<std::string, std::string_view>>& pairs);
  /// Takes files in, all or none; they are moved away. Writers wait meanwhile, for many as long as
  /// for one.
  result<void> ingest(family into, const std::vector<std::string>& files);
  /// Forgets all of [begin, end), whole files first.
  result<void> erase(family from, std::string_view begin, std::string_view end);
  /// First and end.
  using key_range = std::pair<std::string, std::string>;
  /// The same for many at once, for which writers wait as long as for one.
  result<void> erase(family from, const std::vector<key_range>& ranges);

  /// Reads every block of every file and compares its checksum.
  result<void> verify();

  /// A copy as of now in the new folder `path`, with hard links where it can; synced.
  result<void> checkpoint(const std::string& path);

  std::uint64_t property(family of, const std::string& name) const;

private:
  rocks_database() = default;

  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
};

/// RocksDB's answer in our words; `doing` says what was tried.
error error_of(const rocksdb::Status& status, std::string_view doing);

} // namespace gemel
