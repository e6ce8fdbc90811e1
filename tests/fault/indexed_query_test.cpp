#include "registry/expression.hpp"
#include "registry/query.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/simulated_node.hpp"

#include <algorithm>
#include <map>
#include <set>

using namespace gemel;
using namespace gemel::test;

// The fault: creates, updates and deletes come between the parts and slices of queries, in any
// order. What must hold: indexes, aliases and scans agree with the twins themselves at every moment
// that nothing is under way, and a query under way gives a twin that stays as it is exactly once.

namespace {

std::vector<type_model> models() {
  std::vector<type_model> made(3);
  made[0].name = "asset";
  made[0].capabilities = {"traced"};
  made[0].properties = {{"serial", property_kind::any, {}, {}, {}, true, false},
                        {"number", property_kind::text, {}, {}, {}, false, true}};
  made[1].name = "machine";
  made[1].extends = "asset";
  made[1].capabilities = {"cooling"};
  made[1].properties = {{"temperature", property_kind::any, {}, {}, {}, true, false}};
  made[2].name = "hall";
  return made;
}

simulated_node::options with_models(std::uint64_t seed) {
  simulated_node::options made;
  made.seed = seed;
  made.models = models();
  return made;
}

value random_value(std::mt19937_64& random) {
  switch (random() % 5) {
  case 0:
    return value{static_cast<std::int64_t>(random() % 20)};
  case 1:
    return value{"s" + std::to_string(random() % 20)};
  case 2:
    return value{random() % 2 == 0};
  default:
    return value{static_cast<double>(random() % 80) / 4};
  }
}

struct random_work {
  simulated_node& node;
  std::mt19937_64& random;

  std::string id() { return "t" + std::to_string(random() % 300); }

  void step() {
    const std::vector<std::string> types{"machine", "machine", "asset", "hall", "other"};
    switch (random() % 6) {
    case 0: {
      new_twin made{id(), types[random() % types.size()], {}, {}, {}, false};
      if (random() % 2 == 0)
        made.parent = "t" + std::to_string(random() % 20);
      if (made.parent == made.id)
        made.parent.clear();
      made.properties.push_back({"temperature", random_value(random)});
      if (random() % 2 == 0)
        made.properties.push_back({"number", value{"n" + std::to_string(random() % 150)}});
      static_cast<void>(node.send_create({made}));
      return;
    }
    case 1:
      static_cast<void>(node.send_remove({id()}, child_policy::cascade));
      return;
    default: {
      twin_update change;
      change.id = id();
      if (random() % 4 != 0)
        change.set.push_back({"temperature", random_value(random)});
      else
        change.unset.push_back("temperature");
      if (random() % 3 == 0)
        change.set.push_back({"serial", random_value(random)});
      if (random() % 3 == 0)
        change.set.push_back({"number", value{"n" + std::to_string(random() % 150)}});
      else if (random() % 5 == 0)
        change.unset.push_back("number");
      static_cast<void>(node.send_update({change}));
    }
    }
  }
};

// The answer by brute force: every twin asked by the expression itself.
bool holds(const expression& where, const twin_record& twin, const model_table& known) {
  std::vector<value> made(where.references().size());
  std::vector<const value*> bound;
  for (std::size_t i = 0; i < made.size(); ++i) {
    const auto& asked = where.references()[i];
    if (asked.kind == reference_kind::model_test)
      made[i] = known.is_a(twin.type, asked.root);
    else if (asked.kind == reference_kind::capability_test)
      made[i] = known.has_capability(twin.type, asked.root);
    else if (asked.root == "twin_type")
      made[i] = twin.type;
    else if (asked.root == "twin_id")
      made[i] = twin.id;
    else if (asked.root == "parent_id")
      made[i] = twin.parent.empty() ? value{} : value{twin.parent};
    else if (const auto* content = twin.find(asked.root))
      made[i] = *content;
    bound.push_back(made[i].is_null() ? nullptr : &made[i]);
  }
  return where.test(bound);
}

std::string random_condition(std::mt19937_64& random) {
  auto number = [&] { return std::to_string(random() % 20); };
  const std::vector<std::string> parts{
      "temperature > " + number(),
      "temperature <= " + number() + ".25",
      number() + " < temperature",
      "temperature = " + number(),
      "temperature != " + number(),
      "temperature BETWEEN " + number() + " AND " + number(),
      "temperature IN (" + number() + ", 's" + number() + "', TRUE, " + number() + ".0)",
      "serial LIKE 's1%'",
      "starts_with(serial, 's')",
      "serial = 's" + number() + "'",
      "serial IS NULL",
      "is_of_model('asset')",
      "has_capability('cooling')",
      "NOT has_capability('traced')",
      "twin_type = 'machine'",
      "twin_id = 't" + number() + "'",
      "parent_id = 't" + number() + "'",
      "temperature < 3 OR serial > 5",
      "temperature > serial",
  };
  auto text = parts[random() % parts.size()];
  while (random() % 2 == 0)
    text += " AND "
            + (random() % 4 == 0 ? "(" + parts[random() % parts.size()] + ")"
                                 : parts[random() % parts.size()]);
  return text;
}

std::set<std::string> below(const std::vector<twin_record>& all, const std::string& ancestor) {
  std::set<std::string> found;
  for (const auto& twin : all)
    if (twin.path.find("/" + ancestor + "/") != std::string::npos)
      found.insert(twin.id);
  return found;
}

} // namespace

