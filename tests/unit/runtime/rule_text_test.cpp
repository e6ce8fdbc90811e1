#include "runtime/check.hpp"
#include "runtime/program/rule_text.hpp"
#include "tests/support/catch.hpp"
#include "workflows/rule_runner.hpp"

namespace gemel {

namespace {

constexpr const char* document = R"({"rule": "warm", "pattern": {"steps": [
  {"name": "a", "where": "t > 1"},
  {"name": "b", "where": "t > a.t"}]},
  "select": {"twin": "a.twin_id"},
  "actions": [{"emit": "warm", "payload": {"who": "${twin}"}}]})";

rule warm() {
  auto read = json_document::parse(document, "warm.json");
  REQUIRE(read);
  auto made = rule::read(*read);
  REQUIRE(made);
  return *made;
}

found_match one_match(const rule& of) {
  rule_runner runner{of};
  match_output found;
  for (auto line : {R"({"time":0,"twin_id":"p","properties":{"t":2}})",
                    R"({"time":1000,"twin_id":"p","properties":{"t":3}})"}) {
    auto event = read_recorded_event(line, 1, "events");
    REQUIRE(event);
    runner.add(*event, found);
  }
  runner.finish(found);
  REQUIRE(found.matches.size() == 1);
  return found.matches[0];
}

} // namespace

TEST_CASE("a match is told with its events, its select and its actions", "[unit][runtime]") {
  auto what = warm();
  auto found = one_match(what);
  CHECK(match_text(what, found)
        == "match at 1970-01-01T00:00:01.000000Z of p\n"
           "  a  1970-01-01T00:00:00.000000Z  p updated {\"t\":2}\n"
           "  b  1970-01-01T00:00:01.000000Z  p updated {\"t\":3}\n"
           "  select {\"twin\":\"p\"}\n"
           "  action {\"emit\":\"warm\",\"payload\":{\"who\":\"p\"}}\n");
  auto json = value_from_json(match_json(what, found));
  REQUIRE(json);
  CHECK(json->find("select")->find("twin")->as_text() == "p");
  CHECK(json->find("events")->find("b")->as_list().size() == 1);
}

TEST_CASE("a rule is explained state by state", "[unit][runtime]") {
  CHECK(explain_text(warm(), false)
        == "rule warm, version 1\n"
           "\n"
           "* a (start)\n"
           "|- take if t > 1 -> b\n"
           "`- pass over if not (t > 1) -> stay\n"
           "\n"
           "* b\n"
           "|- take if t > a.t -> MATCH\n"
           "`- pass over if not (t > a.t) -> stay\n");
  CHECK(explain_text(warm(), true).find("─▶ MATCH") != std::string::npos);
}

TEST_CASE("a document with a rule is checked as one", "[unit][runtime]") {
  CHECK(check_document(document, "warm.json").empty());
  auto faults = check_document(R"({"rule": "warm"})", "warm.json");
  REQUIRE(faults.size() == 1);
  CHECK(faults[0].code == errc::missing_field);
}

TEST_CASE("a rule is explained with what it asks of causality", "[unit][runtime]") {
  auto read = json_document::parse(R"({"rule": "led", "pattern": {"steps": [{"name": "a"},
    {"name": "b", "where": "t > 1",
     "order": {"relative_to": "a", "relation": "happened_before"}}]}})",
                                   "led.json");
  REQUIRE(read);
  auto made = rule::read(*read);
  REQUIRE(made);
  CHECK(explain_text(*made, false).find("take if t > 1 and a happened before it -> MATCH")
        != std::string::npos);
}

} // namespace gemel
