#include "actors/condition_cache.hpp"
#include "actors/update_draft.hpp"
#include "messages/limits.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/simulated_node.hpp"

#include <limits>

using namespace gemel;
using gemel::test::simulated_node;

// What an update may say beyond setting and removing properties.

namespace {

using action = path_change::action;

struct plant {
  simulated_node node{};

  plant() {
    REQUIRE(node.create({{"m", "Machine", "", {{"count", 5}, {"name", "lathe"}}, ""}}).applied
            == 1);
  }

  // The fault of one update; code `none` when it was applied.
  error update(twin_update change) {
    change.id = "m";
    auto done = node.update({change});
    return done.failures.empty() ? error{} : done.failures[0].why;
  }

  std::string state() {
    std::string text;
    auto twin = node.find("m").value();
    for (const auto& one : twin.properties)
      text += (text.empty() ? "" : " ") + one.key + "=" + to_json(one.content);
    return text;
  }
};

} // namespace

TEST_CASE("an update adds to numbers", "[unit][actors]") {
  plant p;
  CHECK(p.update({.add = {{"count", 3}, {"fresh", 2}, {"load", 0.5}}}).code == errc::none);
  CHECK(p.state() == R"(count=8 name="lathe" fresh=2 load=0.5)");
  CHECK(p.update({.add = {{"count", 0.5}, {"load", 1}}}).code == errc::none);
  CHECK(p.state() == R"(count=8.5 name="lathe" fresh=2 load=1.5)");
  auto before = p.node.find("m")->version;
  CHECK(p.update({.add = {{"fresh", 0}}}).code == errc::none);
  CHECK(p.node.find("m")->version == before);
  CHECK(p.node.counters().updates_unchanged == 1);
}

TEST_CASE("an update that adds what cannot be added changes nothing", "[unit][actors]") {
  plant p;
  auto most = std::numeric_limits<std::int64_t>::max();
  CHECK(to_string(p.update({.set = {{"other", 1}}, .add = {{"name", 1}}}))
        == "bad_value: name: a text takes no number on top");
  CHECK(to_string(p.update({.add = {{"count", "x"}}}))
        == "bad_value: count: a number is to be added, not a text");
  CHECK(p.update({.add = {{"fresh", 1}, {"count", most}}}).code == errc::limit_reached);
  CHECK(p.state() == R"(count=5 name="lathe")");
  CHECK(p.node.find("m")->version == 1);
}

TEST_CASE("an update changes maps and lists inside, one change after the other", "[unit][actors]") {
  plant p;
  CHECK(p.update({.set = {{"limits", value_from_json(R"({"low": 1})").value()}},
                  .paths = {{"limits.high", action::set, 9},
                            {"limits.low", action::add, 2},
                            {"axes", action::append, 7},
                            {"axes", action::append, "x"},
                            {"axes[0]", action::add, 1},
                            {"axes[-1]", action::unset, {}},
                            {"count", action::add, 1},
                            {"name", action::unset, {}}}})
            .code
        == errc::none);
  CHECK(p.state() == R"(count=6 limits={"high":9,"low":3} axes=[8])");
  // Version: count, limits, axes, name.
  CHECK(p.node.find("m")->version == 5);
  CHECK(to_string(p.update({.paths = {{"limits.high.x", action::set, 1}}}))
        == "bad_value: limits.high: int found, a map is needed");
  CHECK(to_string(p.update({.paths = {{"limits[", action::set, 1}}}))
        == "bad_syntax: a path, line 1, column 8: expected an index, such as 0 or -1");
  CHECK(p.node.find("m")->version == 5);
}

TEST_CASE("a property that a path took away and another gave again is there", "[unit][actors]") {
  plant p;
  CHECK(p.update({.unset = {"name"}, .paths = {{"name.first", action::set, 1}}}).code
        == errc::none);
  CHECK(p.state() == R"(count=5 name={"first":1})");
  CHECK(p.update({.paths = {{"name", action::unset, {}},
                            {"count", action::unset, {}},
                            {"count", action::add, 4}}})
            .code
        == errc::none);
  CHECK(p.state() == "count=4");
}

