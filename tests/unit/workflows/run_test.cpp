#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"
#include "workflows/run.hpp"

#include <algorithm>
#include <random>
#include <set>

using namespace gemel;

namespace {

std::shared_ptr<const workflow> document(std::string text) {
  auto made = workflow::parse(std::move(text), "w.json");
  if (!made)
    for (const auto& one : made.error())
      FAIL_CHECK(to_string(one));
  REQUIRE(made);
  return std::make_shared<const workflow>(std::move(*made));
}

std::string step(const char* id, const char* more = "") {
  return std::string{R"({"id": ")"} + id + R"(", "type": "compute", "function": "f")" + more + "}";
}

std::string after(const char* id, const char* before, const char* more = "") {
  return step(id, (std::string{R"(, "depends_on": [)"} + before + "]" + more).c_str());
}

// A run with its surroundings: what it wants begun and not yet ended.
class stage {
public:
  explicit stage(std::string steps, std::string more = "")
      : run{"r1", document(R"({"steps": [)" + steps + "]" + more + "}"), {}, 7} {
    run.start(now);
    collect();
  }

  void collect() {
    for (auto& one : run.take_records())
      records.push_back(std::move(one));
    for (const auto& one : run.take_commands()) {
      if (one.what == run_command::kind::begin)
        open.emplace(one.step, one.attempt);
      else
        open.erase({one.step, one.attempt});
    }
  }

  std::vector<std::string> begun() const {
    std::vector<std::string> ids;
    for (auto [index, attempt] : open)
      ids.push_back(run.document().steps()[index].id + "#" + std::to_string(attempt));
    return ids;
  }

  void finish(std::string_view id, step_outcome outcome = {}) {
    auto index = *run.document().find(id);
    auto attempt = run.step(index).attempt;
    open.erase({index, attempt});
    run.finish_step(index, attempt, std::move(outcome), now);
    collect();
  }

  void fail(std::string_view id, const char* error) { finish(id, {error, "because"}); }

  void pass(std::int64_t ms) {
    now += ms;
    run.tick(now);
    collect();
  }

  step_state state(std::string_view id) const { return run.step(*run.document().find(id)).state; }

  std::int64_t now = 1'000;
  workflow_run run;
  std::set<std::pair<std::uint32_t, std::uint32_t>> open;
  std::vector<run_record> records;
};

using names = std::vector<std::string>;

} // namespace

TEST_CASE("steps start as soon as those before them have ended", "[unit][workflows]") {
  stage s{step("a") + "," + step("b") + "," + after("c", R"("a", "b")") + ","
          + after("d", R"("a")")};
  CHECK(s.begun() == names{"a#1", "b#1"});
  s.finish("a");
  CHECK(s.begun() == names{"b#1", "d#1"});
  s.finish("b");
  CHECK(s.begun() == names{"c#1", "d#1"});
  s.finish("c", {"", "", value{7}});
  s.finish("d");
  CHECK(s.run.state() == run_state::completed);
  CHECK(*s.run.results().find("c") == value{7});
}

TEST_CASE("no more steps run than max_parallel allows", "[unit][workflows]") {
  stage s{step("a") + "," + step("b") + "," + step("c"), R"(, "max_parallel": 2)"};
  CHECK(s.begun() == names{"a#1", "b#1"});
  s.finish("b");
  CHECK(s.begun() == names{"a#1", "c#1"});
}

TEST_CASE("triggers decide by how the steps before ended", "[unit][workflows]") {
  // What each trigger does after {a: success or failure, b: success or failure}.
  struct expected {
    const char* trigger;
    bool a_fails;
    bool b_fails;
    bool starts;
  };
  const expected table[] = {
      {"all_success", false, false, true}, {"all_success", true, false, false},
      {"all_completed", true, true, true}, {"all_done", true, true, true},
      {"one_success", true, false, true},  {"one_success", true, true, false},
      {"one_failed", false, true, true},   {"one_failed", false, false, false},
      {"none_failed", false, false, true}, {"none_failed", false, true, false},
  };
  for (const auto& row : table) {
    CAPTURE(row.trigger, row.a_fails, row.b_fails);
    auto more = std::string{R"(, "trigger": ")"} + row.trigger + "\"";
    stage s{step("a") + "," + step("b") + "," + after("c", R"("a", "b")", more.c_str()),
            R"(, "on_error": "continue")"};
    s.finish("a", row.a_fails ? step_outcome{"e", ""} : step_outcome{});
    s.finish("b", row.b_fails ? step_outcome{"e", ""} : step_outcome{});
    CHECK((s.state("c") == step_state::running) == row.starts);
    CHECK((s.state("c") == step_state::not_run) == !row.starts);
  }
}

TEST_CASE("with fail_fast what runs is cancelled and clean-up still runs", "[unit][workflows]") {
  stage s{step("a") + "," + step("b") + "," + after("c", R"("a")") + ","
          + after("report", R"("b")", R"(, "trigger": "all_done")")};
  s.fail("a", "boom");
  CHECK(s.state("b") == step_state::cancelled);
  CHECK(s.state("c") == step_state::not_run);
  CHECK(s.begun() == names{"report#1"});
  s.finish("report");
  CHECK(s.run.state() == run_state::failed);
}

TEST_CASE("a failed step is tried again as its first matching rule says", "[unit][workflows]") {
  stage s{step("a", R"(, "retry": [{"errors": ["busy"], "max_attempts": 3, "interval": "100ms",
                                    "backoff": 2, "max_interval": "150ms"},
                                   {"errors": ["*"], "max_attempts": 2, "interval": "1s"}])")};
  s.fail("a", "busy");
  CHECK(s.state("a") == step_state::retry_wait);
  CHECK(s.run.next_due() == s.now + 100);
  s.pass(99);
  CHECK(s.begun().empty());
  s.pass(1);
  CHECK(s.begun() == names{"a#2"});
  s.fail("a", "busy");
  CHECK(s.run.next_due() == s.now + 150);
  s.pass(150);
  s.fail("a", "other");
  CHECK(s.run.state() == run_state::failed);
}

