#pragma once

#include "actors/batch.hpp"
#include "actors/group_rollup.hpp"
#include "actors/supervision.hpp"
#include "actors/twin.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gemel {

/// The state of one hierarchy actor: the children of one parent, which all live in this cell. Made
/// when the first child comes, gone when the last one leaves.
struct hierarchy_group {
  enum class state : std::uint8_t {
    /// Waits for the parent's cell to agree.
    opening,
    open,
    /// The parent is being deleted: takes no more children.
    closing,
  };

  /// A create that waits for `opening` to end.
  struct parked_create {
    batch_ptr of;
    route where;
  };

  /// What the parent does, as far as its children's behaviours depend on it.
  enum class parent_state : std::uint8_t {
    runs,
    /// Its supervisor stopped it, to start it again or to give it up.
    stopped,
    /// Given up: the children are faulted too, but for those that are suspended.
    faulted,
    /// So are the children.
    retired,
  };

  std::string parent;
  parent_state above = parent_state::runs;
  /// The parent's path, such as `/hall-3/line-1`.
  std::string path;
  /// The parent's depth; a root has 1.
  std::uint16_t depth = 0;
  state now = state::opening;
  /// The number of the create that it was opened for.
  std::uint64_t opened_for = 0;
  supervision_policy policy;
  restart_budget budget;
  twin_address* address = nullptr;
  std::uint32_t first = twin_row::none;
  std::uint32_t last = twin_row::none;
  std::uint32_t count = 0;
  /// Null: none is asked for.
  std::unique_ptr<group_rollup> rollup;
  std::vector<parked_create> parked;
  /// Of a delete in progress: who waits for this group to be gone.
  std::optional<std::uint64_t> closing_operation;
  std::uint16_t closing_cell = 0;
  /// The delete takes the children along.
  bool cascading = false;
  /// Of a retirement of the parent with all below in progress: who waits for its end, and children
  /// that are not retired yet.
  std::optional<std::uint64_t> retiring_operation;
  std::uint16_t retiring_cell = 0;
  std::uint32_t retiring_children = 0;
};

} // namespace gemel
