#include "tests/support/catch.hpp"
#include "workflows/workflow.hpp"

#include <algorithm>

using namespace gemel;

namespace {

workflow right(std::string text) {
  auto made = workflow::parse(std::move(text), "w.json");
  if (!made)
    for (const auto& one : made.error())
      FAIL_CHECK(to_string(one));
  REQUIRE(made);
  return *made;
}

struct found {
  std::string_view name;
  std::string at;

  friend bool operator==(const found&, const found&) = default;
};

std::ostream& operator<<(std::ostream& out, const found& f) {
  return out << f.name << " at " << f.at;
}

// Names and pointers of all faults.
std::vector<found> wrong(std::string text, const workflow_names& known = {}) {
  auto made = workflow::parse(std::move(text), "w.json", known);
  REQUIRE_FALSE(made);
  std::vector<found> all;
  for (const auto& one : made.error()) {
    CHECK(one.line > 0);
    all.push_back({one.name.empty() ? to_string(one.code) : one.name, one.at});
  }
  return all;
}

std::string steps(std::string_view list, std::string_view more = "") {
  return R"({"steps": [)" + std::string{list} + "]" + std::string{more} + "}";
}

constexpr const char* seed_document = R"({
  "steps": [
    {"id": "collect_temperatures", "type": "aggregate", "twin_ids": ["m1", "m2"],
     "function": "collect_property", "parameters": {"property": "temperature"}},
    {"id": "analyze_patterns", "type": "compute", "twin_ids": ["b1"],
     "function": "pattern_analysis", "parameters": {"algorithm": "thermal_analysis"}}
  ],
  "dependencies": {"analyze_patterns": ["collect_temperatures"]}
})";

} // namespace

TEST_CASE("the first documents are read as they are", "[unit][workflows]") {
  auto made = right(seed_document);
  REQUIRE(made.steps().size() == 2);
  CHECK(made.version() == 1);
  const auto& collect = made.steps()[0];
  CHECK(collect.kind == step_kind::aggregate);
  CHECK(collect.function == "collect_property");
  CHECK(collect.twins->ids.render({}) == *value_from_json(R"(["m1", "m2"])"));
  CHECK(collect.dependents == std::vector<std::uint32_t>{1});
  CHECK(made.steps()[1].depends_on == std::vector<std::uint32_t>{0});
  CHECK(made.order() == std::vector<std::uint32_t>{0, 1});
  CHECK_FALSE(made.steps()[1].on_demand);
}

TEST_CASE("every field of the language is read", "[unit][workflows]") {
  auto made = right(R"({
    "workflow": "line-restart", "version": 3, "id": "k1", "input_schema": {}, "input": {"a": 1},
    "vars": {"limit": 70}, "timeout": "15m", "max_parallel": 16, "on_error": "fail_fast",
    "defaults": {"timeout": "30s", "retry": {"max_attempts": 3, "interval": "1s", "backoff": 2.0,
                                             "max_interval": "1m", "jitter": 0.1}},
    "steps": [
      {"id": "collect", "type": "aggregate", "twin_ids": ["m1", "m2"],
       "function": "collect_property", "parameters": {"property": "temperature"}},
      {"id": "analyze", "type": "compute", "twins": {"type": "machine", "where": "parent_id = 'h'"},
       "function": "pattern_analysis",
       "parameters": {"limit": "${ vars.limit }", "avg": "${ steps.collect.result.avg }"},
       "when": "${ steps.collect.result.avg > 70 }", "timeout": "10s", "heartbeat": "5s",
       "retry": [{"errors": ["twin_busy"], "max_attempts": 5, "interval": "100ms"},
                 {"errors": ["*"], "max_attempts": 2}],
       "catch": [{"errors": ["twin_not_found"], "next": "report"}],
       "twin_failures": {"max": 2}, "concurrency": 8, "compensate": "undo_analyze"},
      {"id": "push", "type": "sync", "twin_ids": ["m1"], "parameters": {"replicas": 2}},
      {"id": "ok", "type": "wait_event", "event": "operator_ok", "where": "line = 3",
       "timeout": "10m"},
      {"id": "pause", "type": "wait", "duration": "5s"},
      {"id": "sub", "type": "workflow", "workflow": "cool-down", "version": 2},
      {"id": "report", "type": "compute", "function": "report", "trigger": "all_done"},
      {"id": "undo_analyze", "type": "update", "twin_ids": ["m1"], "set": {"analyzed": false}},
      {"id": "mark", "type": "set", "vars": {"seen": true}, "depends_on": ["collect"]},
      {"id": "tell", "type": "emit", "twin_ids": ["m1"], "event": "told", "payload": {}},
      {"id": "pick", "type": "switch", "cases": [{"when": "vars.limit > 60", "next": "hot"}],
       "default": "cold"},
      {"id": "hot", "type": "wait", "duration": 1},
      {"id": "cold", "type": "query", "twins": {"type": "machine"}}
    ],
    "dependencies": {"analyze": ["collect"], "push": ["analyze"], "report": ["push"]}
  })");
  CHECK(made.name() == "line-restart");
  CHECK(made.version() == 3);
  CHECK(made.timeout() == std::chrono::minutes{15});
  const auto& analyze = made.steps()[*made.find("analyze")];
  CHECK(analyze.timeout == std::chrono::seconds{10});
  REQUIRE(analyze.retry.size() == 2);
  CHECK(analyze.retry[0].errors.matches("twin_busy"));
  CHECK_FALSE(analyze.retry[0].errors.matches("x"));
  CHECK(analyze.retry[1].errors.matches("x"));
  CHECK(analyze.catches[0].next == *made.find("report"));
  CHECK(analyze.twin_failures.how == twin_failure_rule::mode::max);
  CHECK(analyze.when->to_string() == "steps.collect.result.avg > 70");
  CHECK(made.steps()[0].timeout == std::chrono::seconds{30});
  CHECK(made.steps()[0].retry[0].max_attempts == 3);
  CHECK(made.steps()[*made.find("report")].trigger == step_trigger::all_done);
  CHECK_FALSE(made.steps()[*made.find("report")].on_demand);
  CHECK(made.steps()[*made.find("undo_analyze")].on_demand);
  CHECK(made.steps()[*made.find("hot")].on_demand);
  CHECK(made.steps()[*made.find("cold")].on_demand);
}

