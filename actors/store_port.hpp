#pragma once

#include "messages/durability.hpp"
#include "messages/error.hpp"
#include "registry/placement.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

/// What cells and coordinators need from a store, and nothing of how it is done.
///
/// A cell asks `admit` before it takes a turn's work in, and gives one record with all that the
/// turn changed to `append` at the turn's end. What was admitted is never refused for want of room
/// later. Records keep the order in which they were appended: whatever is lost in a crash is the
/// end of that order, never something before what stayed.
namespace gemel {

/// Where a record lies in the log; consecutive, from 1. 0: before the first.
enum class log_position : std::uint64_t {};

/// Whose records: part of the format.
enum class log_stream : std::uint8_t {
  /// No record, only meta changes.
  none = 0,
  /// Of cells, see actors/log_record.hpp.
  twins = 1,
  /// Of workflow runs.
  runs = 2,
  /// Of event rules.
  rules = 3,
  /// What atomic batches over several cells come to, logged before any cell carries its share out:
  /// a record of cells in which `version` is the one before, and nothing has a stamp.
  commits = 4,
};

/// A small named fact, such as a shard's clock or a peer's cursor.
struct meta_change {
  /// Not below `store/`, which are the store's own.
  std::string key{};
  /// Nothing: the fact goes.
  std::optional<std::string> content{};
};

/// A twin that leaves memory: its state (`pack_twin`) outside of any snapshot, for `read_twin`
/// alone. The log and the snapshots hold all that it says, so it ends with the process.
struct twin_change {
  shard_id shard{};
  std::string id{};
  /// Nothing: the store need not keep it any more.
  std::optional<std::string> content{};
};

/// What is written at once: after a crash all of it is there or nothing.
struct log_entry {
  log_stream stream = log_stream::twins;
  std::string record{};
  durability wanted = durability::process;
  std::vector<meta_change> meta{};
  std::vector<twin_change> twins{};
  /// It follows from work that was admitted: taken although the queue is full.
  bool admitted = false;
  /// Called once, when `wanted` is true of it or never will be, from the store's thread: it hands
  /// on and returns. May be empty. Of `memory`: called by `append` itself.
  std::function<void(result<void>)> done{};
};

/// All twins of one shard as they were after the record at `position`.
struct shard_snapshot {
  shard_id shard{};
  log_position position{};
  /// `pack_twin` by id.
  std::map<std::string, std::string> twins{};
  /// As `log_entry::done`, when the snapshot counts, or does not.
  std::function<void(result<void>)> done{};
  /// Of `twins`, those out of memory: all but their properties stands there, and whoever writes the
  /// snapshot completes them (`complete_twin`) by what the store has of them.
  std::set<std::string> passive{};
};

/// What is known of a shard's snapshot.
struct snapshot_info {
  log_position position{};
  std::uint64_t twins = 0;
};

/// Functions may be called from any thread; those that read may block on the disk: at start, or
/// from an actor of their own.
class store_port {
public:
  virtual ~store_port() = default;

  /// Whether new work may be let in.
  /// @returns errc::overloaded while the queue to the disk is more than half full, errc::store_full
  ///          while the disk is, errc::store_failed after an error of the disk, errc::stopping.
  virtual result<void> admit() const = 0;

  /// Takes an entry. On error nothing was taken and `done` is not called.
  /// @returns its position (of `log_stream::none`: that of the last record); errc::overloaded when
  ///          the queue is full, errc::store_failed, errc::stopping.
  virtual result<log_position> append(log_entry entry) = 0;

  /// Returns when what was appended before is written, or failed: at a start, while nobody waits
  /// for the caller. @returns errc::store_failed, errc::stopping.
  virtual result<void> settle() = 0;

  /// The last position of which this is true. Readers that must only hear of durable state
  /// (durable subscribers, peers) go up to here.
  virtual log_position reached(durability level) const noexcept = 0;

  /// Replaces the shard's snapshot, sooner or later.
  /// @returns errc::overloaded while too many wait.
  virtual result<void> write_snapshot(shard_snapshot made) = 0;

  /// What each shard's snapshot holds; shards without one are not in it.
  virtual std::map<shard_id, snapshot_info> snapshots() const = 0;

  using twin_sink = std::function<result<void>(std::string_view id, std::string_view packed)>;
  /// Hands every twin of the shard's snapshot to `each`, by id.
  /// @returns errc::store_corrupt with the place; what `each` returned.
  virtual result<void> read_snapshot(shard_id shard, const twin_sink& each) const = 0;

  /// The state last written of one twin, or nothing.
  virtual result<std::optional<std::string>> read_twin(shard_id shard,
                                                       std::string_view id) const = 0;

  using record_sink =
      std::function<result<void>(log_position, log_stream, std::string_view record)>;
  /// Hands every record after `after` to `each`, in order.
  /// @returns errc::store_corrupt where one is missing, also those that were trimmed; what `each`
  ///          returned.
  virtual result<void> read_log(log_position after, const record_sink& each) const = 0;

  virtual result<std::optional<std::string>> read_meta(std::string_view key) const = 0;

  using meta_sink = std::function<result<void>(std::string_view key, std::string_view content)>;
  /// All facts whose keys begin with `prefix`, by key.
  virtual result<void> read_meta_all(std::string_view prefix, const meta_sink& each) const = 0;

  /// The holder needs the records after `from`; nothing: none any more. Kept over restarts.
  virtual result<void> retain(std::string_view holder, std::optional<log_position> from) = 0;

  /// Up to where the log forgot its records.
  virtual log_position trimmed() const = 0;

  /// Lets the log forget records up to `checkpoint` (the lowest position of all shards' snapshots),
  /// but none that a holder needs. @returns up to where it forgot.
  virtual result<log_position> trim(log_position checkpoint) = 0;
};

} // namespace gemel
