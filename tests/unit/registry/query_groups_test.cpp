#include "messages/limits.hpp"
#include "registry/query_groups.hpp"
#include "tests/support/catch.hpp"

#include <string>
#include <vector>

using namespace gemel;

namespace {

group_plan plan_of(const std::vector<std::string>& by, const std::vector<std::string>& aggregates) {
  auto made = group_plan::make(by, aggregates);
  REQUIRE(made.has_value());
  return *made;
}

} // namespace

TEST_CASE("groups of two tables are those of all rows", "[unit][registry]") {
  auto plan =
      plan_of({"status"}, {"count()", "count(t)", "sum(t)", "avg(t)", "min(t)", "MAX( t )"});
  group_table left{plan};
  group_table right{plan};
  auto row = [](value status, value t) { return std::vector<value>{status, t, t, t, t, t}; };
  REQUIRE(plan.columns().size() == 6);
  REQUIRE(left.add(row("on", 3)));
  REQUIRE(left.add(row("on", value{})));
  REQUIRE(right.add(row("on", 4)));
  REQUIRE(right.add(row(value{}, 2.5)));
  REQUIRE(right.add(row(value{}, "text")));
  REQUIRE(left.merge(right));
  auto records = left.records();
  REQUIRE(records.size() == 2);
  CHECK(records[0].keys == std::vector<value>{value{}});
  CHECK(records[0].values == std::vector<value>{2, 2, 2.5, 2.5, 2.5, "text"});
  CHECK(records[1].keys == std::vector<value>{"on"});
  CHECK(records[1].values == std::vector<value>{3, 2, 7, 3.5, 3, 4});
}

TEST_CASE("a plan without groups has one group, without rows too", "[unit][registry]") {
  auto plan = plan_of({}, {"count()", "sum(t)", "avg(t)", "min(t)"});
  group_table table{plan};
  auto records = table.records();
  REQUIRE(records.size() == 1);
  CHECK(records[0].keys.empty());
  CHECK(records[0].values == std::vector<value>{0, 0, value{}, value{}});
}

TEST_CASE("too many groups and wrong aggregates are refused by name", "[unit][registry]") {
  auto plan = plan_of({"t"}, {"count()"});
  group_table table{plan};
  for (std::size_t i = 0; i < limits::groups_max; ++i)
    REQUIRE(table.add(std::vector<value>{value{i}}));
  CHECK(table.add(std::vector<value>{value{0}}));
  auto refused = table.add(std::vector<value>{value{-1}});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == errc::limit_reached);
  auto code = [](std::string text) {
    auto made = group_plan::make({}, std::vector<std::string>{std::move(text)});
    return made ? errc::none : made.error().code;
  };
  for (auto wrong : {"", "t", "avg()", "median(t)", "sum(t", "sum(t +)", "sum(t) + 1"}) {
    INFO(wrong);
    CHECK(code(wrong) == errc::bad_syntax);
  }
  std::vector<std::string> many(limits::group_columns_max + 1, "count()");
  CHECK(group_plan::make({}, many).error().code == errc::limit_reached);
}
