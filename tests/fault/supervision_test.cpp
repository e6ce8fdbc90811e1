// The fault: a twin's behaviour throws, while it starts or while it handles an update, once or
// again and again.
//
// What must hold: the twin's state is as before the message and its hierarchy actor restarts it,
// with its siblings as the strategy says; too many restarts go up to the parent and at the root end
// in `faulted`, from which a repair brings it back.

#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/simulated_node.hpp"

#include <algorithm>
#include <map>
#include <set>

using namespace gemel;
using gemel::test::simulated_node;

namespace {

using options = simulated_node::options;
using names = std::vector<std::string>;
using counts = std::map<std::string, int>;

const names no_faults;

// What the behaviours of a test do and did; outlives the node.
struct script {
  // By twin: starts that went well.
  counts starts;
  // By twin: how many of the next starts throw.
  counts bad_starts;
};

// Throws when told to by a property named `boom`, and keeps a property of its own.
class fragile final : public behavior {
public:
  explicit fragile(script& of) : script_{of} {}

  void on_start(twin_context& twin) override {
    auto id = std::string{twin.id()};
    if (script_.bad_starts[id] > 0) {
      --script_.bad_starts[id];
      twin.set("started", "badly");
      throw std::runtime_error{"no start"};
    }
    ++script_.starts[id];
  }

  void on_update(twin_context& twin, std::span<const change_view> changes) override {
    for (const auto& change : changes) {
      if (change.key != "boom")
        continue;
      twin.set("last words", "of more than fourteen bytes");
      if (change.new_value == value{"odd"})
        throw 42;
      throw std::runtime_error{"boom " + std::string{twin.id()}};
    }
  }

private:
  script& script_;
};

options with(script& of, supervision_policy policy = {}) {
  options wanted;
  behavior_factory make = [&of] { return std::make_unique<fragile>(of); };
  wanted.behaviors = {{"Line", make}, {"Machine", make}};
  wanted.supervision.fallback = policy;
  return wanted;
}

new_twin twin(const std::string& id, const std::string& parent = {},
              const std::string& type = "Machine") {
  return {id, type, parent, {{"n", 1}}, {}};
}

errc crash(simulated_node& node, const std::string& id) {
  return node.set(id, "boom", 1);
}

// A line with four machines; all start once.
void make_line(simulated_node& node) {
  REQUIRE(node.create({twin("line", "", "Line"), twin("a", "line"), twin("b", "line"),
                       twin("c", "line"), twin("d", "line")})
              .applied
          == 5);
}

lifecycle_state state_of(simulated_node& node, const std::string& id) {
  return node.find(id)->lifecycle;
}

// The invariants, and that exactly the twins in use have a running behaviour.
names faults_of(simulated_node& node, std::size_t cells) {
  auto faults = node.broken_invariants();
  for (std::size_t i = 0; i < cells; ++i) {
    auto& core = node.runner(i).core();
    core.scan({}, [&](std::uint32_t row) {
      const auto& held = core.row(row);
      bool in_use = held.lifecycle == lifecycle_state::active
                    || held.lifecycle == lifecycle_state::provisioned;
      if (held.has(twin_row::running) != in_use)
        faults.push_back(held.id.str() + " is " + std::string{to_string(held.lifecycle)}
                         + (in_use ? " but does not run" : " but runs"));
    });
  }
  return faults;
}

} // namespace

TEST_CASE("a twin whose behaviour throws goes on with its state from before the message",
          "[fault][actors]") {
  script what;
  simulated_node node{with(what)};
  make_line(node);
  auto before = *node.find("b");
  auto events = node.subscribe({{"b"}, "", "", "", 0});
  auto done = node.update({{"b", {{"n", 2}, {"new", 3}, {"boom", 1}}, {}, 0, 0}});
  REQUIRE(done.failures.size() == 1);
  CHECK(done.failures[0].why == error{errc::twin_crashed, "b: boom b"});
  auto after = *node.find("b");
  CHECK(after.version == before.version);
  CHECK(after.properties == before.properties);
  CHECK(after.lifecycle == before.lifecycle);
  CHECK(after.updated_at_us == before.updated_at_us);
  REQUIRE(events->events.size() == 1);
  CHECK(events->events[0].kind == event_kind::crashed);
  CHECK(events->events[0].detail == "boom b");
  CHECK(events->events[0].version == before.version);
  CHECK(events->events[0].changes.empty());
  CHECK(what.starts == counts{{"line", 1}, {"a", 1}, {"b", 2}, {"c", 1}, {"d", 1}});
  CHECK(node.set("b", "n", 5) == errc::none);
  CHECK(node.find("b")->version == before.version + 1);
  CHECK(node.counters().crashes == 1);
  CHECK(node.counters().restarts == 1);
  CHECK(faults_of(node, 4) == no_faults);
}

