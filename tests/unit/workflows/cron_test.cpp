#include "tests/support/catch.hpp"
#include "workflows/cron.hpp"

using namespace gemel;

namespace {

std::int64_t next(const char* text, std::int64_t after_s) {
  auto made = cron_schedule::parse(text);
  INFO(text);
  REQUIRE(made);
  return made->next_after(after_s * 1'000) / 1'000;
}

} // namespace

// Compared with `date -u -d @N`.
TEST_CASE("a schedule gives the next time", "[unit][workflows]") {
  constexpr std::int64_t monday = 1'700'000'000 - 1'700'000'000 % 86'400 - 86'400; // 2023-11-13
  CHECK(next("* * * * *", monday) == monday + 60);
  CHECK(next("30 3 * * *", monday) == monday + 3 * 3'600 + 30 * 60);
  CHECK(next("0 0 * * *", monday) == monday + 86'400);
  CHECK(next("@daily", monday - 1) == monday);
  CHECK(next("*/15 8-9 * * *", monday) == monday + 8 * 3'600);
  CHECK(next("5,10 * * * *", monday + 6 * 60) == monday + 10 * 60);
  CHECK(next("0 12 * * fri", monday) == monday + 4 * 86'400 + 12 * 3'600);
  CHECK(next("0 0 * * 7", monday) == monday + 6 * 86'400);
  CHECK(next("0 0 1 jan *", monday) == 1'704'067'200);
  CHECK(next("0 0 29 feb *", monday) == 1'709'164'800);
  // Either day will do when both are given.
  CHECK(next("0 0 15 * wed", monday) == monday + 2 * 86'400);
  CHECK(next("0 0 20 * wed", monday + 2 * 86'400) == monday + 7 * 86'400);
}

TEST_CASE("what is no schedule is refused with the field", "[unit][workflows]") {
  for (const auto* text :
       {"", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *",
        "* * * * 8", "5-1 * * * *", "*/0 * * * *", "a * * * *", "1,,2 * * * *", "0 0 30 feb *"}) {
    INFO(text);
    CHECK(!cron_schedule::parse(text));
  }
  CHECK(cron_schedule::parse("* 24 * * *").error().context.find("hour") != std::string::npos);
}
