#pragma once

#include "actors/store_port.hpp"
#include "messages/histogram.hpp"
#include "runtime/adapters/rocks_database.hpp"
#include "runtime/adapters/store_folder.hpp"
#include "runtime/store/store_keys.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>

namespace gemel {

/// The store of one node: RocksDB behind one thread that writes the log in groups, at most one
/// fdatasync each, and one that writes snapshots.
class rocks_store final : public store_port {
public:
  struct options {
    std::string path{};
    /// Name of the node, kept in the store.
    std::string node = "node-1";
    /// Of the machine's present boot; empty: not known.
    std::string boot{};
    /// Becomes the store's id if it is new.
    std::string fresh_id = "store";
    /// Null: the machine's.
    std::shared_ptr<rocksdb::FileSystem> files{};
    /// Bytes and entries that may wait for the log.
    std::size_t queue_bytes_max = std::size_t{64} << 20;
    std::size_t queue_entries_max = 65'536;
    /// Bytes of one group.
    std::size_t group_bytes_max = std::size_t{4} << 20;
    /// Snapshots that may wait, and their bytes.
    std::size_t snapshots_max = 64;
    std::size_t snapshot_bytes_max = std::size_t{256} << 20;
    /// Kept back, so that a full disk still takes what was let in: several times the queue, since
    /// RocksDB writes a record to its log and later to a file. New work is refused while less than
    /// this is free beside it.
    std::uint64_t ballast_bytes = std::uint64_t{256} << 20;
    /// How often a full disk is looked at.
    std::chrono::milliseconds room_check{200};
    std::size_t cache_bytes = std::size_t{64} << 20;
    /// Refused if there is no store yet.
    bool must_exist = false;
    /// Raise the incarnation in any case: something was lost.
    bool after_loss = false;
    /// Called at named points of the way to the disk, on the thread that is there, so that a test
    /// can end the process just then; empty: nobody wants to know. The names: queued, before_write,
    /// after_write, before_sync, after_sync, answered, snapshot_file, snapshot_counted,
    /// passive_listed, trim_noted, trimmed.
    std::function<void(const char* name)> at_point{};
  };

  enum class state : std::uint8_t { open, full, failed, stopped };

  struct counters {
    std::uint64_t records = 0;
    std::uint64_t record_bytes = 0;
    std::uint64_t groups = 0;
    std::uint64_t syncs = 0;
    std::uint64_t snapshots = 0;
    std::uint64_t snapshots_failed = 0;
    /// Times the log forgot what snapshots have, and records of it.
    std::uint64_t trims = 0;
    std::uint64_t trimmed = 0;
    std::uint64_t times_full = 0;
    std::uint64_t refused = 0;
    std::uint64_t queue_bytes = 0;
    std::uint64_t queue_entries = 0;
  };

  /// Opens the store, or makes one. Everything that RocksDB's log holds is there again.
  /// @returns errc::store_corrupt, errc::incompatible, errc::io_failed, errc::store_full.
  static result<std::unique_ptr<rocks_store>> open(options wanted);

  /// Stops, as `stop` does.
  ~rocks_store() override;

  /// Writes and syncs what waits, and marks the orderly end. On a full disk what waits is answered
  /// errc::store_failed. Nothing may be read after it.
  void stop();

  result<void> admit() const override;
  result<log_position> append(log_entry entry) override;
  result<void> settle() override;
  log_position reached(durability level) const noexcept override;
  result<void> write_snapshot(shard_snapshot made) override;
  std::map<shard_id, snapshot_info> snapshots() const override;
  result<void> read_snapshot(shard_id shard, const twin_sink& each) const override;
  result<std::optional<std::string>> read_twin(shard_id shard, std::string_view id) const override;
  result<void> read_log(log_position after, const record_sink& each) const override;
  result<std::optional<std::string>> read_meta(std::string_view key) const override;
  result<void> read_meta_all(std::string_view prefix, const meta_sink& each) const override;
  result<void> retain(std::string_view holder, std::optional<log_position> from) override;
  log_position trimmed() const override;
  result<log_position> trim(log_position checkpoint) override;

