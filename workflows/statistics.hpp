#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

/// Statistics of short series, for functions of workflows. Pure; a series is a list of finite
/// numbers, oldest first. A function that needs more points than it gets returns nothing.
namespace gemel {

/// Of at least one point. `stddev` is that of a sample (n - 1), 0 for one point.
struct summary {
  std::size_t count = 0;
  double sum = 0;
  double mean = 0;
  double min = 0;
  double max = 0;
  double stddev = 0;
};
/// Source: Welford, "Note on a method for calculating corrected sums of squares", 1962.
std::optional<summary> summarize(std::span<const double> series);

/// The `percent`-th percentile, 0 to 100, by linear interpolation between the closest ranks (the
/// method of NumPy and Excel). Of at least one point.
std::optional<double> percentile(std::vector<double> series, double percent);

/// A line through at least two points by least squares.
struct line {
  /// Per unit of x.
  double slope = 0;
  double intercept = 0;
  /// The share of the variance that it explains; 1 for points on a line.
  double r_squared = 0;
  /// Standard error of the slope; 0 for two points.
  double slope_error = 0;
};
/// @param x as many as `y`; nothing if all are equal.
std::optional<line> fit_line(std::span<const double> x, std::span<const double> y);

/// How many standard deviations the last point lies from the mean of those before it. Of at least
/// three points; nothing when those before are all equal.
std::optional<double> last_z_score(std::span<const double> series);

/// Distances from the median in units of the median absolute deviation, scaled to standard
/// deviations of a normal distribution; all 0 when more than half of the points are equal. Source:
/// Iglewicz and Hoaglin, "How to detect and handle outliers", 1993.
std::vector<double> modified_z_scores(std::span<const double> series);

/// Exponentially weighted moving average; the first point starts it. @param alpha above 0, at most
/// 1: the weight of a new point.
std::vector<double> ewma(std::span<const double> series, double alpha);

/// Where a cumulative sum of deviations from a target leaves its bounds. Source: Page, "Continuous
/// inspection schemes", 1954 (tabular form).
struct cusum_result {
  double high = 0;
  double low = 0;
  /// Index of the first point at which one of the sums was above `threshold`.
  std::optional<std::size_t> alarm{};
};
/// @param slack the deviation that is allowed each time, @param threshold that of the sum.
cusum_result cusum(std::span<const double> series, double target, double slack, double threshold);

/// The strongest oscillation of a series of even steps, its mean taken off, a Hann window laid over
/// it, by a fast Fourier transform (Cooley and Tukey, 1965) of the series filled up with zeros to a
/// power of two.
struct spectral_peak {
  /// In cycles per unit of time.
  double frequency = 0;
  /// Of the oscillation, as if it were a pure sine.
  double amplitude = 0;
  /// Its share of the whole power.
  double share = 0;
};
/// @param sample_rate points per unit of time, above 0. Of at least four points; nothing for a
/// constant series.
std::optional<spectral_peak> find_peak(std::span<const double> series, double sample_rate);

/// When a line through the points reaches `threshold`, counted from the last x; 0 if it has.
/// Nothing when the line leads away from it or stands.
struct remaining_life {
  double expected = 0;
  /// With the slope one standard error steeper and flatter; `latest` is nothing if it never comes.
  double earliest = 0;
  std::optional<double> latest{};
  double r_squared = 0;
};
std::optional<remaining_life> time_to_threshold(std::span<const double> x,
                                                std::span<const double> y, double threshold);

} // namespace gemel
