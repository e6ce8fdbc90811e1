#pragma once

#include "actors/cell.hpp"
#include "actors/store_port.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
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

/// Brings the twins of a store back into the cells of a node, which need not be as many as before:
/// the snapshot of each shard, then what the log says behind it. Before any cell runs; one thread.
class recovery {
public:
  /// @param cells as many as the node has; must outlive this.
  recovery(const store_port& from, directory& twins, std::vector<cell*> cells);

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

  result<void> read_snapshots();
  result<void> read_log();
  result<void> take_twin(shard_id shard, std::string_view id, std::string_view packed);
  result<void> take_record(log_position at, log_stream stream, std::string_view bytes);
  result<void> take_event(log_position at, const stored_event& event);
  result<void> create(log_position at, const stored_event& event);
  result<void> move(location where, log_position at, const stored_event& event);
  void update(location where, const stored_event& event);
  void take_commit(log_position at, const stored_event& event);
  void settle_commits();
  result<void> open_groups(const moment& now);
  result<void> open_group(std::size_t cell, std::uint32_t group, const moment& now);

  cell& owner(shard_id shard) {
    return *cells_[static_cast<std::size_t>(
        cell_of(shard, static_cast<std::uint32_t>(cells_.size())))];
  }
  cell& at(location where) { return *cells_[static_cast<std::size_t>(where.cell)]; }
  const twin_row& row_at(location where) { return at(where).row(where.row); }
  log_position basis(std::uint16_t shard) const { return basis_[shard]; }
  void note_need(std::uint16_t shard, log_position from);

  const store_port& from_;
  directory& twins_;
  std::vector<cell*> cells_;
  std::vector<log_position> basis_;
  std::vector<log_position> needed_;
  std::unordered_map<std::string, lost_share> commits_;
  std::vector<std::vector<std::pair<std::uint32_t, transaction::plan>>> redo_;
  std::vector<cell::restored_change> changes_;
  recovery_facts facts_;
};

} // namespace gemel
