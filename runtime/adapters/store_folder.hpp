#pragma once

#include "actors/store_port.hpp"

#include <rocksdb/file_system.h>

#include <memory>
#include <optional>
#include <string>

namespace gemel {

/// The folder of one store: `FORMAT` (which layout, for people too), `db/` (RocksDB's), `incoming/`
/// (snapshots being made), `ballast` (room kept back for a full disk) and `CLOSED` (where the log
/// ended; there after an orderly end only). Functions block; one thread at a time.
class store_folder {
public:
  /// @param files null: the machine's.
  explicit store_folder(std::string path, std::shared_ptr<rocksdb::FileSystem> files = {});

  const std::string& path() const noexcept { return path_; }
  std::string database() const { return path_ + "/db"; }
  std::string incoming() const { return path_ + "/incoming"; }
  const std::shared_ptr<rocksdb::FileSystem>& files() const noexcept { return files_; }

  bool exists() const;
  /// Makes the folder and what is in it, if it is not there.
  /// @returns errc::io_failed, errc::store_full.
  result<void> create();
  /// @returns errc::incompatible for a newer format; errc::store_corrupt if `FORMAT` says nothing
  ///          that is known; errc::io_failed if there is no store.
  result<void> check_format() const;

  /// Whether RocksDB would read its own log to the end, torn tails left out. It leaves out all that
  /// follows a damaged record, and says nothing of it; this does.
  /// @returns errc::store_corrupt with the file and the place.
  result<void> check_write_ahead() const;

  /// Where the log ended when the store was last closed; nothing: it was not closed.
  result<std::optional<log_position>> closed_at() const;
  result<void> mark_closed(log_position end);
  result<void> mark_open();

  /// Fills the ballast up to `bytes`. @returns errc::store_full.
  result<void> take_ballast(std::uint64_t bytes);
  /// Gives the ballast's room back.
  void drop_ballast();

  /// Bytes that can still be written to this disk; nothing: the system does not say.
  std::optional<std::uint64_t> free_bytes() const;

  /// The content of a small file, or nothing.
  std::optional<std::string> read(const std::string& name) const;
  /// Writes a small file as a whole: under another name first, synced, then renamed.
  result<void> write(const std::string& name, std::string_view content);

private:
  result<void> check_write_ahead(const std::string& name) const;

  std::string path_;
  std::shared_ptr<rocksdb::FileSystem> files_;
};

} // namespace gemel
