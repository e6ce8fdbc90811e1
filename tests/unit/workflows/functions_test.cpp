#include "tests/support/catch.hpp"
#include "workflows/functions.hpp"
#include "workflows/statistics.hpp"

#include <cmath>
#include <numbers>

using namespace gemel;

namespace {

value json(std::string_view text) {
  auto made = value_from_json(text);
  REQUIRE(made);
  return *made;
}

result<value> call(const char* name, std::string_view parameters, std::string_view inputs = "{}",
                   std::string_view twin = "null") {
  static const auto library = function_library::standard();
  const auto* found = library.find(name);
  REQUIRE(found != nullptr);
  return found->call({json(twin), json(parameters), json(inputs)});
}

double number_in(const result<value>& answer, std::string_view key) {
  REQUIRE(answer);
  const auto* found = answer->find(key);
  REQUIRE(found != nullptr);
  REQUIRE(found->number());
  return *found->number();
}

std::vector<twin_input> machines() {
  std::vector<twin_input> made;
  const char* const properties[] = {R"({"t": 70, "hall": "a"})", R"({"t": 80, "hall": "b"})",
                                    R"({"t": 90.5, "hall": "a"})", R"({"hall": "a"})"};
  for (int i = 0; i < 4; ++i)
    made.push_back(
        {"m" + std::to_string(i), json(std::string{R"({"properties": )"} + properties[i] + "}")});
  made.push_back({"gone", {}});
  return made;
}

} // namespace

TEST_CASE("a line through points has their slope", "[unit][workflows]") {
  auto answer = call("trend", R"({"values": [1, 3, 5, 7]})");
  CHECK(number_in(answer, "slope") == Catch::Approx(2));
  CHECK(number_in(answer, "intercept") == Catch::Approx(1));
  CHECK(number_in(answer, "r_squared") == Catch::Approx(1));
  CHECK(number_in(call("trend", R"({"values": [1, 3], "times": [0, 10]})"), "slope")
        == Catch::Approx(0.2));
  CHECK(call("trend", R"({"values": [1]})").error().code == errc::bad_value);
  CHECK(call("trend", R"({"values": [1, "x"]})").error().code == errc::bad_value);
  CHECK(call("trend", R"({"values": [1, 2], "times": [1]})").error().code == errc::bad_value);
  CHECK(call("trend", R"({"property": "s"})", "{}", R"({"properties": {"s": [2, 4]}})"));
}

TEST_CASE("a series is described", "[unit][workflows]") {
  auto answer = call("describe", R"({"values": [2, 4, 4, 4, 5, 5, 7, 9]})");
  CHECK(number_in(answer, "mean") == Catch::Approx(5));
  CHECK(number_in(answer, "stddev") == Catch::Approx(2.13809));
  CHECK(number_in(answer, "p50") == Catch::Approx(4.5));
  CHECK(*percentile({1, 2, 3, 4}, 25) == Catch::Approx(1.75));
  CHECK_FALSE(percentile({}, 50));
  CHECK_FALSE(percentile({1}, 101));
}

TEST_CASE("unusual points are found", "[unit][workflows]") {
  CHECK(number_in(call("z_score", R"({"values": [1, 2, 3, 8]})"), "z") == Catch::Approx(6));
  CHECK(call("z_score", R"({"values": [1, 1, 1, 8]})").error().code == errc::bad_value);
  auto alarm = call("cusum", R"({"values": [10, 10, 12, 12, 12, 12], "target": 10, "slack": 0.5,
                                 "threshold": 3})");
  CHECK(number_in(alarm, "at") == 4);
  CHECK(*call("cusum", R"({"values": [1, 2, 1, 2]})")->find("alarm") == value{false});
  CHECK(number_in(call("ewma", R"({"values": [10, 20], "alpha": 0.5})"), "last")
        == Catch::Approx(15));
  CHECK(call("ewma", R"({"values": [10], "alpha": 2})").error().code == errc::bad_value);
}

