#pragma once

#include <cstdint>

namespace gemel {

/// Hybrid logical time (Kulkarni et al., "Logical Physical Clocks", 2014): 48 bits of milliseconds
/// since 1970 above a 16-bit counter, so that stamps of one node never repeat nor go back even when
/// its wall clock does. Compares as the time it tells.
enum class hybrid_time : std::uint64_t {};

constexpr hybrid_time make_hybrid_time(std::int64_t unix_ms, std::uint16_t counter) noexcept {
  return hybrid_time{(static_cast<std::uint64_t>(unix_ms) << 16) | counter};
}

/// Milliseconds since 1970-01-01 UTC.
constexpr std::int64_t unix_ms(hybrid_time t) noexcept {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(t) >> 16);
}

/// The clock of one writer. Not thread-safe: each cell owns one.
class hybrid_clock {
public:
  /// The next stamp at wall time `now_ms`: above every one given or seen before. A counter that is
  /// full borrows the next millisecond. A wall clock before 1970 counts as 1970.
  hybrid_time tick(std::int64_t now_ms) noexcept {
    auto wall = static_cast<std::uint64_t>(make_hybrid_time(now_ms > 0 ? now_ms : 0, 0));
    last_ = wall > last_ ? wall : last_ + 1;
    return hybrid_time{last_};
  }

  /// Takes in a stamp from elsewhere, so that later local writes order after it. Who takes stamps
  /// from a peer refuses those far ahead of the wall first: a clock never comes back from them.
  void observe(hybrid_time seen) noexcept {
    auto other = static_cast<std::uint64_t>(seen);
    last_ = other > last_ ? other : last_;
  }

  hybrid_time last() const noexcept { return hybrid_time{last_}; }

private:
  std::uint64_t last_ = 0;
};

/// Which write this is: the writer's index above its 48-bit counter. One dot is given once, ever.
/// Source: Preguiça et al., "Dotted Version Vectors", 2010.
enum class dot : std::uint64_t {};

constexpr dot make_dot(std::uint16_t writer, std::uint64_t counter) noexcept {
  return dot{(static_cast<std::uint64_t>(writer) << 48) | counter};
}
constexpr std::uint16_t writer_of(dot d) noexcept {
  return static_cast<std::uint16_t>(static_cast<std::uint64_t>(d) >> 48);
}
constexpr std::uint64_t counter_of(dot d) noexcept {
  return static_cast<std::uint64_t>(d) & 0xffff'ffff'ffffU;
}

/// When and by which write a property got its value.
struct stamp {
  hybrid_time time{};
  dot write{};

  friend bool operator==(const stamp&, const stamp&) = default;
};

} // namespace gemel
