#pragma once

#include "bench/soak/overload.hpp"

namespace gemel::soak {

/// Simulates replicas, `asked.seeds` runs from `asked.seed` on, on all processors. Prints each
/// violation with its seed, and one line of counts. @returns the exit code: 0 all held, 1 something
/// did not.
int run_sync(const options& asked);

} // namespace gemel::soak