TEST_CASE("the spectrum finds a sine of any phase", "[unit][workflows]") {
  for (double phase : {0.0, 0.7, 2.0}) {
    std::vector<double> series;
    for (int i = 0; i < 256; ++i)
      series.push_back(20 + 3 * std::sin(2 * std::numbers::pi * 50 * i / 1'000.0 + phase));
    auto peak = find_peak(series, 1'000);
    REQUIRE(peak);
    CHECK(peak->frequency == Catch::Approx(50).margin(2));
    CHECK(peak->amplitude == Catch::Approx(3).margin(0.3));
    CHECK(peak->share > 0.9);
  }
  CHECK_FALSE(find_peak(std::vector<double>(16, 5.0), 1));
  CHECK_FALSE(find_peak(std::vector<double>{1, 2, 3}, 1));
}

TEST_CASE("wear is carried forward to its threshold", "[unit][workflows]") {
  auto answer = call("remaining_useful_life", R"({"values": [100, 90, 80, 70], "threshold": 20})");
  CHECK(*answer->find("degrading") == value{true});
  CHECK(number_in(answer, "expected") == Catch::Approx(5));
  CHECK(*call("remaining_useful_life", R"({"values": [70, 80, 90], "threshold": 20})")
             ->find("degrading")
        == value{false});
  CHECK(number_in(call("remaining_useful_life", R"({"values": [1, 2, 3], "threshold": 2.5})"),
                  "expected")
        == 0);
  auto noisy =
      time_to_threshold(std::vector<double>{0, 1, 2, 3}, std::vector<double>{0, 1.2, 1.8, 3}, 10);
  REQUIRE(noisy);
  CHECK(noisy->earliest < noisy->expected);
  CHECK(*noisy->latest > noisy->expected);
  CHECK(number_in(call("linear_forecast", R"({"values": [1, 2, 3], "ahead": 2})"), "value")
        == Catch::Approx(5));
}

TEST_CASE("hot spots stand out of what a step before collected", "[unit][workflows]") {
  const char* collected = R"({"collect": {"values": {"m1": 68, "m2": 69, "m3": 68.5, "m4": 69.5,
                                                     "m5": 80}}})";
  auto answer = call("pattern_analysis", R"({"algorithm": "thermal_analysis"})", collected);
  REQUIRE(answer);
  CHECK(*answer->find("verdict") == value{"hot_spots"});
  REQUIRE(answer->find("unusual")->as_list().size() == 1);
  CHECK(*answer->find("unusual")->as_list()[0].find("id") == value{"m5"});
  CHECK(*call("pattern_analysis", R"({"limit": 75})", collected)->find("verdict")
        == value{"overheating"});
  CHECK(*call("pattern_analysis", R"({"values": {"a": 1, "b": 2, "c": 1.5}})")->find("verdict")
        == value{"normal"});
  CHECK(call("pattern_analysis", "{}").error().code == errc::bad_value);
  CHECK(call("pattern_analysis", R"({"algorithm": "x"})").error().code == errc::bad_value);
}

TEST_CASE("aggregates name the twins that they could not read", "[unit][workflows]") {
  auto twins = machines();
  auto parameters = json(R"({"property": "t"})");
  auto collected = aggregate("collect_property", twins, parameters);
  REQUIRE(collected);
  CHECK(*collected->find("values") == json(R"({"m0": 70, "m1": 80, "m2": 90.5})"));
  CHECK(number_in(collected, "avg") == Catch::Approx(80.1666667));
  const auto& errors = *collected->find("errors");
  CHECK(*errors.find("gone")->find("error") == value{"twin_not_found"});
  CHECK(*errors.find("m3")->find("error") == value{"missing_property"});
  CHECK(number_in(aggregate("sum", twins, parameters), "value") == Catch::Approx(240.5));
  CHECK(number_in(aggregate("min", twins, parameters), "value") == 70);
  CHECK(number_in(aggregate("max", twins, parameters), "value") == 90.5);
  CHECK(number_in(aggregate("count", twins, parameters), "value") == 3);
  CHECK(number_in(aggregate("count", twins, {}), "value") == 4);
  CHECK(number_in(aggregate("percentile", twins, json(R"({"property": "t", "percent": 50})")),
                  "value")
        == 80);
  CHECK(aggregate("percentile", twins, parameters).error().code == errc::bad_value);
  CHECK(aggregate("avg", {}, parameters)->find("value")->is_null());
  CHECK(aggregate("avg", twins, {}).error().code == errc::bad_value);
  CHECK(aggregate("median", twins, parameters).error().code == errc::bad_value);
  auto grouped = aggregate("group_by", twins, json(R"({"property": "t", "by": "hall"})"));
  REQUIRE(grouped);
  CHECK(*grouped->find("groups")->find("a")->find("avg") == value{80.25});
  CHECK(*grouped->find("groups")->find("a")->find("twins") == value{3});
}

TEST_CASE("a name is a function's once", "[unit][workflows]") {
  auto library = function_library::standard();
  CHECK(library.add({"mine", "", [](const function_input&) -> result<value> { return value{1}; }}));
  CHECK(library.add({"mine", "", {}}).error().code == errc::bad_value);
  CHECK(library.find("other") == nullptr);
  CHECK(library.names().size() == library.all().size());
}
