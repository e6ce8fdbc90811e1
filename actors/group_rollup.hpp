#pragma once

#include "actors/twin.hpp"
#include "registry/rollup.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace gemel {

/// The roll-ups of one hierarchy group: over its children's own values and what is known of all
/// twins below each of them. Only of the properties that its parent's type or that of any ancestor
/// asks for.
class group_rollup {
public:
  /// Calls its argument for every child, with what is known of the twins below it (may be null).
  using child_visitor =
      std::function<void(const std::function<void(const twin_row&, const rollup_list* below)>&)>;

  /// @param keys ascending, at least one.
  explicit group_rollup(std::vector<key_id> keys);

  const std::vector<key_id>& keys() const noexcept { return keys_; }

  /// A child comes, with its values.
  void enter(const twin_row& child, const rollup_list* below);
  /// A child goes, with the values that were counted.
  void leave(const twin_row& child, const rollup_list* below);
  /// A child's property changes; null: it is not there.
  void change(key_id key, const value* before, const value* after);
  /// What is known of the twins below a child changes; null: nothing is known.
  void replace(const rollup_list* before, const rollup_list* after);

  /// Of each property what is known now. Looks at all children again if the least or greatest
  /// number has left.
  rollup_list list(const child_visitor& children);

  /// Whether the group is in the list of those that have something new to tell.
  bool listed = false;

private:
  std::vector<key_id> keys_;
  // One for each key.
  std::vector<rollup> sums_;
};

/// What goes from a group to its parent's cell.
struct rollup_delivery {
  std::string parent;
  /// Empty: the group keeps none any more.
  rollup_list below;
};

} // namespace gemel
