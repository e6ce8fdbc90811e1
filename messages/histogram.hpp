#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace gemel {

/// How often which latency was seen, in buckets of constant relative width: log-linear as in Gil
/// Tene's HdrHistogram (hdrhistogram.org). Values of 1 ns to 1 h are told apart to 1/64, and a
/// quantile is answered with its bucket's middle, so that it is off by at most 0.8 %.
///
/// 18,944 bytes of buckets in place, no heap; `record` is a few instructions. Histograms of several
/// writers are merged by adding their buckets: there is no mean, and no mean of means. Not
/// thread-safe: each writer owns one.
class histogram {
public:
  using duration = std::chrono::nanoseconds;

  static constexpr duration value_min{1};
  static constexpr duration value_max{std::chrono::hours{1}};

  /// Takes in `count` values. Those out of range count as `value_min` or `value_max`.
  void record(duration value, std::uint64_t count = 1) noexcept;

  /// Takes in all that `other` has seen.
  void merge(const histogram& other) noexcept;

  /// The smallest value that at least `quantile` (0 to 1, else cut to that; NaN is 0) of all values
  /// do not exceed, within 0.8 %; 1 gives `max()` exactly. Zero when nothing was recorded.
  duration value_at(double quantile) const noexcept;

  /// The largest and smallest value recorded, exactly; zero when nothing was.
  duration max() const noexcept { return max_; }
  duration min() const noexcept { return count_ == 0 ? duration{0} : min_; }

  /// How many values were recorded. Wraps at 2^64.
  std::uint64_t count() const noexcept { return count_; }

  void clear() noexcept { *this = {}; }

  friend bool operator==(const histogram&, const histogram&) = default;

private:
  // Values below 2 * 64 have a bucket each; every doubling above has 64. 1 h is below 2^42 ns.
  static constexpr unsigned sub_bits = 6;
  static constexpr unsigned value_bits = 42;
  static constexpr std::size_t bucket_count = (value_bits - sub_bits + 1) << sub_bits;

  static std::size_t bucket_of(std::uint64_t value) noexcept;
  static std::uint64_t middle_of(std::size_t bucket) noexcept;

  std::array<std::uint64_t, bucket_count> buckets_{};
  std::uint64_t count_ = 0;
  duration max_{0};
  duration min_{value_max};
};

static_assert(sizeof(histogram) == 18'944 + 24);

} // namespace gemel