TEST_CASE("a replacing update leaves only what it names", "[unit][actors]") {
  plant p;
  CHECK(p.update({.set = {{"a", 1}},
                  .add = {{"count", 1}},
                  .paths = {{"b.c", action::set, 2}},
                  .replace = true})
            .code
        == errc::none);
  CHECK(p.node.find("m")->find("name") == nullptr);
  CHECK(p.node.find("m")->find("a")->as_integer() == 1);
  // It counts from 0: the old one was replaced.
  CHECK(p.node.find("m")->find("count")->as_integer() == 1);
  CHECK(p.node.find("m")->properties.size() == 3);
  CHECK(p.update({.replace = true}).code == errc::none);
  CHECK(p.node.find("m")->properties.empty());
}

TEST_CASE("the bound of properties holds for what an update leaves", "[unit][actors]") {
  simulated_node::options wanted;
  wanted.limits.properties_max = 3;
  simulated_node node{wanted};
  REQUIRE(node.create({{"m", "Machine", "", {{"a", 1}, {"b", 1}, {"c", 1}}, ""}}).applied == 1);
  auto code = [&](twin_update change) {
    change.id = "m";
    auto done = node.update({change});
    return done.failures.empty() ? errc::none : done.failures[0].why.code;
  };
  CHECK(code({.set = {{"d", 1}}}) == errc::limit_reached);
  CHECK(code({.add = {{"d", 1}}}) == errc::limit_reached);
  CHECK(code({.paths = {{"d.e", action::set, 1}}}) == errc::limit_reached);
  CHECK(code({.set = {{"d", 1}}, .unset = {"a"}}) == errc::none);
  CHECK(code({.set = {{"x", 1}, {"y", 1}, {"z", 1}}, .replace = true}) == errc::none);
}

TEST_CASE("an update needs its preconditions", "[unit][actors]") {
  plant p;
  auto set = properties{{"count", 6}};
  CHECK(to_string(p.update({.set = set, .if_absent = {"other", "name"}}))
        == "precondition_failed: m has name already");
  CHECK(to_string(p.update({.set = set, .condition = "count > 5"}))
        == "precondition_failed: m: count > 5 does not hold");
  CHECK(to_string(p.update({.set = set, .condition = "count >"}))
        == "bad_syntax: condition: line 1, column 8: expected a value, a name or '(', found the "
           "end");
  CHECK(p.state() == R"(count=5 name="lathe")");
  CHECK(p.update({.set = set,
                  .if_absent = {"other"},
                  .condition = "count = 5 and name = 'lathe' and twin_version = 1"})
            .code
        == errc::none);
  CHECK(p.update({.set = set, .condition = "count = 5"}).code == errc::precondition_failed);
  CHECK(p.node.counters().refused == 4);
}

TEST_CASE("a refused update leaves no key behind", "[unit][actors]") {
  plant p;
  auto& keys = p.node.symbols().keys;
  auto before = keys.size();
  CHECK(p.update({.set = {{"new-1", 1}}, .if_version = 99}).code == errc::precondition_failed);
  CHECK(p.update({.set = {{"new-2", 1}}, .add = {{"name", 1}}}).code == errc::bad_value);
  CHECK(p.update({.unset = {"new-3"}, .if_absent = {"new-4"}}).code == errc::none);
  CHECK(p.update({.add = {{"new-5", 1}},
                  .paths = {{"new-6.a", action::unset, {}}},
                  .condition = "new-7 = 1"})
            .code
        == errc::precondition_failed);
  CHECK(p.node.create({{"m", "Machine", "", {{"new-8", 1}}, ""}}).applied == 0);
  CHECK(keys.size() == before);
  CHECK(p.update({.set = {{"new-9", 1}}}).code == errc::none);
  CHECK(keys.size() == before + 1);
}

TEST_CASE("a twin that is there already may be fine", "[unit][actors]") {
  plant p;
  auto again = new_twin{"m", "Machine", "", {{"count", 77}}, "", true};
  auto fresh = new_twin{"n", "Machine", "m", {{"count", 1}}, "", true};
  auto done = p.node.create({again, fresh, fresh});
  CHECK(done.applied == 3);
  CHECK(done.ids == std::vector<std::string>{"m", "n", "n"});
  CHECK(p.node.find("m")->find("count")->as_integer() == 5);
  CHECK(p.node.counters().created == 2);
  again.if_absent = false;
  CHECK(p.node.create({again}).failures.at(0).why.code == errc::twin_exists);
  CHECK(p.node.broken_invariants().empty());
}

