#include "actors/rule_coordinator.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <map>
#include <random>
#include <set>

namespace gemel {

namespace {

std::shared_ptr<const rule> rule_of(const std::string& name, const std::string& more,
                                    const std::string& steps = R"({"name":"a"})") {
  auto document = json_document::parse(
      R"({"rule":")" + name + R"(","pattern":{"steps":[)" + steps + "]}" + more + "}", "rule.json");
  REQUIRE(document);
  auto made = rule::read(*document);
  REQUIRE(made);
  return std::make_shared<const rule>(std::move(*made));
}

observed_event event_of(const std::string& twin, const std::string& name, std::int64_t time) {
  auto made = std::make_shared<rule_event>();
  made->time = value{time};
  made->twin_id = value{twin};
  made->twin_type = value{"machine"};
  made->event = value{name};
  return {std::move(made), 0};
}

// A coordinator with its partitions, on one thread.
struct whole {
  explicit whole(std::size_t count) : rules{{.partitions = count}}, parts(count) {}

  void run() {
    for (std::size_t i = 0; i < parts.size(); ++i)
      for (const auto& task : rules.take_tasks(i))
        parts[i].run(task, [&](const rule_finding& one) {
          found.insert(to_json(one.found.key) + "@" + std::to_string(one.found.at));
        });
  }

