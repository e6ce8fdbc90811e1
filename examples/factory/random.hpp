#pragma once

#include <cstdint>

namespace gemel::factory {

/// A seeded stream of random numbers, 8 bytes of state: splitmix64 (Steele, Lea, Flood: "Fast
/// Splittable Pseudorandom Number Generators", OOPSLA 2014). The same seed gives the same numbers
/// on every machine.
class random_stream {
public:
  explicit random_stream(std::uint64_t seed) noexcept : state_{seed} {}

  /// Stream number `index` of the family of `seed`: streams do not depend on how many there are.
  random_stream(std::uint64_t seed, std::uint64_t index) noexcept
      : state_{mixed(seed) ^ mixed(index + 0x6a09e667f3bcc909u)} {}

  std::uint64_t next() noexcept { return mixed(state_ += 0x9e3779b97f4a7c15u); }

  /// In [0, 1), 53 bits.
  double unit() noexcept { return static_cast<double>(next() >> 11) * 0x1p-53; }

  /// In [low, high).
  double between(double low, double high) noexcept { return low + (high - low) * unit(); }

  /// In [low, high], for bounds of less than 2^32.
  std::uint32_t whole(std::uint32_t low, std::uint32_t high) noexcept {
    return low + static_cast<std::uint32_t>(((next() >> 32) * (high - low + 1ull)) >> 32);
  }

  /// Bell-shaped with mean 0 and deviation 1, never beyond 3.47: the sum of four uniform numbers
  /// (Irwin-Hall), so that no draw of the noise alone can look like a fault.
  double noise() noexcept {
    auto bits = next();
    double sum = 0;
    for (int i = 0; i < 4; ++i, bits >>= 16)
      sum += static_cast<double>(bits & 0xffff) * 0x1p-16;
    return (sum - 2.0) * 1.7320508075688772; // deviation of the sum: sqrt(4 / 12)
  }

private:
  static std::uint64_t mixed(std::uint64_t z) noexcept {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  std::uint64_t state_;
};

} // namespace gemel::factory
