#pragma once

#include <cstdint>

namespace gemel::soak {

/// What every check of ./dev soak is told.
struct options {
  double seconds = 60;
  std::uint64_t seed = 1;
  /// Simulated runs.
  std::uint64_t seeds = 10'000;
};

/// Offers a node ten times what it can do, from several threads, while slow subscribers watch.
/// Checks that memory stays bounded, that every acknowledged update is applied and no refused one
/// is. Prints one line of counts. @returns the exit code: 0 all held, 1 something did not.
int run_overload(const options& asked);

} // namespace gemel::soak
