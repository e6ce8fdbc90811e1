#include "actors/workflow_executor.hpp"
#include "messages/replies.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/simulated_node.hpp"

#include <deque>

using namespace gemel;

namespace {

// A node in simulated time with one run on it.
class stage {
public:
  explicit stage(std::string text, value input = {}) : functions{function_library::standard()} {
    GEMEL_CHECK(functions.add({"double_it", "", [](const function_input& from) -> result<value> {
                                 const auto* t = from.twin.find("properties")->find("t");
                                 if (t == nullptr)
                                   return fail(errc::bad_value, "no t");
                                 return value{*t->number() * 2};
                               }}));
    auto parsed = workflow::parse(std::move(text), "w.json");
    if (!parsed)
      for (const auto& one : parsed.error())
        FAIL_CHECK(to_string(one));
    REQUIRE(parsed);
    run = std::make_shared<workflow_run>("r1", std::make_shared<const workflow>(std::move(*parsed)),
                                         std::move(input), 1);
    node.create({{.id = "hall", .type = "building"},
                 {.id = "m1", .type = "machine", .parent = "hall", .properties = {{"t", 70}}},
                 {.id = "m2", .type = "machine", .parent = "hall", .properties = {{"t", 90.5}}},
                 {.id = "m3", .type = "machine", .parent = "hall"}});
    executor.emplace(
        workflow_executor::ports{
            .request = [this](frame asked,
                              reply_function reply) { node.doors().submit(asked, reply); },
            .post = [this](std::function<void()> task) { tasks.push_back(std::move(task)); },
            .compute =
                [this](compute_job job) { tasks.push_back([job = std::move(job)] { job.run(); }); },
            .now_ms = [this] { return node.clock().now().unix_us / 1'000; }},
        functions, run);
  }

  // Runs until nothing moves but time.
  void settle() {
    for (;;) {
      node.run();
      if (tasks.empty())
        return;
      auto task = std::move(tasks.front());
      tasks.pop_front();
      task();
    }
  }

  void finish() {
    executor->start();
    settle();
    for (int turn = 0; turn < 1'000 && !executor->is_done(); ++turn) {
      node.clock().advance(std::chrono::milliseconds{100});
      executor->tick();
      settle();
    }
    REQUIRE(executor->is_done());
  }

  value result_of(const char* step) {
    auto all = run->results();
    const auto* found = all.find(step);
    REQUIRE(found != nullptr);
    return *found;
  }

  test::simulated_node node;
  function_library functions;
  std::deque<std::function<void()>> tasks;
  std::shared_ptr<workflow_run> run;
  std::optional<workflow_executor> executor;
};

value json(std::string_view text) {
  return *value_from_json(text);
}

} // namespace

TEST_CASE("the first example runs as it is and returns what it found", "[unit][actors]") {
  stage s{R"({"steps": [
    {"id": "collect_temperatures", "type": "aggregate", "twin_ids": ["m1", "m2"],
     "function": "collect_property", "parameters": {"property": "t"}},
    {"id": "analyze_patterns", "type": "compute", "twin_ids": ["hall"],
     "function": "pattern_analysis", "parameters": {"algorithm": "thermal_analysis"}}],
    "dependencies": {"analyze_patterns": ["collect_temperatures"]}})"};
  s.finish();
  CHECK(s.run->state() == run_state::completed);
  CHECK(*s.result_of("collect_temperatures").find("values") == json(R"({"m1": 70, "m2": 90.5})"));
  CHECK(*s.result_of("analyze_patterns").find("hall")->find("verdict") == value{"overheating"});
}

TEST_CASE("a function runs for each twin, errors stand beside the answers", "[unit][actors]") {
  stage s{R"({"steps": [{"id": "d", "type": "compute", "twin_ids": ["m1", "gone", "m3", "m2"],
                         "function": "double_it", "concurrency": 1}]})"};
  s.finish();
  CHECK(s.run->state() == run_state::completed_with_errors);
  auto answer = s.result_of("d");
  CHECK(*answer.find("m1") == value{140.0});
  CHECK(*answer.find("m2") == value{181.0});
  CHECK(*answer.find("gone")->find("error") == value{"twin_not_found"});
  CHECK(*answer.find("m3")->find("message") == value{"no t"});
}

TEST_CASE("a step fails when too many of its twins do", "[unit][actors]") {
  stage s{R"({"steps": [{"id": "d", "type": "compute", "twin_ids": ["m1", "gone"],
                         "function": "double_it", "twin_failures": "fail"}]})"};
  s.finish();
  CHECK(s.run->state() == run_state::failed);
  CHECK(s.run->step(0).outcome.error == "twin_not_found");
}

TEST_CASE("steps find twins by query and change them", "[unit][actors]") {
  stage s{R"({"vars": {"limit": 80}, "steps": [
    {"id": "hot", "type": "query", "twins": {"type": "machine", "where": "t > ${ vars.limit }"}},
    {"id": "mark", "type": "update", "twins": {"type": "machine", "where": "t > 80"},
     "set": {"alarm": true, "seen": "${ steps.hot.result.count }"}, "depends_on": ["hot"]}]})"};
  s.finish();
  CHECK(s.run->state() == run_state::completed);
  CHECK(*s.result_of("hot").find("count") == value{1});
  auto m2 = s.node.find("m2");
  REQUIRE(m2);
  CHECK(*m2->find("alarm") == value{true});
  CHECK(*m2->find("seen") == value{1});
  CHECK(s.node.find("m1")->find("alarm") == nullptr);
}

