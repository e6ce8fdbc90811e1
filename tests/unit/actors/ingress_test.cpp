#include "actors/ingress.hpp"
#include "messages/wire.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/simulated_node.hpp"

#include <algorithm>
#include <set>

using namespace gemel;
using gemel::test::codes;
using gemel::test::simulated_node;

namespace {

using options = simulated_node::options;
using names = std::vector<std::string>;

const names no_faults;

new_twin machine(const std::string& id, const std::string& parent = {}, properties with = {}) {
  return {id, "Machine", parent, std::move(with), {}};
}

names in_order(const std::vector<twin_record>& twins) {
  names ids;
  for (const auto& one : twins)
    ids.push_back(one.id);
  return ids;
}

frame answer(simulated_node& node, const frame& request) {
  auto got = node.submit(request);
  node.run();
  REQUIRE(got->has_value());
  return **got;
}

// Halls of machines and pumps with a temperature of few different values, over all cells.
std::vector<twin_record> make_plant(simulated_node& node) {
  std::vector<new_twin> twins;
  for (int hall = 0; hall < 7; ++hall) {
    auto parent = "hall-" + std::to_string(hall);
    twins.push_back({parent, "Hall", "", {}, ""});
    for (int i = 0; i < 60; ++i) {
      properties has;
      if (node.below(5) != 0)
        has.push_back({"temperature", static_cast<int>(node.below(20))});
      if (node.below(2) != 0)
        has.push_back({"load", static_cast<double>(node.below(100)) / 100});
      twins.push_back({parent + "-" + std::to_string(i), node.below(3) == 0 ? "Pump" : "Machine",
                       parent, has, ""});
    }
  }
  REQUIRE(node.create(twins).applied == twins.size());
  return node.all();
}

} // namespace

TEST_CASE("a get answers in the order asked, over all cells, and names who is missing",
          "[unit][actors]") {
  simulated_node node;
  REQUIRE(node.create({machine("a"), machine("b"), machine("c"), machine("d")}).applied == 4);
  auto page = node.get({"d", "nobody", "a", "c", "d", "noone"}).value();
  CHECK(in_order(page.twins) == names{"d", "a", "c", "d"});
  CHECK(page.missing == names{"nobody", "noone"});
  CHECK(page.next.empty());
  CHECK(node.get({}).value().twins.empty());
}

TEST_CASE("a get of some properties alone answers these, in the order asked", "[unit][actors]") {
  simulated_node node{options{}};
  auto all = make_plant(node);
  std::vector<std::string> ids;
  for (const auto& one : all)
    ids.insert(ids.begin(), one.id);
  ids.insert(ids.begin() + 3, "nobody");
  auto page = expect_page(
      answer(node, make_get(ids, {}, false, std::vector<std::string>{"load", "no such key"})));
  INFO((page ? "" : to_string(page.error())));
  REQUIRE(page);
  CHECK(page->missing == names{"nobody"});
  REQUIRE(page->twins.size() == all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& whole = all[all.size() - 1 - i];
    const auto& part = page->twins[i];
    REQUIRE(part.id == whole.id);
    REQUIRE(part.version == whole.version);
    REQUIRE(part.type == whole.type);
    REQUIRE(part.path.empty());
    const auto* load = whole.find("load");
    REQUIRE(part.properties.size() == (load != nullptr ? 1 : 0));
    if (load != nullptr)
      REQUIRE(*part.find("load") == *load);
  }
  CHECK(expect_page(answer(node, make_get({}, {}, false, names(17, "k")))).error().code
        == errc::limit_reached);
}

