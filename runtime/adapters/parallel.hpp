#pragma once

#include <functional>
#include <vector>

namespace gemel {

/// Calls all of them on at most `threads` threads, and returns when all have returned.
void run_parallel(const std::vector<std::function<void()>>& jobs, unsigned threads);

} // namespace gemel