TEST_CASE("a crash undoes removed properties and larger layouts too", "[fault][actors]") {
  script what;
  simulated_node node{with(what)};
  properties many;
  for (int i = 0; i < 20; ++i)
    many.push_back({"key" + std::to_string(i), std::string(static_cast<std::size_t>(i), 'x')});
  REQUIRE(node.create({{"m", "Machine", "", many, ""}}).applied == 1);
  CHECK(node.update({{"m", {{"boom", 1}, {"key3", 0}}, {"key0", "key19"}, 0, 0}}).applied == 0);
  CHECK(node.find("m")->properties == many);
  CHECK(node.find("m")->find("key0")->as_text().empty());
}

TEST_CASE("what a behaviour throws may be anything", "[fault][actors]") {
  script what;
  simulated_node node{with(what)};
  REQUIRE(node.create({twin("m")}).applied == 1);
  CHECK(node.set("m", "boom", "odd") == errc::twin_crashed);
  CHECK(what.starts["m"] == 2);
}

TEST_CASE("siblings are restarted as the strategy says, wherever their cell is",
          "[fault][actors]") {
  for (auto [strategy, expected] :
       {std::pair{restart_strategy::one_for_one, counts{{"a", 1}, {"b", 2}, {"c", 1}, {"d", 1}}},
        std::pair{restart_strategy::one_for_all, counts{{"a", 2}, {"b", 2}, {"c", 2}, {"d", 2}}},
        std::pair{restart_strategy::rest_for_one,
                  counts{{"a", 1}, {"b", 2}, {"c", 2}, {"d", 2}}}}) {
    INFO(to_string(strategy));
    script what;
    simulated_node node{with(what, {strategy, restart_kind::permanent, 5, 10'000'000})};
    make_line(node);
    REQUIRE(node.set("c", "n", 7) == errc::none);
    CHECK(crash(node, "b") == errc::twin_crashed);
    expected["line"] = 1;
    CHECK(what.starts == expected);
    CHECK(*node.find("c")->find("n") == value{7});
    CHECK(node.find("c")->version == 2);
    CHECK(faults_of(node, 4) == no_faults);
  }
}

TEST_CASE("the policy is that of the parent's type", "[fault][actors]") {
  script what;
  auto wanted = with(what);
  wanted.supervision.by_type["Line"].strategy = restart_strategy::one_for_all;
  simulated_node node{wanted};
  make_line(node);
  REQUIRE(node.create({twin("hall", "", "Hall"), twin("x", "hall"), twin("y", "hall")}).applied
          == 3);
  crash(node, "a");
  crash(node, "x");
  CHECK(what.starts["d"] == 2);
  CHECK(what.starts["y"] == 1);
}

TEST_CASE("more restarts than intensity in the period restart the parent and all its children",
          "[fault][actors]") {
  script what;
  simulated_node node{with(what, {restart_strategy::one_for_one, {}, 3, 10'000'000})};
  make_line(node);
  for (int i = 0; i < 3; ++i)
    CHECK(crash(node, "b") == errc::twin_crashed);
  CHECK(what.starts == counts{{"line", 1}, {"a", 1}, {"b", 4}, {"c", 1}, {"d", 1}});
  CHECK(crash(node, "b") == errc::twin_crashed);
  CHECK(node.counters().escalations == 1);
  CHECK(what.starts == counts{{"line", 2}, {"a", 2}, {"b", 5}, {"c", 2}, {"d", 2}});
  CHECK(state_of(node, "b") == lifecycle_state::active);
  CHECK(node.set("a", "n", 2) == errc::none);
  CHECK(faults_of(node, 4) == no_faults);
}

TEST_CASE("crashes further apart than the period are never too many", "[fault][actors]") {
  script what;
  simulated_node node{with(what, {restart_strategy::one_for_one, {}, 2, 1'000'000})};
  make_line(node);
  for (int i = 0; i < 30; ++i) {
    CHECK(crash(node, "b") == errc::twin_crashed);
    node.clock().advance(std::chrono::milliseconds{600});
    // Nor does a wall clock that is set back matter.
    node.clock().shift_wall(std::chrono::seconds{i % 2 == 0 ? -30 : 20});
    crash(node, "line");
    node.clock().advance(std::chrono::milliseconds{600});
  }
  CHECK(node.counters().escalations == 0);
  CHECK(node.counters().gave_up == 0);
  CHECK(what.starts["b"] > 30);
}

