#include "actors/workflow_coordinator.hpp"
#include "actors/workflow_service.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/simulated_node.hpp"

#include <deque>
#include <set>

using namespace gemel;

namespace {

constexpr const char* cool_down = R"({
  "workflow": "cool-down", "version": 2,
  "steps": [{"id": "nap", "type": "wait", "duration": "200ms"},
            {"id": "count", "type": "aggregate", "twins": {"type": "machine"},
             "function": "count", "depends_on": ["nap"]}]})";

// Something of everything that has an effect or a memory.
constexpr const char* mixed = R"({
  "workflow": "mixed", "vars": {"limit": 75},
  "steps": [
    {"id": "collect", "type": "aggregate", "twins": {"type": "machine"},
     "function": "collect_property", "parameters": {"property": "t"}},
    {"id": "flaky", "type": "compute", "function": "fails_once", "depends_on": ["collect"],
     "parameters": {"attempt": "${ attempt }"},
     "retry": {"max_attempts": 50, "interval": "100ms"}},
    {"id": "nap", "type": "wait", "duration": "300ms", "depends_on": ["collect"]},
    {"id": "sub", "type": "workflow", "workflow": "cool-down", "depends_on": ["nap"]},
    {"id": "remember", "type": "set", "vars": {"hot": "${ steps.collect.result.values.m2 }"},
     "depends_on": ["flaky"]},
    {"id": "which", "type": "switch", "depends_on": ["remember", "sub"],
     "cases": [{"when": "vars.hot > vars.limit", "next": "alarm"}], "default": "calm"},
    {"id": "alarm", "type": "update", "twin_ids": ["hall"], "set": {"alarm": "${ vars.hot }"}},
    {"id": "calm", "type": "update", "twin_ids": ["hall"], "set": {"alarm": null}},
    {"id": "broken", "type": "compute", "function": "never_works", "depends_on": ["collect"],
     "catch": [{"errors": ["bad_value"], "next": "comfort"}]},
    {"id": "comfort", "type": "set", "vars": {"comfort": "${ error.message }"}}
  ]})";

// A node in simulated time, whose process with the coordinator can end at any moment.
class stage {
public:
  stage() : functions{function_library::standard()} {
    GEMEL_CHECK(functions.add({"fails_once", "", [](const function_input& from) -> result<value> {
                                 if (from.parameter("attempt")->as_integer() < 2)
                                   return fail(errc::twin_busy, "not yet");
                                 return value{7};
                               }}));
    GEMEL_CHECK(functions.add({"never_works", "", [](const function_input&) -> result<value> {
                                 return fail(errc::bad_value, "never");
                               }}));
    node.create({{.id = "hall", .type = "building"},
                 {.id = "m1", .type = "machine", .parent = "hall", .properties = {{"t", 70}}},
                 {.id = "m2", .type = "machine", .parent = "hall", .properties = {{"t", 90}}}});
    boot();
  }

  void boot() {
    tasks.clear();
    workflow_coordinator::ports world;
    world.request = [this](const frame& asked, reply_function reply) {
      node.doors().submit(asked, std::move(reply));
    };
    world.post = [this](std::function<void()> task) { tasks.push_back(std::move(task)); };
    world.compute = [this](compute_job job) {
      tasks.push_back([job = std::move(job)] { job.run(); });
    };
    world.now_ms = [this] { return now(); };
    world.log = &log;
    aut = std::make_unique<workflow_coordinator>(std::move(world), functions, bounds);
    auto back = aut->recover();
    INFO((back ? "" : to_string(back.error())));
    REQUIRE(back);
    aut->resume_all();
  }

  void crash() {
    aut.reset();
    log.dies_after.reset();
    settle();
    boot();
  }