TEST_CASE("a retry that waits for a free place is not due meanwhile", "[unit][workflows]") {
  stage s{step("a", R"(, "retry": {"max_attempts": 2, "interval": "100ms"})") + "," + step("b"),
          R"(, "max_parallel": 1)"};
  s.fail("a", "busy");
  CHECK(s.begun() == names{"b#1"});
  s.pass(200);
  CHECK(s.begun() == names{"b#1"});
  CHECK(!s.run.next_due());
  s.finish("b");
  CHECK(s.begun() == names{"a#2"});
}

TEST_CASE("jitter stays within its share and depends on the seed alone", "[unit][workflows]") {
  auto delays = [](std::uint64_t seed) {
    workflow_run run{"r",
                     document(R"({"steps": [)" + step("a", R"(, "retry": {"max_attempts": 50,
        "interval": "1s", "jitter": 0.5})")
                              + "]}"),
                     {},
                     seed};
    run.start(0);
    std::vector<std::int64_t> made;
    std::int64_t now = 0;
    for (std::uint32_t attempt = 1; attempt < 50; ++attempt) {
      run.finish_step(0, attempt, {"e", ""}, now);
      made.push_back(*run.next_due() - now);
      now = *run.next_due();
      run.tick(now);
    }
    return made;
  };
  auto made = delays(1);
  CHECK(*std::min_element(made.begin(), made.end()) >= 500);
  CHECK(*std::max_element(made.begin(), made.end()) <= 1'500);
  CHECK(*std::min_element(made.begin(), made.end()) < 700);
  CHECK(*std::max_element(made.begin(), made.end()) > 1'300);
  CHECK(made == delays(1));
  CHECK(made != delays(2));
}

TEST_CASE("a caught failure hands over to the step that is named", "[unit][workflows]") {
  stage s{step("a", R"(, "catch": [{"errors": ["twin_not_found"], "next": "mend"}])") + ","
          + step("mend", R"(, "parameters": {"why": "${ error.error }"})") + ","
          + after("c", R"("a")")};
  CHECK(s.begun() == names{"a#1"});
  s.fail("a", "twin_not_found");
  CHECK(s.state("a") == step_state::caught);
  CHECK(s.begun() == names{"mend#1"});
  auto work = s.run.prepare(1, {});
  REQUIRE(work);
  CHECK(*work->parameters.find("why") == value{"twin_not_found"});
  s.finish("mend");
  CHECK(s.state("c") == step_state::not_run);
  CHECK(s.run.state() == run_state::completed);
}

TEST_CASE("a step that nobody reaches is not run, and others may follow", "[unit][workflows]") {
  stage s{step("a", R"(, "catch": [{"errors": ["*"], "next": "mend"}])") + "," + step("mend") + ","
          + after("z", R"("a", "mend")", R"(, "trigger": "all_done")")};
  s.finish("a");
  CHECK(s.state("mend") == step_state::not_run);
  CHECK(s.begun() == names{"z#1"});
}

TEST_CASE("a switch reaches the first case that holds", "[unit][workflows]") {
  auto steps = std::string{R"({"id": "pick", "type": "switch", "default": "cold", "cases":
      [{"when": "input.t > 90", "next": "hot"}, {"when": "input.t > 60", "next": "warm"}]},)"}
               + step("hot") + "," + step("warm") + "," + step("cold");
  for (auto [t, taken] : {std::pair{95, "hot#1"}, {70, "warm#1"}, {5, "cold#1"}}) {
    stage s{steps, R"(, "input": {"t": )" + std::to_string(t) + "}"};
    CHECK(s.begun() == names{taken});
  }
}

