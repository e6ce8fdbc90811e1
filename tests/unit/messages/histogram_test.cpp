#include "messages/histogram.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

using namespace gemel;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;

namespace {

// The smallest value that at least `quantile` of all values do not exceed.
nanoseconds exact(const std::vector<nanoseconds>& sorted, double quantile) {
  auto rank = std::ceil(quantile * static_cast<double>(sorted.size()));
  auto index = rank < 1 ? 0 : static_cast<std::size_t>(rank) - 1;
  return sorted[std::min(index, sorted.size() - 1)];
}

bool near(nanoseconds found, nanoseconds wanted) {
  auto off = std::abs(static_cast<double>((found - wanted).count()));
  return off <= 0.008 * static_cast<double>(wanted.count());
}

// Spread evenly over the logarithm of the range, so that every doubling gets its share.
nanoseconds random_value(std::mt19937_64& random) {
  auto most = std::log(static_cast<double>(histogram::value_max.count()));
  std::uniform_real_distribution<double> spread{0, most};
  return nanoseconds{static_cast<std::int64_t>(std::exp(spread(random)))};
}

} // namespace

TEST_CASE("histogram quantiles are within 0.8 % of the exact ones", "[unit][messages]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  for (std::size_t size : {1, 2, 3, 10, 999, 20'000}) {
    histogram seen;
    std::vector<nanoseconds> values;
    for (std::size_t i = 0; i < size; ++i) {
      values.push_back(random_value(random));
      seen.record(values.back());
    }
    std::sort(values.begin(), values.end());
    CHECK(seen.count() == size);
    CHECK(seen.max() == values.back());
    CHECK(seen.min() == values.front());
    for (auto quantile : {0.0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
      INFO(size << " values, quantile " << quantile << ": " << seen.value_at(quantile).count()
                << " for " << exact(values, quantile).count());
      CHECK(near(seen.value_at(quantile), exact(values, quantile)));
    }
  }
}

TEST_CASE("histogram is exact below 128 ns and off by at most 0.8 % at every bucket's edge",
          "[unit][messages]") {
  for (std::int64_t ns = 1; ns < 128; ++ns) {
    histogram seen;
    seen.record(nanoseconds{ns});
    seen.record(1h);
    CHECK(seen.value_at(0.5) == nanoseconds{ns});
  }
  for (std::int64_t power = 128; power <= histogram::value_max.count(); power *= 2)
    for (auto ns : {power - 1, power, power + 1, power + power / 2 - 1, power + power / 64}) {
      histogram seen;
      seen.record(1ns);
      seen.record(nanoseconds{std::min(ns, histogram::value_max.count())}, 2);
      seen.record(1h);
      INFO(ns);
      CHECK(near(seen.value_at(0.5), std::min<nanoseconds>(nanoseconds{ns}, 1h)));
    }
}

TEST_CASE("histogram counts values out of range at the ends of the range", "[unit][messages]") {
  histogram seen;
  seen.record(0ns);
  seen.record(nanoseconds{std::numeric_limits<std::int64_t>::min()});
  CHECK(seen.max() == 1ns);
  seen.record(nanoseconds{std::numeric_limits<std::int64_t>::max()});
  CHECK(seen.count() == 3);
  CHECK(seen.min() == 1ns);
  CHECK(seen.value_at(0.5) == 1ns);
  CHECK(seen.max() == 1h);
}

TEST_CASE("an empty histogram answers zero", "[unit][messages]") {
  histogram seen;
  seen.record(5s, 0);
  CHECK(seen.count() == 0);
  CHECK(seen.max() == 0ns);
  CHECK(seen.min() == 0ns);
  CHECK(seen.value_at(0.99) == 0ns);
  CHECK(seen.value_at(1) == 0ns);
}

TEST_CASE("histogram cuts quantiles outside 0 to 1", "[unit][messages]") {
  histogram seen;
  seen.record(10ns);
  seen.record(20ns);
  CHECK(seen.value_at(-1) == 10ns);
  CHECK(seen.value_at(std::numeric_limits<double>::quiet_NaN()) == 10ns);
  CHECK(seen.value_at(7) == 20ns);
}

TEST_CASE("merged histograms equal one that saw everything", "[unit][messages]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  std::vector<histogram> parts(4);
  histogram whole;
  for (auto i = 0; i < 10'000; ++i) {
    auto value = random_value(random);
    auto count = random() % 3;
    parts[random() % parts.size()].record(value, count);
    whole.record(value, count);
  }
  histogram merged;
  for (const auto& part : parts)
    merged.merge(part);
  CHECK(merged == whole);
  merged.merge(histogram{});
  CHECK(merged == whole);
  merged.clear();
  CHECK(merged == histogram{});
}
