#pragma once

#include "messages/records.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace gemel {

/// Draws a tree line by line, depth first, with box characters, or with ASCII where those cannot be
/// shown. Holds one flag per level.
class tree_lines {
public:
  explicit tree_lines(bool is_utf8) : is_utf8_{is_utf8} {}

  /// The line of a twin below those of `depth` ancestors that were drawn just before it.
  /// @param is_last whether no sibling and no `more` follows.
  std::string twin(const twin_record& twin, std::size_t depth, bool is_last);

  /// The line for children that are not drawn.
  std::string more(std::uint64_t count, std::size_t depth);

private:
  std::string branch(std::size_t depth, bool is_last);

  bool is_utf8_;
  std::vector<bool> goes_on_; // of each level below the first: whether siblings follow
};

/// What a tree says of one twin: id, type, and its state where it is not the usual one.
std::string tree_label(const twin_record& twin);

} // namespace gemel