TEST_CASE("steps read results, variables, input and twins", "[unit][workflows]") {
  stage s{step("a") + R"(, {"id": "v", "type": "set", "depends_on": ["a"],
            "vars": {"limit": "${ steps.a.result.avg + 1 }"}},)"
              + after("b", R"("v")", R"(, "twin_ids": ["m1", "${ vars.base }"],
                 "when": "${ twins.m1.t > 5 }", "parameters":
                 {"x": "${ vars.limit }", "y": "${ input.k }", "z": "${ twins.m1.t }",
                  "n": "${ attempt }"})"),
          R"(, "input": {"k": "in"}, "vars": {"base": "m2"})"};
  s.finish("a", {"", "", *value_from_json(R"({"avg": 70})")});
  REQUIRE(s.begun() == names{"b#1"});
  CHECK(s.run.twins_read_by(2) == names{"m1"});
  value m1 = *value_from_json(R"({"t": 9})");
  auto work = s.run.prepare(2, [&](std::string_view id) { return id == "m1" ? &m1 : nullptr; });
  REQUIRE(work);
  CHECK(work->parameters == *value_from_json(R"({"x": 71, "y": "in", "z": 9, "n": 1})"));
  CHECK(*work->twin_ids == names{"m1", "m2"});
  value cold = *value_from_json(R"({"t": 1})");
  CHECK(s.run.prepare(2, [&](std::string_view) { return &cold; })->skipped);
}