TEST_CASE("a query answers the same by index and by looking at every twin", "[fault][registry]") {
  auto seed = test::seed();
  INFO(repeat_command(seed));
  simulated_node node{with_models(seed)};
  std::mt19937_64 random{seed};
  random_work work{node, random};
  auto known = model_table::make(models()).value();
  std::size_t matched = 0;
  std::size_t indexed = 0;
  for (int round = 0; round < 150; ++round) {
    for (int i = 0; i < 25; ++i) {
      work.step();
      node.step(random() % 3);
    }
    node.run();
    auto all = node.all();
    query_request asked;
    asked.where = random_condition(random);
    asked.limit = static_cast<std::uint32_t>(1 + random() % 40);
    asked.explain = true;
    if (random() % 2 == 0)
      asked.order_by = random() % 2 == 0 ? "temperature" : "serial";
    asked.descending = random() % 2 == 0;
    if (random() % 3 == 0)
      asked.type = "machine";
    if (random() % 5 == 0)
      asked.ancestor = "t" + std::to_string(random() % 20);
    INFO(asked.where << " type " << asked.type << " order by " << asked.order_by << " below "
                     << asked.ancestor);
    auto where = expression::compile(asked.where).value();
    auto inside = below(all, asked.ancestor);
    std::vector<std::pair<value, std::string>> expected;
    for (const auto& twin : all)
      if ((asked.type.empty() || twin.type == asked.type) && holds(where, twin, known)
          && (asked.ancestor.empty() || inside.contains(twin.id)))
        expected.emplace_back(
            sort_key(asked.order_by.empty() ? nullptr : twin.find(asked.order_by)), twin.id);
    std::sort(expected.begin(), expected.end(), [&](const auto& a, const auto& b) {
      auto order = compare_sort_keys(a.first, b.first);
      auto less = order != 0 ? order < 0 : a.second < b.second;
      auto equal = order == 0 && a.second == b.second;
      return asked.descending ? !less && !equal : less;
    });
    std::vector<std::string> ids;
    for (const auto& [key, id] : expected)
      ids.push_back(id);
    indexed += node.query(asked).value().explanation.find("index of") != std::string::npos;
    std::vector<std::string> got;
    for (const auto& twin : node.query_all(asked))
      got.push_back(twin.id);
    REQUIRE(got == ids);
    matched += got.size();
    auto counted = asked;
    counted.count_only = true;
    counted.order_by.clear();
    counted.descending = false;
    REQUIRE(node.query(counted).value().total == ids.size());
  }
  REQUIRE(node.broken_invariants().empty());
  CHECK(matched > 100);
  CHECK(indexed > 10);
}

