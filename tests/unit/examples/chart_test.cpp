#include "examples/factory/chart.hpp"
#include "messages/error.hpp"
#include "tests/support/catch.hpp"

#include <limits>
#include <vector>

using namespace gemel::factory;

TEST_CASE("a sparkline reaches from its lowest to its highest block", "[unit][examples]") {
  std::vector<double> values{0, 1, 2, 3, 4, 5, 6, 7};
  CHECK(sparkline(values, 0, 7) == "▁▂▃▄▅▆▇█");
  CHECK(sparkline(std::vector<double>{-100, 100}, 0, 7) == "▁█");
  CHECK(sparkline(std::vector<double>{std::numeric_limits<double>::quiet_NaN(), 7}, 0, 7) == " █");
  CHECK(sparkline({}, 0, 7).empty());
}

TEST_CASE("a sparkline without height is a mistake of the program", "[unit][examples]") {
  CHECK_THROWS_AS(sparkline({}, 5, 5), gemel::broken_invariant);
}

TEST_CASE("folding keeps every value's extremes", "[unit][examples]") {
  std::vector<double> values{5, 1, 9, 2, 2, 2, 7};
  auto columns = folded(values, 3);
  REQUIRE(columns.size() == 3);
  CHECK(columns[0].low == 1);
  CHECK(columns[0].high == 9);
  CHECK(columns[1].low == 2);
  CHECK(columns[1].high == 2);
  CHECK(columns[2].high == 7);
  CHECK(columns[0].count + columns[1].count + columns[2].count == values.size());
  CHECK(folded(values, 100).size() == values.size());
  CHECK(folded({}, 100).empty());
}

TEST_CASE("a plot has its highest values in its first line", "[unit][examples]") {
  std::vector<double> values{0, 10, 5};
  auto lines = plot(folded(values, 3), 2);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0] == "     7.5  ██");
  CHECK(lines[1] == "     2.5 █ █");
}

TEST_CASE("text is painted only where colours are wanted", "[unit][examples]") {
  CHECK(painter{false}(style::red, "hot") == "hot");
  CHECK(painter{true}(style::red, "hot") == "\x1b[1;31mhot\x1b[0m");
  CHECK(painter{true}(style::plain, "hot") == "hot");
}
