#include "actors/subscription.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/simulated_node.hpp"

#include <algorithm>
#include <map>
#include <set>

using namespace gemel;
using gemel::test::simulated_node;
using namespace std::chrono_literals;

namespace {

using options = simulated_node::options;
using ids = std::multiset<std::string>;

new_twin machine(const std::string& id, const std::string& parent = {}) {
  return {id, "Machine", parent, {{"temperature", 20}}, {}};
}

subscription_request filtered(const std::string& where) {
  subscription_request asked;
  asked.where = where;
  return asked;
}

subscription_request kept(std::uint32_t keep_ms) {
  subscription_request asked;
  asked.keep_ms = keep_ms;
  return asked;
}

value limits_of(int high, int low) {
  return value{std::vector<map_member>{{"high", high}, {"low", low}}};
}

void set(simulated_node& node, const std::string& id, const std::string& key, value content) {
  REQUIRE(node.set(id, key, std::move(content)) == errc::none);
}

std::vector<std::uint64_t> versions(const test::subscriber& who) {
  std::vector<std::uint64_t> made;
  for (const auto& event : who.events)
    made.push_back(event.version);
  return made;
}

ids ids_of(const test::subscriber& who) {
  ids made;
  for (const auto& event : who.events)
    made.insert(event.id);
  return made;
}

std::vector<event_kind> kinds_of(const test::subscriber& who) {
  std::vector<event_kind> made;
  for (const auto& event : who.events)
    made.push_back(event.kind);
  return made;
}

} // namespace

// ---- filters ------------------------------------------------------------------------------------

TEST_CASE("a filter sees what changed, and what was there before", "[unit][actors]") {
  simulated_node node;
  auto crossing = node.subscribe(
      filtered("changed(temperature) and new.temperature > 85 and old.temperature <= 85"));
  auto any_change = node.subscribe(filtered("changed(temperature)"));
  auto was_hot = node.subscribe(filtered("old.temperature > 85"));
  auto became = node.subscribe(filtered("old.mode IS NULL AND mode = 'on'"));
  auto inside = node.subscribe(filtered("changed(limits.high)"));
  REQUIRE(node.create({machine("m")}).applied == 1);
  for (int t : {80, 90, 95, 85, 86})
    set(node, "m", "temperature", t);
  set(node, "m", "mode", "on");
  set(node, "m", "mode", "off");
  set(node, "m", "limits", limits_of(1, 0));
  set(node, "m", "limits", limits_of(1, 5));
  set(node, "m", "limits", limits_of(2, 5));
  CHECK(versions(*crossing) == std::vector<std::uint64_t>{3, 6});
  CHECK(versions(*any_change) == std::vector<std::uint64_t>{2, 3, 4, 5, 6});
  // The state before counts whether or not it is what changed.
  CHECK(versions(*was_hot) == std::vector<std::uint64_t>{4, 5, 7, 8, 9, 10, 11});
  CHECK(versions(*became) == std::vector<std::uint64_t>{7});
  CHECK(versions(*inside) == std::vector<std::uint64_t>{9, 11});
}

TEST_CASE("a filter can name the kind of event", "[unit][actors]") {
  simulated_node node;
  auto ends = node.subscribe(filtered("event IN ('created', 'removed') AND temperature > 10"));
  auto updates = node.subscribe(filtered("event = 'updated' and twin_id LIKE 'm%'"));
  auto fresh = node.subscribe(filtered("event = 'created' and old.temperature IS NULL"));
  REQUIRE(node.create({machine("m"), machine("n")}).applied == 2);
  set(node, "m", "temperature", 5);
  set(node, "n", "temperature", 50);
  REQUIRE(node.remove({"m", "n"}, child_policy::refuse).applied == 2);
  CHECK(ids_of(*ends) == ids{"m", "n", "n"});
  CHECK(ids_of(*updates) == ids{"m"});
  CHECK(ids_of(*fresh) == ids{"m", "n"});
}

