#pragma once

#include "messages/stamp.hpp"
#include "messages/version_vector.hpp"

#include <functional>
#include <string>
#include <string_view>

namespace gemel {

/// What a replica shows of a twin's place in the tree.
struct shown_place {
  bool alive = false;
  /// As written last; empty: a root.
  std::string parent{};
  /// Of the write that put it there.
  hybrid_time time{};
  write_id write{};
};

using place_lookup = std::function<shown_place(std::string_view twin)>;

/// Where a twin really is. Two nodes may move twins below each other, or delete a parent that the
/// other moves children to, without either being wrong; so what was written is kept, and every
/// replica of equal clocks reads the same tree from it:
///  - a twin whose parent is not there is a root;
///  - of the twins on a circle the one that was moved last is a root, so the older moves hold.
/// @returns the parent's id; empty: a root, or no such twin. Takes time in the number of ancestors.
std::string parent_in_tree(std::string_view twin, const place_lookup& of);

} // namespace gemel
