#include "actors/subscription.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/simulated_node.hpp"

#include <map>
#include <set>

using namespace gemel;
using gemel::test::simulated_node;

namespace {

using options = simulated_node::options;
using names = std::vector<std::string>;

new_twin twin(const std::string& id, const std::string& type, const std::string& parent = {}) {
  return {id, type, parent, {{"temperature", 20}}, {}};
}

// hall with m-1, m-2 and p-1, and a machine elsewhere.
void make_hall(simulated_node& node) {
  REQUIRE(node.create({{"hall", "Hall", "", {}, ""},
                       twin("m-1", "Machine", "hall"),
                       twin("m-2", "Machine", "hall"),
                       twin("p-1", "Pump", "hall"),
                       twin("m-9", "Machine")})
              .applied
          == 5);
}

void heat_all(simulated_node& node, int to) {
  for (const auto* id : {"m-1", "m-2", "p-1", "m-9"})
    REQUIRE(node.set(id, "temperature", to) == errc::none);
}

std::multiset<std::string> ids_of(const test::subscriber& who) {
  std::multiset<std::string> ids;
  for (const auto& event : who.events)
    ids.insert(event.id);
  return ids;
}

using ids = std::multiset<std::string>;

} // namespace

TEST_CASE("a subscriber gets the events of what it asked for, and no others", "[unit][actors]") {
  simulated_node node;
  make_hall(node);
  auto all = node.subscribe({});
  auto by_id = node.subscribe({{"m-1", "m-9"}, "", "", "", 0});
  auto by_type = node.subscribe({{}, "Machine", "", "", 0});
  auto by_parent = node.subscribe({{}, "", "hall", "", 0});
  auto by_both = node.subscribe({{}, "Pump", "hall", "", 0});
  auto by_three = node.subscribe({{"m-1", "p-1"}, "Machine", "hall", "", 0});
  auto hot = node.subscribe({{}, "", "", "temperature > 85", 0});
  auto nobody = node.subscribe({{}, "Crane", "", "", 0});
  REQUIRE(nobody);
  heat_all(node, 60);
  CHECK(ids_of(*all) == ids{"m-1", "m-2", "p-1", "m-9"});
  CHECK(ids_of(*by_id) == ids{"m-1", "m-9"});
  CHECK(ids_of(*by_type) == ids{"m-1", "m-2", "m-9"});
  CHECK(ids_of(*by_parent) == ids{"m-1", "m-2", "p-1"});
  CHECK(ids_of(*by_both) == ids{"p-1"});
  CHECK(ids_of(*by_three) == ids{"m-1"});
  CHECK(hot->events.empty());
  REQUIRE(node.set("m-2", "temperature", 90) == errc::none);
  CHECK(ids_of(*hot) == ids{"m-2"});
  CHECK(nobody->events.empty());
  REQUIRE(node.create({twin("crane", "Crane")}).applied == 1);
  CHECK(ids_of(*nobody) == ids{"crane"});
}

