#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace gemel {

/// Between looking a twin's place up and pushing to its cell a door is inside; while twins change
/// their cells nobody is. Any number of threads may be inside at once, each for some microseconds;
/// entering costs two writes to a line that few threads share (a big-reader lock).
class routing_gate {
public:
  /// While it lives, its thread is inside.
  class pass {
  public:
    explicit pass(routing_gate* gate) noexcept : gate_{gate} {}
    pass(pass&& other) noexcept : gate_{std::exchange(other.gate_, nullptr)} {}
    pass& operator=(pass&&) = delete;
    ~pass() {
      if (gate_ != nullptr)
        gate_->leave();
    }

  private:
    routing_gate* gate_;
  };

  /// Waits while the gate is closed. A thread that is inside already may enter again.
  [[nodiscard]] pass enter();

  /// Waits until nobody is inside; who wants to enter waits from then on. Not from inside.
  void close() noexcept;
  void open() noexcept;

private:
  struct alignas(64) stripe {
    std::atomic<std::uint32_t> inside{0};
  };

  stripe& mine() noexcept;
  void leave() noexcept;
  void step_out(stripe& s) noexcept;

  std::array<stripe, 64> stripes_;
  std::atomic<bool> closed_{false};
};

} // namespace gemel