  /// Has `each` called with every record that is written from now on, in order, on the log's
  /// thread: it hands on and returns. Before the first append.
  void on_record(std::function<void(log_position, log_stream, std::string_view)> each) {
    on_record_ = std::move(each);
  }

  /// A copy in the new folder `target`, of everything that was appended before.
  result<void> backup(const std::string& target);

  const store::identity& identity() const noexcept { return identity_; }
  state present() const noexcept { return state_.load(); }
  counters count() const;
  /// Of `read_twin`.
  histogram read_latency() const;
  /// The log's first and last position; the first is one above what was trimmed.
  std::pair<log_position, log_position> log_range() const;
  rocks_database& database() noexcept { return *database_; }

private:
  struct waiting {
    log_position position{};
    log_entry entry{};
  };

  explicit rocks_store(options wanted);
  result<void> load();
  result<void> load_snapshots();
  result<void> load_log_end();
  result<void> fill_log(std::uint64_t end);
  result<void> load_holders();
  result<void> load_identity();
  result<void> append_and_wait(log_entry entry);
  result<void> write_now(std::string_view key, std::optional<std::string> content);

  void run_log();
  std::vector<waiting> next_group();
  void commit(std::vector<waiting>& group);
  void pass(const char* point) const {
    if (options_.at_point) [[unlikely]]
      options_.at_point(point);
  }
  bool write_group(std::vector<waiting>& group);
  result<void> write_batches(rocksdb::WriteBatch& lasting, rocksdb::WriteBatch& passing);
  bool wait_for_room();
  void look_at_disk();
  void look_for_room();
  void note_full();
  void fail_for_good(const error& why);
  result<void> refusal() const;

  void run_snapshots();
  std::vector<shard_snapshot> next_snapshots();
  std::vector<result<void>> make_snapshots(const std::vector<shard_snapshot>& made);
  store::snapshot_record next_record(const shard_snapshot& made);
  result<void> make_file(const shard_snapshot& made, store::snapshot_record& record,
                         std::vector<std::string>& files);
  result<void> commit_snapshots(const std::vector<shard_snapshot>& made,
                                const std::vector<store::snapshot_record>& records,
                                const std::vector<result<void>>& done);
  result<void> drop_old(const std::vector<shard_snapshot>& made,
                        const std::vector<store::snapshot_record>& records,
                        const std::vector<result<void>>& done);
  result<void> forget_passive();
  result<void> clear_passive(const shard_snapshot& made);
  result<void> erase_passive(std::span<const std::string> keys, log_position up_to);
  result<std::optional<std::string>> find_twin(shard_id shard, std::string_view id) const;
  result<std::string> completed(shard_id shard, const std::string& id, std::string_view head) const;

  options options_;
  store_folder folder_;
  std::unique_ptr<rocks_database> database_;
  store::identity identity_;

  std::function<void(log_position, log_stream, std::string_view)> on_record_;

  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<waiting> queue_;
  std::uint64_t last_ = 0;
  bool closing_ = false;
  bool stopping_ = false;
  error failure_;
  counters counters_;

  std::atomic<state> state_{state::open};
  std::atomic<std::size_t> queue_bytes_{0};
  std::atomic<std::size_t> queue_entries_{0};
  std::atomic<std::uint64_t> written_{0};
  std::atomic<std::uint64_t> synced_{0};

  // Nobody writes to the family `passive` between a look at what it holds and an erasure.
  std::mutex passive_mutex_;

  mutable std::mutex reads_mutex_;
  mutable histogram reads_;

  mutable std::mutex snapshot_mutex_;
  std::condition_variable snapshot_wake_;
  std::deque<shard_snapshot> snapshot_queue_;
  std::size_t snapshot_bytes_ = 0;
  bool snapshots_stopping_ = false;
  std::map<shard_id, store::snapshot_record> snapshots_;
  std::map<std::string, log_position, std::less<>> holders_;
  std::uint64_t trimmed_ = 0;

  std::thread log_thread_;
  std::thread snapshot_thread_;
};

std::string_view to_string(rocks_store::state present) noexcept;

} // namespace gemel