TEST_CASE("a root that crashes too often is faulted with all below, until it is repaired",
          "[fault][actors]") {
  script what;
  simulated_node node{with(what, {restart_strategy::one_for_one, {}, 2, 10'000'000})};
  make_line(node);
  REQUIRE(node.create({twin("a.0", "a")}).applied == 1);
  for (int i = 0; i < 3; ++i)
    CHECK(crash(node, "line") == errc::twin_crashed);
  for (const auto* id : {"line", "a", "d", "a.0"}) {
    CHECK(state_of(node, id) == lifecycle_state::faulted);
    CHECK(node.set(id, "n", 9) == errc::illegal_state);
    CHECK(*node.find(id)->find("n") == value{1});
  }
  CHECK(faults_of(node, 4) == no_faults);
  CHECK(node.lifecycle({"line"}, lifecycle_trigger::repair).applied == 1);
  for (const auto* id : {"line", "a", "d", "a.0"}) {
    CHECK(state_of(node, id) == lifecycle_state::active);
    CHECK(node.set(id, "n", 9) == errc::none);
  }
  // With a fresh budget.
  CHECK(crash(node, "line") == errc::twin_crashed);
  CHECK(crash(node, "line") == errc::twin_crashed);
  CHECK(state_of(node, "line") == lifecycle_state::active);
  CHECK(faults_of(node, 4) == no_faults);
}

TEST_CASE("crashes climb level by level to the root", "[fault][actors]") {
  script what;
  simulated_node node{with(what, {restart_strategy::one_for_one, {}, 1, 10'000'000})};
  REQUIRE(node.create({twin("r", "", "Line"), twin("m", "r", "Line"), twin("leaf", "m")}).applied
          == 3);
  // Each level tolerates one: two crashes make one of the parent.
  for (int i = 1; i < 8; ++i) {
    CHECK(crash(node, "leaf") == errc::twin_crashed);
    CHECK(state_of(node, "r") == lifecycle_state::active);
  }
  CHECK(what.starts["m"] == 4);
  CHECK(what.starts["r"] == 2);
  CHECK(crash(node, "leaf") == errc::twin_crashed);
  for (const auto* id : {"r", "m", "leaf"})
    CHECK(state_of(node, id) == lifecycle_state::faulted);
  CHECK(faults_of(node, 4) == no_faults);
}

TEST_CASE("a behaviour that throws while it starts leaves no trace but its crash",
          "[fault][actors]") {
  script what;
  what.bad_starts["m"] = 2;
  simulated_node node{with(what)};
  auto events = node.subscribe({});
  REQUIRE(node.create({twin("m")}).applied == 1);
  CHECK(what.starts["m"] == 1);
  CHECK(node.find("m")->properties == properties{{"n", 1}});
  CHECK(node.find("m")->version == 1);
  CHECK(node.counters().crashes == 2);
  REQUIRE(events->events.size() == 3);
  CHECK(events->events[0].kind == event_kind::created);
  CHECK(events->events[2].detail == "no start");
  CHECK(faults_of(node, 4) == no_faults);
}