TEST_CASE("a filter that cannot be is refused with its place", "[unit][actors]") {
  simulated_node node;
  auto refusal = [&](const std::string& where) {
    CHECK_FALSE(node.subscribe(filtered(where)));
    CHECK(node.last_error().code == errc::bad_syntax);
    return node.last_error().context;
  };
  CHECK(refusal("temperature > 1 and chnged(temperature)")
        == "where: line 1, column 21: unknown function 'chnged'; did you mean 'changed'?");
  CHECK(refusal("changed(old.temperature)")
            .starts_with("where: line 1, column 9: 'changed' compares"));
  CHECK(refusal("changed(1)")
            .starts_with("where: line 1, column 9: expected the path of a property"));
  CHECK(refusal("old > 1").starts_with("where: line 1, column 1: 'old' has no value of its own"));
  CHECK(node.query({.where = "changed(temperature)"}).error().code == errc::bad_syntax);
}

TEST_CASE("only the kinds that were asked for come", "[unit][actors]") {
  simulated_node node;
  subscription_request asked;
  asked.kinds = {event_kind::created, event_kind::lifecycle};
  auto who = node.subscribe(asked);
  REQUIRE(node.create({machine("m")}).applied == 1);
  set(node, "m", "temperature", 1);
  REQUIRE(node.lifecycle({"m"}, lifecycle_trigger::suspend).applied == 1);
  REQUIRE(node.remove({"m"}, child_policy::refuse).applied == 1);
  CHECK(kinds_of(*who) == std::vector{event_kind::created, event_kind::lifecycle});
}

TEST_CASE("a subscription to a model is one to all that extend it", "[unit][actors]") {
  options wanted;
  wanted.models = {{.name = "Asset"},
                   {.name = "Machine", .extends = "Asset"},
                   {.name = "Press", .extends = "Machine"}};
  simulated_node node{wanted};
  subscription_request asked;
  asked.type = "Machine";
  auto machines = node.subscribe(asked);
  asked.type = "Asset";
  auto assets = node.subscribe(asked);
  REQUIRE(node.create({machine("m"),
                       {"p", "Press", {}, {}, {}},
                       {"x", "Pump", {}, {}, {}},
                       {"a", "Asset", {}, {}, {}}})
              .applied
          == 4);
  CHECK(ids_of(*machines) == ids{"m", "p"});
  CHECK(ids_of(*assets) == ids{"a", "m", "p"});
}

TEST_CASE("a subscription to a subtree follows the tree", "[unit][actors]") {
  simulated_node node;
  // One id is the beginning of another.
  REQUIRE(
      node.create({machine("site"), machine("hall", "site"), machine("hall-2", "site"),
                   machine("line", "hall"), machine("press", "line"), machine("drill", "hall-2")})
          .applied
      == 6);
  subscription_request asked;
  asked.ancestor = "hall";
  auto below = node.subscribe(asked);
  asked.ancestor = "site";
  asked.type = "Pump";
  auto pumps = node.subscribe(asked);
  asked = {};
  asked.ids = {"press", "drill"};
  asked.ancestor = "hall";
  auto both = node.subscribe(asked);
  for (const auto* id : {"site", "hall", "hall-2", "line", "press", "drill"})
    set(node, id, "temperature", 30);
  CHECK(ids_of(*below) == ids{"line", "press"});
  CHECK(ids_of(*both) == ids{"press"});
  // A child that comes later is seen too, however deep.
  REQUIRE(node.create({{"pump", "Pump", "press", {}, {}}}).applied == 1);
  CHECK(ids_of(*below) == ids{"line", "press", "pump"});
  CHECK(ids_of(*pumps) == ids{"pump"});
  // The line leaves the hall, with all that is below it.
  REQUIRE(node.remove({"hall"}, child_policy::orphan).applied == 1);
  auto before = below->events.size();
  for (const auto* id : {"line", "press", "pump"})
    set(node, id, "temperature", 40);
  CHECK(below->events.size() == before);
  CHECK(pumps->events.size() == 1);
  node.unsubscribe(*below);
  node.unsubscribe(*pumps);
}

// ---- rate limits --------------------------------------------------------------------------------

