// The fault: a behaviour throws, answers an error, answers late or never, while it has ticks,
// deferred commands and long work under way; its twin is suspended, retired, deleted, or restarted
// by its supervisor.
//
// What must hold: nothing of a failed call takes effect, every command is answered exactly once,
// and what belongs to a behaviour ends with it.

#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/simulated_node.hpp"

#include <algorithm>
#include <map>
#include <set>

using namespace gemel;
using namespace std::chrono_literals;
using gemel::test::simulated_node;

namespace {

using options = simulated_node::options;
using names = std::vector<std::string>;

// What the behaviours of a test did; outlives the node.
struct diary {
  std::map<std::string, int> created;
  std::map<std::string, int> started;
  std::map<std::string, int> ticks;
  std::vector<std::string> heard;
  std::vector<command_reply> replies;
  int bad_creates = 0;
};

class press final : public behavior {
public:
  explicit press(diary& of) : diary_{of} {}

  void on_create(twin_context& twin) override {
    ++diary_.created[std::string{twin.id()}];
    twin.set("created", true);
    if (diary_.bad_creates > 0 && diary_.bad_creates-- > 0)
      throw std::runtime_error{"not yet"};
  }
  void on_start(twin_context& twin) override { ++diary_.started[std::string{twin.id()}]; }

  void on_update(twin_context& twin, std::span<const change_view> changes) override {
    for (const auto& c : changes) {
      if (c.key != "boom" && c.key != "tell")
        continue;
      twin.emit("updated", {{"n", 1}});
      if (c.key == "tell")
        twin.send(std::string{c.new_value.as_text()}, "hello", {{"from", std::string{twin.id()}}});
      if (c.key == "boom")
        throw std::runtime_error{"boom"};
    }
  }

  void on_event(twin_context& twin, const emitted_event& happened) override {
    diary_.heard.push_back(std::string{twin.id()} + " " + std::string{happened.name});
    if (happened.name == "count")
      twin.set("counted", *happened.payload.find("by"));
    if (happened.name == "boom")
      throw std::runtime_error{"event"};
  }

  void on_tick(twin_context& twin) override {
    ++diary_.ticks[std::string{twin.id()}];
    const auto* n = twin.get("ticks");
    twin.set("ticks", n != nullptr ? n->as_integer() + 1 : 1);
    if (twin.get("bad tick") != nullptr)
      throw std::runtime_error{"tick"};
  }

  result<value> add(twin_context& twin, const named_values& arguments) {
    const auto* by = arguments.find("by");
    if (by == nullptr || !by->is_integer())
      return fail(errc::bad_value, "'by' is to be an integer");
    twin.set("sum", by->as_integer());
    twin.emit("added", {{"by", *by}});
    if (by->as_integer() < 0)
      return fail(errc::none, "nothing below 0");
    if (by->as_integer() > 100)
      throw std::runtime_error{"too much"};
    return value{by->as_integer() * 2};
  }
  result<value> start(twin_context& twin, const named_values&) {
    twin.tick_every(100ms);
    return value{};
  }
  result<value> stop(twin_context& twin, const named_values&) {
    twin.cancel_tick();
    return value{};
  }
  result<value> later(twin_context& twin, const named_values&) {
    diary_.replies.push_back(twin.defer());
    return value{"not this"};
  }
  result<value> compute(twin_context& twin, const named_values& arguments) {
    auto reply = std::make_shared<command_reply>(twin.defer());
    auto wanted = arguments.find("n") != nullptr ? arguments.find("n")->as_integer() : 0;
    twin.run(
        [wanted]() -> result<value> {
          if (wanted < 0)
            throw std::runtime_error{"no root"};
          return value{wanted * wanted};
        },
        [reply](twin_context& of, result<value> made) {
          if (made)
            of.set("computed", *made);
          reply->complete(std::move(made));
        });
    return value{};
  }

private:
  diary& diary_;
};

options with(diary& of, supervision_policy policy = {}) {
  options wanted;
  wanted.behaviors["Press"] =
      behavior_type{[&of] { return std::make_unique<press>(of); },
                    {command("add", "Adds", &press::add), command("start", "Ticks", &press::start),
                     command("stop", "Ticks no more", &press::stop),
                     command("later", "Answers later", &press::later),
                     command("compute", "Squares, elsewhere", &press::compute)}};
  wanted.supervision.fallback = policy;
  return wanted;
}

new_twin twin(const std::string& id, const std::string& parent = {},
              const std::string& type = "Press") {
  return {id, type, parent, {{"n", 1}}, {}};
}

errc code_of(const result<value>& answer) {
  return answer ? errc::none : answer.error().code;
}

error failed(const test::pending& answer) {
  REQUIRE(answer->has_value());
  return expect_result(**answer).error();
}

lifecycle_state state_of(simulated_node& node, const std::string& id) {
  return node.find(id)->lifecycle;
}

std::vector<twin_event> of_kind(const test::subscriber_ptr& who, event_kind kind) {
  std::vector<twin_event> found;
  for (const auto& e : who->events)
    if (e.kind == kind)
      found.push_back(e);
  return found;
}

const names no_faults;

} // namespace

