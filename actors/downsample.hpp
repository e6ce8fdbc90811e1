#pragma once

#include "messages/error.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

/// Questions to one property's past, apart from where it lies.
namespace gemel {

/// One number that a property had.
struct sample {
  /// Microseconds since 1970 UTC.
  std::int64_t time_us = 0;
  double number = 0;
};

/// What is told of the samples of one interval.
enum class sample_function : std::uint8_t {
  avg,
  min,
  max,
  sum,
  count,
  first,
  last,
  /// Of the whole population, not of a sample of it.
  stddev,
  /// Interpolated between neighbours (Hyndman and Fan 1996, type 7).
  percentile,
  /// Each value counts for as long as it held; the last one before an interval holds at its start.
  time_weighted_avg,
};

std::string_view to_string(sample_function function) noexcept;
/// @returns errc::bad_value with the names that there are.
result<sample_function> sample_function_from_string(std::string_view name);

/// Intervals of one answer.
inline constexpr std::uint64_t intervals_max = 1'000'000;

struct downsample_request {
  /// [from, to), microseconds since 1970 UTC.
  std::int64_t from_us = 0;
  std::int64_t to_us = 0;
  /// Length of one interval; the last one ends with `to_us`. 0: one interval.
  std::int64_t interval_us = 0;
  sample_function function = sample_function::avg;
  /// Of `percentile`, 0 to 100.
  double percent = 50;
};

/// One interval of the answer; all are there, in order.
struct interval_row {
  std::int64_t from_us = 0;
  /// Samples in it.
  std::uint64_t count = 0;
  /// Nothing: a gap, where the function has no value. `count` and `sum` of nothing are 0 and a gap.
  std::optional<double> number{};
};

/// Answers from samples in ascending order of time; those outside of the range are passed over, but
/// for the last one before it, which `time_weighted_avg` needs. A NaN among the samples makes all
/// that is computed from it NaN, except `min` and `max`, which pass it over.
/// @returns errc::bad_value for an empty or backward range, a negative interval, a percentile
///          outside of 0 to 100; errc::limit_reached beyond `intervals_max`.
result<std::vector<interval_row>> downsample(std::span<const sample> samples,
                                             const downsample_request& asked);

/// The samples in [from, to). Ascending by time, as they must be.
std::span<const sample> samples_in(std::span<const sample> samples, std::int64_t from_us,
                                   std::int64_t to_us) noexcept;

/// The last `count` samples, or all if there are fewer.
std::span<const sample> last_samples(std::span<const sample> samples, std::size_t count) noexcept;

/// The sample that held at `time_us`: the last one at or before it; null: none did.
const sample* sample_at(std::span<const sample> samples, std::int64_t time_us) noexcept;

} // namespace gemel
