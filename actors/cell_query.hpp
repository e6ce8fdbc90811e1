#pragma once

#include "actors/binder.hpp"
#include "actors/cell.hpp"
#include "registry/query.hpp"
#include "registry/query_access.hpp"
#include "registry/query_groups.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gemel {

/// A query as all cells carry it out. Immutable; any thread may read it.
struct cell_query_plan {
  query_plan rows;
  /// Instead of rows.
  std::optional<group_plan> groups{};
  /// Of `rows.where()`; nothing is known without one.
  query_access access{};
  /// The property that `order_by` is, if it is one.
  std::optional<std::string> order_property{};
  bool roots_only = false;
};

/// One query in one cell, in slices. What stands in an index or is below one parent is found at
/// once, a bounded number of rows; all else are scans of the cell's lists of types, which other
/// work may come between: a twin that lives throughout is looked at exactly once, as it is at that
/// moment.
class cell_query {
public:
  /// Rows looked at before other work of the cell gets its turn.
  static constexpr std::size_t slice_rows = 65'536;
  /// The same while some twins are passive: each is read from the store, some 10 microseconds.
  static constexpr std::size_t stored_slice_rows = 512;

  /// @param plan must live longer.
  explicit cell_query(const cell_query_plan& plan);

  /// Goes on, for one slice. @returns whether it is done.
  bool run(cell& c);

  /// What was found; of a query that is done.
  query_page take_page() { return best_.take(); }
  const group_table& groups() const noexcept { return *groups_; }
  /// Why it failed, if it did.
  const std::optional<error>& failure() const noexcept { return failure_; }

  /// Rows that one way of looking for twins looked at.
  struct effort {
    std::uint64_t looked_at = 0;
    std::uint64_t matched = 0;
    std::uint64_t cells = 0;
  };
  /// By what was done, such as `machine: index of temperature`.
  const std::map<std::string, effort>& efforts() const noexcept { return efforts_; }

private:
  struct bound_condition {
    const value_condition* what;
    key_id key{};
    bool interned = false;
    std::uint32_t slot = shape::no_slot;
  };

  void begin(cell& c);
  bool wants_type(cell& c, std::string_view name) const;
  std::size_t run_type(cell& c);
  bool look_up(cell& c, const model_rows::kept_type& kept, std::size_t rows);
  bool walk_in_order(cell& c, const model_rows::kept_type& kept, std::size_t rows);
  void look(cell& c, std::uint32_t index);
  void look_at(cell& c, std::span<const std::uint32_t> rows);
  void fetch_ahead(const cell& c, std::span<const std::uint32_t> rows, std::size_t i) const;
  void find_slots(cell& c, const shape* layout);
  bool matches(cell& c, const twin_row& row);
  bool below_ancestor(const cell& c, std::uint32_t group);
  void take(cell& c, std::uint32_t index);
  void done_with(std::string what);

  const cell_query_plan& plan_;
  query_collector best_;
  std::optional<group_table> groups_;
  std::optional<error> failure_;
  std::map<std::string, effort> efforts_;
  effort now_;

  bool begun_ = false;
  // Of rows: something asks for their properties.
  bool needs_values_ = false;
  // Still to be visited, the last one first.
  std::vector<type_id> types_;
  std::shared_ptr<row_list::scan> scan_;

  std::vector<bound_condition> conditions_;
  const shape* found_for_ = nullptr;
  std::optional<twin_binder> where_;
  std::optional<twin_binder> order_;
  std::vector<twin_binder> columns_;
  std::vector<value> column_values_;
  // Of this slice: by group, whether it is below the ancestor.
  std::map<std::uint32_t, bool> below_;
  std::vector<std::uint32_t> found_;
};

} // namespace gemel
