#include "actors/downsample.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>

namespace gemel {

namespace {

constexpr std::array<std::string_view, 10> names = {
    "avg",   "min",  "max",    "sum",        "count",
    "first", "last", "stddev", "percentile", "time_weighted_avg"};

using samples_view = std::span<const sample>;

// Neumaier's variant of Kahan's sum: the order of the samples does not matter much.
class exact_sum {
public:
  void add(double number) noexcept {
    auto sum = sum_ + number;
    rest_ += std::abs(sum_) >= std::abs(number) ? (sum_ - sum) + number : (number - sum) + sum_;
    sum_ = sum;
  }
  double total() const noexcept { return std::isfinite(sum_) ? sum_ + rest_ : sum_; }

private:
  double sum_ = 0;
  double rest_ = 0;
};

double sum_of(samples_view samples) noexcept {
  exact_sum sum;
  for (const auto& one : samples)
    sum.add(one.number);
  return sum.total();
}

// Welford 1962: no difference of large squares.
double deviation_of(samples_view samples) noexcept {
  double mean = 0;
  double squares = 0;
  double count = 0;
  for (const auto& one : samples) {
    auto step = one.number - mean;
    mean += step / ++count;
    squares += step * (one.number - mean);
  }
  return std::sqrt(squares / count);
}

double percentile_of(samples_view samples, double percent) {
  std::vector<double> numbers;
  numbers.reserve(samples.size());
  for (const auto& one : samples) {
    if (std::isnan(one.number))
      return one.number;
    numbers.push_back(one.number);
  }
  auto rank = percent / 100 * static_cast<double>(numbers.size() - 1);
  auto below = static_cast<std::ptrdiff_t>(rank);
  std::nth_element(numbers.begin(), numbers.begin() + below, numbers.end());
  auto low = numbers[static_cast<std::size_t>(below)];
  auto part = rank - static_cast<double>(below);
  if (part == 0)
    return low;
  auto high = *std::min_element(numbers.begin() + below + 1, numbers.end());
  return low + part * (high - low);
}

template <class Better>
std::optional<double> extreme_of(samples_view samples, Better better) {
  std::optional<double> found;
  for (const auto& one : samples)
    if (!std::isnan(one.number) && (!found || better(one.number, *found)))
      found = one.number;
  return found;
}

// @param held what held before the first of `samples`; null: nothing is known.
std::optional<double> weighted_of(samples_view samples, const sample* held, std::int64_t from,
                                  std::int64_t to) {
  exact_sum sum;
  double known = 0;
  auto hold = [&](double number, std::int64_t begin, std::int64_t end) {
    auto weight =
        static_cast<double>(static_cast<std::uint64_t>(end) - static_cast<std::uint64_t>(begin));
    sum.add(number * weight);
    known += weight;
  };
  if (held != nullptr)
    hold(held->number, from, samples.empty() ? to : samples.front().time_us);
  for (std::size_t i = 0; i < samples.size(); ++i)
    hold(samples[i].number, samples[i].time_us,
         i + 1 < samples.size() ? samples[i + 1].time_us : to);
  if (known == 0)
    return std::nullopt;
  return sum.total() / known;
}

std::optional<double> value_of(samples_view samples, const downsample_request& asked) {
  if (samples.empty())
    return std::nullopt;
  switch (asked.function) {
  case sample_function::avg:
    return sum_of(samples) / static_cast<double>(samples.size());
  case sample_function::min:
    return extreme_of(samples, [](double a, double b) { return a < b; });
  case sample_function::max:
    return extreme_of(samples, [](double a, double b) { return a > b; });
  case sample_function::sum:
    return sum_of(samples);
  case sample_function::count:
    return static_cast<double>(samples.size());
  case sample_function::first:
    return samples.front().number;
  case sample_function::last:
    return samples.back().number;
  case sample_function::stddev:
    return deviation_of(samples);
  case sample_function::percentile:
    return percentile_of(samples, asked.percent);
  case sample_function::time_weighted_avg:
    break;
  }
  return std::nullopt;
}

// How many intervals the request has.
result<std::uint64_t> count_intervals(const downsample_request& asked) {
  if (asked.from_us >= asked.to_us)
    return fail(errc::bad_value, "the range is empty: its end is not after its start");
  if (asked.interval_us < 0)
    return fail(errc::bad_value, "the interval is negative");
  if (!(asked.percent >= 0 && asked.percent <= 100))
    return fail(errc::bad_value, "the percentile is not between 0 and 100");
  auto length = static_cast<std::uint64_t>(asked.to_us) - static_cast<std::uint64_t>(asked.from_us);
  auto interval = asked.interval_us == 0 ? length : static_cast<std::uint64_t>(asked.interval_us);
  auto count = length / interval + (length % interval != 0 ? 1 : 0);
  if (count > intervals_max)
    return fail(errc::limit_reached, std::to_string(count) + " intervals, at most "
                                         + std::to_string(intervals_max)
                                         + "; take a longer interval or a shorter range");
  return count;
}

auto first_at(samples_view samples, std::int64_t time) noexcept {
  return std::partition_point(samples.begin(), samples.end(),
                              [&](const auto& one) { return one.time_us < time; });
}

} // namespace

std::string_view to_string(sample_function function) noexcept {
  auto index = static_cast<std::size_t>(function);
  return index < names.size() ? names[index] : std::string_view{"unknown"};
}

result<sample_function> sample_function_from_string(std::string_view name) {
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == name)
      return static_cast<sample_function>(i);
  std::string known;
  for (auto one : names)
    known.append(known.empty() ? "" : ", ").append(one);
  return fail(errc::bad_value, "no function '" + std::string{name} + "'; there are " + known);
}

result<std::vector<interval_row>> downsample(std::span<const sample> samples,
                                             const downsample_request& asked) {
  auto count = count_intervals(asked);
  if (!count)
    return tl::unexpected(std::move(count.error()));
  std::vector<interval_row> rows(*count);
  auto begin = first_at(samples, asked.from_us);
  const auto* held = begin == samples.begin() ? nullptr : &*(begin - 1);
  auto from = asked.from_us;
  for (auto& row : rows) {
    auto left = static_cast<std::uint64_t>(asked.to_us) - static_cast<std::uint64_t>(from);
    auto is_last = asked.interval_us == 0 || left <= static_cast<std::uint64_t>(asked.interval_us);
    auto to = is_last ? asked.to_us : from + asked.interval_us;
    auto end = begin;
    while (end != samples.end() && end->time_us < to)
      ++end;
    samples_view inside{begin, end};
    row.from_us = from;
    row.count = inside.size();
    row.number = asked.function == sample_function::time_weighted_avg
                     ? weighted_of(inside, held, from, to)
                     : value_of(inside, asked);
    if (!inside.empty())
      held = &inside.back();
    begin = end;
    from = to;
  }
  return rows;
}

std::span<const sample> samples_in(std::span<const sample> samples, std::int64_t from_us,
                                   std::int64_t to_us) noexcept {
  if (from_us >= to_us)
    return {};
  return {first_at(samples, from_us), first_at(samples, to_us)};
}

std::span<const sample> last_samples(std::span<const sample> samples, std::size_t count) noexcept {
  return samples.last(std::min(count, samples.size()));
}

const sample* sample_at(std::span<const sample> samples, std::int64_t time_us) noexcept {
  auto after = std::partition_point(samples.begin(), samples.end(),
                                    [&](const auto& one) { return one.time_us <= time_us; });
  return after == samples.begin() ? nullptr : &*(after - 1);
}

} // namespace gemel