TEST_CASE("on_create is called until it went well, on_start at each start", "[fault][actors]") {
  diary of;
  of.bad_creates = 2;
  simulated_node node{with(of)};
  REQUIRE(node.create({twin("m")}).applied == 1);
  CHECK(of.created["m"] == 3);
  CHECK(of.started["m"] == 1);
  CHECK(node.find("m")->find("created") != nullptr);
  node.set("m", "boom", 1);
  CHECK(of.created["m"] == 3);
  CHECK(of.started["m"] == 2);
}

TEST_CASE("a command answers its result and its changes are one event", "[fault][actors]") {
  diary of;
  simulated_node node{with(of)};
  REQUIRE(node.create({twin("m")}).applied == 1);
  auto events = node.subscribe({{"m"}, "", "", "", 0});
  auto asked = twin_command{"m", "add", {{"by", 21}}, 0, "0-1"};
  CHECK(node.command(asked) == value{42});
  REQUIRE(events->events.size() == 2);
  CHECK(events->events[0].kind == event_kind::updated);
  CHECK(events->events[0].cause == "0-1");
  CHECK(events->events[1].kind == event_kind::emitted);
  CHECK(events->events[1].name == "added");
  CHECK(events->events[1].cause == events->events[0].event_id());
  REQUIRE(events->events[1].changes.size() == 1);
  CHECK(events->events[1].changes[0].key == "by");
  CHECK(events->events[1].changes[0].new_value == value{21});
  CHECK(node.counters().commands == 1);
  CHECK(node.counters().emitted == 1);
  CHECK(node.broken_invariants() == no_faults);
}

TEST_CASE("nothing of a command that fails or throws takes effect", "[fault][actors]") {
  diary of;
  simulated_node node{with(of)};
  REQUIRE(node.create({twin("m")}).applied == 1);
  auto before = *node.find("m");
  auto refused = node.command({"m", "add", {{"by", -1}}});
  CHECK(refused == tl::unexpected<error>({errc::command_failed, "nothing below 0"}));
  CHECK(of.started["m"] == 1);
  auto thrown = node.command({"m", "add", {{"by", 101}}});
  CHECK(thrown == tl::unexpected<error>({errc::twin_crashed, "m: too much"}));
  CHECK(of.started["m"] == 2);
  auto bad = node.command({"m", "add", {{"by", "x"}}});
  CHECK(bad.error().code == errc::command_failed);
  CHECK(bad.error().context == "bad_value: 'by' is to be an integer");
  auto after = *node.find("m");
  CHECK(after.properties == before.properties);
  CHECK(after.version == before.version);
  CHECK(node.counters().emitted == 0);
  CHECK(node.counters().commands_failed == 3);
}

