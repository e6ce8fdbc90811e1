#pragma once

#include "actors/cell_journal.hpp"
#include "actors/recovery.hpp"
#include "messages/records.hpp"
#include "runtime/adapters/rocks_store.hpp"
#include "runtime/config.hpp"

#include <atomic>
#include <memory>
#include <vector>

namespace gemel {

/// The store of a node that has one: what its cells are linked to, and the log's end that nobody
/// needs any more. Outlives the cells.
class node_store {
public:
  /// Opens the store of `config.store.path`, or makes it.
  /// @returns what `rocks_store::open` says.
  static result<std::unique_ptr<node_store>> open(const node_config& config,
                                                  const model_table& models, std::uint32_t cells,
                                                  std::function<void(const char*)> at_point = {});

  /// For `cell_environment::stored`.
  store_link& link() noexcept { return link_; }
  /// Its log and snapshots; for coordinators too.
  rocks_store& port() noexcept { return *store_; }

  /// Brings the twins back. `cells` were made with `link` and do not run yet.
  /// @returns what `recovery::run` says.
  result<recovery_facts> recover(directory& twins, const std::vector<cell*>& cells,
                                 const moment& now);
  /// What each cell must do in its first turn; once, after `recover`.
  std::vector<std::function<void(cell&, const moment&)>> first_jobs();

  void add_stats(stats_record& stats) const;

  /// Writes what waits. No cell may run any more.
  void stop() { store_->stop(); }

private:
  explicit node_store(std::unique_ptr<rocks_store> opened);
  void snapshot_written();
  void trim();

  std::unique_ptr<rocks_store> store_;
  store_link link_;
  std::unique_ptr<recovery> recovery_;
  recovery_facts facts_;
  std::vector<const cell_journal*> journals_;
  std::atomic<std::uint64_t> snapshots_{0};
};

} // namespace gemel
