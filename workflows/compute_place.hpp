#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gemel {

/// On which nodes a call may run, by their labels.
struct compute_place {
  /// The node has all of these; empty: any node.
  std::vector<std::string> require{};
  /// Of several nodes, those that have the most of these.
  std::vector<std::string> prefer{};

  friend bool operator==(const compute_place&, const compute_place&) = default;
};

/// Most that a priority may be; 0 is that of everybody, higher ones go first.
inline constexpr std::int32_t compute_priority_max = 9;

} // namespace gemel
