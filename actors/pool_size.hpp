#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gemel {

/// How many workers a pool should have: grows at once when calls wait too long, shrinks slowly when
/// workers have been idle for long, so that it does not flap. Says when the most are not enough, so
/// that somebody outside can add a machine. A core without clock.
class pool_size {
public:
  struct options {
    std::size_t min = 1;
    std::size_t max = 4;
    /// A call that waits longer than this asks for another worker.
    std::int64_t grow_delay_ms = 20;
    /// Between two changes upwards, so that the last one can take effect.
    std::int64_t grow_pause_ms = 20;
    /// A worker that was never needed for so long goes.
    std::int64_t shrink_after_ms = 10'000;
    /// How long calls wait too long, with all workers there may be, before that is said.
    std::int64_t saturated_after_ms = 1'000;
  };
  enum class kind : std::uint8_t {
    grow,
    shrink,
    /// Calls wait although there are as many workers as may be; `to` is how many would do.
    saturated,
    /// They do not any more.
    relieved,
  };
  struct change {
    std::size_t from = 0;
    std::size_t to = 0;
    std::string reason{};
    kind what = kind::grow;
  };

  explicit pool_size(options bounds) : bounds_{bounds}, size_{bounds.min} {}

  std::size_t size() const noexcept { return size_; }
  bool is_saturated() const noexcept { return is_saturated_; }

  /// To be asked after every change and some times a second. @param busy workers at work, @param
  /// runnable calls that a further worker could begin.
  std::optional<change> decide(std::int64_t now_ms, std::int64_t delay_ms, std::size_t busy,
                               std::size_t runnable);

private:
  change change_to(std::size_t to, kind what, std::string reason);
  std::optional<change> look_at_pressure(std::int64_t now_ms, std::int64_t delay_ms,
                                         std::size_t runnable);

  options bounds_;
  std::size_t size_;
  std::optional<std::int64_t> grown_ms_{};
  // Since when fewer workers than there are were enough.
  std::optional<std::int64_t> idle_since_ms_{};
  // Since when it is the other way than `is_saturated_` says.
  std::optional<std::int64_t> pressed_since_ms_{};
  bool is_saturated_ = false;
};

/// Such as `grow`.
std::string_view to_string(pool_size::kind what) noexcept;

} // namespace gemel