  std::int64_t now() { return node.clock().now().unix_us / 1'000; }

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

  void pass(std::int64_t ms) {
    settle();
    for (std::int64_t spent = 0; spent < ms; spent += 50) {
      node.clock().advance(std::chrono::milliseconds{50});
      aut->tick();
      settle();
    }
  }

  workflow_coordinator::document_ptr add(const char* text) {
    auto made = aut->add(text, "w.json");
    if (!made)
      for (const auto& one : made.error())
        FAIL_CHECK(to_string(one));
    REQUIRE(made);
    settle();
    return *made;
  }

  void start(const char* text, const char* id) {
    auto begun = aut->start({id, add(text), {}, ""});
    INFO((begun ? "" : to_string(begun.error())));
    REQUIRE(begun);
  }

  run_state state(std::string_view id) const {
    auto found = aut->find(id);
    return found ? found->run->state() : run_state::pending;
  }

  value call(const char* name, value_map arguments) {
    workflow_service service{*aut, [this] { return now(); }};
    std::optional<frame> answer;
    service.call({"workflows", name, value{std::move(arguments)}},
                 [&](frame content) { answer = std::move(content); });
    settle();
    REQUIRE(answer);
    auto made = expect_result(*answer);
    return made ? *made : value{to_string(made.error().code)};
  }

  test::simulated_node node;
  function_library functions;
  memory_run_log log;
  workflow_coordinator::options bounds{};
  std::deque<std::function<void()>> tasks;
  std::unique_ptr<workflow_coordinator> aut;
};

struct ending {
  run_state state;
  value results;
  value vars;
};

ending ending_of(stage& s) {
  auto found = s.aut->find("r1");
  REQUIRE(found);
  return {found->run->state(), found->run->results(), found->run->vars()};
}

} // namespace