TEST_CASE("each fault has its name and pointer", "[unit][workflows]") {
  const std::string wait = R"({"id": "a", "type": "wait", "duration": 1})";
  CHECK(wrong("{") == std::vector<found>{{"bad_json", ""}});
  CHECK(wrong("{}") == std::vector<found>{{"missing_field", ""}});
  CHECK(wrong(steps("")) == std::vector<found>{{"no_steps", "/steps"}});
  CHECK(wrong(steps(wait + "," + wait)) == std::vector<found>{{"duplicate_step", "/steps/1/id"}});
  CHECK(wrong(steps(R"({"id": "a", "type": "wat"})"))
        == std::vector<found>{{"unknown_step_type", "/steps/0/type"}});
  CHECK(wrong(steps(wait, R"(, "dependencies": {"a": ["b"], "c": []})"))
        == std::vector<found>{{"unknown_step", "/dependencies/a/0"},
                              {"unknown_step", "/dependencies/c"}});
  CHECK(wrong(steps(R"({"id": "a", "type": "wait", "duration": 1, "depends_on": []})",
                    R"(, "dependencies": {"a": []})"))
        == std::vector<found>{{"conflicting_dependencies", "/dependencies/a"}});
  CHECK(wrong(steps(wait, R"(, "stpes": 1)")) == std::vector<found>{{"unknown_field", "/stpes"}});
  CHECK(wrong(steps(R"({"id": 7, "type": "wait", "duration": "x"})"))
        == std::vector<found>{{"bad_type", "/steps/0/id"}, {"bad_syntax", "/steps/0/duration"}});
  CHECK(wrong(steps(R"({"id": "a", "type": "aggregate", "twin_ids": ["m"], "function": "summ"})"))
        == std::vector<found>{{"unknown_function", "/steps/0/function"}});
  std::vector<std::string> functions{"fft"};
  CHECK(wrong(steps(R"({"id": "a", "type": "compute", "function": "ftt"})"), {&functions})
        == std::vector<found>{{"unknown_function", "/steps/0/function"}});
  CHECK(wrong(steps(R"({"id": "a", "type": "sync"})"))
        == std::vector<found>{{"missing_field", "/steps/0"}});
}