  rule_coordinator rules;
  std::vector<rule_partition> parts;
  std::multiset<std::string> found;
};

} // namespace

TEST_CASE("an event reaches the rules that name it and its type alone", "[unit][rules]") {
  whole all{1};
  REQUIRE(all.rules.add(rule_of("every", "")));
  REQUIRE(all.rules.add(rule_of("named", R"(,"from":{"events":["ping"]})")));
  REQUIRE(all.rules.add(rule_of("typed", R"(,"from":{"twin_types":["pump"]})")));
  CHECK_FALSE(all.rules.add(rule_of("typed", "")));
  all.rules.take(event_of("m", "ping", 1), 1);
  all.rules.take(event_of("m", "pong", 2), 2);
  CHECK(all.rules.find("every")->events == 2);
  CHECK(all.rules.find("named")->events == 1);
  CHECK(all.rules.find("typed")->events == 0);
  auto gone = all.rules.remove("namd");
  REQUIRE_FALSE(gone);
  CHECK(gone.error().context == "no rule 'namd' (did you mean 'named'?)");
  REQUIRE(all.rules.remove("every"));
  CHECK_FALSE(all.rules.concerns("pong", "machine"));
  CHECK(all.rules.concerns("ping", "machine"));
}

TEST_CASE("a rule finds the same however many partitions there are", "[unit][rules]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  auto document =
      rule_of("pairs",
              R"(,"time":{"clock":"event","lateness":"50ms"},)"
              R"("after_match":{"skip":"past_last"})",
              R"({"name":"a","where":"event = 'a'"},{"name":"b","where":"event = 'b'"})");
  std::vector<observed_event> events;
  for (int i = 0; i < 2'000; ++i)
    events.push_back(event_of("m" + std::to_string(random() % 20), random() % 2 == 0 ? "a" : "b",
                              i * 10 - static_cast<std::int64_t>(random() % 50)));
  std::multiset<std::string> first;
  for (std::size_t count : {1, 3, 8}) {
    whole all{count};
    REQUIRE(all.rules.add(document));
    for (std::size_t i = 0; i < events.size(); ++i) {
      all.rules.take(events[i], static_cast<std::int64_t>(i));
      if (random() % 7 == 0)
        all.run();
    }
    all.rules.tick(1'000'000);
    all.run();
    if (first.empty())
      first = all.found;
    CHECK(all.found == first);
    CHECK(all.rules.find("pairs")->late == 0);
  }
  CHECK(first.size() > 100);
}

TEST_CASE("a stored rule that is refused is kept for a version that takes it", "[unit][rules]") {
  whole before{1};
  auto good = to_json(rule_of("good", "")->document());
  std::string odd = R"({"rule":"odd","pattern":{"steps":[{"name":"a"}]},"of_tomorrow":1})";
  CHECK(before.rules.take_stored(good, "", log_position{3}));
  before.rules.take(event_of("m", "ping", 1), 1);
  REQUIRE(before.rules.take_stored(to_json(rule_of("odd", "")->document()), "", log_position{4}));
  CHECK_FALSE(before.rules.take_stored(odd, "odd.json", log_position{5}));
  CHECK_FALSE(before.rules.take_stored("no JSON", "", log_position{6}));
  CHECK(before.rules.find("odd") == nullptr); // It was to take its place.
  REQUIRE(before.rules.refused().size() == 2);
  CHECK(before.rules.refused().at("odd").why.find("of_tomorrow") != std::string::npos);

  state_writer kept;
  before.rules.save(kept);
  kept.text("what follows");
  auto bytes = kept.take();
  whole after{1};
  state_reader from{bytes};
  REQUIRE(after.rules.restore(from));
  CHECK(from.text() == "what follows");
  CHECK(after.rules.find("good")->events == 1);
  REQUIRE(after.rules.refused().size() == 2);
  CHECK(after.rules.refused().at("odd").text == odd);
  CHECK(after.rules.refused().at("odd").file == "odd.json");

  REQUIRE(after.rules.replace(rule_of("odd", "")));
  CHECK(after.rules.refused().size() == 1);
  REQUIRE(after.rules.remove(after.rules.refused().begin()->first));
  CHECK(after.rules.refused().empty());
}

TEST_CASE("a checkpoint is read on behind a rule that is refused now", "[unit][rules]") {
  state_writer kept; // as a coordinator saves it
  kept.number(7);
  kept.count(2);
  for (std::string name : {"odd", "good"}) {
    kept.text(R"({"rule":")" + name + R"(","pattern":{"steps":[{"name":"a"}]})"
              + (name == "odd" ? R"(,"of_tomorrow":1})" : "}"));
    kept.text("");
    for (int number : {3, 40, 0, 0})
      kept.count(static_cast<std::uint64_t>(number));
    kept.number(6);
    event_order{{}}.save(kept);
  }
  auto bytes = kept.take();
  whole after{1};
  state_reader from{bytes};
  REQUIRE(after.rules.restore(from));
  REQUIRE(after.rules.find("good") != nullptr);
  CHECK(after.rules.find("good")->events == 40);
  CHECK(after.rules.refused().contains("odd"));
  CHECK(after.rules.now_ms() == 7);
}

TEST_CASE("a cause counts the rules that led to an event", "[unit][rules]") {
  CHECK(rule_depth("") == 0);
  CHECK(rule_depth("1-2-3") == 0);
  auto cause = cause_of_action("1-2-3", 4, "0123456789abcdef");
  CHECK(cause == "1-2-3~5.0123456789abcdef");
  CHECK(rule_depth(cause) == 5);
  CHECK(plain_cause(cause) == "1-2-3");
  CHECK(action_in(cause) == "0123456789abcdef");
  CHECK(action_in("1-2-3~5") == "");
  CHECK(action_in("1-2-3") == "");
  CHECK(action_in("1-2.0123456789abcdef") == "");
  CHECK(rule_depth("1-2-3~5") == 5);
  CHECK(plain_cause("1-2-3~5") == "1-2-3");
  CHECK(plain_cause("1-2-3") == "1-2-3");
}

namespace {

// A random history of several nodes: who knew of which write is told by a closure, not by vectors.
struct history {
  struct write {
    std::shared_ptr<const causal_stamp> stamp;
    std::set<std::size_t> before; // all that it may have been influenced by
  };
  std::vector<write> writes{};

  static history make(std::mt19937_64& random, std::size_t count) {
    constexpr std::size_t nodes = 4;
    history made;
    std::vector<std::set<std::size_t>> known(nodes);
    std::vector<std::map<std::string, std::uint64_t, std::less<>>> seen(nodes);
    std::vector<std::uint64_t> counters(nodes, 0);
    for (std::size_t i = 0; i < count; ++i) {
      auto node = random() % nodes;
      auto name = "n" + std::to_string(node);
      auto stamp = std::make_shared<causal_stamp>();
      stamp->node = name;
      stamp->counter = ++counters[node];
      stamp->seen = seen[node];
      seen[node][name] = stamp->counter;
      made.writes.push_back({std::move(stamp), known[node]});
      known[node].insert(i);
      auto other = random() % nodes; // hears all that the node knows
      known[other].insert(known[node].begin(), known[node].end());
      if (random() % 2 == 0)
        for (const auto& [from, counter] : seen[node])
          seen[other][from] = std::max(seen[other][from], counter);
      else
        known[other] = made.closure(seen[other]);
    }
    return made;
  }

  // What a vector covers, each with all before it.
  std::set<std::size_t>
  closure(const std::map<std::string, std::uint64_t, std::less<>>& seen) const {
    std::set<std::size_t> covered;
    for (std::size_t i = 0; i < writes.size(); ++i) {
      auto of = seen.find(writes[i].stamp->node);
      if (of != seen.end() && writes[i].stamp->counter <= of->second)
        covered.insert(i);
    }
    return covered;
  }
};

} // namespace

TEST_CASE("what happened before what is as the history says", "[unit][rules]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  for (int round = 0; round < 50; ++round) {
    auto all = history::make(random, 40);
    for (std::size_t i = 0; i < all.writes.size(); ++i)
      for (std::size_t j = 0; j < all.writes.size(); ++j) {
        const auto& earlier = all.writes[i];
        const auto& later = all.writes[j];
        auto is_before = later.before.contains(i);
        REQUIRE(happened_before(*earlier.stamp, *later.stamp) == is_before);
        REQUIRE(are_concurrent(*earlier.stamp, *later.stamp)
                == (i != j && !is_before && !earlier.before.contains(j)));
      }
  }
}

} // namespace gemel
