#include "actors/series_block.hpp"
#include "tests/support/random_records.hpp"
#include "tests/support/seed.hpp"

#include <bit>
#include <cmath>

using namespace gemel;

namespace {

// One of the ways in which properties move.
std::vector<series_point> some_points(test::random_messages& random, std::size_t count) {
  std::vector<series_point> made(count);
  auto time = static_cast<std::int64_t>(random.below(2'000'000'000'000'000));
  auto step = static_cast<std::int64_t>(1 + random.below(1'000'000'000));
  auto times = random.below(4);
  auto values = random.below(9);
  auto stamps = random.below(3);
  auto versions = random.below(3);
  std::uint64_t version = 0;
  auto level = static_cast<double>(random.below(1'000)) / 10;
  auto whole = static_cast<std::int64_t>(random.below(1'000'000));
  for (auto& one : made) {
    time += times == 0   ? step
            : times == 1 ? step + static_cast<std::int64_t>(random.below(1'000)) - 500
            : times == 2 ? (random.chance(5) ? 100 * step : step)
                         : static_cast<std::int64_t>(random.below(UINT64_MAX) >> 14)
                               - (std::int64_t{1} << 49);
    one.time_us = time;
    if (stamps == 1)
      one.written = make_hybrid_time(time / 1'000 + static_cast<std::int64_t>(random.below(9)), 0);
    else if (stamps == 2)
      one.written = hybrid_time{random.below(UINT64_MAX)};
    version = versions == 0 ? 0 : versions == 1 ? version + 1 : random.below(UINT64_MAX);
    one.version = version;
    level += std::round(static_cast<double>(random.below(21)) - 10) / 10;
    whole += static_cast<std::int64_t>(random.below(11)) - 5;
    switch (values) {
    case 0:
      one.content = std::round(level * 10) / 10;
      break;
    case 1:
      one.content = std::bit_cast<double>(random.below(UINT64_MAX));
      break;
    case 2:
      one.content = random.chance(5) ? random.real() : std::round(level * 100) / 100;
      break;
    case 3:
      one.content = random.chance(20) ? static_cast<std::int64_t>(random.below(UINT64_MAX)) : whole;
      break;
    case 4:
      one.content = random.chance(30);
      break;
    case 5:
      one.content = "state-" + std::to_string(random.below(4));
      break;
    case 6:
      one.content = 42.5;
      break;
    case 7:
      one.content = std::sin(level);
      break;
    default:
      one.content = random.any_value(2);
    }
  }
  return made;
}

} // namespace

TEST_CASE("a series block gives back every point to the bit", "[unit][actors]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  test::random_messages random{seed};
  series_points back;
  for (int round = 0; round < 1'500; ++round) {
    auto points = some_points(random, 1 + random.below(round % 50 == 0 ? 5'000 : 200));
    auto bytes = pack_series(points);
    auto read = unpack_series(bytes, back);
    if (!read)
      FAIL(to_string(read.error()));
    REQUIRE(back.size() == points.size());
    for (std::size_t i = 0; i < points.size(); ++i)
      REQUIRE(back.point(i) == points[i]);
    auto summary = summary_of_series(bytes);
    REQUIRE(summary);
    CHECK(summary->points == points.size());
    auto by_time = [](const auto& left, const auto& right) { return left.time_us < right.time_us; };
    auto [least, greatest] = std::minmax_element(points.begin(), points.end(), by_time);
    CHECK(summary->time_min_us == least->time_us);
    CHECK(summary->time_max_us == greatest->time_us);
  }
}

TEST_CASE("a series keeps the extremes of times and integers", "[unit][actors]") {
  std::vector<series_point> points;
  for (auto number : {INT64_MIN, INT64_MAX, std::int64_t{0}, INT64_MIN, INT64_MIN, INT64_MAX})
    points.push_back({number, {}, number});
  series_points back;
  REQUIRE(unpack_series(pack_series(points), back));
  for (std::size_t i = 0; i < points.size(); ++i)
    CHECK(back.point(i) == points[i]);
}

TEST_CASE("a series that does not change takes no bits for its points", "[unit][actors]") {
  std::vector<series_point> points;
  for (int i = 0; i < 10'000; ++i)
    points.push_back({1'700'000'000'000'000 + i * 60'000'000LL, {}, 21.5});
  CHECK(pack_series(points).size() < 50);
}

TEST_CASE("a damaged series block is refused by name", "[unit][actors]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  test::random_messages random{seed};
  series_points back;
  std::size_t refused = 0;
  for (int round = 0; round < 10'000; ++round) {
    auto bytes = pack_series(some_points(random, 1 + random.below(30)));
    auto damaged = test::mutated(bytes, random);
    auto read = unpack_series(round % 2 == 0 ? damaged : test::sealed(damaged), back);
    if (round % 2 == 0)
      CHECK(read.has_value() == (damaged == bytes));
    if (read)
      continue;
    ++refused;
    CHECK((read.error().code == errc::store_corrupt || read.error().code == errc::incompatible));
    CHECK_FALSE(read.error().context.empty());
  }
  CHECK(refused > 5'000);
}

TEST_CASE("a builder is empty after its block was taken", "[unit][actors]") {
  series_builder builder;
  builder.add({1, {}, 2.5});
  builder.add({2, {}, 2.5});
  CHECK(builder.size() == 2);
  auto bytes = builder.take();
  CHECK(builder.empty());
  CHECK(summary_of_series(bytes)->points == 2);
  CHECK_THROWS_AS(builder.take(), broken_invariant);
}