TEST_CASE("a unique value has one holder, who is found by it", "[fault][registry]") {
  auto seed = test::seed();
  INFO(repeat_command(seed));
  simulated_node node{with_models(seed)};
  std::mt19937_64 random{seed};
  random_work work{node, random};
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 30; ++i) {
      work.step();
      node.step(random() % 3);
    }
    node.run();
    std::map<std::string, std::string> holders;
    for (const auto& twin : node.all()) {
      const auto* number = twin.find("number");
      if (number == nullptr || (twin.type != "machine" && twin.type != "asset"))
        continue;
      INFO(twin.id);
      REQUIRE(holders.emplace(number->as_text(), twin.id).second);
    }
    REQUIRE(node.aliases().size() == holders.size());
    for (const auto& [number, id] : holders)
      REQUIRE(node.aliases().find("number", value{number}) == id);
  }
  // A holder is named, and nothing of a refused update stays.
  node.remove({"a", "b"}, child_policy::cascade);
  node.create({{"a", "machine", {}, {{"number", "SN-1"}}}, {"b", "machine", {}, {}}});
  auto refused = node.update({{"b", {{"temperature", 3}, {"number", "SN-1"}}}});
  REQUIRE(refused.failures.size() == 1);
  CHECK(refused.failures[0].why == error{errc::alias_taken, "number \"SN-1\" is that of twin a"});
  CHECK(node.find("b")->properties.empty());
  CHECK(node.set("a", "number", "SN-2") == errc::none);
  CHECK(node.set("b", "number", "SN-1") == errc::none);
  auto found = expect_page([&] {
    auto answer =
        node.submit(make_get({}, std::vector<twin_alias>{{"number", "SN-1"}, {"number", "SN-3"}}));
    node.run();
    return **answer;
  }());
  REQUIRE(found);
  REQUIRE(found->twins.size() == 1);
  CHECK(found->twins[0].id == "b");
  CHECK(found->missing == std::vector<std::string>{"number=SN-3"});
}

TEST_CASE("groups are those of every twin, whatever cell it is in", "[fault][registry]") {
  auto seed = test::seed();
  INFO(repeat_command(seed));
  simulated_node node{with_models(seed)};
  std::mt19937_64 random{seed};
  random_work work{node, random};
  for (int i = 0; i < 2'000; ++i)
    work.step();
  node.run();
  std::map<std::string, std::pair<std::uint64_t, double>> expected;
  for (const auto& twin : node.all()) {
    const auto* t = twin.find("temperature");
    auto& [count, sum] = expected[twin.type];
    count += 1;
    sum += t != nullptr && t->is_number() ? *t->number() : 0;
  }
  query_request asked;
  asked.group_by = {"twin_type"};
  asked.aggregates = {"count()", "sum(temperature)"};
  auto page = node.query(asked).value();
  REQUIRE(page.groups.size() == expected.size());
  for (const auto& group : page.groups) {
    const auto& [count, sum] = expected.at(std::string{group.keys[0].as_text()});
    CHECK(group.values[0] == value{count});
    CHECK(*group.values[1].number() == sum);
  }
  asked.aggregates = {"avg()"};
  auto refused = node.query(asked);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == errc::bad_syntax);
}

TEST_CASE("a query asks one cell alone for one parent, one twin or none", "[fault][registry]") {
  simulated_node node{with_models(1)};
  node.create({{"h", "hall", {}, {}}, {"m", "machine", "h", {{"temperature", 7}}}});
  auto explained = [&](query_request asked) {
    asked.explain = true;
    auto page = node.query(asked).value();
    return std::pair{page.twins.size(), page.explanation};
  };
  CHECK(explained({{}, "h"})
        == std::pair{std::size_t{1}, std::string{"asked 1 of 4 cells\nchildren of h: 1 rows "
                                                 "looked at in 1 cells, 1 match\n"}});
  CHECK(explained({{}, {}, false, "twin_id = 'm'"}).second
        == "asked 1 of 4 cells\ntwin m by its id: 1 rows looked at in 1 cells, 1 match\n");
  CHECK(explained({{}, {}, false, "temperature = NULL"}).second
        == "asked 0 of 4 cells\nthe condition contradicts itself: no twin can match\n");
}
