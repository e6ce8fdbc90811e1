#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"
#include "workflows/rule_runner.hpp"

#include <cmath>
#include <fstream>
#include <sstream>

namespace gemel {

namespace {

std::string text_of(const std::string& name) {
  std::ifstream file{test::source_dir() + "/examples/rules/" + name};
  REQUIRE(file);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

rule example(const std::string& name) {
  auto document = json_document::parse(text_of(name + ".json"), name);
  REQUIRE(document);
  auto made = rule::read(*document);
  REQUIRE(made);
  return std::move(*made);
}

std::vector<found_match> found_in(const std::string& name) {
  auto what = example(name);
  rule_runner runner{what};
  match_output output;
  std::istringstream lines{text_of(name + ".jsonl")};
  std::string line;
  for (std::size_t number = 1; std::getline(lines, line); ++number) {
    auto event = read_recorded_event(line, number, name);
    REQUIRE(event);
    runner.add(*event, output);
  }
  runner.finish(output);
  return std::move(output.matches);
}

// How often a rule finds something in readings five minutes apart.
template <class Reading>
std::size_t found_in_series(const std::string& name, int readings, Reading reading) {
  auto what = example(name);
  rule_runner runner{what};
  match_output output;
  for (int i = 0; i < readings; ++i) {
    auto made = std::make_shared<rule_event>();
    made->time = value{std::int64_t{i} * 300'000};
    made->twin_id = value{"m"};
    made->event = value{"updated"};
    made->properties = value{value_map{{"value", value{reading(i)}}}};
    recorded_event one;
    one.event = std::move(made);
    runner.add(one, output);
  }
  runner.finish(output);
  return output.matches.size();
}

// Neither flat nor a line, without a random source.
double wave(int i) {
  return 50 + 3 * std::sin(i * 0.7) + 2 * std::sin(i * 0.31);
}

} // namespace

TEST_CASE("the examples find what they are for", "[unit][workflows]") {
  CHECK(found_in("line-stops").size() == 1);
  CHECK(found_in("door-open-while-cooling").size() == 1);
}

TEST_CASE("the rules for anomalies tell a jump, a drift and a stuck sensor apart",
          "[unit][workflows]") {
  constexpr int readings = 1'500;
  auto jump = [](int i) { return i == 1'000 ? 90.0 : wave(i); };
  auto drift = [](int i) { return wave(i) + (i > 1'000 ? (i - 1'000) * 0.3 : 0); };
  auto stuck = [](int i) { return i > 1'000 ? 51.25 : wave(i); };
  CHECK(found_in_series("anomaly-jump", readings, jump) == 1);
  CHECK(found_in_series("anomaly-jump", readings, wave) == 0);
  CHECK(found_in_series("anomaly-drift", readings, drift) >= 1);
  CHECK(found_in_series("anomaly-drift", readings, wave) == 0);
  CHECK(found_in_series("anomaly-drift", readings, jump) == 0);
  CHECK(found_in_series("stuck-sensor", readings, stuck) >= 1);
  CHECK(found_in_series("stuck-sensor", readings, wave) == 0);
}

} // namespace gemel