TEST_CASE("a run with all kinds of steps comes to its end", "[unit][actors]") {
  stage s;
  s.add(cool_down);
  s.start(mixed, "r1");
  s.pass(2'000);
  auto made = ending_of(s);
  CHECK(made.state == run_state::completed);
  CHECK(*made.results.find("sub")->find("count")->find("value") == value{2});
  CHECK(*made.vars.find("comfort") == value{"never"});
  CHECK(*made.results.find("which") == value{"alarm"});
  CHECK(s.state("r1/sub") == run_state::completed);
  CHECK(s.aut->open_runs() == 0);
}

// The process ends after each single write of the log. What was in the log before must be enough to
// come to the same end.
TEST_CASE("a crash between any two changes leads to the same end", "[unit][actors]") {
  std::uint64_t writes = 0;
  std::optional<ending> right;
  {
    stage s;
    s.add(cool_down);
    s.start(mixed, "r1");
    s.pass(2'000);
    writes = s.log.appends;
    right = ending_of(s);
  }
  REQUIRE(writes > 10);
  for (std::uint64_t k = 2; k <= writes; ++k) {
    INFO("crash after write " << k);
    stage s;
    s.add(cool_down);
    s.log.dies_after = k;
    s.start(mixed, "r1");
    s.pass(2'000);
    s.crash();
    s.start(mixed, "r1"); // Idempotent.
    s.pass(3'000);
    auto made = ending_of(s);
    REQUIRE(made.state == right->state);
    REQUIRE(made.results == right->results);
    REQUIRE(made.vars == right->vars);
    REQUIRE(s.aut->open_runs() == 0);
  }
}

TEST_CASE("a start of the same id starts nothing twice", "[unit][actors]") {
  stage s;
  s.start(cool_down, "r1");
  s.start(cool_down, "r1");
  CHECK(s.aut->counts().started == 1);
  auto other = s.aut->start({"r1", s.add(mixed), {}, ""});
  CHECK(other.error().code == errc::precondition_failed);
}

TEST_CASE("a timer keeps its time over a crash", "[unit][actors]") {
  stage s;
  s.start(R"({"steps": [{"id": "nap", "type": "wait", "duration": "1s"}]})", "r1");
  s.pass(600);
  s.crash();
  s.pass(350);
  CHECK(s.state("r1") == run_state::running);
  s.pass(100);
  CHECK(s.state("r1") == run_state::completed);
}

TEST_CASE("versions stand side by side and runs stay with theirs", "[unit][actors]") {
  auto text = [](int version, const char* event) {
    return R"({"workflow": "w", "version": )" + std::to_string(version)
           + R"(, "steps": [{"id": "a", "type": "wait_event", "event": ")" + event + R"("}]})";
  };
  stage s;
  s.start(text(1, "one").c_str(), "old");
  auto newer = s.add(text(2, "two").c_str());
  CHECK(s.aut->catalog().find("w") == newer);
  s.settle();
  s.crash();
  CHECK(s.aut->find("old")->run->document().version() == 1);
  CHECK(*s.aut->signal("", "two", "", value{value_map{}}) == 0);
  CHECK(*s.aut->signal("", "one", "", value{value_map{}}) == 1);
  s.settle();
  CHECK(s.state("old") == run_state::completed);
  auto changed = s.aut->add(text(2, "three"), "w.json");
  REQUIRE(!changed);
  CHECK(changed.error().front().code == errc::precondition_failed);
}

TEST_CASE("runs are cancelled, paused, resumed and done over", "[unit][actors]") {
  stage s;
  s.add(cool_down);
  s.start(mixed, "r1");
  s.settle();
  CHECK(*s.call("pause", {{"id", value{"r1"}}}).find("state") == value{"paused"});
  s.pass(3'000);
  CHECK(s.state("r1") == run_state::paused);
  REQUIRE(s.aut->resume("r1"));
  s.pass(50);
  CHECK(s.state("r1/sub") == run_state::running);
  REQUIRE(s.aut->cancel("r1"));
  s.settle();
  CHECK(s.state("r1") == run_state::cancelled);
  CHECK(s.state("r1/sub") == run_state::cancelled);
  CHECK(s.aut->cancel("r1").error().code == errc::illegal_state);
  CHECK(s.aut->cancel("r9").error().code == errc::not_found);
  auto again = s.aut->rerun("r1", "", "r2");
  REQUIRE(again);
  s.pass(2'000);
  CHECK(s.state("r2") == run_state::completed);
  // Kept, not done over.
  CHECK(s.aut->find("r2")->run->step(0).started_ms == 0);
  auto partly = s.aut->rerun("r2", "flaky", "r3");
  REQUIRE(partly);
  s.pass(2'000);
  CHECK(s.state("r3") == run_state::completed);
  CHECK(s.aut->find("r3")->run->step(1).started_ms > 0);
  CHECK(*s.aut->find("r3")->run->results().find("which") == value{"alarm"});
}

TEST_CASE("events of twins wake steps and start workflows", "[unit][actors]") {
  stage s;
  s.add(R"({"workflow": "after-service", "triggers": [{"on": "serviced", "type": "machine",
      "where": "hours > 3"}],
      "steps": [{"id": "n", "type": "set", "vars": {"who": "${ input.twin_id }"}}]})");
  s.start(R"({"steps": [{"id": "a", "type": "wait_event", "event": "serviced",
      "twin_ids": ["m2"]}]})",
          "waits");
  s.settle();
  CHECK(s.aut->wanted_events() == std::set<event_kind>{event_kind::emitted});
  std::vector<frame> seen;
  subscription_request asked;
  asked.kinds = {event_kind::emitted};
  s.node.doors().subscribe(make_subscribe(asked),
                           {0, [&](frame batch) { seen.push_back(std::move(batch)); }},
                           [](const frame&) {});
  s.node.run();
  std::vector<twin_emit> events{
      {"m1", "serviced", {{"hours", 5}}}, {"m2", "serviced", {{"hours", 1}}}, {"m1", "other", {}}};
  s.node.doors().submit(make_emit(events), [](const frame&) {});
  s.settle();
  for (const auto& batch : seen)
    s.aut->events(event_batch{batch});
  s.settle();
  CHECK(s.state("waits") == run_state::completed);
  CHECK(s.aut->counts().triggered == 1);
  auto runs = s.call("list", {{"workflow", value{"after-service"}}});
  REQUIRE(runs.find("runs")->as_list().size() == 1);
  auto id = std::string{runs.find("runs")->as_list()[0].find("id")->as_text()};
  CHECK(*s.aut->find(id)->run->vars().find("who") == value{"m1"});
  // The same event once more starts nothing.
  for (const auto& batch : seen)
    s.aut->events(event_batch{batch});
  CHECK(s.aut->counts().started == 2);
}

TEST_CASE("schedules start workflows at their times", "[unit][actors]") {
  stage s;
  s.add(R"({"workflow": "tick", "triggers": [{"every": "10s"}, {"cron": "*/2 * * * *"}],
            "steps": [{"id": "n", "type": "set", "vars": {"x": 1}}]})");
  s.pass(60'000);
  auto once = s.aut->counts().triggered;
  CHECK(once >= 6);
  CHECK(once <= 7);
  s.crash();
  s.pass(60'000);
  CHECK(s.aut->counts().triggered >= 6);
}

TEST_CASE("a retry that waits for a free place holds nothing up", "[unit][actors]") {
  stage s;
  s.start(R"({"max_parallel": 1, "on_error": "continue", "steps": [
    {"id": "a", "type": "update", "twin_ids": ["gone"], "twin_failures": "fail", "set": {"x": 1},
     "retry": {"max_attempts": 2, "interval": "100ms"}},
    {"id": "b", "type": "wait", "duration": "600ms"}]})",
          "r1");
  s.pass(2'000);
  CHECK(s.state("r1") == run_state::completed_with_errors);
  CHECK(s.aut->find("r1")->run->step(0).attempt == 2);
}

