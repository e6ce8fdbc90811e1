#include "actors/subscription.hpp"

namespace gemel {

bool subscription::spend(std::uint32_t events) noexcept {
  auto have = credit_.load(std::memory_order_relaxed);
  while (have >= events)
    if (credit_.compare_exchange_weak(have, have - events, std::memory_order_relaxed))
      return true;
  return false;
}

} // namespace gemel