TEST_CASE("a query finds what a look at every twin finds, page by page", "[unit][actors]") {
  auto seed = test::seed();
  INFO(test::repeat_command(seed));
  options wanted;
  wanted.seed = seed;
  wanted.cells = 5;
  simulated_node node{wanted};
  auto plant = make_plant(node);
  for (int i = 0; i < 150; ++i) {
    query_request asked;
    auto threshold = static_cast<std::int64_t>(node.below(20));
    bool by_where = node.below(2) == 0;
    bool by_key = node.below(2) == 0;
    if (node.below(2) == 0)
      asked.type = names{"Machine", "Pump", "Hall", "Nothing"}[node.below(4)];
    if (node.below(2) == 0)
      asked.parent = "hall-" + std::to_string(node.below(8));
    asked.roots_only = asked.parent.empty() && node.below(4) == 0;
    if (by_where)
      asked.where = "temperature >= " + std::to_string(threshold);
    if (by_key)
      asked.order_by = "temperature";
    asked.descending = node.below(2) == 0;
    asked.limit = static_cast<std::uint32_t>(1 + node.below(80));
    auto temperature = [](const twin_record& of) {
      const auto* found = of.find("temperature");
      return found != nullptr ? found->as_integer() : -1;
    };
    std::vector<twin_record> expected;
    for (const auto& one : plant)
      if ((asked.type.empty() || one.type == asked.type)
          && (asked.parent.empty() || one.parent == asked.parent)
          && (!asked.roots_only || one.parent.empty())
          && (!by_where || temperature(one) >= threshold))
        expected.push_back(one);
    auto place = [&](const twin_record& of) {
      return std::pair{by_key ? temperature(of) : 0, of.id};
    };
    std::sort(expected.begin(), expected.end(), [&](const auto& a, const auto& b) {
      return asked.descending ? place(b) < place(a) : place(a) < place(b);
    });
    REQUIRE(in_order(node.query_all(asked)) == in_order(expected));
    asked.count_only = true;
    auto counted = node.query(asked).value();
    CHECK(counted.total == expected.size());
    CHECK(counted.twins.empty());
  }
}

TEST_CASE("a query answers the expressions asked for under their own texts", "[unit][actors]") {
  simulated_node node;
  REQUIRE(node.create({machine("a", "", {{"t", 4}, {"u", 2}})}).applied == 1);
  query_request asked;
  asked.select = {"t * 2", "twin_id", "nothing", "u"};
  auto page = node.query(asked).value();
  REQUIRE(page.twins.size() == 1);
  CHECK(page.twins[0].properties == properties{{"t * 2", 8}, {"twin_id", "a"}, {"u", 2}});
  CHECK(page.twins[0].version == 1);
}

TEST_CASE("a query is refused with the place of its fault", "[unit][actors]") {
  options wanted;
  wanted.doors.page_rows_max = 50;
  simulated_node node{wanted};
  auto refused = [&](query_request asked) {
    auto got = node.query(asked);
    REQUIRE_FALSE(got);
    return got.error().code;
  };
  CHECK(refused({.where = "temperature >"}) == errc::bad_syntax);
  CHECK(refused({.order_by = "("}) == errc::bad_syntax);
  CHECK(refused({.limit = 51}) == errc::limit_reached);
  CHECK(refused({.page_token = "nonsense"}) == errc::bad_value);
  CHECK(node.query({.limit = 50}));
  CHECK(node.query({}));
}

TEST_CASE("a query under way sees every acknowledged update and no half one", "[unit][actors]") {
  auto seed = test::seed();
  INFO(test::repeat_command(seed));
  options wanted;
  wanted.seed = seed;
  simulated_node node{wanted};
  std::vector<new_twin> twins;
  for (int i = 0; i < 30; ++i)
    twins.push_back(machine("m" + std::to_string(i), "", {{"a", 0}, {"b", 0}}));
  REQUIRE(node.create(twins).applied == 30);
  std::vector<std::pair<test::pending, int>> updates;
  int done_before = 0;
  for (int round = 1; round <= 100; ++round) {
    std::vector<twin_update> batch;
    for (const auto& one : twins)
      batch.push_back({one.id, {{"a", round}, {"b", -round}}, {}, 0, 0});
    updates.emplace_back(node.send_update(batch), round);
    node.step(node.below(6));
    for (const auto& [got, number] : updates)
      if (got->has_value())
        done_before = std::max(done_before, number);
    auto asked = node.submit(make_query({.limit = 100}));
    node.step(node.below(6));
    int acknowledged = done_before;
    node.run();
    auto page = expect_page(**asked).value();
    REQUIRE(page.twins.size() == 30);
    for (const auto& one : page.twins) {
      auto a = one.find("a")->as_integer();
      CHECK(one.find("b")->as_integer() == -a);
      CHECK(a >= acknowledged);
    }
  }
}

