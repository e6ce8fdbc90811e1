#pragma once

#include "actors/cell.hpp"
#include "actors/store_port.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace gemel {

/// What a node found in its store at its start.
struct recovery_facts {
  std::uint64_t snapshots = 0;
  std::uint64_t records = 0;
  std::uint64_t events = 0;
  std::uint64_t twins = 0;
  /// Shares of atomic batches that were decided and not carried out when the process ended.
  std::uint64_t redone = 0;
  /// Twins whose parent is not there, which are roots now: only after a loss of records.
  std::uint64_t orphans = 0;
  /// Events of twins that are not there: only after a loss of records.
  std::uint64_t strangers = 0;
};

/// Calls all of them, maybe at once, and returns when all have returned.
using run_all_function = std::function<void(const std::vector<std::function<void()>>&)>;

/// Brings the twins of a store back into the cells of a node, which need not be as many as before:
/// the snapshot of each shard, then what the log says behind it. Before any cell runs. Each cell is
/// worked on by one thread at a time.
class recovery {
public:
  /// @param cells as many as the node has; must outlive this.
  /// @param run_all may use threads; empty: one after the other.
  recovery(store_port& from, directory& twins, std::vector<cell*> cells,
           run_all_function run_all = {});

  /// @returns errc::store_corrupt or errc::incompatible with the place, errc::limit_reached; the
  ///          cells are of no use then.
  result<recovery_facts> run(const moment& now);

  /// What each cell must do in its first turn.
  std::vector<std::function<void(cell&, const moment&)>> first_jobs();

private:
  struct lost_share {
    log_position position{};
    transaction::plan what{};
    std::vector<std::pair<std::string, transaction::plan::change>> changes{};
  };

  // A record that was read, and what its events say.
  struct read_record {
    log_position at{};
    log_stream stream{};
    std::string bytes{};
    std::optional<log_record_reader> reader{};
    std::vector<stored_event> events{};
  };
  // A twin of a snapshot that another cell has too.
  struct doubtful_twin {
    shard_id shard{};
    std::string id{};
    std::string packed{};
  };
  // What one thread works on.
  struct cell_work {
    std::unordered_map<std::string, lost_share> commits{};
    std::vector<doubtful_twin> doubtful{};
    std::vector<cell::restored_change> changes{};
    std::uint64_t strangers = 0;
    result<void> done{};
  };

  result<void> read_snapshots();
  result<void> read_shards_of(std::size_t cell);
  result<void> read_log();
  result<void> take_window();
  result<void> send_out();
  static bool concerns_several(const read_record& record,
                               std::unordered_set<std::string_view>& removed);
  result<void> decode(read_record& record) const;
  result<void> apply(std::size_t from, std::size_t to);
  result<void> apply(std::size_t cell, std::size_t from, std::size_t to);
  result<void> in_each_cell(const std::function<result<void>(std::size_t cell)>& work);
  result<void> take_twin(shard_id shard, std::string_view id, std::string_view packed,
                         bool others_run);
  result<void> take_event(log_position at, const stored_event& event, bool others_run);
  result<void> create(log_position at, const stored_event& event, bool others_run);
  result<void> move(location where, log_position at, const stored_event& event);
  void update(location where, const stored_event& event);
  void take_commit(log_position at, const stored_event& event);
  void settle_commits();
  void settle(const std::string& id, lost_share& lost);
  result<void> open_groups(const moment& now);
  result<void> open_group(std::size_t cell, std::uint32_t group, const moment& now);

  std::size_t number_of(shard_id shard) const {
    return static_cast<std::size_t>(cell_of(shard, static_cast<std::uint32_t>(cells_.size())));
  }
  cell& owner(shard_id shard) {
    return *cells_[static_cast<std::size_t>(
        cell_of(shard, static_cast<std::uint32_t>(cells_.size())))];
  }
  cell& at(location where) { return *cells_[static_cast<std::size_t>(where.cell)]; }
  const twin_row& row_at(location where) { return at(where).row(where.row); }
  log_position basis(std::uint16_t shard) const { return basis_[shard]; }
  void note_need(std::uint16_t shard, log_position from);

  store_port& from_;
  directory& twins_;
  std::vector<cell*> cells_;
  std::vector<log_position> basis_;
  std::vector<log_position> needed_;
  std::vector<std::vector<std::pair<std::uint32_t, transaction::plan>>> redo_;
  run_all_function run_all_;
  std::vector<cell_work> work_;
  // Records under work, and their bytes.
  std::vector<read_record> window_;
  std::size_t window_bytes_ = 0;
  recovery_facts facts_;
};

} // namespace gemel
