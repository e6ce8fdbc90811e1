#include "workflows/statistics.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <complex>
#include <numbers>
#include <numeric>

namespace gemel {

namespace {

using complex = std::complex<double>;

// In place; the size is a power of two.
void transform(std::vector<complex>& points) {
  auto size = points.size();
  for (std::size_t i = 1, j = 0; i < size; ++i) {
    auto bit = size >> 1;
    for (; (j & bit) != 0; bit >>= 1)
      j ^= bit;
    j ^= bit;
    if (i < j)
      std::swap(points[i], points[j]);
  }
  for (std::size_t length = 2; length <= size; length <<= 1) {
    auto step = std::polar(1.0, -2 * std::numbers::pi / static_cast<double>(length));
    for (std::size_t start = 0; start < size; start += length) {
      complex turn{1};
      for (std::size_t k = 0; k < length / 2; ++k, turn *= step) {
        auto even = points[start + k];
        auto odd = points[start + k + length / 2] * turn;
        points[start + k] = even + odd;
        points[start + k + length / 2] = even - odd;
      }
    }
  }
}

double median(std::vector<double> series) {
  auto middle = series.begin() + static_cast<std::ptrdiff_t>(series.size() / 2);
  std::nth_element(series.begin(), middle, series.end());
  if (series.size() % 2 != 0)
    return *middle;
  return (*middle + *std::max_element(series.begin(), middle)) / 2;
}

} // namespace

std::optional<summary> summarize(std::span<const double> series) {
  if (series.empty())
    return std::nullopt;
  summary made{.min = series[0], .max = series[0]};
  double squares = 0;
  for (auto point : series) {
    ++made.count;
    auto delta = point - made.mean;
    made.mean += delta / static_cast<double>(made.count);
    squares += delta * (point - made.mean);
    made.sum += point;
    made.min = std::min(made.min, point);
    made.max = std::max(made.max, point);
  }
  // The running mean serves the squares; this one is rounded less often.
  if (std::isfinite(made.sum))
    made.mean = made.sum / static_cast<double>(made.count);
  if (made.count > 1)
    made.stddev = std::sqrt(squares / static_cast<double>(made.count - 1));
  return made;
}

std::optional<double> percentile(std::vector<double> series, double percent) {
  if (series.empty() || !(percent >= 0 && percent <= 100))
    return std::nullopt;
  std::sort(series.begin(), series.end());
  auto rank = percent / 100 * static_cast<double>(series.size() - 1);
  auto below = static_cast<std::size_t>(rank);
  auto above = std::min(below + 1, series.size() - 1);
  return std::lerp(series[below], series[above], rank - static_cast<double>(below));
}

std::optional<line> fit_line(std::span<const double> x, std::span<const double> y) {
  auto count = x.size();
  if (count < 2 || y.size() != count)
    return std::nullopt;
  auto n = static_cast<double>(count);
  auto mean_x = std::accumulate(x.begin(), x.end(), 0.0) / n;
  auto mean_y = std::accumulate(y.begin(), y.end(), 0.0) / n;
  double xx = 0;
  double xy = 0;
  double yy = 0;
  for (std::size_t i = 0; i < count; ++i) {
    xx += (x[i] - mean_x) * (x[i] - mean_x);
    xy += (x[i] - mean_x) * (y[i] - mean_y);
    yy += (y[i] - mean_y) * (y[i] - mean_y);
  }
  if (xx == 0)
    return std::nullopt;
  line made;
  made.slope = xy / xx;
  made.intercept = mean_y - made.slope * mean_x;
  auto left = std::max(0.0, yy - made.slope * xy);
  made.r_squared = yy == 0 ? 1 : 1 - left / yy;
  if (count > 2)
    made.slope_error = std::sqrt(left / (n - 2) / xx);
  return made;
}

std::optional<double> last_z_score(std::span<const double> series) {
  if (series.size() < 3)
    return std::nullopt;
  auto before = summarize(series.first(series.size() - 1));
  if (before->stddev == 0)
    return std::nullopt;
  return (series.back() - before->mean) / before->stddev;
}

std::vector<double> modified_z_scores(std::span<const double> series) {
  std::vector<double> scores(series.size());
  if (series.empty())
    return scores;
  auto middle = median({series.begin(), series.end()});
  std::vector<double> distances;
  for (auto point : series)
    distances.push_back(std::abs(point - middle));
  // The 0.75 quantile of the standard normal distribution.
  constexpr double normal_quantile = 0.6745;
  auto spread = median(distances);
  for (std::size_t i = 0; spread > 0 && i < series.size(); ++i)
    scores[i] = normal_quantile * (series[i] - middle) / spread;
  return scores;
}

std::vector<double> ewma(std::span<const double> series, double alpha) {
  std::vector<double> smooth;
  smooth.reserve(series.size());
  for (auto point : series)
    smooth.push_back(smooth.empty() ? point : alpha * point + (1 - alpha) * smooth.back());
  return smooth;
}

cusum_result cusum(std::span<const double> series, double target, double slack, double threshold) {
  cusum_result made;
  for (std::size_t i = 0; i < series.size(); ++i) {
    made.high = std::max(0.0, made.high + series[i] - target - slack);
    made.low = std::max(0.0, made.low + target - series[i] - slack);
    if (!made.alarm && (made.high > threshold || made.low > threshold))
      made.alarm = i;
  }
  return made;
}

std::optional<spectral_peak> find_peak(std::span<const double> series, double sample_rate) {
  if (series.size() < 4 || !(sample_rate > 0))
    return std::nullopt;
  auto mean = summarize(series)->mean;
  auto count = static_cast<double>(series.size());
  std::vector<complex> points(std::bit_ceil(series.size()));
  double weights = 0;
  for (std::size_t i = 0; i < series.size(); ++i) {
    auto weight = 0.5 - 0.5 * std::cos(2 * std::numbers::pi * static_cast<double>(i) / count);
    weights += weight;
    points[i] = (series[i] - mean) * weight;
  }
  transform(points);
  auto half = points.size() / 2;
  double power = 0;
  std::size_t best = 1;
  for (std::size_t k = 1; k <= half; ++k) {
    power += std::norm(points[k]);
    if (std::norm(points[k]) > std::norm(points[best]))
      best = k;
  }
  if (power == 0)
    return std::nullopt;
  spectral_peak made;
  made.frequency = sample_rate * static_cast<double>(best) / static_cast<double>(points.size());
  made.amplitude = 2 * std::abs(points[best]) / weights;
  // The window spreads a line over its neighbours.
  for (auto k = best - 1; k <= std::min(best + 1, half); ++k)
    made.share += k > 0 ? std::norm(points[k]) / power : 0;
  return made;
}

std::optional<remaining_life> time_to_threshold(std::span<const double> x,
                                                std::span<const double> y, double threshold) {
  auto fit = fit_line(x, y);
  if (!fit)
    return std::nullopt;
  auto now = fit->intercept + fit->slope * x.back();
  auto missing = threshold - now;
  // It rises towards what it began below, and falls towards what it began above.
  auto began = fit->intercept + fit->slope * x.front();
  bool rises = threshold >= began;
  remaining_life made{.r_squared = fit->r_squared};
  if (rises ? missing <= 0 : missing >= 0) {
    made.latest = 0;
    return made;
  }
  if (rises ? fit->slope <= 0 : fit->slope >= 0)
    return std::nullopt;
  made.expected = missing / fit->slope;
  auto towards = rises ? fit->slope_error : -fit->slope_error;
  made.earliest = missing / (fit->slope + towards);
  auto flatter = fit->slope - towards;
  if (rises ? flatter > 0 : flatter < 0)
    made.latest = missing / flatter;
  return made;
}

} // namespace gemel