TEST_CASE("a page is cut where its frame would grow too large", "[unit][actors]") {
  simulated_node node;
  std::vector<new_twin> twins;
  value_list many(65'000, value{1.5});
  for (int i = 0; i < 12; ++i)
    twins.push_back(machine("m" + std::to_string(10 + i), "", {{"curve", value{many}}}));
  REQUIRE(node.create(twins).applied == 12);
  query_request asked{.limit = 100};
  names seen;
  do {
    auto got = answer(node, make_query(asked));
    CHECK(got.size() <= limits::frame_bytes_max);
    auto page = expect_page(got).value();
    REQUIRE_FALSE(page.twins.empty());
    for (const auto& one : page.twins)
      seen.push_back(one.id);
    asked.page_token = page.next;
  } while (!asked.page_token.empty());
  CHECK(seen.size() == 12);
  CHECK(std::set<std::string>(seen.begin(), seen.end()).size() == 12);
  names all;
  for (const auto& one : twins)
    all.push_back(one.id);
  auto got = node.get(all);
  REQUIRE_FALSE(got);
  CHECK(got.error().code == errc::limit_reached);
  CHECK(node.get({"m10", "m11"}));
}

TEST_CASE("a page has no more different keys than a frame can number", "[unit][actors]") {
  simulated_node node;
  constexpr int rows = 70;
  std::vector<new_twin> twins;
  names all;
  for (int t = 0; t < rows; ++t) {
    twins.push_back(machine("m" + std::to_string(t)));
    all.push_back(twins.back().id);
    for (int k = 0; k < 1'000; ++k)
      twins.back().properties.push_back({std::to_string(t * 1'000 + k), k});
  }
  for (const auto& one : twins)
    REQUIRE(node.create({one}).applied == 1);
  CHECK(node.query_all({.limit = 1'000}).size() == rows);
  CHECK(node.get(all).error().code == errc::limit_reached);
}

TEST_CASE("a full cell answers overloaded and nothing is lost in silence", "[unit][actors]") {
  options wanted;
  wanted.cells = 1;
  wanted.inbox.items_max = 3;
  simulated_node node{wanted};
  REQUIRE(node.create({machine("m", "", {{"a", 0}})}).applied == 1);
  std::vector<test::pending> answers;
  for (int i = 1; i <= 10; ++i)
    answers.push_back(node.send_update({{"m", {{"a", i}}, {}, 0, 0}}));
  // Refusals come at once.
  for (std::size_t i = 3; i < 10; ++i) {
    REQUIRE(answers[i]->has_value());
    auto done = expect_outcome(**answers[i]).value();
    CHECK(codes(done, 1) == std::vector<errc>{errc::overloaded});
  }
  node.run();
  for (std::size_t i = 0; i < 3; ++i)
    CHECK(expect_outcome(**answers[i])->applied == 1);
  CHECK(*node.find("m")->find("a") == value{3});
  CHECK(node.broken_invariants() == no_faults);
}

TEST_CASE("too many gets and queries at once are refused", "[unit][actors]") {
  simulated_node node;
  std::vector<test::pending> answers;
  for (std::size_t i = 0; i < limits::gatherings_max + 5; ++i)
    answers.push_back(node.submit(make_query({})));
  node.run();
  std::size_t refused = 0;
  for (const auto& one : answers)
    if (auto page = expect_page(**one); !page) {
      CHECK(page.error().code == errc::overloaded);
      ++refused;
    }
  CHECK(refused == 5);
  CHECK(node.query({}));
}

TEST_CASE("answers of a mixed batch stand under the entries' own numbers", "[unit][actors]") {
  auto seed = test::seed();
  INFO(test::repeat_command(seed));
  options wanted;
  wanted.seed = seed;
  wanted.cells = 7;
  simulated_node node{wanted};
  std::vector<new_twin> twins;
  for (int i = 0; i < 300; i += 2)
    twins.push_back(machine("m" + std::to_string(i)));
  REQUIRE(node.create(twins).applied == 150);
  std::vector<twin_update> updates;
  for (int i = 0; i < 300; ++i)
    updates.push_back({"m" + std::to_string(i), {{"a", i}}, {}, 0, 0});
  auto done = node.update(updates);
  CHECK(done.applied == 150);
  REQUIRE(done.failures.size() == 150);
  for (std::uint32_t i = 0; i < 150; ++i) {
    CHECK(done.failures[i].index == 2 * i + 1);
    CHECK(done.failures[i].why == error{errc::twin_not_found, "m" + std::to_string(2 * i + 1)});
  }
  for (int i = 0; i < 300; i += 2)
    CHECK(*node.find("m" + std::to_string(i))->find("a") == value{i});
}

TEST_CASE("empty batches are answered", "[unit][actors]") {
  simulated_node node;
  CHECK(node.create({}).applied == 0);
  CHECK(node.update({}).applied == 0);
  CHECK(node.remove({}, child_policy::cascade).applied == 0);
  CHECK(node.lifecycle({}, lifecycle_trigger::retire).applied == 0);
  CHECK(node.broken_invariants() == no_faults);
}

TEST_CASE("a create whose parent and child wait for each other fails and ends", "[unit][actors]") {
  // Each batch names a root that is refused as the parent of the other's root.
  options wanted;
  wanted.limits.properties_max = 1;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    INFO("seed " << seed);
    wanted.seed = seed;
    wanted.cells = static_cast<std::uint32_t>(1 + seed % 3);
    simulated_node node{wanted};
    properties too_many{{"a", 1}, {"b", 2}};
    auto first = node.send_create({machine("x", "", too_many), machine("y", "x")});
    auto second = node.send_create({machine("y", "", too_many), machine("x", "y")});
    node.run();
    REQUIRE(node.broken_invariants() == no_faults);
    CHECK(node.all().empty());
    // The same with children that open each group for the other create.
    node.send_create({machine("x", "", too_many), machine("y", "x"), machine("z", "y")});
    node.send_create({machine("y", "", too_many), machine("x", "y"), machine("w", "x")});
    node.run();
    REQUIRE(node.broken_invariants() == no_faults);
    CHECK(node.all().empty());
  }
}

TEST_CASE("doors that make the same tree at once get one tree", "[unit][actors]") {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    INFO("seed " << seed);
    options wanted;
    wanted.seed = seed;
    wanted.cells = static_cast<std::uint32_t>(1 + seed % 6);
    simulated_node node{wanted};
    std::vector<test::pending> answers;
    for (int door = 0; door < 3; ++door) {
      std::vector<new_twin> twins;
      std::string id = "r";
      twins.push_back(machine(id));
      for (int level = 0; level < 4; ++level) {
        auto child = id + "." + std::to_string(level);
        twins.push_back(machine(child, id));
        twins.push_back(machine(child + "-of-" + std::to_string(door), id));
        id = child;
      }
      answers.push_back(node.send_create(twins));
      node.step(node.below(5));
    }
    node.run();
    REQUIRE(node.broken_invariants() == no_faults);
    std::size_t applied = 0;
    for (const auto& one : answers) {
      auto done = expect_outcome(**one).value();
      applied += done.applied;
      for (const auto& failed : done.failures)
        CHECK(failed.why.code == errc::twin_exists);
    }
    CHECK(applied == 1 + 4 + 3 * 4);
    CHECK(node.all().size() == applied);
  }
}

TEST_CASE("hello, statistics and what is no request", "[unit][actors]") {
  options wanted;
  wanted.doors.node = "north";
  wanted.doors.program = "test 1";
  simulated_node node{wanted};
  auto hello = answer(node, make_hello("me"));
  auto welcome = hello.message().getReply().getWelcome();
  CHECK(text_of(welcome.getNode()) == "north");
  CHECK(text_of(welcome.getProgram()) == "test 1");
  CHECK(expect_page(answer(node, make_done_reply())).error().code == errc::unsupported);

  REQUIRE(node.create({machine("p"), machine("c", "p")}).applied == 2);
  REQUIRE(node.set("c", "a", 1) == errc::none);
  REQUIRE(node.set("c", "a", 1) == errc::none);
  REQUIRE(node.set("nobody", "a", 1) == errc::twin_not_found);
  REQUIRE(node.remove({"c"}, child_policy::refuse).applied == 1);
  auto stats = expect_stats(answer(node, make_stats_request())).value();
  auto number = [&](const std::string& name) {
    for (const auto& one : stats.counters)
      if (one.name == name)
        return one.number;
    FAIL("no counter " << name);
    return 0.0;
  };
  CHECK(number("gemel_twins") == 1);
  CHECK(number("gemel_hierarchy_groups") == 0);
  CHECK(number("gemel_twins_created_total") == 2);
  CHECK(number("gemel_twins_removed_total") == 1);
  CHECK(number("gemel_updates_applied_total") == 2);
  CHECK(number("gemel_updates_unchanged_total") == 1);
  CHECK(number("gemel_properties_changed_total") == 1);
  REQUIRE(stats.latencies.size() == 1);
  CHECK(stats.latencies[0].count == 2);
}