TEST_CASE("a root that never starts is faulted; a repair tries again", "[fault][actors]") {
  script what;
  what.bad_starts["m"] = 1'000;
  simulated_node node{with(what)};
  REQUIRE(node.create({twin("m"), twin("c", "m")}).applied == 2);
  CHECK(state_of(node, "m") == lifecycle_state::faulted);
  CHECK(what.bad_starts["m"] == 1'000 - 6);
  // Still no start: nothing below may run either.
  CHECK(node.lifecycle({"m"}, lifecycle_trigger::repair).applied == 1);
  CHECK(state_of(node, "m") == lifecycle_state::faulted);
  CHECK(state_of(node, "c") == lifecycle_state::faulted);
  what.bad_starts["m"] = 0;
  CHECK(node.lifecycle({"m"}, lifecycle_trigger::repair).applied == 1);
  CHECK(state_of(node, "m") == lifecycle_state::active);
  CHECK(state_of(node, "c") == lifecycle_state::active);
  CHECK(faults_of(node, 4) == no_faults);
}

TEST_CASE("children after one that starts badly are started all the same", "[fault][actors]") {
  for (auto strategy : {restart_strategy::one_for_one, restart_strategy::one_for_all,
                        restart_strategy::rest_for_one}) {
    INFO(to_string(strategy));
    script what;
    simulated_node node{with(what, {strategy, {}, 3, 10'000'000})};
    make_line(node);
    // The line restarts, and with it its children.
    what.bad_starts["b"] = 2;
    CHECK(crash(node, "line") == errc::twin_crashed);
    CHECK(what.starts["line"] == 2);
    for (const auto* id : {"a", "b", "c", "d"})
      CHECK(state_of(node, id) == lifecycle_state::active);
    CHECK(what.starts["d"] >= 2);
    CHECK(faults_of(node, 4) == no_faults);
    // The same after their supervision gave up, when none of them runs.
    node.clock().advance(std::chrono::minutes{1});
    what.bad_starts["b"] = 3 + 1 + 2;
    CHECK(crash(node, "b") == errc::twin_crashed);
    CHECK(node.counters().escalations == 1);
    for (const auto* id : {"a", "b", "c", "d"})
      CHECK(state_of(node, id) == lifecycle_state::active);
    CHECK(faults_of(node, 4) == no_faults);
  }
}

TEST_CASE("a child that never starts takes the tree down, and all ends", "[fault][actors]") {
  script what;
  simulated_node node{with(what, {restart_strategy::one_for_one, {}, 2, 10'000'000})};
  make_line(node);
  what.bad_starts["b"] = 1'000'000;
  CHECK(crash(node, "b") == errc::twin_crashed);
  for (const auto* id : {"line", "a", "b", "c", "d"})
    CHECK(state_of(node, id) == lifecycle_state::faulted);
  CHECK(faults_of(node, 4) == no_faults);
}

TEST_CASE("a factory that throws or makes nothing is a crash of its twin", "[fault][actors]") {
  for (bool throws : {true, false}) {
    options wanted;
    wanted.behaviors["Bad"] = [throws]() -> std::unique_ptr<behavior> {
      if (throws)
        throw std::runtime_error{"cannot be made"};
      return nullptr;
    };
    simulated_node node{wanted};
    auto events = node.subscribe({});
    REQUIRE(node.create({twin("bad", "", "Bad"), twin("good", "", "Other")}).applied == 2);
    CHECK(state_of(node, "bad") == lifecycle_state::faulted);
    CHECK(node.set("good", "n", 2) == errc::none);
    CHECK(node.counters().crashes == 6);
    CHECK(node.broken_invariants() == no_faults);
  }
}

TEST_CASE("a suspended or retired twin does not run because of a sibling or child",
          "[fault][actors]") {
  script what;
  simulated_node node{with(what, {restart_strategy::one_for_all, {}, 1, 10'000'000})};
  make_line(node);
  REQUIRE(node.create({twin("c.0", "c")}).applied == 1);
  REQUIRE(node.lifecycle({"c"}, lifecycle_trigger::suspend).applied == 1);
  REQUIRE(node.lifecycle({"d"}, lifecycle_trigger::retire).applied == 1);
  crash(node, "a");
  CHECK(what.starts["b"] == 2);
  CHECK(what.starts["c"] == 1);
  CHECK(what.starts["d"] == 1);
  CHECK(faults_of(node, 4) == no_faults);
  // The suspended parent's own children crash too often.
  crash(node, "c.0");
  crash(node, "c.0");
  CHECK(node.counters().escalations == 2);
  CHECK(state_of(node, "d") == lifecycle_state::retired);
  CHECK(faults_of(node, 4) == no_faults);
}

TEST_CASE("a twin that was told to end is started again as its kind says", "[fault][actors]") {
  for (auto kind : {restart_kind::permanent, restart_kind::transient, restart_kind::temporary}) {
    INFO(to_string(kind));
    script what;
    auto wanted = with(what, {restart_strategy::one_for_one, kind, 5, 10'000'000});
    simulated_node node{wanted};
    make_line(node);
    auto where = *node.directory().find("b");
    auto& runner = node.runner(static_cast<std::size_t>(where.cell));
    auto running = [&] { return runner.core().row(where.row).has(twin_row::running); };
    runner.push_control(exit_signal{where.row, true});
    node.run();
    CHECK(running() == (kind == restart_kind::permanent));
    CHECK(what.starts["b"] == (kind == restart_kind::permanent ? 2 : 1));
    CHECK((state_of(node, "b") == lifecycle_state::faulted) == (kind == restart_kind::temporary));
    CHECK(node.broken_invariants() == no_faults);
  }
}

TEST_CASE("only a repair ends a fault, no exit signal does", "[fault][actors]") {
  script what;
  simulated_node node{with(what, {restart_strategy::one_for_one, {}, 1, 10'000'000})};
  REQUIRE(node.create({twin("m")}).applied == 1);
  crash(node, "m");
  crash(node, "m");
  REQUIRE(state_of(node, "m") == lifecycle_state::faulted);
  node.clock().advance(std::chrono::hours{1});
  auto where = *node.directory().find("m");
  node.runner(static_cast<std::size_t>(where.cell)).push_control(exit_signal{where.row, false});
  node.run();
  CHECK(state_of(node, "m") == lifecycle_state::faulted);
  CHECK(what.starts["m"] == 2);
}

TEST_CASE("a temporary twin that crashes is faulted and keeps its data", "[fault][actors]") {
  script what;
  simulated_node node{
      with(what, {restart_strategy::one_for_all, restart_kind::temporary, 5, 10'000'000})};
  make_line(node);
  CHECK(crash(node, "b") == errc::twin_crashed);
  CHECK(state_of(node, "b") == lifecycle_state::faulted);
  CHECK(*node.find("b")->find("n") == value{1});
  CHECK(state_of(node, "c") == lifecycle_state::active);
  CHECK(node.lifecycle({"b"}, lifecycle_trigger::repair).applied == 1);
  CHECK(what.starts["b"] == 2);
  CHECK(faults_of(node, 4) == no_faults);
}

TEST_CASE("storms of crashes over three levels leave a sound tree with every acknowledged write",
          "[fault][actors]") {
  auto seed = test::seed();
  INFO(test::repeat_command(seed));
  for (std::uint64_t round = 0; round < 40; ++round) {
    INFO("round " << round);
    script what;
    auto wanted = with(what, {static_cast<restart_strategy>(round % 3), restart_kind::permanent,
                              static_cast<std::uint32_t>(round % 5), 1'000'000});
    wanted.seed = seed + round;
    wanted.cells = static_cast<std::uint32_t>(1 + round % 6);
    simulated_node node{wanted};
    names all{"r"};
    std::vector<new_twin> twins{twin("r", "", "Line")};
    for (int i = 0; i < 3; ++i) {
      auto line = "r." + std::to_string(i);
      twins.push_back(twin(line, "r", "Line"));
      for (int j = 0; j < 4; ++j)
        twins.push_back(twin(line + "." + std::to_string(j), line));
    }
    for (const auto& one : twins)
      all.push_back(one.id);
    REQUIRE(node.create(twins).applied == twins.size());
    struct sent {
      std::string id;
      int n;
      test::pending answer;
    };
    std::vector<sent> writes;
    for (int i = 2; i < 300; ++i) {
      const auto& id = all[node.below(all.size())];
      twin_update one{id, {{"n", i}}, {}, 0, 0};
      if (node.below(3) == 0)
        one.set.push_back({"boom", 1});
      if (node.below(10) == 0)
        what.bad_starts[id] = static_cast<int>(node.below(3));
      if (node.below(20) == 0)
        node.submit(make_lifecycle(names{id}, static_cast<std::uint8_t>(node.below(8))));
      if (node.below(40) == 0)
        node.send_remove({id}, static_cast<child_policy>(node.below(3)));
      if (node.below(10) == 0)
        node.send_create({twins[node.below(twins.size())]});
      writes.push_back({id, i, node.send_update({one})});
      node.clock().advance(std::chrono::milliseconds{node.below(100)});
      node.step(node.below(6));
    }
    node.run();
    REQUIRE(faults_of(node, wanted.cells) == no_faults);
    // Nothing of a crashed update stayed, and a twin that was not made anew has its last write.
    std::map<std::string, std::set<int>> acknowledged;
    for (const auto& one : writes)
      if (expect_outcome(**one.answer)->applied == 1)
        acknowledged[one.id].insert(one.n);
    for (const auto& one : node.all()) {
      CHECK(one.find("boom") == nullptr);
      CHECK(one.find("last words") == nullptr);
      CHECK(one.find("started") == nullptr);
      auto n = static_cast<int>(one.find("n")->as_integer());
      CHECK((n == 1 || n == *acknowledged[one.id].rbegin()));
    }
    // What is faulted can be repaired, from the top down.
    what.bad_starts.clear();
    node.clock().advance(std::chrono::seconds{10});
    for (const auto& id : all)
      if (auto found = node.find(id); found && found->lifecycle == lifecycle_state::faulted)
        CHECK(node.lifecycle({id}, lifecycle_trigger::repair).applied == 1);
    for (const auto& one : node.all())
      CHECK(one.lifecycle != lifecycle_state::faulted);
    REQUIRE(faults_of(node, wanted.cells) == no_faults);
  }
}
