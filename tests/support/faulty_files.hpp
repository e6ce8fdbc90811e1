#pragma once

#include <rocksdb/file_system.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>

namespace gemel::test {

/// A file system that breaks as told: it loses what was not synced when the power goes, tears the
/// last write, has no room, or fails. What it wrote lies in real files.
class faulty_files : public rocksdb::FileSystemWrapper {
public:
  faulty_files() : rocksdb::FileSystemWrapper{rocksdb::FileSystem::Default()} {}
  const char* Name() const override { return "faulty_files"; }

  /// Bytes that can still be written; -1: as many as one likes.
  std::atomic<std::int64_t> room{-1};
  /// Every sync of a log fails.
  std::atomic<bool> syncs_fail{false};
  /// Every write to a log fails.
  std::atomic<bool> writes_fail{false};
  /// From now on nothing reaches the disk.
  std::atomic<bool> dead{false};
  std::atomic<std::uint64_t> syncs{0};

  /// After the store was closed: cuts every file to what was synced and, by chance, a part of what
  /// was not, as a disk without power does.
  void lose_power(std::uint64_t seed) {
    std::mt19937_64 random{seed};
    std::lock_guard hold{mutex_};
    for (const auto& [path, size] : sizes_) {
      auto unsynced = size.written - size.synced;
      auto kept = size.synced + (unsynced > 0 ? random() % (unsynced + 1) : 0);
      static_cast<void>(::truncate(path.c_str(), static_cast<off_t>(kept)));
    }
    sizes_.clear();
    dead = false;
  }

  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& with,
                                    std::unique_ptr<rocksdb::FSWritableFile>* made,
                                    rocksdb::IODebugContext* debug) override {
    if (dead)
      return rocksdb::IOStatus::IOError("the power is off");
    auto done = target()->NewWritableFile(path, with, made, debug);
    if (done.ok()) {
      std::lock_guard hold{mutex_};
      give_back(path);
      sizes_[path] = {};
      *made = std::make_unique<file>(std::move(*made), *this, path);
    }
    return done;
  }

  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& with,
                               rocksdb::IODebugContext* debug) override {
    if (dead)
      return rocksdb::IOStatus::IOError("the power is off");
    std::lock_guard hold{mutex_};
    give_back(path);
    sizes_.erase(path);
    return target()->DeleteFile(path, with, debug);
  }

  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& with,
                               rocksdb::IODebugContext* debug) override {
    if (dead)
      return rocksdb::IOStatus::IOError("the power is off");
    std::lock_guard hold{mutex_};
    if (auto known = sizes_.find(from); known != sizes_.end()) {
      sizes_[to] = known->second;
      sizes_.erase(from);
    }
    return target()->RenameFile(from, to, with, debug);
  }

  rocksdb::IOStatus GetFreeSpace(const std::string& path, const rocksdb::IOOptions& with,
                                 std::uint64_t* bytes, rocksdb::IODebugContext* debug) override {
    if (room < 0)
      return target()->GetFreeSpace(path, with, bytes, debug);
    *bytes = static_cast<std::uint64_t>(room.load());
    return rocksdb::IOStatus::OK();
  }

private:
  struct sizes {
    std::uint64_t written = 0;
    std::uint64_t synced = 0;
  };

  class file : public rocksdb::FSWritableFileOwnerWrapper {
  public:
    file(std::unique_ptr<rocksdb::FSWritableFile>&& real, faulty_files& owner, std::string path)
        : FSWritableFileOwnerWrapper{std::move(real)}, owner_{owner}, path_{std::move(path)} {}

    using FSWritableFileOwnerWrapper::Append;
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& with,
                             rocksdb::IODebugContext* debug) override {
      if (auto wrong = owner_.before_write(path_, data.size()); !wrong.ok())
        return wrong;
      if (owner_.dead)
        return rocksdb::IOStatus::OK(); // it says so, and it is gone
      auto done = target()->Append(data, with, debug);
      owner_.note(path_, data.size(), false);
      return done;
    }
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& with,
                             const rocksdb::DataVerificationInfo&,
                             rocksdb::IODebugContext* debug) override {
      return Append(data, with, debug);
    }
    rocksdb::IOStatus Sync(const rocksdb::IOOptions& with,
                           rocksdb::IODebugContext* debug) override {
      return synced(target()->Sync(with, debug));
    }
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions& with,
                            rocksdb::IODebugContext* debug) override {
      return synced(target()->Fsync(with, debug));
    }

  private:
    rocksdb::IOStatus synced(rocksdb::IOStatus done) {
      ++owner_.syncs;
      if (owner_.dead || (owner_.syncs_fail && is_log(path_)))
        return rocksdb::IOStatus::IOError("the disk does not answer");
      owner_.note(path_, 0, true);
      return done;
    }

    faulty_files& owner_;
    std::string path_;
  };

  static bool is_log(const std::string& path) { return path.ends_with(".log"); }

  rocksdb::IOStatus before_write(const std::string& path, std::size_t size) {
    if (writes_fail && is_log(path))
      return rocksdb::IOStatus::IOError("the disk does not answer");
    if (room >= 0 && (room -= static_cast<std::int64_t>(size)) < 0) {
      room += static_cast<std::int64_t>(size);
      return rocksdb::IOStatus::NoSpace("no room is left");
    }
    return rocksdb::IOStatus::OK();
  }

  void note(const std::string& path, std::size_t more, bool sync) {
    std::lock_guard hold{mutex_};
    auto& size = sizes_[path];
    size.written += more;
    if (sync)
      size.synced = size.written;
  }

  void give_back(const std::string& path) {
    auto known = sizes_.find(path);
    if (known != sizes_.end() && room >= 0)
      room += static_cast<std::int64_t>(known->second.written);
  }

  std::mutex mutex_;
  std::map<std::string, sizes> sizes_;
};

} // namespace gemel::test