TEST_CASE("an event tells old and new values, version, time and state", "[unit][actors]") {
  simulated_node node;
  make_hall(node);
  auto who = node.subscribe({{"m-1"}, "", "", "", 0});
  node.clock().advance(std::chrono::milliseconds{1'500});
  REQUIRE(node.update({{"m-1", {{"temperature", 30}, {"mode", "on"}}, {}, 0, 123}}).applied == 1);
  REQUIRE(node.update({{"m-1", {{"temperature", 30}}, {"mode"}, 0, 0}}).applied == 1);
  REQUIRE(node.set("m-1", "temperature", 30) == errc::none);
  REQUIRE(who->events.size() == 2);
  const auto& first = who->events[0];
  CHECK(first.kind == event_kind::updated);
  CHECK(first.type == "Machine");
  CHECK(first.parent == "hall");
  CHECK(first.version == 3);
  CHECK(first.time_us == 1'700'000'001'500'000);
  CHECK(first.source_time_us == 123);
  CHECK(first.lifecycle == lifecycle_state::active);
  REQUIRE(first.changes.size() == 2);
  CHECK(first.find("temperature")->old_value == value{20});
  CHECK(first.find("temperature")->new_value == value{30});
  CHECK(first.find("mode")->old_value.is_null());
  CHECK(first.find("mode")->new_value == value{"on"});
  const auto& second = who->events[1];
  REQUIRE(second.changes.size() == 1);
  CHECK(second.find("mode")->old_value == value{"on"});
  CHECK(second.find("mode")->new_value.is_null());
}

TEST_CASE("a subscriber hears of beginnings, states and ends", "[unit][actors]") {
  simulated_node node;
  make_hall(node);
  auto who = node.subscribe({{}, "", "hall", "", 0});
  REQUIRE(node.create({{"new", "Machine", "hall", {}, ""}}).applied == 1);
  REQUIRE(node.set("new", "temperature", 1) == errc::none);
  REQUIRE(node.lifecycle({"new"}, lifecycle_trigger::suspend).applied == 1);
  REQUIRE(node.remove({"new"}, child_policy::refuse).applied == 1);
  std::vector<event_kind> kinds;
  std::vector<lifecycle_state> states;
  for (const auto& event : who->events) {
    CHECK(event.id == "new");
    CHECK(event.parent == "hall");
    kinds.push_back(event.kind);
    states.push_back(event.lifecycle);
  }
  CHECK(kinds
        == std::vector{event_kind::created, event_kind::updated, event_kind::lifecycle,
                       event_kind::lifecycle, event_kind::removed});
  CHECK(states.back() == lifecycle_state::deleted);
  CHECK(states[3] == lifecycle_state::suspended);
}

TEST_CASE("a twin that is named twice is told of once", "[unit][actors]") {
  simulated_node node;
  make_hall(node);
  auto who = node.subscribe({{"m-1", "m-1"}, "", "", "", 0});
  heat_all(node, 50);
  CHECK(ids_of(*who) == ids{"m-1"});
  node.unsubscribe(*who);
  heat_all(node, 51);
  CHECK(who->events.size() == 1);
}

TEST_CASE("nothing comes after unsubscribe, and others go on", "[unit][actors]") {
  simulated_node node;
  make_hall(node);
  auto leaving = node.subscribe({{"m-1"}, "", "", "", 0});
  auto staying = node.subscribe({{"m-1"}, "", "", "", 0});
  auto typed = node.subscribe({{}, "Machine", "", "", 0});
  auto child = node.subscribe({{}, "", "hall", "", 0});
  auto all = node.subscribe({});
  CHECK(node.doors().subscriptions() == 5);
  heat_all(node, 50);
  for (const auto& gone : {leaving, typed, child, all})
    node.unsubscribe(*gone);
  node.unsubscribe(*leaving);
  heat_all(node, 51);
  CHECK(leaving->events.size() == 1);
  CHECK(typed->events.size() == 3);
  CHECK(child->events.size() == 3);
  CHECK(all->events.size() == 4);
  CHECK(staying->events.size() == 2);
  CHECK(node.doors().subscriptions() == 1);
  node.unsubscribe(*staying);
  auto before = node.counters().events_delivered;
  heat_all(node, 52);
  CHECK(node.counters().events_delivered == before);
}

TEST_CASE("a subscription outlives its twin and forgets it", "[unit][actors]") {
  options wanted;
  wanted.cells = 1;
  simulated_node node{wanted};
  make_hall(node);
  auto who = node.subscribe({{"m-9"}, "", "", "", 0});
  REQUIRE(node.remove({"m-9"}, child_policy::refuse).applied == 1);
  // The row is used again by another twin, which nobody watches.
  REQUIRE(node.create({twin("other", "Machine")}).applied == 1);
  REQUIRE(node.set("other", "temperature", 1) == errc::none);
  CHECK(ids_of(*who) == ids{"m-9"});
  node.unsubscribe(*who);
}

TEST_CASE("a slow subscriber learns how much it missed", "[unit][actors]") {
  simulated_node node;
  make_hall(node);
  auto who = node.subscribe({{"m-1"}, "", "", "", 3});
  for (int i = 0; i < 10; ++i)
    REQUIRE(node.set("m-1", "temperature", 100 + i) == errc::none);
  CHECK(who->events.size() == 3);
  CHECK(node.counters().events_missed == 7);
  node.grant(*who, 2);
  for (int i = 0; i < 4; ++i)
    REQUIRE(node.set("m-1", "temperature", 200 + i) == errc::none);
  CHECK(who->events.size() == 5);
  // It was told as soon as there was room, in a batch of its own.
  CHECK(who->missed == std::vector<std::uint64_t>{0, 0, 0, 7, 0, 0});
  CHECK(who->events[3].version == 12);
  CHECK(*&who->events[3].find("temperature")->new_value == value{200});
  // Nobody else is slowed down by it.
  auto other = node.subscribe({{"m-1"}, "", "", "", 0});
  REQUIRE(node.set("m-1", "temperature", 1) == errc::none);
  CHECK(other->events.size() == 1);
}

TEST_CASE("credit is spent as far as it goes, and never rises above what was asked",
          "[unit][actors]") {
  subscription::options wanted;
  wanted.credit_max = 5;
  subscription one{std::move(wanted), {0, [](frame) {}}};
  CHECK(one.reserve(3) == 3);
  CHECK(one.reserve(3) == 2);
  CHECK(one.reserve(3) == 0);
  one.grant(1);
  CHECK(one.reserve(3) == 1);
  one.grant(1'000);
  CHECK(one.reserve(1'000) == 5);
}

TEST_CASE("subscriptions are refused with a reason", "[unit][actors]") {
  options wanted;
  wanted.doors.subscriptions_max = 1;
  simulated_node node{wanted};
  CHECK_FALSE(node.subscribe({{}, "", "", "temperature >", 0}));
  CHECK(node.last_error().code == errc::bad_syntax);
  CHECK_FALSE(node.subscribe({{"nobody"}, "", "", "", 0}));
  CHECK(node.last_error().code == errc::twin_not_found);
  CHECK(node.subscribe({}));
  CHECK_FALSE(node.subscribe({}));
  CHECK(node.last_error().code == errc::limit_reached);
}

TEST_CASE("every change of every twin comes once and in its order, however the lane is cut",
          "[unit][actors]") {
  auto seed = test::seed();
  INFO(test::repeat_command(seed));
  for (std::uint32_t lane : {1u, 2u, 3u, 1'024u}) {
    options wanted;
    wanted.seed = seed;
    wanted.limits.lane_events_max = lane;
    simulated_node node{wanted};
    make_hall(node);
    auto all = node.subscribe({});
    auto hot = node.subscribe({{}, "", "", "temperature >= 50", 0});
    std::map<std::string, value> model;
    for (const auto* id : {"m-1", "m-2", "p-1", "m-9"})
      model[id] = value{20};
    for (int i = 0; i < 200; ++i) {
      std::vector<twin_update> some;
      for (auto n = node.below(5); n > 0; --n) {
        auto at = std::next(model.begin(), static_cast<std::ptrdiff_t>(node.below(4)));
        some.push_back({at->first, {{"temperature", static_cast<int>(node.below(100))}}, {}, 0, 0});
      }
      node.send_update(some);
      node.step(node.below(4));
    }
    node.run();
    std::map<std::string, std::uint64_t> version;
    std::size_t hot_events = 0;
    for (const auto& event : all->events) {
      REQUIRE(event.changes.size() == 1);
      REQUIRE(event.changes[0].old_value == model[event.id]);
      model[event.id] = event.changes[0].new_value;
      REQUIRE(event.version == (version.contains(event.id) ? version[event.id] + 1 : 2));
      version[event.id] = event.version;
      hot_events += event.changes[0].new_value.as_integer() >= 50;
    }
    CHECK(hot->events.size() == hot_events);
    for (const auto& [id, content] : model)
      CHECK(*node.find(id)->find("temperature") == content);
  }
}

TEST_CASE("events with more different keys than a frame can number go in several frames",
          "[unit][actors]") {
  options wanted;
  wanted.cells = 1;
  simulated_node node{wanted};
  constexpr int twins = 70;
  constexpr int keys = 1'000;
  std::vector<new_twin> made;
  for (int t = 0; t < twins; ++t)
    made.push_back({"t" + std::to_string(t), "Table", "", {}, ""});
  REQUIRE(node.create(made).applied == twins);
  auto who = node.subscribe({});
  for (int half = 0; half < 2; ++half) {
    std::vector<twin_update> updates;
    for (int t = half * twins / 2; t < (half + 1) * twins / 2; ++t) {
      auto& one = updates.emplace_back(twin_update{"t" + std::to_string(t), {}, {}, 0, 0});
      for (int k = 0; k < keys; ++k)
        one.set.push_back({std::to_string(t) + "." + std::to_string(k), k});
    }
    node.send_update(updates);
  }
  node.run();
  std::size_t updated = 0;
  for (const auto& event : who->events)
    updated += event.kind == event_kind::updated && event.changes.size() == keys;
  CHECK(updated == twins);
  CHECK(who->missed == std::vector<std::uint64_t>(who->missed.size(), 0));
}

TEST_CASE("large events go in frames that a link takes", "[unit][actors]") {
  options wanted;
  wanted.cells = 1;
  simulated_node node{wanted};
  REQUIRE(node.create({{"m", "Machine", "", {}, ""}}).applied == 1);
  std::size_t largest = 0;
  std::size_t events = 0;
  std::optional<frame> answer;
  node.doors().subscribe(make_subscribe({{"m"}, "", "", "", 0}),
                         {1,
                          [&](frame batch) {
                            largest = std::max(largest, batch.size());
                            events += batch.message().getEvents().getEvents().size();
                            CHECK(frame::check(batch.bytes()).has_value());
                          }},
                         [&](frame reply) { answer = std::move(reply); });
  node.run();
  for (int i = 0; i < 16; ++i)
    node.send_update(
        {{"m", {{"note", std::string(500'000, static_cast<char>('a' + i))}}, {}, 0, 0}});
  node.run();
  CHECK(events == 17);
  CHECK(largest <= limits::frame_bytes_max);
}

TEST_CASE("a type that cannot be named any more is not every type", "[unit][actors]") {
  options wanted;
  wanted.cells = 1;
  simulated_node node{wanted};
  make_hall(node);
  for (int i = 0; node.symbols().types.intern("type" + std::to_string(i)); ++i) {
  }
  auto strange = node.subscribe({{}, "never seen", "", "", 0});
  auto known = node.subscribe({{}, "Machine", "", "", 0});
  REQUIRE(strange);
  heat_all(node, 50);
  CHECK(strange->events.empty());
  CHECK(known->events.size() == 3);
  node.unsubscribe(*strange);
}

TEST_CASE("every event has an id of its own and says what led to it", "[unit][actors]") {
  simulated_node node;
  auto who = node.subscribe({});
  REQUIRE(who);
  REQUIRE(node.create({{"m", "Machine", "", {{"a", 1}}, ""}}).applied == 1);
  auto answer = node.submit(make_update(
      std::vector<twin_update>{{"m", {{"a", 2}, {"b", 3}}, {}, 0, 77}}, {.cause = "0-5-9"}));
  node.run();
  REQUIRE(answer->has_value());
  REQUIRE(node.lifecycle({"m"}, lifecycle_trigger::suspend).applied == 1);
  REQUIRE(node.remove({"m"}, child_policy::refuse).applied == 1);
  REQUIRE(who->events.size() == 4);
  std::set<std::string> ids;
  for (const auto& e : who->events)
    ids.insert(e.event_id());
  CHECK(ids.size() == 4);
  const auto& created = who->events[0];
  const auto& updated = who->events[1];
  CHECK(created.cause.empty());
  CHECK(updated.cause == "0-5-9");
  CHECK(updated.source_time_us == 77);
  CHECK(updated.shard == created.shard);
  // Two properties were written, the event has the id of the last one.
  CHECK(updated.dot == created.dot + 2);
  CHECK(updated.event_id()
        == "0-" + std::to_string(updated.shard) + "-" + std::to_string(updated.dot));
  CHECK(who->events[2].cause.empty());
}