TEST_CASE("runs that have ended are forgotten, the oldest first", "[unit][actors]") {
  stage s;
  s.bounds.ended_max = 3;
  s.boot();
  for (auto id : {"a", "b", "c", "d", "e"}) {
    s.start(R"({"steps": [{"id": "n", "type": "set", "vars": {"x": 1}}]})", id);
    s.settle();
  }
  CHECK(!s.aut->find("a"));
  CHECK(!s.aut->find("b"));
  CHECK(s.aut->find("c"));
  auto left = s.log.facts.size();
  s.crash();
  CHECK(s.log.facts.size() == left);
  CHECK(!s.aut->find("b"));
  CHECK(s.aut->find("e"));
}

TEST_CASE("an input that is not as its schema says starts nothing", "[unit][actors]") {
  stage s;
  auto document = s.add(R"({"input_schema": {"type": "object", "required": ["limit"],
      "properties": {"limit": {"type": "number", "maximum": 100}}},
      "steps": [{"id": "n", "type": "set", "vars": {"x": "${ input.limit }"}}]})");
  auto why = s.aut->start({"a", document, value{value_map{{"limit", value{200}}}}, ""});
  REQUIRE(!why);
  CHECK(why.error().code == errc::bad_value);
  CHECK(why.error().context.find("limit") != std::string::npos);
  CHECK(!s.aut->start({"a", document, {}, ""}));
  CHECK(s.aut->start({"a", document, value{value_map{{"limit", value{20}}}}, ""}));
}

TEST_CASE("a damaged run log is refused with the run's name", "[unit][actors]") {
  stage s;
  s.start(cool_down, "r1");
  s.settle();
  for (auto& [key, content] : s.log.facts)
    if (key.starts_with("run/"))
      content[content.size() / 2] ^= 1;
  workflow_coordinator::ports world;
  world.post = [](const std::function<void()>&) {};
  world.now_ms = [] { return std::int64_t{0}; };
  world.log = &s.log;
  workflow_coordinator again{std::move(world), s.functions};
  auto back = again.recover();
  REQUIRE(!back);
  CHECK(back.error().code == errc::store_corrupt);
  CHECK(back.error().context.find("r1") != std::string::npos);
}

TEST_CASE("a workflow that runs itself ends at the deepest level", "[unit][actors]") {
  stage s;
  s.start(R"({"workflow": "self", "steps": [{"id": "s", "type": "workflow",
             "workflow": "self"}]})",
          "r1");
  s.settle();
  CHECK(s.state("r1") == run_state::failed);
  CHECK(s.aut->open_runs() == 0);
}