TEST_CASE("each property tells which write it came from and when it was measured",
          "[unit][actors]") {
  plant p;
  auto stamped = [&] {
    auto answer = p.node.submit(make_get(std::vector<std::string>{"m"}, {}, true));
    p.node.run();
    return expect_page(**answer).value().twins.at(0);
  };
  auto first = stamped();
  REQUIRE(first.stamps.size() == 2);
  CHECK(first.stamps[0].time == first.stamps[1].time);
  CHECK(first.stamps[0].dot < first.stamps[1].dot);
  CHECK(first.stamps[0].source_time_us == 0);
  p.node.clock().advance(std::chrono::seconds{1});
  REQUIRE(p.update({.set = {{"count", 6}, {"extra", 1}}, .source_time_us = 1234}).code
          == errc::none);
  auto second = stamped();
  REQUIRE(second.stamps.size() == 3);
  CHECK(second.stamps[0].time > first.stamps[0].time);
  CHECK(second.stamps[0].source_time_us == 1234);
  CHECK(second.stamps[2].source_time_us == 1234);
  // The name was not written again.
  CHECK(second.stamps[1].dot == first.stamps[1].dot);
  CHECK(second.stamps[1].source_time_us == 0);
  REQUIRE(p.update({.set = {{"count", 7}}, .unset = {"name"}}).code == errc::none);
  auto third = stamped();
  REQUIRE(third.stamps.size() == 2);
  CHECK(third.stamps[0].source_time_us == 0);
  CHECK(third.stamps[1].source_time_us == 1234);
  CHECK(p.node.find("m")->stamps.empty());
}

TEST_CASE("conditions are compiled once and forgotten in time", "[unit][actors]") {
  symbols names;
  symbol_cache keys{names.keys};
  shape_table shapes;
  condition_cache conditions{keys};
  twin_row row;
  row.id = compact_id{"m"};
  row.layout = shapes.empty(type_id{0});
  for (int round = 0; round < 3; ++round)
    for (std::size_t i = 0; i < 2 * condition_cache::conditions_max; ++i) {
      auto text = "twin_version < " + std::to_string(i);
      row.version = i / 2;
      REQUIRE(conditions.holds(text, row, {}).value() == (i / 2 < i));
    }
  CHECK(conditions.holds("a >", row, {}).error().code == errc::bad_syntax);
}

TEST_CASE("a twin takes only what the model of its type allows", "[unit][actors]") {
  type_model machine;
  machine.name = "Machine";
  machine.properties = {{.key = "load", .kind = property_kind::number, .min = 0, .max = 10},
                        {.key = "name", .kind = property_kind::text}};
  machine.closed = true;
  simulated_node::options wanted;
  wanted.models = {machine};
  simulated_node node{wanted};
  auto create = [&](const std::string& id, properties with) {
    auto done = node.create({{id, "Machine", "", std::move(with), ""}});
    return done.failures.empty() ? error{} : done.failures[0].why;
  };
  CHECK(create("m", {{"load", 5}, {"name", "lathe"}}).code == errc::none);
  CHECK(create("n", {{"load", 11}}).code == errc::bad_value);
  CHECK(create("n", {{"other", 1}}).code == errc::bad_name);
  auto keys = node.symbols().keys.size();
  auto update = [&](twin_update change) {
    change.id = "m";
    auto done = node.update({change});
    return done.failures.empty() ? errc::none : done.failures[0].why.code;
  };
  CHECK(update({.set = {{"load", "much"}}}) == errc::bad_value);
  CHECK(update({.set = {{"fresh", 1}}}) == errc::bad_name);
  CHECK(update({.add = {{"load", 6}}}) == errc::bad_value);
  CHECK(update({.paths = {{"name.first", path_change::action::set, 1}}, .replace = true})
        == errc::bad_value);
  CHECK(update({.add = {{"load", 5}}}) == errc::none);
  CHECK(update({.set = {{"load", nullptr}}}) == errc::none);
  CHECK(node.symbols().keys.size() == keys);
  CHECK(node.create({{"free", "Other", "", {{"fresh", 1}}, ""}}).applied == 1);
}