TEST_CASE("a command that cannot be is refused with what could be", "[fault][actors]") {
  diary of;
  simulated_node node{with(of)};
  REQUIRE(node.create({twin("m"), twin("x", "", "Plain")}).applied == 2);
  auto unknown = node.command({"m", "fly"});
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error()
        == error{errc::unknown_command,
                 "'fly': twins of type Press have add, start, stop, later, compute"});
  CHECK(code_of(node.command({"x", "fly"})) == errc::unknown_command);
  CHECK(code_of(node.command({"nobody", "add"})) == errc::twin_not_found);
  CHECK(code_of(node.command({"m", "add", {}, 600'001})) == errc::limit_reached);
  REQUIRE(node.lifecycle({"m"}, lifecycle_trigger::suspend).applied == 1);
  auto paused = node.command({"m", "add", {{"by", 1}}});
  CHECK(paused.error()
        == error{errc::illegal_state, "m is suspended and its behaviour does not run"});
  REQUIRE(node.retire({"m"}, child_policy::refuse).applied == 1);
  CHECK(code_of(node.command({"m", "add", {{"by", 1}}})) == errc::illegal_state);
}

TEST_CASE("a deferred command is answered when its handle is used, from outside a turn",
          "[fault][actors]") {
  diary of;
  simulated_node node{with(of)};
  REQUIRE(node.create({twin("m")}).applied == 1);
  auto first = node.submit(make_command({"m", "later"}));
  auto second = node.submit(make_command({"m", "later"}));
  auto third = node.submit(make_command({"m", "later"}));
  node.run();
  REQUIRE(of.replies.size() == 3);
  CHECK(node.unanswered() == 3);
  of.replies[1].complete(value{"two"});
  of.replies[0].complete(fail(errc::io_failed, "no tool"));
  of.replies.pop_back(); // Thrown away.
  node.run();
  CHECK(expect_result(**second) == value{"two"});
  CHECK(failed(first) == error{errc::command_failed, "io_failed: no tool"});
  CHECK(failed(third).code == errc::command_failed);
  CHECK(node.broken_invariants() == no_faults);
}

TEST_CASE("a command that is not answered by its deadline is timed out, once", "[fault][actors]") {
  diary of;
  simulated_node node{with(of)};
  REQUIRE(node.create({twin("m")}).applied == 1);
  auto soon = node.submit(make_command({"m", "later", {}, 1'000}));
  auto usual = node.submit(make_command({"m", "later"}));
  node.run_for(999ms);
  CHECK_FALSE(soon->has_value());
  node.run_for(2ms);
  CHECK(failed(soon).code == errc::timed_out);
  CHECK_FALSE(usual->has_value());
  of.replies[0].complete(value{1}); // Too late, ignored.
  node.run_for(4s);
  CHECK(failed(usual).code == errc::timed_out);
  CHECK(node.broken_invariants() == no_faults);
}

TEST_CASE("what ends a behaviour answers the commands that it owes", "[fault][actors]") {
  using enum lifecycle_trigger;
  for (std::string how : {"crash", "suspend", "retire", "delete", "sibling", "stop"}) {
    INFO(how);
    diary of;
    simulated_node node{with(of, {restart_strategy::one_for_all, {}, 5, 10'000'000})};
    REQUIRE(node.create({twin("line", "", "Plain"), twin("m", "line"), twin("o", "line")}).applied
            == 3);
    REQUIRE(node.command({"m", "start"}));
    auto owed = node.submit(make_command({"m", "later"}));
    node.run();
    if (how == "crash")
      CHECK(node.set("m", "boom", 1) == errc::twin_crashed);
    else if (how == "suspend")
      CHECK(node.lifecycle({"m"}, suspend).applied == 1);
    else if (how == "retire")
      CHECK(node.retire({"m"}, child_policy::refuse).applied == 1);
    else if (how == "delete")
      CHECK(node.remove({"m"}, child_policy::refuse).applied == 1);
    else if (how == "sibling")
      CHECK(node.set("o", "boom", 1) == errc::twin_crashed);
    else
      for (std::size_t i = 0; i < 4; ++i)
        node.runner(i).push_ordered(cell_job{[](cell& c, const moment&) {
          c.end_commands({errc::stopping, "bye"});
        }});
    node.run();
    CHECK(failed(owed).code == (how == "stop" ? errc::stopping : errc::command_failed));
    of.replies.clear();
    node.run();
    auto ticks = of.ticks["m"];
    node.run_for(1s);
    CHECK((of.ticks["m"] > ticks) == (how == "stop"));
    CHECK(node.broken_invariants() == no_faults);
  }
}

TEST_CASE("no more commands wait for later answers than a cell may have", "[fault][actors]") {
  diary of;
  auto wanted = with(of);
  wanted.cells = 1;
  wanted.limits.deferred_commands_max = 3;
  simulated_node node{wanted};
  REQUIRE(node.create({twin("m")}).applied == 1);
  std::vector<test::pending> asked;
  for (int i = 0; i < 5; ++i)
    asked.push_back(node.submit(make_command({"m", "later"})));
  node.run();
  CHECK(failed(asked[3]).code == errc::overloaded);
  CHECK(failed(asked[4]).code == errc::overloaded);
  CHECK(of.started["m"] == 1); // No crash.
  of.replies.clear();
  node.run();
  CHECK(node.unanswered() == 0);
  CHECK(node.submit(make_command({"m", "later"})));
}

TEST_CASE("long work runs away from the twin and comes back in its turn", "[fault][actors]") {
  diary of;
  simulated_node node{with(of)};
  REQUIRE(node.create({twin("m")}).applied == 1);
  CHECK(node.command({"m", "compute", {{"n", 12}}}) == value{144});
  CHECK(*node.find("m")->find("computed") == value{144});
  auto bad = node.command({"m", "compute", {{"n", -1}}});
  CHECK(bad == tl::unexpected<error>({errc::command_failed, "no root"}));
  node.works().works_max = 0;
  auto full = node.command({"m", "compute", {{"n", 1}}});
  CHECK(full.error().code == errc::command_failed);
  CHECK(full.error().context.find("overloaded") == 0);
  // The behaviour that asked for it is gone when the result comes.
  node.works().works_max = 10;
  auto owed = node.submit(make_command({"m", "compute", {{"n", 5}}}));
  while (node.step())
    continue;
  REQUIRE(node.works().waiting() == 1);
  static_cast<void>(node.submit(make_update("m", std::array{property_ref{"boom", value{1}}})));
  while (node.step())
    continue;
  node.run();
  CHECK(failed(owed).code == errc::command_failed);
  CHECK(*node.find("m")->find("computed") == value{144});
  CHECK(node.broken_invariants() == no_faults);
}

TEST_CASE("ticks come at their rate, and late ones are left out", "[fault][actors]") {
  diary of;
  simulated_node node{with(of)};
  REQUIRE(node.create({twin("m"), twin("o")}).applied == 2);
  REQUIRE(node.command({"m", "start"}));
  node.run_for(1s);
  CHECK(of.ticks["m"] == 10);
  CHECK(of.ticks["o"] == 0);
  node.clock().advance(10s); // Nobody ran in between.
  node.run();
  CHECK(of.ticks["m"] == 11);
  node.run_for(1s);
  CHECK(of.ticks["m"] == 21);
  CHECK(*node.find("m")->find("ticks") == value{21});
  REQUIRE(node.command({"m", "stop"}));
  node.run_for(1s);
  CHECK(of.ticks["m"] == 21);
  // A tick that throws is a crash: the fresh behaviour does not tick until it is told to.
  REQUIRE(node.command({"m", "start"}));
  REQUIRE(node.set("m", "bad tick", 1) == errc::none);
  node.run_for(1s);
  CHECK(of.ticks["m"] == 22);
  CHECK(*node.find("m")->find("ticks") == value{21});
  CHECK(of.started["m"] == 2);
  CHECK(node.broken_invariants() == no_faults);
}

TEST_CASE("an emitted event reaches subscribers and the twin's behaviour", "[fault][actors]") {
  diary of;
  simulated_node node{with(of)};
  REQUIRE(node.create({twin("m"), twin("x", "", "Plain")}).applied == 2);
  auto events = node.subscribe({{"m", "x"}, "", "", "", 0});
  auto done = node.emit({{"m", "count", {{"by", 7}}, 5},
                         {"x", "alarm", {}, 0},
                         {"m", "boom", {}, 0},
                         {"y", "z", {}, 0},
                         {"m", "", {}, 0}},
                        "0-77");
  CHECK(done.applied == 2);
  CHECK(test::codes(done, 5)
        == std::vector<errc>{errc::none, errc::none, errc::twin_crashed, errc::twin_not_found,
                             errc::bad_name});
  CHECK(*node.find("m")->find("counted") == value{7});
  CHECK(of.heard == names{"m count", "m boom"});
  std::vector<twin_event> of_m;
  for (const auto& e : events->events)
    if (e.id == "m")
      of_m.push_back(e);
  REQUIRE(of_m.size() == 3);
  CHECK(of_m[0].kind == event_kind::emitted);
  CHECK(of_m[0].name == "count");
  CHECK(of_m[0].cause == "0-77");
  CHECK(of_m[0].source_time_us == 5);
  REQUIRE(of_m[0].changes.size() == 1);
  CHECK(of_m[1].kind == event_kind::updated);
  CHECK(of_m[1].cause == of_m[0].event_id());
  REQUIRE(of_m[1].changes.size() == 1);
  CHECK(of_m[1].changes[0].key == "counted");
  CHECK(of_m[1].event_id() != of_m[0].event_id());
  CHECK(of_m[2].kind == event_kind::crashed);
}

TEST_CASE("a twin tells another one, only if its own call goes well", "[fault][actors]") {
  diary of;
  simulated_node node{with(of)};
  REQUIRE(node.create({twin("m"), twin("o"), twin("x")}).applied == 3);
  auto events = node.subscribe({{"m", "o"}, "", "", "", 0});
  REQUIRE(node.set("m", "tell", "o") == errc::none);
  CHECK(of.heard == names{"o hello"});
  REQUIRE(events->events.size() == 3);
  auto updated = std::find_if(events->events.begin(), events->events.end(),
                              [](const auto& e) { return e.kind == event_kind::updated; });
  REQUIRE(updated != events->events.end());
  for (const auto& e : events->events)
    if (e.kind == event_kind::emitted)
      CHECK(e.cause == updated->event_id());
  CHECK(node.update({{"m", {{"tell", "x"}, {"boom", 1}}}}).applied == 0);
  CHECK(of.heard.size() == 1);
  REQUIRE(node.set("m", "tell", "nobody") == errc::none);
  CHECK(node.doors().sends_dropped() == 1);
}

TEST_CASE("an atomic batch that is taken back sends nothing", "[fault][actors]") {
  diary of;
  simulated_node node{with(of)};
  REQUIRE(node.create({twin("m"), twin("o"), twin("x")}).applied == 3);
  auto atomic = [&](const std::vector<twin_update>& updates) {
    auto answer = node.submit(make_update(updates, {true, {}}));
    node.run();
    return expect_outcome(**answer).value().applied;
  };
  CHECK(atomic({{"m", {{"tell", "x"}}}, {"o", {{"boom", 1}}}}) == 0);
  CHECK(of.heard.empty());
  CHECK(atomic({{"m", {{"tell", "x"}}}, {"o", {{"n", 2}}}}) == 2);
  CHECK(of.heard == names{"x hello"});
}

TEST_CASE("twins without data become stale after their type's time, and data brings them back",
          "[fault][actors]") {
  options wanted;
  type_model sensor;
  sensor.name = "Sensor";
  sensor.stale_after_us = 10'000'000;
  wanted.models = {sensor};
  simulated_node node{wanted};
  REQUIRE(node.create({{"a", "Sensor", "", {{"v", 1}}},
                       {"b", "Sensor", "", {{"v", 1}}},
                       {"c", "Sensor"},
                       {"d", "Plain", "", {{"v", 1}}}})
              .applied
          == 4);
  auto events = node.subscribe({{}, "Sensor", "", "", 0});
  for (int i = 0; i < 3; ++i) {
    node.run_for(6s);
    // The same value again is data too.
    REQUIRE(node.set("a", "v", 1) == errc::none);
    CHECK(state_of(node, "a") == lifecycle_state::active);
  }
  CHECK(state_of(node, "b") == lifecycle_state::stale);
  CHECK(state_of(node, "c") == lifecycle_state::provisioned);
  CHECK(state_of(node, "d") == lifecycle_state::active);
  CHECK(of_kind(events, event_kind::lifecycle).size() == 1);
  node.run_for(11s);
  CHECK(state_of(node, "a") == lifecycle_state::stale);
  REQUIRE(node.set("a", "v", 1) == errc::none);
  CHECK(state_of(node, "a") == lifecycle_state::active);
  REQUIRE(node.lifecycle({"b"}, lifecycle_trigger::suspend).applied == 1);
  node.run_for(30s);
  CHECK(state_of(node, "a") == lifecycle_state::stale);
  CHECK(state_of(node, "b") == lifecycle_state::suspended);
  REQUIRE(node.lifecycle({"b"}, lifecycle_trigger::resume).applied == 1);
  node.run_for(9s);
  CHECK(state_of(node, "b") == lifecycle_state::active);
  node.run_for(3s);
  CHECK(state_of(node, "b") == lifecycle_state::stale);
  REQUIRE(node.remove({"a", "b", "c", "d"}, child_policy::refuse).applied == 4);
  node.run_for(60s);
  for (std::size_t i = 0; i < 4; ++i)
    CHECK_FALSE(node.runner(i).next_due());
}

TEST_CASE("retiring a parent refuses, takes its subtree along, or cuts its children off",
          "[fault][actors]") {
  for (auto how : {child_policy::refuse, child_policy::cascade, child_policy::orphan}) {
    simulated_node node{options{}};
    REQUIRE(node.create({twin("hall"), twin("line", "hall"), twin("a", "line"), twin("b", "line"),
                         twin("gone", "line")})
                .applied
            == 5);
    REQUIRE(node.retire({"gone"}, child_policy::refuse).applied == 1);
    auto events = node.subscribe({{"hall", "line", "a", "b"}, "", "", "", 0});
    auto done = node.retire({"hall"}, how);
    INFO(static_cast<int>(how));
    auto expect = [&](const std::string& id, lifecycle_state state, const std::string& parent) {
      INFO(id);
      CHECK(state_of(node, id) == state);
      CHECK(node.find(id)->parent == parent);
      auto more = node.create({twin("more", id)});
      CHECK(more.applied == (state == lifecycle_state::retired ? 0 : 1));
      if (more.applied == 1)
        REQUIRE(node.remove({"more"}, child_policy::refuse).applied == 1);
      else
        CHECK(more.failures[0].why.code == errc::illegal_state);
    };
    using enum lifecycle_state;
    if (how == child_policy::refuse) {
      CHECK(test::codes(done, 1)[0] == errc::has_children);
      expect("hall", active, "");
      CHECK(events->events.empty());
    } else if (how == child_policy::cascade) {
      CHECK(done.applied == 1);
      for (const auto& [id, parent] : {std::pair{"hall", ""}, {"line", "hall"}, {"a", "line"}})
        expect(id, retired, parent);
      CHECK(events->events.size() == 4);
      CHECK(test::codes(node.retire({"hall"}, how), 1)[0] == errc::illegal_state);
    } else {
      CHECK(done.applied == 1);
      expect("hall", retired, "");
      expect("line", active, "");
      expect("a", active, "line");
      REQUIRE(events->events.size() == 2);
      for (const auto& e : events->events)
        CHECK(e.kind == (e.id == "line" ? event_kind::moved : event_kind::lifecycle));
    }
    CHECK(node.broken_invariants() == no_faults);
    REQUIRE(node.remove({"hall"}, child_policy::cascade).applied == 1);
    CHECK(node.broken_invariants() == no_faults);
  }
}

TEST_CASE("children orphaned by a delete hear that they moved", "[fault][actors]") {
  simulated_node node{options{}};
  REQUIRE(node.create({twin("hall"), twin("a", "hall"), twin("a.1", "a")}).applied == 3);
  auto events = node.subscribe({{}, "", "", "", 0});
  REQUIRE(node.remove({"hall"}, child_policy::orphan).applied == 1);
  auto moved = of_kind(events, event_kind::moved);
  REQUIRE(moved.size() == 1);
  CHECK(moved[0].id == "a");
  CHECK(moved[0].parent.empty());
}

TEST_CASE("children made under a faulted parent are faulted until it is repaired",
          "[fault][actors]") {
  diary of;
  simulated_node node{with(of, {restart_strategy::one_for_one, {}, 0, 10'000'000})};
  REQUIRE(node.create({twin("line"), twin("a", "line"), twin("paused", "line")}).applied == 3);
  REQUIRE(node.create({{"fresh", "Press", "line"}}).applied == 1);
  REQUIRE(node.lifecycle({"paused"}, lifecycle_trigger::suspend).applied == 1);
  CHECK(node.set("line", "boom", 1) == errc::twin_crashed);
  CHECK(state_of(node, "line") == lifecycle_state::faulted);
  REQUIRE(node.create({twin("b", "line"), {"late", "Press", "line"}, twin("b.1", "b")}).applied
          == 3);
  using enum lifecycle_state;
  for (const auto* id : {"a", "fresh", "b", "late", "b.1"}) {
    INFO(id);
    CHECK(state_of(node, id) == faulted);
    CHECK(code_of(node.command({id, "add", {{"by", 1}}})) == errc::illegal_state);
    auto refused = node.lifecycle({id}, lifecycle_trigger::repair);
    CHECK(test::codes(refused, 1)[0] == errc::illegal_state);
  }
  CHECK(of.started["b"] == 0);
  CHECK(state_of(node, "paused") == suspended);
  REQUIRE(node.lifecycle({"line"}, lifecycle_trigger::repair).applied == 1);
  for (const auto& [id, state] : std::map<std::string, lifecycle_state>{{"a", active},
                                                                        {"fresh", provisioned},
                                                                        {"b", active},
                                                                        {"late", provisioned},
                                                                        {"b.1", active},
                                                                        {"paused", suspended}}) {
    INFO(id);
    CHECK(state_of(node, id) == state);
    CHECK(node.command({id, "add", {{"by", 1}}}).has_value() == (state != suspended));
  }
  CHECK(node.broken_invariants() == no_faults);
}

TEST_CASE("no escalation or restart changes what state a twin is in", "[fault][actors]") {
  diary of;
  simulated_node node{with(of, {restart_strategy::one_for_all, {}, 2, 10'000'000})};
  REQUIRE(node.create({twin("hall", "", "Plain"),
                       twin("line", "hall"),
                       twin("a", "line"),
                       {"fresh", "Press", "line"},
                       twin("paused", "line"),
                       twin("p.1", "paused")})
              .applied
          == 6);
  REQUIRE(node.lifecycle({"paused"}, lifecycle_trigger::suspend).applied == 1);
  auto events = node.subscribe({{}, "", "", "", 0});
  for (int i = 0; i < 3; ++i)
    CHECK(node.set("a", "boom", 1) == errc::twin_crashed);
  CHECK(node.counters().escalations == 1);
  CHECK(of.started["line"] == 2);
  CHECK(of_kind(events, event_kind::lifecycle).empty());
  CHECK(state_of(node, "fresh") == lifecycle_state::provisioned);
  CHECK(state_of(node, "paused") == lifecycle_state::suspended);
  CHECK(state_of(node, "p.1") == lifecycle_state::active);
  CHECK(of.started["fresh"] == 4);
  CHECK(of.started["paused"] == 1);
  for (const auto* id : {"a", "fresh", "p.1"})
    CHECK(node.command({id, "add", {{"by", 1}}}).has_value());
  CHECK(node.broken_invariants() == no_faults);
}
