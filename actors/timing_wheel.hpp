#pragma once

#include "messages/error.hpp"

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace gemel {

/// Timers of one cell: set, cancel and fire in O(1) each, 32 bytes a timer, nothing while nothing
/// is due. Time is an argument and counts in ticks of a millisecond; a timer fires at the first
/// `advance` to its tick or later, never before. Source: G. Varghese, A. Lauck, "Hashed and
/// Hierarchical Timing Wheels" (1987), scheme 7: wheels of 64 slots, each slot of one as long as
/// the whole wheel below it. Not thread-safe.
class timing_wheel {
public:
  /// Names a timer from `add` until it fires or is cancelled; then its number is used anew.
  enum class timer : std::uint32_t { none = UINT32_MAX };

  /// @param now_ns where its time begins, `moment::steady_ns`.
  explicit timing_wheel(std::int64_t now_ns = 0) : now_{tick_of(now_ns)} {}

  /// Sets a timer. @param due_ns when, `moment::steady_ns`, rounded up to a tick; what is past
  /// fires at the next tick. @param payload is given back when it fires.
  timer add(std::int64_t due_ns, std::uint64_t payload);

  /// Takes back a timer that is set.
  void cancel(timer which);

  /// Fires what is due by `now_ns`, in the order of the ticks; timers of one tick in no order.
  /// @param fire called as `fire(payload)`; may add and cancel timers. @param most at most so many.
  /// @returns false if more is due: call again. A time before the last one does nothing.
  template <class Fire>
  bool advance(std::int64_t now_ns, std::size_t most, Fire fire);

  /// The earliest time at which `advance` has something to do, `moment::steady_ns`: at most when
  /// the next timer is due, maybe earlier, when far timers are to be sorted anew. Empty: no timer.
  std::optional<std::int64_t> next_due() const noexcept;

  /// Timers that are set.
  std::size_t size() const noexcept { return size_; }

private:
  static constexpr unsigned slot_bits = 6;
  static constexpr std::size_t slots = std::size_t{1} << slot_bits;
  // 8 wheels of 64 slots span 2^48 ticks, 8,900 years.
  static constexpr std::size_t wheels = 8;
  static constexpr std::int64_t tick_ns = 1'000'000;
  static constexpr std::uint32_t nil = UINT32_MAX;

  struct entry {
    std::uint64_t due;
    std::uint64_t payload;
    std::uint32_t next;
    std::uint32_t previous;
    // Wheel and slot, or `nil`: the entry is free.
    std::uint32_t list;
  };

  static std::uint64_t tick_of(std::int64_t ns) noexcept {
    return ns > 0 ? static_cast<std::uint64_t>(ns / tick_ns) : 0;
  }

  std::uint32_t list_for(std::uint64_t due) const noexcept;
  void link(std::uint32_t index);
  void unlink(std::uint32_t index);
  // The first tick at which a wheel's slot is to be looked at; empty: no timer.
  std::optional<std::uint64_t> next_tick() const noexcept;
  // Moves time to `tick`, and the timers of the slots that begin there to lower wheels.
  void turn_to(std::uint64_t tick);

  std::uint64_t now_;
  std::size_t size_ = 0;
  std::vector<entry> entries_;
  std::uint32_t free_ = nil;
  std::array<std::uint32_t, wheels* slots> first_ = all_nil();
  // Which slots hold something, one bit each.
  std::array<std::uint64_t, wheels> used_{};

  static constexpr std::array<std::uint32_t, wheels * slots> all_nil() {
    std::array<std::uint32_t, wheels * slots> made{};
    made.fill(nil);
    return made;
  }
};

template <class Fire>
bool timing_wheel::advance(std::int64_t now_ns, std::size_t most, Fire fire) {
  auto until = tick_of(now_ns);
  for (auto next = next_tick(); next && *next <= until; next = next_tick()) {
    if (*next > now_)
      turn_to(*next);
    auto list = static_cast<std::uint32_t>(now_ % slots);
    while (first_[list] != nil) {
      if (most-- == 0)
        return false;
      auto index = first_[list];
      auto payload = entries_[index].payload;
      cancel(timer{index});
      fire(payload);
    }
  }
  if (until > now_)
    turn_to(until);
  return true;
}

} // namespace gemel
