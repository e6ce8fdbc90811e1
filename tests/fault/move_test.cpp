// The fault: twins get other parents, in other cells, while they are made, changed, deleted,
// subscribed to and queried, and cells run in any order.
//
// What must hold: no update, delete, subscription or query misses a twin that is there, none sees
// it twice, the updates of one sender stay in order, and the tree stays a tree.

#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/simulated_node.hpp"

#include <algorithm>
#include <map>
#include <set>

using namespace gemel;
using gemel::test::pending;
using gemel::test::simulated_node;

namespace {

using names = std::vector<std::string>;
const names no_faults;

new_twin twin(const std::string& id, const std::string& parent = {},
              const std::string& placement = {}) {
  return {id, "Machine", parent, {{"n", 0}}, placement};
}

errc move(simulated_node& node, const std::string& id, const std::string& parent) {
  auto answer = node.submit(make_move(names{id}, parent));
  node.run();
  auto done = expect_outcome(**answer).value();
  return done.failures.empty() ? errc::none : done.failures[0].why.code;
}

simulated_node::options plant(std::uint32_t cells, std::uint64_t seed) {
  simulated_node::options wanted;
  wanted.cells = cells;
  wanted.seed = seed;
  type_model line;
  line.name = "Line";
  line.rollups = {"n"};
  wanted.models = {line};
  return wanted;
}

} // namespace

TEST_CASE("a twin gets another parent with all that is its own", "[fault][actors]") {
  simulated_node node{plant(5, 2)};
  REQUIRE(node.create({twin("hall-1"),
                       twin("hall-2"),
                       twin("line", "hall-1"),
                       twin("m", "line"),
                       {"site", "Line", "", {}, ""}})
              .applied
          == 5);
  CHECK(node.set("line", "n", 4) == errc::none);
  auto events = node.subscribe({{"line"}, "", "", "", 0});
  auto before = *node.find("line");
  CHECK(move(node, "line", "hall-2") == errc::none);
  auto after = *node.find("line");
  CHECK(after.parent == "hall-2");
  CHECK(after.path == "/hall-2/line");
  CHECK(after.version == before.version);
  CHECK(after.properties == before.properties);
  CHECK(after.has_children);
  CHECK(node.find("m")->path == "/hall-2/line/m");
  CHECK_FALSE(node.find("hall-1")->has_children);
  CHECK(node.set("line", "n", 5) == errc::none);
  REQUIRE(events->events.size() == 2);
  CHECK(events->events[0].kind == event_kind::moved);
  CHECK(events->events[0].parent == "hall-2");
  CHECK(events->events[1].kind == event_kind::updated);
  CHECK(node.broken_invariants() == no_faults);
  CHECK(move(node, "hall-2", "site") == errc::none);
  CHECK(node.find("site")->rollups.at(0).sum == 5);
  CHECK(node.find("m")->path == "/site/hall-2/line/m");
  CHECK(move(node, "line", "") == errc::none);
  CHECK(node.find("m")->path == "/line/m");
  CHECK(node.find("site")->rollups.at(0).count == 1);
  CHECK(node.broken_invariants() == no_faults);
  node.unsubscribe(*events);
  CHECK(move(node, "line", "hall-1") == errc::none);
  CHECK(events->events.size() == 3);
  CHECK(node.remove({"hall-1", "site"}, child_policy::cascade).applied == 2);
  CHECK(node.all().empty());
  CHECK(node.broken_invariants() == no_faults);
}

TEST_CASE("a move that breaks a rule changes nothing", "[fault][actors]") {
  auto wanted = plant(4, 3);
  wanted.limits.depth_max = 4;
  wanted.limits.children_max = 2;
  simulated_node node{wanted};
  REQUIRE(node.create({twin("a"), twin("b", "a"), twin("c", "b"), twin("x"), twin("y", "x"),
                       twin("z", "y"), twin("pin", "", "key"), twin("p1", "pin"), twin("old")})
              .applied
          == 9);
  CHECK(move(node, "a", "a") == errc::hierarchy_cycle);
  CHECK(move(node, "a", "c") == errc::hierarchy_cycle);
  CHECK(move(node, "none", "a") == errc::twin_not_found);
  CHECK(move(node, "a", "none") == errc::twin_not_found);
  CHECK(move(node, "x", "b") == errc::limit_reached); // z would be at depth 5.
  CHECK(move(node, "y", "b") == errc::none);
  CHECK(move(node, "x", "b") == errc::limit_reached); // Two children are there.
  CHECK(node.broken_invariants() == no_faults);
  CHECK(move(node, "y", "pin") == errc::unsupported); // z would have to move too.
  CHECK(move(node, "z", "pin") == errc::none);
  CHECK(move(node, "z", "a") == errc::none);
  REQUIRE(node.lifecycle({"old"}, lifecycle_trigger::retire).applied == 1);
  CHECK(move(node, "z", "old") == errc::illegal_state);
  CHECK(node.find("z")->parent == "a");
  CHECK(node.broken_invariants() == no_faults);
}