TEST_CASE("waits end by time, waits for events by signal", "[unit][workflows]") {
  stage s{R"({"id": "w", "type": "wait", "duration": "5s"},
             {"id": "e", "type": "wait_event", "event": "ok", "where": "line = 3",
              "timeout": "10s"})"};
  CHECK(s.begun().empty());
  CHECK(s.run.next_due() == s.now + 5'000);
  s.pass(5'000);
  CHECK(s.state("w") == step_state::completed);
  auto line = [](int n) { return value{value_map{{"line", value{n}}}}; };
  CHECK(s.run.signal("ok", "", line(2), s.now) == 0);
  CHECK(s.run.signal("no", "", line(3), s.now) == 0);
  CHECK(s.run.signal("ok", "", line(3), s.now) == 1);
  CHECK(s.run.state() == run_state::completed);
}

TEST_CASE("a step that takes too long or falls silent fails", "[unit][workflows]") {
  stage s{step("a", R"(, "timeout": "1s", "heartbeat": "300ms")"), R"(, "on_error": "continue")"};
  s.pass(200);
  s.run.heartbeat(0, 1, s.now);
  s.pass(299);
  CHECK(s.state("a") == step_state::running);
  s.pass(1);
  CHECK(s.run.step(0).outcome.error == "heartbeat_missed");
  CHECK(s.open.empty());
  stage t{step("a", R"(, "timeout": "1s")")};
  t.pass(1'000);
  CHECK(t.run.step(0).outcome.error == "timed_out");
  CHECK(t.run.state() == run_state::failed);
}

TEST_CASE("a run that takes too long ends, and stays so", "[unit][workflows]") {
  stage s{step("a"), R"(, "timeout": "2s")"};
  s.pass(2'000);
  CHECK(s.run.state() == run_state::timed_out);
  CHECK(s.open.empty());
  s.finish("a");
  s.run.resume(s.now);
  s.run.cancel(s.now);
  CHECK(s.run.state() == run_state::timed_out);
  CHECK(s.state("a") == step_state::cancelled);
}

TEST_CASE("a paused run begins nothing until it is resumed", "[unit][workflows]") {
  stage s{step("a") + "," + after("b", R"("a")")};
  s.run.pause(s.now);
  s.finish("a");
  CHECK(s.begun().empty());
  CHECK(s.state("a") == step_state::completed);
  s.run.resume(s.now);
  s.collect();
  CHECK(s.begun() == names{"b#1"});
}

TEST_CASE("compensation undoes completed steps, the last one first", "[unit][workflows]") {
  stage s{step("a", R"(, "compensate": "ua")") + ","
          + after("b", R"("a")", R"(, "compensate": "ub")") + ","
          + after("c", R"("b")", R"(, "compensate": "uc")") + "," + step("ua") + "," + step("ub")
          + "," + step("uc")};
  s.finish("a");
  s.finish("b");
  CHECK_FALSE(s.run.compensate(s.now));
  s.fail("c", "boom");
  CHECK(s.run.state() == run_state::failed);
  CHECK(s.begun().empty());
  REQUIRE(s.run.compensate(s.now));
  s.collect();
  CHECK(s.begun() == names{"ub#1"});
  s.fail("ub", "no");
  CHECK(s.begun() == names{"ua#1"});
  s.finish("ua");
  CHECK(s.begun().empty());
  CHECK(s.run.state() == run_state::failed);
  CHECK_FALSE(s.run.compensate(s.now));
}

TEST_CASE("too many failed twins fail a step", "[unit][workflows]") {
  using enum twin_failure_rule::mode;
  CHECK_FALSE(too_many_failed({collect, 0}, 10, 10));
  CHECK(too_many_failed({fail, 0}, 10, 1));
  CHECK_FALSE(too_many_failed({max, 2}, 10, 2));
  CHECK(too_many_failed({max, 2}, 10, 3));
  CHECK_FALSE(too_many_failed({max_percent, 30}, 10, 3));
  CHECK(too_many_failed({max_percent, 30}, 10, 4));
}

namespace {

// A document of `count` steps that depend on some before them, with retries and odd triggers.
std::string random_document(std::mt19937_64& random, std::size_t count) {
  constexpr const char* triggers[] = {"all_success", "all_completed", "all_done",
                                      "one_success", "one_failed",    "none_failed"};
  std::string list;
  for (std::size_t i = 0; i < count; ++i) {
    std::string more;
    std::set<std::size_t> before;
    for (std::size_t k = 0; i > 0 && k < random() % 3; ++k)
      before.insert(random() % i);
    std::string listed;
    for (auto one : before)
      listed += (listed.empty() ? "\"s" : ", \"s") + std::to_string(one) + "\"";
    more += R"(, "depends_on": [)" + listed + "]";
    if (random() % 3 == 0)
      more += std::string{R"(, "trigger": ")"} + triggers[random() % 6] + "\"";
    if (random() % 3 == 0)
      more += R"(, "retry": {"max_attempts": 3, "interval": "10ms", "jitter": 0.3})";
    if (random() % 6 == 0 && i + 1 < count)
      more += R"(, "catch": [{"errors": ["e1"], "next": "s)" + std::to_string(count - 1) + "\"}]";
    if (random() % 5 == 0)
      more += R"(, "timeout": "40ms")";
    list += (i == 0 ? "" : ",") + step(("s" + std::to_string(i)).c_str(), more.c_str());
  }
  return R"({"max_parallel": )" + std::to_string(1 + random() % 4) + R"(, "on_error": ")"
         + (random() % 2 == 0 ? "fail_fast" : "continue") + R"(", "steps": [)" + list + "]}";
}

// What a run looks like to everybody else.
std::vector<std::string> picture(const workflow_run& run) {
  std::vector<std::string> made{std::string{to_string(run.state())}};
  for (std::uint32_t i = 0; i < run.document().steps().size(); ++i)
    made.push_back(std::string{to_string(run.step(i).state)} + " "
                   + std::to_string(run.step(i).attempt) + " "
                   + std::to_string(run.step(i).due_ms));
  return made;
}

} // namespace