TEST_CASE("a subscriber with a rate limit gets the first change at once, the rest folded",
          "[unit][actors]") {
  simulated_node node;
  REQUIRE(node.create({machine("m"), machine("n")}).applied == 2);
  subscription_request asked;
  asked.min_interval_ms = 1'000;
  auto who = node.subscribe(asked);
  for (int i = 0; i < 5; ++i) {
    set(node, "m", "temperature", 100 + i);
    node.run_for(100ms);
  }
  set(node, "n", "temperature", 1);
  REQUIRE(who->events.size() == 2);
  CHECK(who->events[0].find("temperature")->new_value == value{100});
  node.run_for(499ms);
  CHECK(who->events.size() == 2);
  node.run_for(1ms);
  REQUIRE(who->events.size() == 3);
  CHECK(who->events[2].id == "m");
  CHECK(who->events[2].version == 6);
  CHECK(who->events[2].find("temperature")->old_value == value{100});
  CHECK(who->events[2].find("temperature")->new_value == value{104});
  node.run_for(1h);
  CHECK(who->events.size() == 3);
}

TEST_CASE("what is held back never comes behind a later event of its twin", "[unit][actors]") {
  simulated_node node;
  REQUIRE(node.create({machine("m"), machine("n")}).applied == 2);
  subscription_request asked;
  asked.min_interval_ms = 60'000;
  auto who = node.subscribe(asked);
  asked.kinds = {event_kind::updated};
  auto updates = node.subscribe(asked);
  for (int i = 0; i < 3; ++i)
    set(node, "m", "temperature", i);
  REQUIRE(node.lifecycle({"m"}, lifecycle_trigger::suspend).applied == 1);
  CHECK(kinds_of(*who)
        == std::vector{event_kind::updated, event_kind::updated, event_kind::lifecycle});
  CHECK(who->events[1].find("temperature")->old_value == value{0});
  CHECK(who->events[1].find("temperature")->new_value == value{2});
  for (int i = 0; i < 3; ++i)
    set(node, "n", "temperature", i);
  REQUIRE(node.remove({"n"}, child_policy::refuse).applied == 1);
  CHECK(who->events.back().kind == event_kind::removed);
  // Who asked for updates only gets the last state all the same.
  CHECK(updates->events.back().id == "n");
  CHECK(updates->events.back().find("temperature")->new_value == value{2});
  node.unsubscribe(*who);
  node.unsubscribe(*updates);
  node.run_for(10min);
}

// ---- gaps ---------------------------------------------------------------------------------------

TEST_CASE("a gap is told as soon as there is room, though nothing happens", "[unit][actors]") {
  simulated_node node;
  REQUIRE(node.create({machine("m")}).applied == 1);
  subscription_request asked;
  asked.credit = 2;
  auto who = node.subscribe(asked);
  for (int i = 0; i < 7; ++i)
    set(node, "m", "temperature", 100 + i);
  auto told = who->missed_sum();
  CHECK(told == 0);
  CHECK(who->events.size() == 2);
  node.grant(*who, 1);
  CHECK(who->missed_sum() == 5);
  node.grant(*who, 1);
  CHECK(who->missed_sum() == 5);
}

