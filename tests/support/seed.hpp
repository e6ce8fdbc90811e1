#pragma once

#include "tests/support/catch.hpp"

#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>

namespace gemel::test {

/// The seed of a random test: that of the environment variable GEMEL_SEED, else a fresh one. Shown
/// by INFO(...) in the test, so that a failing run can be repeated.
inline std::uint64_t seed() {
  if (const auto* text = std::getenv("GEMEL_SEED"))
    return std::strtoull(text, nullptr, 10);
  return std::random_device{}();
}

} // namespace gemel::test
