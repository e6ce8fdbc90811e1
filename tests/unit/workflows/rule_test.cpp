#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"
#include "workflows/rule_runner.hpp"

#include <algorithm>
#include <fstream>
#include <sstream>

namespace gemel {

namespace {

fault_list faults_of(const std::string& text) {
  auto document = json_document::parse(text, "rule.json");
  REQUIRE(document);
  auto made = rule::read(*document);
  return made ? fault_list{} : made.error();
}

// The fault at `pointer`, as `code name`; empty when there is none.
std::string fault_at(const fault_list& faults, const std::string& pointer) {
  for (const auto& one : faults)
    if (one.at == pointer)
      return std::string{to_string(one.code)};
  return {};
}

rule read_rule(const std::string& text) {
  auto document = json_document::parse(text, "rule.json");
  REQUIRE(document);
  auto made = rule::read(*document);
  REQUIRE(made);
  return *made;
}

std::string with_steps(const std::string& steps, const std::string& more = {}) {
  return R"({"rule":"r","pattern":{"steps":[)" + steps + "]}" + more + "}";
}

recorded_event event(std::int64_t time_ms, const char* source = "", std::int64_t arrived = -1) {
  auto made = std::make_shared<rule_event>();
  made->time = value{time_ms};
  recorded_event read{made, source, std::nullopt};
  if (arrived >= 0)
    read.arrived = arrived;
  return read;
}

std::string file(const std::string& path) {
  std::ifstream from{test::source_dir() + path};
  std::ostringstream text;
  text << from.rdbuf();
  return text.str();
}

} // namespace

TEST_CASE("a rule is refused with all faults and their places", "[unit][workflows]") {
  auto faults = faults_of(R"({"rule": "r", "colour": 1, "restart": "sometimes",
  "pattern": {"steps": [
    {"name": "a", "where": "t > ", "link": "next"},
    {"name": "a", "tims": 3},
    {"name": "c", "where": "d.x = 1", "times": [3, 2]},
    {"name": "d", "greedy": true, "until": "x = 1"}]},
  "select": {"x": "aa.t"},
  "actions": [{"emit": "${nothing}"}, {"emit": "a", "log": "b"}]})");
  CHECK(fault_at(faults, "/colour") == "unknown_key");
  CHECK(fault_at(faults, "/restart") == "bad_value");
  CHECK(fault_at(faults, "/pattern/steps/0/where") == "bad_syntax");
  CHECK(fault_at(faults, "/pattern/steps/0/link") == "bad_value");
  CHECK(fault_at(faults, "/pattern/steps/1/name") == "bad_value");
  CHECK(fault_at(faults, "/pattern/steps/1/tims") == "unknown_key");
  CHECK(fault_at(faults, "/pattern/steps/2/times") == "bad_value");
  CHECK(fault_at(faults, "/pattern/steps/2/where") == "bad_value");
  CHECK(fault_at(faults, "/pattern/steps/3/greedy") == "bad_value");
  CHECK(fault_at(faults, "/pattern/steps/3/until") == "bad_value");
  CHECK(fault_at(faults, "/select/x") == "bad_value");
  CHECK(fault_at(faults, "/actions/0/emit") == "bad_value");
  CHECK(fault_at(faults, "/actions/1") == "bad_value");
  CHECK(std::all_of(faults.begin(), faults.end(), [](const fault& one) { return one.line > 0; }));
}

TEST_CASE("steps that say nothing, or cannot be, are refused", "[unit][workflows]") {
  auto code = [](const std::string& text, const std::string& at) {
    return fault_at(faults_of(text), at);
  };
  auto step = std::string{R"({"name":"a"})"};
  auto group = [&](const std::string& steps, const std::string& more = {}) {
    return with_steps(step + R"(,{"group":"g","steps":[)" + steps + "]" + more + "}");
  };
  auto b = std::string{R"({"name":"b")"};
  auto absent = std::string{R"({"absent":"x","for":"1s"})"};
  CHECK(code(group(""), "/pattern/steps/1/steps") == "bad_value");
  CHECK(code(group(b + R"(,"optional":true})"), "/pattern/steps/1/steps") == "bad_value");
  CHECK(code(group(b + R"(,"times":2,"greedy":true})"), "/pattern/steps/1/steps") == "bad_value");
  CHECK(code(group(absent + "," + b + "}"), "/pattern/steps/1/steps/0") == "bad_value");
  CHECK(code(group(b + R"(,"link":"next"})"), "/pattern/steps/1/steps/0/link") == "bad_value");
  CHECK(code(group(b + "}", R"(,"where":"x = 1")"), "/pattern/steps/1/where") == "unknown_key");
  CHECK(code(group(b + R"(},{"name":"a"})"), "/pattern/steps/1/steps/1/name") == "bad_value");
  CHECK(code(group(b + "}"), "/pattern/steps/1").empty());
  CHECK(code(with_steps(R"({"and":"g","parts":[{"name":"a"}]})"), "/pattern/steps/0/parts")
        == "bad_value");
  CHECK(code(with_steps(R"({"absent":"x"},)" + step), "/pattern/steps/0") == "missing_field");
  CHECK(code(with_steps(absent), "/pattern/steps/0") == "bad_value");
  CHECK(code(with_steps(step + R"(,{"absent":"x"})"), "/pattern/steps/1") == "missing_field");
  CHECK(
      code(with_steps(step + R"(,{"absent":"x","link":"not_next","for":"1s"})"), "/pattern/steps/1")
      == "bad_value");
  CHECK(code(with_steps(R"({"name":"a","times":[1,null]})", R"(,"loops":"longest")"), "/pattern")
        == "missing_field");
  CHECK(code(with_steps(step, R"x(,"select":{"x":"is_of_model('m')"
})x"),
             "/select/x")
        == "bad_value");
}