TEST_CASE("an event that fits no frame is missed, and the next ones come", "[unit][actors]") {
  simulated_node node;
  REQUIRE(node.create({machine("m")}).applied == 1);
  auto who = node.subscribe({});
  auto again = node.subscribe(kept(1'000));
  for (int round = 0; round < 2; ++round) {
    std::vector<property> large;
    for (int i = 0; i < 3; ++i)
      large.push_back({"note" + std::to_string(i),
                       value{std::string(1'000'000, static_cast<char>('a' + round))}});
    REQUIRE(node.update({{.id = "m", .set = large}}).applied == 1);
  }
  set(node, "m", "temperature", 1);
  CHECK(who->missed_sum() == 1);
  CHECK(again->missed_sum() == 1);
  CHECK(who->events.back().find("temperature") != nullptr);
  CHECK(again->events.back().find("temperature") != nullptr);
}

// ---- resumption ---------------------------------------------------------------------------------

TEST_CASE("a subscription that is resumed goes on where it was cut", "[unit][actors]") {
  simulated_node node;
  REQUIRE(node.create({machine("m")}).applied == 1);
  auto who = node.subscribe(kept(10'000));
  set(node, "m", "temperature", 1);
  set(node, "m", "temperature", 2);
  CHECK(who->last_sequence == 2);
  node.cut(*who);
  for (int i = 3; i < 6; ++i)
    set(node, "m", "temperature", i);
  CHECK(who->events.size() == 2);
  CHECK(node.doors().sweep() == 1);
  node.run_for(9'999ms);
  auto asked = kept(0);
  asked.resume = who->number;
  asked.resume_after = who->last_sequence;
  auto back = node.subscribe(asked);
  REQUIRE(back);
  CHECK(back->number == who->number);
  CHECK(back->missed_sum() == 0);
  REQUIRE(back->events.size() == 3);
  CHECK(back->events[0].find("temperature")->new_value == value{3});
  CHECK(back->last_sequence == 5);
  // What comes now comes to the new end, and only there.
  set(node, "m", "temperature", 7);
  CHECK(back->events.size() == 4);
  CHECK(who->events.size() == 2);
  // The old end has nothing to say any more.
  node.cut(*who);
  set(node, "m", "temperature", 8);
  CHECK(back->events.size() == 5);
  CHECK(node.doors().sweep() == 0);
}

TEST_CASE("a subscription that nobody resumes ends, and says so", "[unit][actors]") {
  simulated_node node;
  REQUIRE(node.create({machine("m")}).applied == 1);
  auto who = node.subscribe(kept(1'000));
  auto plain = node.subscribe({});
  node.cut(*who);
  node.cut(*plain);
  CHECK(node.doors().subscriptions() == 1);
  auto asked = kept(0);
  asked.resume = who->number;
  asked.resume_after = 17;
  CHECK_FALSE(node.subscribe(asked));
  CHECK(node.last_error().code == errc::bad_value);
  node.run_for(1s);
  CHECK(node.doors().sweep() == 0);
  node.run();
  CHECK(node.doors().subscriptions() == 0);
  asked.resume_after = 0;
  CHECK_FALSE(node.subscribe(asked));
  CHECK(node.last_error().code == errc::subscription_lost);
  CHECK_FALSE(node.subscribe(kept(UINT32_MAX)));
  CHECK(node.last_error().code == errc::limit_reached);
  auto before = node.counters().events_delivered;
  set(node, "m", "temperature", 1);
  CHECK(node.counters().events_delivered == before);
}

TEST_CASE("however often the link is cut, a subscriber sees each event once, or hears of the gap",
          "[unit][actors]") {
  auto seed = test::seed();
  INFO(test::repeat_command(seed));
  for (std::uint32_t backlog : {20u, 100'000u}) {
    options wanted;
    wanted.seed = seed;
    wanted.limits.lane_events_max = 4;
    wanted.doors.subscriber_backlog_max = std::min<std::uint32_t>(
        backlog, static_cast<std::uint32_t>(limits::subscriber_backlog_max));
    simulated_node node{wanted};
    std::vector<std::string> names;
    for (int i = 0; i < 5; ++i) {
      names.push_back("m" + std::to_string(i));
      REQUIRE(node.create({machine(names.back())}).applied == 1);
    }
    auto first = node.subscribe(kept(3'600'000));
    std::vector<test::subscriber_ptr> links{first};
    bool linked = true;
    std::uint64_t granted = 0;
    std::uint64_t seen = 0; // what the subscriber remembers over a cut
    for (int i = 0; i < 400; ++i) {
      std::vector<twin_update> some;
      for (auto n = node.below(6); n > 0; --n)
        some.push_back({.id = names[node.below(names.size())],
                        .set = {{"temperature", static_cast<int>(node.below(1'000))}}});
      node.send_update(some);
      node.step(node.below(4));
      auto& now = *links.back();
      if (linked && node.below(3) == 0 && now.events.size() > granted) {
        auto n = 1 + node.below(now.events.size() - granted);
        node.doors().grant(now.number, static_cast<std::uint32_t>(n), now.owner);
        granted += n;
      }
      if (node.below(20) == 0) {
        if (linked)
          node.cut(now);
        seen = std::max(seen, now.last_sequence);
        linked = false;
      }
      if (!linked && node.below(4) == 0) {
        auto asked = kept(0);
        asked.resume = first->number;
        asked.resume_after = seen;
        links.push_back(node.subscribe(asked));
        REQUIRE(links.back());
        granted = 0;
        linked = true;
      }
    }
    node.run();
    if (!linked) {
      auto asked = kept(0);
      asked.resume = first->number;
      asked.resume_after = seen;
      links.push_back(node.subscribe(asked));
      granted = 0;
    }
    for (auto& now = *links.back(); now.events.size() > granted;) {
      auto n = now.events.size() - granted;
      granted = now.events.size();
      node.grant(now, static_cast<std::uint32_t>(n));
    }
    std::uint64_t missed = 0;
    std::uint64_t count = 0;
    std::map<std::string, std::uint64_t> version;
    std::map<std::string, value> known;
    for (const auto& link : links) {
      missed += link->missed_sum();
      count += link->events.size();
      for (const auto& event : link->events) {
        if (event.kind != event_kind::updated)
          continue;
        REQUIRE(event.version > version[event.id]);
        if (backlog > 1'000 && known.contains(event.id))
          REQUIRE(event.changes.at(0).old_value == known[event.id]);
        version[event.id] = event.version;
        known[event.id] = event.changes.at(0).new_value;
      }
    }
    CHECK(count + missed == std::max(seen, links.back()->last_sequence));
    CHECK(count + missed == node.counters().events_delivered);
    if (backlog > 1'000)
      CHECK(missed == 0);
  }
}

// ---- bounds -------------------------------------------------------------------------------------

TEST_CASE("subscribing and unsubscribing is refused when too much is under way", "[unit][actors]") {
  simulated_node node;
  std::size_t answers = 0;
  std::size_t overloaded = 0;
  std::vector<std::uint64_t> all;
  auto count = [&](frame reply) {
    ++answers;
    auto content = reply.message().getReply();
    if (content.isSubscribed())
      all.push_back(content.getSubscribed());
    if (content.isError()) {
      auto why = read_error(content.getError());
      overloaded += why.code == errc::overloaded;
      CHECK(why.retry_after_ms > 0);
    }
  };
  constexpr std::size_t tries = limits::gatherings_max + 50;
  for (std::size_t i = 0; i < tries; ++i)
    node.doors().subscribe(make_subscribe({}), {1, [](frame) {}}, count);
  node.run();
  CHECK(answers == tries);
  CHECK(overloaded == 50);
  CHECK(node.doors().subscriptions() == limits::gatherings_max);
  answers = overloaded = 0;
  for (std::size_t i = 0; i < tries; ++i)
    node.doors().unsubscribe(all[i % all.size()], count);
  node.run();
  CHECK(answers == tries);
  CHECK(overloaded == 50);
  CHECK(node.doors().subscriptions() == 0);
  // The end of a session is never refused.
  all.clear();
  for (std::size_t i = 0; i < 2; ++i) {
    for (std::size_t n = 0; n < limits::gatherings_max; ++n)
      node.doors().subscribe(make_subscribe({}), {1, [](frame) {}}, count);
    node.run();
  }
  CHECK(node.doors().subscriptions() == 2 * limits::gatherings_max);
  node.doors().detach(all, 1);
  node.run();
  CHECK(node.doors().subscriptions() == 0);
}

TEST_CASE("an overloaded answer says when to try again", "[unit][actors]") {
  options wanted;
  wanted.cells = 1;
  wanted.inbox.items_max = 8;
  simulated_node node{wanted};
  REQUIRE(node.create({machine("m")}).applied == 1);
  std::vector<test::pending> answers;
  for (int i = 0; i < 20; ++i)
    answers.push_back(node.send_update({{.id = "m", .set = {{"n", i}}}}));
  node.run();
  std::size_t refused = 0;
  for (const auto& answer : answers) {
    auto what = expect_outcome(**answer).value();
    if (what.failures.empty())
      continue;
    ++refused;
    CHECK(what.applied == 0);
    CHECK(what.failures[0].why.code == errc::overloaded);
    CHECK(what.failures[0].why.retry_after_ms >= 1);
    CHECK(what.failures[0].why.retry_after_ms <= limits::retry_after_max.count());
  }
  CHECK(refused == 12);
  CHECK(*node.find("m")->find("n") == value{7});
}