// At any time the process may die: what was recorded gives the same run back, and every run ends.
TEST_CASE("a run comes back from its records and ends in any case", "[unit][workflows]") {
  auto seed = test::seed();
  INFO("repeat with GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  for (int round = 0; round < 400; ++round) {
    auto about = document(random_document(random, 1 + random() % 9));
    auto run = std::make_unique<workflow_run>("r", about, value{}, 5);
    std::vector<run_record> log;
    std::int64_t now = 0;
    std::set<std::pair<std::uint32_t, std::uint32_t>> open;
    auto collect = [&] {
      for (auto& one : run->take_records())
        log.push_back(std::move(one));
      for (const auto& one : run->take_commands()) {
        if (one.what == run_command::kind::begin)
          REQUIRE(open.emplace(one.step, one.attempt).second);
        else
          open.erase({one.step, one.attempt});
      }
      REQUIRE(open.size() <= about->max_parallel());
    };
    run->start(now);
    collect();
    for (int turn = 0; !is_terminal(run->state()); ++turn) {
      REQUIRE(turn < 10'000);
      now += static_cast<std::int64_t>(random() % 20);
      if (random() % 12 == 0) {
        auto back = std::make_unique<workflow_run>("r", about, value{}, 5);
        for (const auto& one : log)
          back->apply(one);
        REQUIRE(picture(*back) == picture(*run));
        open.clear();
        run = std::move(back);
        run->recover(now);
      } else if (!open.empty() && random() % 4 != 0) {
        auto one = *std::next(open.begin(), static_cast<std::ptrdiff_t>(random() % open.size()));
        open.erase(one);
        run->finish_step(one.first, one.second,
                         random() % 3 == 0 ? step_outcome{random() % 2 == 0 ? "e1" : "e2", ""}
                                           : step_outcome{},
                         now);
      } else if (random() % 30 == 0) {
        random() % 2 == 0 ? run->pause(now) : run->resume(now);
      } else if (run->state() == run_state::paused) {
        run->resume(now);
      } else {
        run->tick(now);
      }
      collect();
      // A run that goes on has something under way or waits for a time.
      if (run->state() == run_state::running)
        REQUIRE((!open.empty() || run->next_due()));
    }
    REQUIRE(open.empty());
    for (std::uint32_t i = 0; i < about->steps().size(); ++i)
      REQUIRE(is_terminal(run->step(i).state));
  }
}