TEST_CASE("what would fail in every run is a fault of the document", "[unit][workflows]") {
  auto step = [](const std::string& fields) { return steps(R"({"id": "a", )" + fields + "}"); };
  CHECK(wrong(step(R"("type": "update", "twin_ids": "m1", "set": {"x": 1})"))
        == std::vector<found>{{"bad_type", "/steps/0/twin_ids"}});
  CHECK(wrong(step(R"("type": "update", "twin_ids": ["m", 7, "a/b"], "set": {"x": 1})"))
        == std::vector<found>{{"bad_type", "/steps/0/twin_ids/1"},
                              {"bad_value", "/steps/0/twin_ids/2"}});
  CHECK(wrong(step(R"("type": "update", "twin_ids": ["m1"], "set": [])"))
        == std::vector<found>{{"bad_type", "/steps/0/set"}});
  CHECK(wrong(step(R"("type": "update", "twin_ids": ["m1"])"))
        == std::vector<found>{{"missing_field", "/steps/0"}});
  right(step(R"("type": "update", "twin_ids": "${ input.ids }", "set": "${ input.values }")"));
  right(step(R"("type": "update", "twin_ids": ["${ input.id }"], "unset": ["x"])"));
  CHECK(wrong(step(R"("type": "query", "twins": {"type": "m", "where": "t >"})"))
        == std::vector<found>{{"bad_syntax", "/steps/0/twins/where"}});
  right(step(R"("type": "query", "twins": {"type": "m", "where": "t > ${ input.limit }"})"));
  CHECK(wrong(step(R"("type": "aggregate", "twin_ids": ["m"], "function": "avg")"))
        == std::vector<found>{{"missing_field", "/steps/0"}});
  CHECK(wrong(step(R"("type": "aggregate", "twin_ids": ["m"], "function": "group_by",
                      "parameters": {"property": "t"})"))
        == std::vector<found>{{"missing_field", "/steps/0/parameters"}});
  right(step(R"("type": "aggregate", "twin_ids": ["m"], "function": "count")"));
  CHECK(wrong(step(R"("type": "sync", "twin_ids": ["m"], "parameters": {"replicas": -1})"))
        == std::vector<found>{{"bad_value", "/steps/0/parameters/replicas"}});
}

TEST_CASE("unknown references are told together with other faults", "[unit][workflows]") {
  CHECK(wrong(steps(R"({"id": "a", "type": "set", "vars": {"x": "${ steps.nobody.result }"}},
                       {"id": "b", "type": "wait", "duration": "soon"})"))
            .size()
        == 2);
}

TEST_CASE("a circle of steps is refused with its path", "[unit][workflows]") {
  auto made =
      workflow::parse(steps(R"({"id": "x", "type": "wait", "duration": 1, "depends_on": ["c"]},
               {"id": "a", "type": "wait", "duration": 1, "depends_on": ["c"]},
               {"id": "b", "type": "wait", "duration": 1, "depends_on": ["a"]},
               {"id": "c", "type": "wait", "duration": 1, "depends_on": ["b"]})"),
                      "");
  REQUIRE_FALSE(made);
  REQUIRE(made.error().size() == 1);
  CHECK(made.error()[0].name == "cycle");
  CHECK(made.error()[0].message == "steps wait for each other: c -> a -> b -> c");
}

TEST_CASE("a step that waits for itself is a circle", "[unit][workflows]") {
  CHECK(wrong(steps(R"({"id": "a", "type": "wait", "duration": 1, "depends_on": ["a"]})"))
        == std::vector<found>{{"cycle", "/steps/0"}});
}

TEST_CASE("a step reads only what has ended before it", "[unit][workflows]") {
  const std::string a = R"({"id": "a", "type": "wait", "duration": 1})";
  auto reads = [&](const char* what, const char* after) {
    return steps(a + R"(, {"id": "b", "type": "compute", "function": "f", "parameters": {"x": "${)"
                 + what + R"(}"}, "depends_on": [)" + after + "]}");
  };
  CHECK(wrong(reads("steps.a.result", ""))
        == std::vector<found>{{"unresolved_reference", "/steps/1/parameters/x"}});
  CHECK(wrong(reads("steps.aa.result", R"("a")"))
        == std::vector<found>{{"unresolved_reference", "/steps/1/parameters/x"}});
  CHECK(wrong(reads("steps.a.rseult", R"("a")"))
        == std::vector<found>{{"unresolved_reference", "/steps/1/parameters/x"}});
  CHECK(wrong(reads("limit", R"("a")"))
        == std::vector<found>{{"unresolved_reference", "/steps/1/parameters/x"}});
  right(reads("steps.a.result.avg + attempt", R"("a")"));
}

TEST_CASE("a catch that can never act is refused", "[unit][workflows]") {
  CHECK(wrong(steps(R"({"id": "a", "type": "wait", "duration": 1},
                       {"id": "b", "type": "wait", "duration": 1, "depends_on": ["a"],
                        "catch": [{"errors": ["*"], "next": "a"}]})"))
        == std::vector<found>{{"unreachable_catch", "/steps/1/catch/0/next"}});
  CHECK(wrong(steps(R"({"id": "a", "type": "wait", "duration": 1},
                       {"id": "b", "type": "wait", "duration": 1,
                        "catch": [{"errors": ["*"], "next": "a"},
                                  {"errors": ["x"], "next": "a"}]})"))
        == std::vector<found>{{"unreachable_catch", "/steps/1/catch/1"}});
}

TEST_CASE("all faults of a document are found at once", "[unit][workflows]") {
  auto all = wrong(R"({"version": 0, "timeout": "soon", "steps": [
    {"id": "a b", "type": "wait", "duration": 1, "trigger": "al_done"},
    {"id": "c", "type": "compute", "twin_ids": ["x"], "twins": {}, "retry": {"max_attempts": 0}},
    {"id": "d", "type": "switch", "cases": [{"when": "1 +", "next": "zz"}]}]})");
  CHECK(all.size() == 9);
}

TEST_CASE("a document of the most steps is planned", "[unit][workflows]") {
  std::string list;
  for (std::size_t i = 0; i < workflow_steps_max; ++i) {
    list += i == 0 ? "" : ",";
    list += R"({"id":"s)" + std::to_string(i) + R"(","type":"wait","duration":1)";
    if (i > 0)
      list += R"(,"depends_on":["s)" + std::to_string(i - 1) + "\"]";
    list += "}";
  }
  auto made = right(steps(list));
  CHECK(made.order().size() == workflow_steps_max);
  CHECK(std::is_sorted(made.order().begin(), made.order().end()));
}