TEST_CASE("moves go together with anything else", "[fault][actors]") {
  auto seed = gemel::test::seed();
  INFO(gemel::test::repeat_command(seed));
  simulated_node node{plant(static_cast<std::uint32_t>(1 + seed % 6), seed)};
  std::vector<new_twin> first;
  names fixed;
  for (int i = 0; i < 12; ++i) {
    fixed.push_back("f" + std::to_string(i));
    auto parent = i < 3 ? "" : fixed[node.below(static_cast<std::size_t>(i))];
    first.push_back(
        {fixed.back(), i % 4 == 0 ? "Line" : "Machine", parent, {{"n", 0}}, i == 2 ? "key" : ""});
  }
  REQUIRE(node.create(first).applied == first.size());
  auto watcher = node.subscribe({fixed, "", "", "", 0});
  REQUIRE(watcher != nullptr);
  std::map<std::string, std::int64_t> sent;
  std::vector<pending> updates;
  std::vector<pending> queries;
  names others;
  for (int i = 0; i < 250; ++i) {
    auto any = [&] {
      return others.empty() || node.below(3) != 0 ? fixed[node.below(fixed.size())]
                                                  : others[node.below(others.size())];
    };
    switch (node.below(9)) {
    case 0:
    case 1:
      node.submit(make_move(names{any(), any()}, node.below(5) == 0 ? "" : any()));
      break;
    case 2:
      others.push_back("o" + std::to_string(node.below(40)));
      node.send_create({twin(others.back(), any())});
      break;
    case 3:
      if (!others.empty())
        node.send_remove({others[node.below(others.size())]},
                         node.below(2) == 0 ? child_policy::orphan : child_policy::refuse);
      break;
    case 4:
    case 5: {
      // A batch over several twins, and each sender's order is that of its numbers.
      std::vector<twin_update> batch;
      for (std::size_t k = 0; k <= node.below(4); ++k) {
        auto id = fixed[node.below(fixed.size())];
        batch.push_back({id, {{"n", ++sent[id]}}, {}, 0, 0});
      }
      updates.push_back(node.send_update(batch));
      break;
    }
    case 6: {
      query_request asked;
      asked.limit = 1'000;
      queries.push_back(node.submit(make_query(asked)));
      break;
    }
    case 7:
      queries.push_back(node.submit(make_get(fixed)));
      break;
    default:
      node.step(node.below(12));
    }
    if (node.below(60) == 0) {
      node.run();
      REQUIRE(node.broken_invariants() == no_faults);
    }
  }
  node.run();
  CHECK(node.broken_invariants() == no_faults);
  for (const auto& answer : updates)
    CHECK(expect_outcome(answer->value()).value().failures.empty());
  for (const auto& answer : queries) {
    auto page = expect_page(answer->value()).value();
    std::multiset<std::string> seen;
    for (const auto& one : page.twins)
      seen.insert(one.id);
    for (const auto& id : fixed)
      CHECK(seen.count(id) == 1);
  }
  for (const auto& [id, last] : sent)
    CHECK(*node.find(id)->find("n") == value{last});
  // Every update was seen once, in its order.
  std::map<std::string, std::int64_t> seen;
  for (const auto& event : watcher->events)
    if (event.kind == event_kind::updated) {
      REQUIRE(event.find("n") != nullptr);
      CHECK(event.find("n")->new_value == value{++seen[event.id]});
    }
  CHECK(seen == sent);
}

TEST_CASE("ten thousand children move one by one and stay in line", "[fault][actors]") {
  simulated_node node{plant(4, 9)};
  std::vector<new_twin> twins{{"a", "Line", "", {}, ""}, {"b", "Line", "", {}, ""}};
  names ids;
  for (int i = 0; i < 10'000; ++i) {
    ids.push_back("m" + std::to_string(i));
    twins.push_back({ids.back(), "Machine", "a", {{"n", i}}, ""});
  }
  REQUIRE(node.create(twins).applied == twins.size());
  auto answer = node.submit(make_move(ids, "b"));
  node.run();
  CHECK(expect_outcome(answer->value()).value().applied == 10'000);
  CHECK(node.find("b")->rollups.at(0).count == 10'000);
  CHECK(node.find("a")->rollups.at(0).count == 0);
  CHECK(node.remove({"b"}, child_policy::cascade).applied == 1);
  CHECK(node.all().size() == 1);
}
