#include "actors/downsample.hpp"
#include "tests/support/random_messages.hpp"
#include "tests/support/seed.hpp"

#include <algorithm>
#include <cmath>

using namespace gemel;

namespace {

// The answer as a person would work it out, one interval at a time from all samples.
std::optional<double> expected(const std::vector<sample>& all, std::int64_t from, std::int64_t to,
                               sample_function function, double percent) {
  std::vector<double> in;
  for (const auto& one : all)
    if (one.time_us >= from && one.time_us < to)
      in.push_back(one.number);
  if (function == sample_function::time_weighted_avg) {
    // Microsecond by microsecond.
    double sum = 0;
    double known = 0;
    for (auto at = from; at < to; ++at) {
      const sample* held = nullptr;
      for (const auto& one : all)
        if (one.time_us <= at)
          held = &one;
      if (held != nullptr) {
        sum += held->number;
        ++known;
      }
    }
    return known == 0 ? std::nullopt : std::optional{sum / known};
  }
  if (in.empty())
    return std::nullopt;
  double sum = 0;
  for (auto one : in)
    sum += one;
  auto count = static_cast<double>(in.size());
  double squares = 0;
  for (auto one : in)
    squares += (one - sum / count) * (one - sum / count);
  auto sorted = in;
  std::sort(sorted.begin(), sorted.end());
  auto rank = percent / 100 * (count - 1);
  auto low = static_cast<std::size_t>(std::floor(rank));
  auto high = static_cast<std::size_t>(std::ceil(rank));
  switch (function) {
  case sample_function::avg:
    return sum / count;
  case sample_function::min:
    return sorted.front();
  case sample_function::max:
    return sorted.back();
  case sample_function::sum:
    return sum;
  case sample_function::count:
    return count;
  case sample_function::first:
    return in.front();
  case sample_function::last:
    return in.back();
  case sample_function::stddev:
    return std::sqrt(squares / count);
  case sample_function::percentile:
    return sorted[low] + (rank - std::floor(rank)) * (sorted[high] - sorted[low]);
  default:
    return std::nullopt;
  }
}

} // namespace

TEST_CASE("every function of every interval is what a plain sum over all samples says",
          "[unit][actors]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  test::random_messages random{seed};
  for (int round = 0; round < 1'000; ++round) {
    std::vector<sample> samples(random.below(30));
    std::int64_t time = -50;
    for (auto& one : samples)
      one = {time += static_cast<std::int64_t>(random.below(random.chance(10) ? 60 : 8)),
             static_cast<double>(random.below(2'000)) / 10 - 100};
    downsample_request asked;
    asked.from_us = static_cast<std::int64_t>(random.below(60)) - 40;
    asked.to_us = asked.from_us + 1 + static_cast<std::int64_t>(random.below(150));
    asked.interval_us = static_cast<std::int64_t>(random.below(40));
    asked.function = static_cast<sample_function>(random.below(10));
    asked.percent = static_cast<double>(random.below(101));
    auto rows = downsample(samples, asked);
    REQUIRE(rows);
    auto from = asked.from_us;
    for (const auto& row : *rows) {
      auto to =
          asked.interval_us == 0 ? asked.to_us : std::min(asked.to_us, from + asked.interval_us);
      INFO(to_string(asked.function) << " from " << from << " to " << to);
      CHECK(row.from_us == from);
      CHECK(row.count == samples_in(samples, from, to).size());
      auto wanted = expected(samples, from, to, asked.function, asked.percent);
      REQUIRE(row.number.has_value() == wanted.has_value());
      if (wanted)
        CHECK(*row.number == Catch::Approx(*wanted).margin(1e-9));
      from = to;
    }
    CHECK(from == asked.to_us);
  }
}

TEST_CASE("a gap is a row without a number", "[unit][actors]") {
  const std::vector<sample> samples{{0, 1}, {5, 3}, {25, 5}};
  auto rows = downsample(samples, {.from_us = 0, .to_us = 30, .interval_us = 10});
  REQUIRE(rows);
  REQUIRE(rows->size() == 3);
  CHECK((*rows)[0].number == 2.0);
  CHECK_FALSE((*rows)[1].number);
  CHECK((*rows)[1].count == 0);
  CHECK((*rows)[2].number == 5.0);
}

TEST_CASE("bad requests of intervals are refused by name", "[unit][actors]") {
  CHECK(downsample({}, {.from_us = 5, .to_us = 5}).error().code == errc::bad_value);
  CHECK(downsample({}, {.from_us = 0, .to_us = 9, .interval_us = -1}).error().code
        == errc::bad_value);
  CHECK(downsample({}, {.from_us = 0, .to_us = 9, .percent = 101}).error().code == errc::bad_value);
  CHECK(downsample({}, {.from_us = 0, .to_us = 1'000'001, .interval_us = 1}).error().code
        == errc::limit_reached);
  CHECK(downsample({}, {.from_us = INT64_MIN, .to_us = INT64_MAX}).value().size() == 1);
  CHECK(sample_function_from_string("avg") == sample_function::avg);
  CHECK(sample_function_from_string("mean").error().code == errc::bad_value);
}

TEST_CASE("the last samples and the one that held are found", "[unit][actors]") {
  const std::vector<sample> samples{{0, 1}, {5, 3}, {25, 5}};
  CHECK(last_samples(samples, 2).front().time_us == 5);
  CHECK(last_samples(samples, 9).size() == 3);
  CHECK(sample_at(samples, -1) == nullptr);
  CHECK(sample_at(samples, 24)->number == 3);
  CHECK(sample_at(samples, 25)->number == 5);
  CHECK(samples_in(samples, 5, 25).size() == 1);
  CHECK(samples_in(samples, 25, 5).empty());
}