TEST_CASE("a group that would have too many states is refused", "[unit][workflows]") {
  auto text = std::string{R"({"name":"a","times":1000})"};
  for (auto name : {"f", "g"})
    text = R"({"group":")" + std::string{name} + R"(","steps":[)" + text + R"(],"times":1000})";
  CHECK(fault_at(faults_of(with_steps(text)), "/pattern/steps") == "limit_reached");
}

TEST_CASE("events come in the order of their time, and late ones are refused",
          "[unit][workflows]") {
  event_order order{{.lateness = std::chrono::seconds{2}}};
  auto add = [&](std::int64_t time) {
    auto one = event(time);
    return order.add(one.event, one.source, time);
  };
  CHECK(add(5'000));
  CHECK(add(4'000));
  CHECK(order.take_ready().empty());
  CHECK(add(7'000)); // The watermark is 4,999.
  auto ready = order.take_ready();
  REQUIRE(ready.size() == 1);
  CHECK(ready[0]->time_ms() == 4'000);
  CHECK_FALSE(add(4'999));
  CHECK(add(5'000));
  CHECK(order.take_all().size() == 3);
}

TEST_CASE("the slowest source holds up the watermark until it is idle", "[unit][workflows]") {
  event_order order{{.idle = std::chrono::seconds{10}}};
  order.add(event(1'000).event, "slow", 0);
  order.add(event(9'000).event, "fast", 0);
  CHECK(order.watermark() == 999);
  order.add(event(12'000).event, "fast", 9'999);
  CHECK(order.watermark() == 999);
  order.add(event(12'500).event, "fast", 10'000);
  CHECK(order.watermark() == 12'499);
}

TEST_CASE("a recorded event is read strictly", "[unit][workflows]") {
  auto fine = read_recorded_event(
      R"({"time":"2026-01-01T01:00:00.25+01:00","twin_id":"a","properties":{"x":1}})", 3, "f");
  REQUIRE(fine);
  CHECK(fine->event->time_ms() == 1'767'225'600'250);
  CHECK(fine->event->event.as_text() == "updated");
  auto wrong = read_recorded_event(R"({"time":"yesterday","twin":"a"})", 3, "f");
  REQUIRE_FALSE(wrong);
  REQUIRE(wrong.error().size() == 2);
  CHECK(wrong.error()[0].line == 3);
  CHECK(wrong.error()[0].column == 9);
  CHECK_FALSE(read_recorded_event("{}", 1, "f"));
  CHECK_FALSE(read_recorded_event("{", 1, "f"));
  CHECK_FALSE(parse_time("2026-02-30T00:00:00Z"));
  CHECK_FALSE(parse_time("2026-01-01T24:00:00Z"));
  CHECK_FALSE(parse_time("2026-01-01T00:00:00"));
  CHECK_FALSE(parse_time("2026-01-01T00:00:00.Z"));
}

TEST_CASE("the example rule finds the bearing that overheats", "[unit][workflows]") {
  auto what = read_rule(file("/examples/rules/bearing-overheats.json"));
  rule_runner runner{what};
  match_output found;
  std::istringstream lines{file("/examples/rules/bearing-overheats.jsonl")};
  std::size_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    auto read = read_recorded_event(line, ++number, "events");
    REQUIRE(read);
    CHECK(runner.add(*read, found) == (number != 8));
  }
  runner.finish(found);
  REQUIRE(found.matches.size() == 1);
  CHECK(found.matches[0].key == value{"press-7"});
  auto selected = what.selected(found.matches[0]);
  CHECK(selected.find("peak")->as_real() == 91.0);
  CHECK(selected.find("steps")->as_integer() == 2);
  auto actions = what.actions_for(found.matches[0]);
  REQUIRE(actions.size() == 3);
  CHECK(to_json(actions[1].content) == R"({"update_twin":{"id":"press-7","set":{"alarm":true}}})");
  CHECK(to_json(actions[2].content) == R"({"log":"press-7 reached 91.0 degrees"})");
}

TEST_CASE("a rule partitions by any expression, or by none", "[unit][workflows]") {
  rule_event one;
  one.twin_id = value{"a"};
  one.parent_id = value{"p"};
  auto step = std::string{R"({"name":"a"})"};
  CHECK(read_rule(with_steps(step)).key_of(one) == value{"a"});
  CHECK(read_rule(with_steps(step, R"(,"partition_by":null)")).key_of(one) == value{});
  CHECK(read_rule(with_steps(step, R"(,"partition_by":["parent_id","1 + 1"])")).key_of(one)
        == value{value_list{value{"p"}, value{2}}});
}

} // namespace gemel
