#include "actors/pool_size.hpp"

#include <algorithm>

namespace gemel {

std::string_view to_string(pool_size::kind what) noexcept {
  switch (what) {
  case pool_size::kind::grow:
    return "grow";
  case pool_size::kind::shrink:
    return "shrink";
  case pool_size::kind::saturated:
    return "saturated";
  case pool_size::kind::relieved:
    return "relieved";
  }
  return "unknown";
}

pool_size::change pool_size::change_to(std::size_t to, kind what, std::string reason) {
  change made{size_, to, std::move(reason), what};
  size_ = to;
  idle_since_ms_.reset();
  return made;
}

// Both ways only after a time, so that it does not flap.
std::optional<pool_size::change>
pool_size::look_at_pressure(std::int64_t now_ms, std::int64_t delay_ms, std::size_t runnable) {
  bool is_pressed = size_ >= bounds_.max && runnable > 0 && delay_ms > bounds_.grow_delay_ms;
  if (is_pressed == is_saturated_) {
    pressed_since_ms_.reset();
    return std::nullopt;
  }
  if (!pressed_since_ms_)
    pressed_since_ms_ = now_ms;
  if (now_ms - *pressed_since_ms_ < bounds_.saturated_after_ms)
    return std::nullopt;
  pressed_since_ms_.reset();
  is_saturated_ = is_pressed;
  if (!is_pressed)
    return change{size_, size_, "calls are begun in time again", kind::relieved};
  return change{size_, size_ + std::min(size_, runnable),
                "a call waited " + std::to_string(delay_ms) + " ms with all workers at work",
                kind::saturated};
}

std::optional<pool_size::change> pool_size::decide(std::int64_t now_ms, std::int64_t delay_ms,
                                                   std::size_t busy, std::size_t runnable) {
  if (runnable > 0 && delay_ms > bounds_.grow_delay_ms && size_ < bounds_.max
      && (!grown_ms_ || now_ms - *grown_ms_ >= bounds_.grow_pause_ms)) {
    grown_ms_ = now_ms;
    // Half as many again, so that a large step is met in few changes.
    auto to =
        std::min({bounds_.max, size_ + std::max<std::size_t>(1, size_ / 2), size_ + runnable});
    return change_to(to, kind::grow, "a call waited " + std::to_string(delay_ms) + " ms");
  }
  if (auto pressure = look_at_pressure(now_ms, delay_ms, runnable))
    return pressure;
  if (busy >= size_ || runnable > 0 || size_ <= bounds_.min) {
    idle_since_ms_.reset();
    return std::nullopt;
  }
  if (!idle_since_ms_)
    idle_since_ms_ = now_ms;
  auto idle = now_ms - *idle_since_ms_;
  if (idle < bounds_.shrink_after_ms)
    return std::nullopt;
  return change_to(size_ - 1, kind::shrink,
                   "a worker was idle for " + std::to_string(idle) + " ms");
}

} // namespace gemel
