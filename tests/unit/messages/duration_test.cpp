#include "messages/duration.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <random>

using namespace gemel;
using namespace std::chrono_literals;

TEST_CASE("parse_duration reads every unit", "[unit][messages]") {
  CHECK(parse_duration("250ms") == 250ms);
  CHECK(parse_duration("30s") == 30s);
  CHECK(parse_duration("10m") == 10min);
  CHECK(parse_duration("1h") == 1h);
  CHECK(parse_duration("0s") == 0ms);
  CHECK(parse_duration("007s") == 7s);
  CHECK(parse_duration("876600h") == duration_max);
}

TEST_CASE("parse_duration refuses every other form", "[unit][messages]") {
  for (auto text : {"", "s", "5", "5 s", " 5s", "5s ", "-5s", "+5s", "1.5s", "1h30m", "5S", "5sec",
                    "5d", "0x5s", "ms5"}) {
    INFO(text);
    auto read = parse_duration(text);
    REQUIRE_FALSE(read.has_value());
    CHECK(read.error().code == errc::bad_syntax);
  }
}

TEST_CASE("parse_duration refuses more than a century without overflow", "[unit][messages]") {
  for (auto text : {"876601h", "3155760000001ms", "9223372036854775807h", "9223372036854775808ms",
                    "99999999999999999999999999999999999999999s"}) {
    INFO(text);
    auto read = parse_duration(text);
    REQUIRE_FALSE(read.has_value());
    CHECK(read.error().code == errc::limit_reached);
  }
}

TEST_CASE("format_duration takes the largest unit that is exact", "[unit][messages]") {
  CHECK(format_duration(0ms) == "0ms");
  CHECK(format_duration(1ms) == "1ms");
  CHECK(format_duration(1500ms) == "1500ms");
  CHECK(format_duration(5s) == "5s");
  CHECK(format_duration(90s) == "90s");
  CHECK(format_duration(60s) == "1m");
  CHECK(format_duration(90min) == "90m");
  CHECK(format_duration(48h) == "48h");
}

TEST_CASE("a formatted duration reads back as itself", "[unit][messages]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  for (auto round = 0; round < 2'000; ++round) {
    auto bits = random() % 42;
    std::chrono::milliseconds made{static_cast<std::int64_t>(random() >> (63 - bits))};
    if (made > duration_max)
      continue;
    CHECK(parse_duration(format_duration(made)) == made);
  }
}