TEST_CASE("expressions read twins when their step begins", "[unit][actors]") {
  stage s{R"({"steps": [
    {"id": "copy", "type": "update", "twin_ids": ["m3"], "set": {"t": "${ twins.m1.t + 1 }"}},
    {"id": "skip", "type": "update", "twin_ids": ["m3"], "set": {"t": 0},
     "when": "${ twins.m1.t > 75 }", "depends_on": ["copy"]}]})"};
  s.finish();
  CHECK(s.run->step(1).state == step_state::skipped);
  CHECK(*s.node.find("m3")->find("t") == value{71});
}

TEST_CASE("a refused update is the step's error and is tried again", "[unit][actors]") {
  stage s{R"({"steps": [
    {"id": "u", "type": "update", "twin_ids": ["late"], "set": {"t": 1}, "twin_failures": "fail",
     "retry": {"max_attempts": 30, "interval": "200ms"}}]})"};
  s.executor->start();
  s.settle();
  CHECK(s.run->step(0).state == step_state::retry_wait);
  s.node.create({{.id = "late", .type = "machine"}});
  s.finish();
  CHECK(s.run->state() == run_state::completed);
  CHECK(s.run->step(0).attempt == 2);
}

TEST_CASE("a wait takes its time, a cancelled run leaves nothing under way", "[unit][actors]") {
  stage s{R"({"steps": [{"id": "w", "type": "wait", "duration": "5s"},
                        {"id": "d", "type": "compute", "twin_ids": ["m1"],
                         "function": "double_it", "depends_on": ["w"]}]})"};
  s.executor->start();
  s.settle();
  s.node.clock().advance(std::chrono::seconds{5});
  s.executor->tick();
  CHECK(s.run->step(1).state == step_state::running);
  s.run->cancel(s.node.clock().now().unix_us / 1'000);
  s.executor->drive();
  s.settle();
  CHECK(s.executor->is_done());
  CHECK(s.run->state() == run_state::cancelled);
}

TEST_CASE("a sync step says what nobody else holds", "[unit][actors]") {
  stage s{R"({"on_error": "continue", "steps": [
    {"id": "here", "type": "sync", "twin_ids": ["m1"]},
    {"id": "there", "type": "sync", "twin_ids": ["m1"], "parameters": {"replicas": 2}}]})"};
  s.finish();
  CHECK(*s.result_of("here").find("m1")->find("version") == value{1});
  CHECK(s.run->step(1).outcome.error == "unreachable");
}

TEST_CASE("a sync step waits for peers and tells which twins they do not hold", "[unit][actors]") {
  stage s{R"({"on_error": "continue", "steps": [
    {"id": "one", "type": "sync", "twin_ids": ["m1", "m2", "gone"], "timeout": "10s",
     "parameters": {"replicas": 1}},
    {"id": "many", "type": "sync", "twin_ids": ["m1"], "parameters": {"replicas": 3}},
    {"id": "must", "type": "sync", "twin_ids": ["m1", "m2"], "parameters": {"replicas": 1},
     "twin_failures": "fail"}]})"};
  std::vector<value> asked;
  s.node.doors().on_service("sync", [&](const service_call& call, const reply_function& reply) {
    asked.push_back(call.arguments);
    reply(make_result_reply(value{value_map{
        {"peers", value{2}}, {"held", value{value_map{{"m1", value{2}}, {"m2", value{0}}}}}}}));
  });
  s.finish();
  REQUIRE(asked.size() == 3);
  CHECK(asked[0].find("twins")->as_list().size() == 2);
  CHECK(*asked[0].find("wait_ms") == value{9'000});
  auto one = s.result_of("one");
  CHECK(*one.find("m1")->find("replicas") == value{2});
  CHECK(*one.find("m2")->find("error") == value{"unreachable"});
  CHECK(*one.find("gone")->find("error") == value{"twin_not_found"});
  CHECK(s.run->step(0).state == step_state::completed_with_errors);
  CHECK(s.run->step(1).outcome.error == "unreachable");
  CHECK(s.run->step(2).outcome.error == "unreachable");
}

TEST_CASE("a step may be for thousands of twins", "[unit][actors]") {
  stage s{R"({"steps": [{"id": "sum", "type": "aggregate", "twins": {"type": "cell"},
                         "function": "sum", "parameters": {"property": "t"}}]})"};
  std::vector<new_twin> many;
  for (int i = 0; i < 5'000; ++i)
    many.push_back({.id = "c" + std::to_string(i), .type = "cell", .properties = {{"t", i}}});
  s.node.create(many);
  s.finish();
  CHECK(*s.result_of("sum").find("value") == value{4'999 * 5'000 / 2.0});
}
