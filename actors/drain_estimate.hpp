#pragma once

#include "messages/limits.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace gemel {

/// How long a queue needs, from how long its last items took: an exponentially weighted mean over
/// turns (weight 1/8). One thread at a time measures, any may ask.
class drain_estimate {
public:
  /// A turn did `items` in `took`, the wait for the turn included while items waited.
  void done(std::size_t items, std::chrono::nanoseconds took) noexcept {
    constexpr std::int64_t weight = 8;
    if (items == 0)
      return;
    auto one = std::max<std::int64_t>(took.count() / static_cast<std::int64_t>(items), 1);
    auto known = item_ns_.load(std::memory_order_relaxed);
    item_ns_.store(known == 0 ? one : known + (one - known) / weight, std::memory_order_relaxed);
  }

  /// Milliseconds until half of `backlog` items are done, so that there is room again, from 1 to
  /// `limits::retry_after_max`.
  std::uint32_t retry_after_ms(std::size_t backlog) const noexcept {
    constexpr double ns_per_ms = 1e6;
    auto ms = static_cast<double>(backlog) / 2
              * static_cast<double>(item_ns_.load(std::memory_order_relaxed)) / ns_per_ms;
    auto most = static_cast<double>(limits::retry_after_max.count());
    return static_cast<std::uint32_t>(std::clamp(ms, 1.0, most));
  }

private:
  std::atomic<std::int64_t> item_ns_{0};
};

} // namespace gemel
