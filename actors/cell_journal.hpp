#pragma once

#include "actors/batch.hpp"
#include "actors/log_record.hpp"
#include "actors/ports.hpp"
#include "actors/store_port.hpp"
#include "actors/twin.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gemel {

/// A node's store as its cells see it; outlives them.
struct store_link {
  store_port& store;
  /// Stands in every dot that this life of the node gives: of the store's incarnation.
  std::uint16_t writer = 0;
  /// Of requests that ask for none, to twins whose type says nothing.
  durability fallback = durability::process;
  std::map<std::string, durability, std::less<>> by_type{};
  /// Bytes that a cell logs, at least, while it writes each of its changed shards anew once.
  std::uint64_t pass_bytes_min = std::uint64_t{8} << 20;
  /// Twins of the node that are to stay in memory, those that are idle least long; 0: all. Twins
  /// whose behaviour runs stay whatever their number.
  std::uint64_t active_max = 0;
  /// Told of what a caller's function threw at an answer, on the store's thread; may be empty.
  std::function<void(std::string_view what)> on_fault{};
  /// Told of each snapshot that counts, on the store's thread; may be empty.
  std::function<void()> on_snapshot{};
};

/// What one cell tells the store, and what waits for it. All that a turn changed goes into one
/// record, which is handed over when the turn ends; only then does anything leave the cell that
/// came of it: messages to other cells at once, so that whatever follows from this turn lies behind
/// it in the log; answers, and the events of durable subscribers, when their durability class is
/// true. Only its cell's turn calls it.
class cell_journal {
public:
  cell_journal(store_link& link, cell_id self, std::uint32_t cells, symbol_cache& keys,
               symbol_cache& types);

  std::uint16_t writer() const noexcept { return link_.writer; }

  /// Whether work may be let in during this turn.
  const result<void>& admitted();

  // ---- changes of the operation under work --------------------------------------------------

  void start() noexcept { changes_.clear(); }
  /// A property was set or taken away by the write `at`.
  void changed(key_id key, stamp at) { changes_.push_back({key, nullptr, at}); }

  /// What an event is about, beyond its row.
  struct event_facts {
    event_kind kind = event_kind::updated;
    hybrid_time time{};
    /// Of all but `updated`.
    dot write{};
    std::int64_t source_time_us = 0;
    /// Of `created` and `moved`; empty: a root.
    std::string_view parent{};
  };
  /// Logs what happened; of `updated` with the changes since `start`, of `created` with all that
  /// the row has. The row is as the event left it.
  void add(const event_facts& happened, const twin_row& row, std::uint32_t index);

  /// The operation under work has this cause: if it is an action of a rule, the store is told with
  /// the record that it was done.
  void led_by(std::string_view cause);

  /// The row is another twin's from now on; the one that it held left the shard.
  void forget(std::uint32_t index, std::uint16_t shard);
  /// The shard's snapshot will not do any more.
  void touch(std::uint16_t shard);

  // ---- what waits for the end of the turn ---------------------------------------------------

  /// Closes a part of a batch when what was logged so far is as durable as it asks for.
  void hold(const batch_ptr& of, std::uint32_t applied);
  /// The same of an answer of its own.
  void hold(reply_function reply, frame answer);
  /// Calls `what`, maybe on the store's thread, when all that was logged so far survives a crash of
  /// the process; not at all if it never does.
  void when_durable(std::function<void()> what) { later_.push_back(std::move(what)); }
  void send(cell_id to, frame message) { sendings_.emplace_back(to, std::move(message)); }
  void emit(frame events) { emissions_.push_back(std::move(events)); }
  /// A share of an atomic batch over several cells is prepared.
  void decide(const batch_ptr& of) { decisions_.push_back(of); }

  struct outlets {
    const std::function<void(cell_id, frame)>& send;
    const std::function<void(const frame&)>& emit;
  };
  /// Hands over what the turn changed, then lets out what waited for that.
  void end_turn(const outlets& to);

  // ---- twins out of memory ------------------------------------------------------------------

  /// Has the states of twins written behind the turn's record; `done` is called on the store's
  /// thread, or at once.
  void archive(std::vector<twin_change> twins, std::function<void(result<void>)> done);

  // ---- snapshots ----------------------------------------------------------------------------

  /// The shard that is to be written anew next, if it is time; to be asked after `end_turn`.
  std::optional<std::uint16_t> due_snapshot();
  /// All twins of the shard, as they are now. @param passive see `shard_snapshot`.
  /// @returns false: the store has too many already; the shard will be due again.
  bool write_snapshot(std::uint16_t shard, std::map<std::string, std::string> twins,
                      std::set<std::string> passive);

  /// At start: the snapshot of the shard lacks records from this position on.
  void needs(std::uint16_t shard, log_position from);
  /// The first record that is needed yet; any thread. The greatest number: none.
  log_position oldest_needed() const noexcept { return log_position{oldest_.load()}; }

private:
  struct answers;
  static constexpr std::uint64_t none = UINT64_MAX;

  // Of a shard of this cell.
  struct shard_state {
    // The first record that no snapshot holds, and the same of one under way.
    std::uint64_t dirty_since = none;
    std::uint64_t pending_since = none;
    // Of its last snapshot.
    std::uint64_t bytes = 0;
  };

  durability class_of(std::optional<durability> asked) const noexcept;
  void touch_type(type_id type);
  void hand_over();
  void append(std::string record, durability wanted, std::shared_ptr<answers> waiting);
  void release(const outlets& to);
  bool log_commit(const batch& of);
  void publish_oldest();
  std::uint64_t step() const noexcept;
  shard_state& state_of(std::uint16_t shard) { return shards_[shard / cells_]; }

  store_link& link_;
  cell_id self_;
  std::uint32_t cells_;
  symbol_cache& types_;
  log_record_builder builder_;
  log_record_builder commits_;

  std::optional<result<void>> admitted_;
  std::vector<logged_change> changes_;
  std::vector<logged_change> all_;
  // The strictest class that the types of the twins ask for that were touched since the last
  // answer.
  std::optional<durability> touched_;
  // By type number; found when first asked for.
  std::vector<std::optional<durability>> type_classes_;

  // What waits for the operating system, and for the disk.
  std::shared_ptr<answers> process_;
  std::shared_ptr<answers> disk_;
  std::vector<std::function<void()>> later_;
  std::vector<std::pair<cell_id, frame>> sendings_;
  std::vector<frame> emissions_;
  std::vector<meta_change> facts_;
  std::vector<batch_ptr> decisions_;

  log_position last_{};
  std::uint64_t turn_floor_ = 0;
  std::vector<shard_state> shards_;
  std::atomic<std::uint64_t> oldest_{none};
  // What snapshots' threads report: shard and whether it counts.
  struct reports;
  std::shared_ptr<reports> reports_;
  std::uint64_t bytes_since_cut_ = 0;
  std::uint64_t snapshot_bytes_ = 0;
  std::size_t next_shard_ = 0;
};

} // namespace gemel
