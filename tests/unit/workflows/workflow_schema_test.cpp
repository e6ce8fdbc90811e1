#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"
#include "workflows/json_schema.hpp"
#include "workflows/workflow.hpp"

#include <fstream>
#include <sstream>

using namespace gemel;

namespace {

value schema() {
  std::ifstream file{test::source_dir() + "/workflows/workflow.schema.json"};
  std::ostringstream text;
  text << file.rdbuf();
  auto made = value_from_json(text.str());
  REQUIRE(made);
  return *made;
}

bool reads(const std::string& text) {
  return workflow::parse(text, "w.json").has_value();
}

result<void> fits(const std::string& text) {
  auto content = value_from_json(text);
  REQUIRE(content);
  return check_schema(schema(), *content);
}

} // namespace

TEST_CASE("what the schema of workflows allows, the reader takes", "[unit][workflows]") {
  const std::string whole = R"({
    "workflow": "line-restart", "version": 3, "id": "k", "input_schema": {}, "input": {"a": 1},
    "vars": {"limit": 70}, "timeout": "15m", "max_parallel": 16, "on_error": "continue",
    "defaults": {"timeout": "30s", "retry": {"max_attempts": 3, "interval": "1s", "backoff": 2.0,
                 "max_interval": "1m", "jitter": 0.1}},
    "triggers": [{"every": "10m"}, {"cron": "0 3 * * *"}, {"on": "serviced", "type": "machine",
                 "where": "hours > 3"}],
    "steps": [
      {"id": "collect", "type": "aggregate", "twin_ids": ["m1"], "function": "collect_property",
       "parameters": {"property": "t"}},
      {"id": "analyze", "type": "compute", "twins": {"type": "machine", "where": "t > 3"},
       "function": "f", "parameters": {"avg": "${ steps.collect.result.avg }"},
       "when": "${ steps.collect.result.avg > 70 }", "timeout": "30s", "heartbeat": "5s",
       "retry": [{"errors": ["twin_busy"], "max_attempts": 5, "interval": "100ms"}],
       "catch": [{"errors": ["twin_not_found"], "next": "report"}],
       "twin_failures": {"max": 2}, "concurrency": 8, "compensate": "undo"},
      {"id": "push", "type": "sync", "twin_ids": ["m1"], "parameters": {"replicas": 2}},
      {"id": "ok", "type": "wait_event", "event": "operator_ok", "where": "line = 3"},
      {"id": "pause", "type": "wait", "duration": 5000},
      {"id": "sub", "type": "workflow", "workflow": "cool-down", "version": 2, "input": {}},
      {"id": "undo", "type": "update", "twin_ids": ["m1"], "set": {"x": 1}, "unset": ["y"]},
      {"id": "tell", "type": "emit", "twin_ids": ["m1"], "event": "e", "payload": {"x": 1}},
      {"id": "all", "type": "query", "twins": {"type": "machine"}},
      {"id": "keep", "type": "set", "vars": {"x": 1}},
      {"id": "which", "type": "switch", "cases": [{"when": "vars.x = 1", "next": "late"}],
       "default": "late"},
      {"id": "late", "type": "wait", "duration": "1s"},
      {"id": "report", "type": "compute", "function": "f", "trigger": "all_done"}],
    "dependencies": {"analyze": ["collect"], "report": ["push"]}})";
  auto fine = fits(whole);
  INFO((fine ? "" : to_string(fine.error())));
  CHECK(fine);
  CHECK(reads(whole));
}

TEST_CASE("what the schema of workflows refuses, the reader refuses", "[unit][workflows]") {
  const char* wrong[] = {
      R"({})",
      R"({"steps": []})",
      R"({"steps": 7})",
      R"({"zzz": 1, "steps": [{"id": "a", "type": "wait", "duration": "1s"}]})",
      R"({"workflow": "a b", "steps": [{"id": "a", "type": "wait", "duration": "1s"}]})",
      R"({"version": 0, "steps": [{"id": "a", "type": "wait", "duration": "1s"}]})",
      R"({"on_error": "x", "steps": [{"id": "a", "type": "wait", "duration": "1s"}]})",
      R"({"timeout": "1 parsec", "steps": [{"id": "a", "type": "wait", "duration": "1s"}]})",
      R"({"steps": [{"type": "wait", "duration": "1s"}]})",
      R"({"steps": [{"id": "a"}]})",
      R"({"steps": [{"id": "a", "type": "fly"}]})",
      R"({"steps": [{"id": "a", "type": "wait"}]})",
      R"({"steps": [{"id": "a", "type": "compute"}]})",
      R"({"steps": [{"id": "a", "type": "emit", "twin_ids": ["m"]}]})",
      R"({"steps": [{"id": "a", "type": "switch"}]})",
      R"({"steps": [{"id": "a", "type": "set"}]})",
      R"({"steps": [{"id": "a", "type": "workflow"}]})",
      R"({"steps": [{"id": "a", "type": "wait", "duration": "1s", "retry": {"backoff": 0.5}}]})",
      R"({"steps": [{"id": "a", "type": "wait", "duration": "1s", "catch": [{"errors": []}]}]})",
      R"({"steps": [{"id": "a", "type": "wait", "duration": "1s", "twin_failures": "x"}]})",
      R"({"steps": [{"id": "a", "type": "wait", "duration": "1s", "concurrency": 0}]})",
      R"({"steps": [{"id": "a", "type": "wait", "duration": "1s", "trigger": "x"}]})",
      R"({"workflow": "w", "triggers": [{}],
          "steps": [{"id": "a", "type": "wait", "duration": "1s"}]})",
  };
  for (const auto* text : wrong) {
    INFO(text);
    CHECK(!fits(text));
    CHECK(!reads(text));
  }
}
