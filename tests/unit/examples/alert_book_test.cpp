#include "examples/factory/alert_book.hpp"
#include "tests/support/catch.hpp"

using namespace gemel::factory;

namespace {

constexpr value_limits above_85{85.0, {}};

// Feeds one value a microsecond, from time 1 on.
void feed(alert_book& book, const std::string& id, std::initializer_list<double> values) {
  std::optional<double> before;
  std::int64_t time_us = 0;
  for (double now : values) {
    book.add({id, ++time_us, before, now});
    before = now;
  }
}

} // namespace

TEST_CASE("an alert begins when the old value is within the limit and the new one is not",
          "[unit][examples]") {
  alert_book aut{above_85, 1'000};
  feed(aut, "m", {84.0, 85.0, 85.1, 90.0, 87.0, 84.0});
  REQUIRE(aut.alerts().size() == 1);
  const auto& found = aut.alerts()[0];
  CHECK(found.id == "m");
  CHECK(found.first_us == 3);
  CHECK(found.first_value == 85.1);
  CHECK(found.last_us == 5);
  CHECK(found.worst_value == 90.0);
  CHECK(found.worst_us == 4);
  CHECK(found.crossings == 1);
}

TEST_CASE("values at the limit or within raise no alert", "[unit][examples]") {
  alert_book aut{above_85, 1'000};
  feed(aut, "m", {85.0, 0.0, -3.0, 84.999});
  CHECK(aut.alerts().empty());
  CHECK(aut.crossings() == 0);
}

TEST_CASE("a value that flickers around its limit is one alert with many crossings",
          "[unit][examples]") {
  alert_book aut{above_85, 3};
  feed(aut, "m", {86.0, 84.0, 86.0, 84.0, 84.0, 86.0});
  REQUIRE(aut.alerts().size() == 1);
  CHECK(aut.alerts()[0].crossings == 3);
}

TEST_CASE("after a quiet time a twin alerts anew, not a moment before", "[unit][examples]") {
  alert_book aut{above_85, 3};
  feed(aut, "m", {86.0, 84.0, 84.0, 86.0}); // 3 after: the same
  CHECK(aut.alerts().size() == 1);
  alert_book other{above_85, 2};
  feed(other, "m", {86.0, 84.0, 84.0, 86.0});
  REQUIRE(other.alerts().size() == 2);
  CHECK(other.alerts()[1].first_us == 4);
  CHECK(other.crossings() == 2);
}

TEST_CASE("alerts of different twins are kept apart", "[unit][examples]") {
  alert_book aut{above_85, 1'000};
  feed(aut, "a", {86.0, 87.0});
  feed(aut, "b", {80.0, 99.0});
  REQUIRE(aut.alerts().size() == 2);
  CHECK(aut.alerts()[0].worst_value == 87.0);
  CHECK(aut.alerts()[1].worst_value == 99.0);
}

TEST_CASE("a lower limit alerts below, and the worst is the lowest", "[unit][examples]") {
  alert_book aut{{100.0, 45.0}, 1'000};
  feed(aut, "m", {45.0, 44.0, 2.0, 30.0, 101.0});
  REQUIRE(aut.alerts().size() == 1);
  CHECK(aut.alerts()[0].first_us == 2);
  CHECK(aut.alerts()[0].worst_value == 2.0);
}

TEST_CASE("limits are the conditions of queries", "[unit][examples]") {
  CHECK(above_85.condition("temperature") == "temperature > 85");
  CHECK(value_limits{{}, -4.5}.condition("t") == "t < -4.5");
  CHECK(value_limits{100.0, 45.0}.condition("t") == "t > 100 OR t < 45");
}