TEST_CASE("who waits for a change hears of it, or of the end of the time", "[unit][actors]") {
  stage s;
  s.start(R"({"steps": [{"id": "nap", "type": "wait", "duration": "1s"}]})", "r1");
  s.settle();
  auto seen = s.aut->find("r1")->kept;
  int told = 0;
  s.aut->when_changed("r1", seen, s.now() + 300, [&] { ++told; });
  s.pass(200);
  CHECK(told == 0);
  s.pass(150);
  CHECK(told == 1);
  s.aut->when_changed("r1", seen, s.now() + 10'000, [&] { ++told; });
  s.pass(1'000);
  CHECK(told == 2);
}

TEST_CASE("whoever runs a workflow is answered with its results at the end", "[unit][actors]") {
  stage on;
  workflow_service service{*on.aut, [&] { return on.now(); }};
  std::optional<value> end;
  auto run = [&](std::int64_t wait_ms) {
    end.reset();
    service.call(
        {"workflows", "run",
         value{value_map{
             {"document", value{cool_down}}, {"id", value{"r"}}, {"wait_ms", value{wait_ms}}}}},
        [&](const frame& answer) {
          auto made = expect_result(answer);
          end = made ? *made : value{to_string(made.error().code)};
        });
    on.settle();
  };
  run(10'000);
  CHECK_FALSE(end);
  on.pass(150);
  CHECK_FALSE(end);
  on.pass(100);
  REQUIRE(end);
  CHECK(*end->find("id") == value{"r"});
  CHECK(*end->find("state") == value{"completed"});
  CHECK(*end->find("ended") == value{true});
  CHECK(*end->find("results")->find("count")->find("value") == value{2});
  run(0); // The same run, which has ended.
  REQUIRE(end);
  CHECK(*end->find("results")->find("count")->find("value") == value{2});
}

TEST_CASE("whoever waits for a run no longer than it takes hears that it goes on",
          "[unit][actors]") {
  stage on;
  workflow_service service{*on.aut, [&] { return on.now(); }};
  std::optional<value> answer;
  service.call({"workflows", "run",
                value{value_map{{"document", value{cool_down}}, {"wait_ms", value{100}}}}},
               [&](const frame& made) { answer = expect_result(made).value_or(value{}); });
  on.pass(100);
  REQUIRE(answer);
  CHECK(*answer->find("ended") == value{false});
  CHECK(answer->find("results")->is_null());
}

TEST_CASE("any number of runs start in one moment, each with an id of its own", "[unit][actors]") {
  stage on;
  auto document = on.add(cool_down);
  std::set<std::string> ids;
  for (int i = 0; i < 200; ++i)
    ids.insert(on.aut->start({{}, document, {}, ""}).value());
  CHECK(ids.size() == 200);
}

TEST_CASE("of many runs only so many ask at a time, and all come to their end", "[unit][actors]") {
  stage on;
  on.bounds.reads_under_way_max = 2;
  on.bounds.writes_under_way_max = 2;
  on.bounds.calls_under_way_max = 2;
  on.crash();
  on.add(cool_down);
  constexpr int runs = 50;
  for (int i = 0; i < runs; ++i)
    on.start(mixed, ("r" + std::to_string(i)).c_str());
  on.settle();
  CHECK(on.aut->open_runs() > runs / 2);
  REQUIRE(on.aut->cancel("r7"));
  on.crash();
  on.pass(5'000);
  CHECK(on.aut->open_runs() == 0);
  for (int i = 0; i < runs; ++i)
    CHECK(on.state("r" + std::to_string(i))
          == (i == 7 ? run_state::cancelled : run_state::completed));
}

TEST_CASE("a start or signal is acknowledged when it would outlive a crash", "[unit][actors]") {
  stage on;
  on.add(cool_down);
  auto ask = [&](const char* name, value_map arguments) {
    auto answer = std::make_shared<std::optional<frame>>();
    workflow_service service{*on.aut, [&] { return on.now(); }};
    service.call({"workflows", name, value{std::move(arguments)}},
                 [answer](frame content) { *answer = std::move(content); });
    return answer;
  };
  auto kept = ask("start", {{"workflow", value{"cool-down"}}, {"id", value{"a"}}});
  CHECK_FALSE(*kept); // The log has not answered yet.
  on.settle();
  REQUIRE(*kept);
  on.log.dies_after = on.log.appends;
  auto lost = ask("start", {{"workflow", value{"cool-down"}}, {"id", value{"b"}}});
  on.settle();
  CHECK_FALSE(*lost);
  on.crash();
  CHECK(on.aut->find("a"));
  CHECK_FALSE(on.aut->find("b"));
}

TEST_CASE("nothing is acknowledged any more when the log has failed", "[unit][actors]") {
  struct broken_log final : run_log_port {
    void append(std::vector<run_fact>, done_function done) override {
      done(fail(errc::store_failed, "no disk"));
    }
    result<void> read(const fact_sink&) const override { return {}; }
  } log;
  std::deque<std::function<void()>> tasks;
  auto functions = function_library::standard();
  workflow_coordinator::ports world;
  world.post = [&](std::function<void()> task) { tasks.push_back(std::move(task)); };
  world.now_ms = [] { return std::int64_t{1}; };
  world.log = &log;
  int told = 0;
  world.on_log_failed = [&](const error&) { ++told; };
  workflow_coordinator aut{world, functions};
  workflow_service service{aut, [] { return std::int64_t{1}; }};
  std::vector<errc> answers;
  for (int i = 0; i < 2; ++i) {
    service.call({"workflows", "start", value{value_map{{"document", value{cool_down}}}}},
                 [&](const frame& answer) {
                   auto made = expect_result(answer);
                   answers.push_back(made ? errc::none : made.error().code);
                 });
    for (; !tasks.empty(); tasks.pop_front())
      tasks.front()();
  }
  CHECK(answers == std::vector<errc>{errc::store_failed, errc::store_failed});
  CHECK(told == 1);
}

// The step reads what it writes: repeated as it stands after a crash, it would count twice.
TEST_CASE("an update that reads twins writes the same when it is repeated", "[unit][actors]") {
  constexpr const char* count = R"({"steps": [
    {"id": "up", "type": "update", "twin_ids": ["m1"],
     "set": {"count": "${ twins.m1.t + 1 }", "t": "${ twins.m1.t + 1 }"}}]})";
  std::uint64_t writes = 0;
  {
    stage s;
    s.start(count, "r1");
    s.settle();
    writes = s.log.appends;
    REQUIRE(s.state("r1") == run_state::completed);
  }
  REQUIRE(writes >= 3);
  for (std::uint64_t k = 2; k <= writes; ++k) {
    INFO("crash after write " << k);
    stage s;
    s.log.dies_after = k;
    s.start(count, "r1");
    s.settle();
    s.crash();
    s.start(count, "r1");
    s.pass(100);
    REQUIRE(s.state("r1") == run_state::completed);
    REQUIRE(*s.node.find("m1")->find("t") == value{71});
    REQUIRE(*s.node.find("m1")->find("count") == value{71});
  }
}

TEST_CASE("a result of any size is read in parts", "[unit][actors]") {
  stage s;
  std::string text(300'000, 'x');
  for (int i = 0; i < 50'000; ++i)
    text += "\u00e9";
  value_map large;
  for (int i = 0; i < 8; ++i)
    large.push_back({"k" + std::to_string(i), value{text}});
  REQUIRE(s.functions.add(
      {"large", "", [&](const function_input&) -> result<value> { return value{large}; }}));
  s.start(R"({"steps": [{"id": "a", "type": "compute", "function": "large"},
                        {"id": "b", "type": "wait", "duration": "1h"}]})",
          "r1");
  s.settle();
  auto shown = s.call("changes", {{"id", value{"r1"}}});
  CHECK(to_json(shown).size() < 10'000);
  std::string read;
  int parts = 0;
  for (std::int64_t offset = 0;; ++parts) {
    auto part =
        s.call("result", {{"id", value{"r1"}}, {"step", value{"a"}}, {"offset", value{offset}}});
    REQUIRE(part.is_map());
    read += part.find("text")->as_text();
    offset = part.find("next")->as_integer();
    if (*part.find("more") == value{false})
      break;
  }
  CHECK(parts > 1);
  CHECK(read == to_json(value{large}));
  CHECK(s.call("result", {{"id", value{"r1"}}, {"step", value{"b"}}}) == value{"illegal_state"});
  CHECK(s.call("result", {{"id", value{"r1"}}, {"step", value{"c"}}}) == value{"not_found"});
}

TEST_CASE("a result beyond its bound fails the step", "[unit][actors]") {
  stage s;
  std::string text(1'000'000, 'x');
  REQUIRE(s.functions.add({"huge", "", [&](const function_input&) -> result<value> {
                             value_list made;
                             for (std::size_t bytes = 0; bytes <= limits::step_result_bytes_max;
                                  bytes += text.size())
                               made.emplace_back(text + std::to_string(bytes));
                             return value{std::move(made)};
                           }}));
  s.start(R"({"steps": [{"id": "a", "type": "compute", "function": "huge"}]})", "r1");
  s.settle();
  CHECK(s.state("r1") == run_state::failed);
  CHECK(s.aut->find("r1")->run->step(0).outcome.error == "limit_reached");
}

TEST_CASE("a function gets the key of its step and the attempt's number", "[unit][actors]") {
  stage s;
  std::vector<std::string> keys;
  REQUIRE(s.functions.add({"keyed", "", [&](const function_input& from) -> result<value> {
                             keys.push_back(from.key + "#" + std::to_string(from.attempt));
                             if (from.attempt < 2)
                               return fail(errc::twin_busy, "again");
                             return value{};
                           }}));
  s.start(R"({"steps": [{"id": "a", "type": "compute", "function": "keyed",
                         "retry": {"max_attempts": 2, "interval": "10ms"}}]})",
          "r1");
  s.pass(200);
  CHECK(keys == std::vector<std::string>{"r1/a#1", "r1/a#2"});
}
