#include "actors/cell.hpp"
#include "messages/names.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/simulated_node.hpp"

#include <algorithm>
#include <map>
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

names ids_of(const std::vector<twin_record>& twins) {
  names made;
  for (const auto& one : twins)
    made.push_back(one.id);
  std::sort(made.begin(), made.end());
  return made;
}

twin_update setting(const std::string& id, properties set, std::uint64_t if_version = 0) {
  return {id, std::move(set), {}, if_version, 0};
}

// The one failure of a request that had to fail.
error only_failure(const outcome& of) {
  REQUIRE(of.failures.size() == 1);
  return of.failures[0].why;
}

// r, its children r.0 to r.2, theirs r.0.0 to r.2.2, and so on.
std::vector<new_twin> tree(const std::string& root, int levels, int width) {
  std::vector<new_twin> made{machine(root)};
  for (std::size_t begin = 0; levels > 1; --levels) {
    auto end = made.size();
    for (; begin < end; ++begin)
      for (int i = 0; i < width; ++i) {
        auto parent = made[begin].id;
        made.push_back(machine(parent + "." + std::to_string(i), parent));
      }
  }
  return made;
}

} // namespace

// ---- create -------------------------------------------------------------------------------------

TEST_CASE("a created twin is what was asked for", "[unit][actors]") {
  simulated_node node;
  auto done = node.create({{"m-1", "Machine", "", {{"temperature", 20.5}, {"name", "lathe"}}, ""},
                           {"m-2", "Machine", "", {}, ""}});
  CHECK(done.applied == 2);
  CHECK(done.ids == names{"m-1", "m-2"});
  auto twin = node.find("m-1");
  REQUIRE(twin);
  CHECK(twin->type == "Machine");
  CHECK(twin->parent.empty());
  CHECK(twin->path == "/m-1");
  CHECK(twin->version == 1);
  CHECK(twin->lifecycle == lifecycle_state::active);
  CHECK(twin->updated_at_us == 1'700'000'000'000'000);
  CHECK_FALSE(twin->has_children);
  CHECK(twin->properties == properties{{"temperature", 20.5}, {"name", "lathe"}});
  CHECK(node.find("m-2")->lifecycle == lifecycle_state::provisioned);
  CHECK(node.broken_invariants() == no_faults);
}

TEST_CASE("twins without an id get UUIDs, and the answer names them", "[unit][actors]") {
  simulated_node node;
  std::vector<new_twin> twins(200, machine(""));
  auto done = node.create(twins);
  CHECK(done.applied == 200);
  REQUIRE(done.ids.size() == 200);
  std::set<std::string> different(done.ids.begin(), done.ids.end());
  CHECK(different.size() == 200);
  for (const auto& id : done.ids) {
    CHECK(id.size() == compact_id::uuid_text_size);
    CHECK(id[14] == '4');
    CHECK(node.find(id));
  }
  CHECK(node.create({machine("")}).ids[0] != done.ids[0]);
}

TEST_CASE("each faulty entry of a create fails by itself, with its reason", "[unit][actors]") {
  simulated_node node;
  REQUIRE(node.create({machine("old")}).applied == 1);
  auto done = node.create({
      machine("good"),
      machine("a/b"),
      {"untyped", "", "", {}, ""},
      machine("child", "nobody"),
      machine("old"),
      machine("twice"),
      machine("twice"),
      machine("self", "self"),
      {"placed", "Machine", "good", {}, "key"},
      {"bad key", "Machine", "", {{"", 1}}, ""},
      {"bad text", "Machine", "", {{"note", "\xff"}}, ""},
      machine("child of good", "good"),
  });
  CHECK(done.applied == 3);
  CHECK(codes(done, 12)
        == std::vector<errc>{errc::none, errc::bad_name, errc::bad_name, errc::twin_not_found,
                             errc::twin_exists, errc::none, errc::twin_exists,
                             errc::hierarchy_cycle, errc::bad_value, errc::bad_name,
                             errc::bad_value, errc::none});
  CHECK(ids_of(node.all()) == names{"child of good", "good", "old", "twice"});
  CHECK(node.broken_invariants() == no_faults);
}

TEST_CASE("a batch makes a tree many levels deep, over all cells", "[unit][actors]") {
  auto seed = test::seed();
  INFO(test::repeat_command(seed));
  options wanted;
  wanted.seed = seed;
  wanted.cells = 5;
  simulated_node node{wanted};
  auto twins = tree("r", 5, 3);
  CHECK(node.create(twins).applied == twins.size());
  CHECK(node.find("r.1.2.0.1")->path == "/r/r.1/r.1.2/r.1.2.0/r.1.2.0.1");
  CHECK(node.find("r.1.2.0.1")->parent == "r.1.2.0");
  CHECK(node.find("r.1.2.0")->has_children);
  CHECK(node.broken_invariants() == no_faults);
}

TEST_CASE("the subtree of a placed root lives in the root's cell", "[unit][actors]") {
  options wanted;
  wanted.cells = 7;
  simulated_node node{wanted};
  auto twins = tree("r", 4, 2);
  twins[0].placement = "somewhere";
  REQUIRE(node.create(twins).applied == twins.size());
  REQUIRE(node.create({machine("late", "r.0.1")}).applied == 1);
  auto cell = node.directory().find("r")->cell;
  CHECK(cell == cell_of(shard_of("somewhere"), 7));
  for (const auto& one : node.all())
    CHECK(node.directory().find(one.id)->cell == cell);
  CHECK(node.broken_invariants() == no_faults);
  CHECK(node.remove({"r"}, child_policy::cascade).applied == 1);
  CHECK(node.all().empty());
  CHECK(node.broken_invariants() == no_faults);
}

TEST_CASE("creates stop at each limit and say which", "[unit][actors]") {
  options wanted;
  wanted.cells = 1;
  wanted.limits.twins_max = 9;
  wanted.limits.children_max = 3;
  wanted.limits.depth_max = 3;
  wanted.limits.properties_max = 2;
  simulated_node node{wanted};
  REQUIRE(node.create(tree("r", 3, 1)).applied == 3);
  auto refused = [&](const new_twin& one) {
    auto why = only_failure(node.create({one}));
    CHECK(why.code == errc::limit_reached);
    return why.context;
  };
  CHECK(refused(machine("deep", "r.0.0")).find("depth_max") != std::string::npos);
  CHECK(refused(machine("rich", "", {{"a", 1}, {"b", 2}, {"c", 3}})).find("properties_max")
        != std::string::npos);
  REQUIRE(node.create({machine("1", "r"), machine("2", "r")}).applied == 2);
  CHECK(refused(machine("3", "r")).find("children_max") != std::string::npos);
  REQUIRE(node.create({machine("5"), machine("6"), machine("7"), machine("8")}).applied == 4);
  CHECK(refused(machine("9")).find("twins_max") != std::string::npos);
  CHECK(node.remove({"8"}, child_policy::refuse).applied == 1);
  CHECK(node.create({machine("9")}).applied == 1);
  CHECK(node.broken_invariants() == no_faults);
}

TEST_CASE("a parent that gets no child after all has no group", "[unit][actors]") {
  simulated_node node;
  REQUIRE(node.create({machine("p"), machine("c")}).applied == 2);
  CHECK(only_failure(node.create({machine("c", "p")})).code == errc::twin_exists);
  CHECK_FALSE(node.find("p")->has_children);
  CHECK(node.broken_invariants() == no_faults);
}

TEST_CASE("a retired parent takes no first child", "[unit][actors]") {
  simulated_node node;
  REQUIRE(node.create({machine("p")}).applied == 1);
  REQUIRE(node.lifecycle({"p"}, lifecycle_trigger::retire).applied == 1);
  CHECK(only_failure(node.create({machine("c", "p")})).code == errc::illegal_state);
  CHECK(node.broken_invariants() == no_faults);
}

// ---- update -------------------------------------------------------------------------------------

TEST_CASE("an update sets, adds and removes properties, one version step each", "[unit][actors]") {
  simulated_node node;
  REQUIRE(node.create({machine("m", "", {{"a", 1}, {"b", 2}, {"c", 3}})}).applied == 1);
  node.clock().advance(std::chrono::seconds{2});
  auto done = node.update({{"m", {{"a", 10}, {"d", "new"}}, {"b", "not there"}, 0, 0}});
  CHECK(done.applied == 1);
  auto twin = *node.find("m");
  CHECK(twin.version == 4);
  CHECK(twin.properties == properties{{"a", 10}, {"c", 3}, {"d", "new"}});
  CHECK(twin.updated_at_us == 1'700'000'002'000'000);
}

TEST_CASE("an update that changes nothing is applied and leaves version and time",
          "[unit][actors]") {
  simulated_node node;
  REQUIRE(node.create({machine("m", "", {{"a", 1}, {"b", "text of more than 14 bytes"}})}).applied
          == 1);
  node.clock().advance(std::chrono::seconds{2});
  auto before = *node.find("m");
  CHECK(node.update({{"m", {{"a", 1}, {"b", "text of more than 14 bytes"}}, {"x"}, 0, 0}}).applied
        == 1);
  auto after = *node.find("m");
  CHECK(after.version == before.version);
  CHECK(after.updated_at_us == before.updated_at_us);
  CHECK(node.counters().updates_unchanged == 1);
  // 1 and 1.0 are not the same value.
  CHECK(node.set("m", "a", 1.0) == errc::none);
  CHECK(node.find("m")->version == before.version + 1);
}

TEST_CASE("an update needs the twin, its version if given, and a state that takes data",
          "[unit][actors]") {
  simulated_node node;
  REQUIRE(node.create({machine("m", "", {{"a", 1}}), machine("still", "", {{"a", 1}})}).applied
          == 2);
  REQUIRE(node.lifecycle({"still"}, lifecycle_trigger::suspend).applied == 1);
  auto done = node.update({setting("m", {{"a", 2}}, 1), setting("m", {{"a", 3}}, 1),
                           setting("m", {{"a", 4}}, 2), setting("nobody", {{"a", 1}}),
                           setting("still", {{"a", 2}})});
  CHECK(done.applied == 2);
  CHECK(codes(done, 5)
        == std::vector<errc>{errc::none, errc::precondition_failed, errc::none,
                             errc::twin_not_found, errc::illegal_state});
  CHECK(*node.find("m")->find("a") == value{4});
  CHECK(*node.find("still")->find("a") == value{1});
}

TEST_CASE("the first update takes a provisioned twin into use", "[unit][actors]") {
  simulated_node node;
  REQUIRE(node.create({machine("m")}).applied == 1);
  CHECK(node.update({{"m", {}, {"nothing"}, 0, 0}}).applied == 1);
  CHECK(node.find("m")->lifecycle == lifecycle_state::active);
  CHECK(node.find("m")->version == 1);
}

TEST_CASE("a refused entry changes nothing of its twin", "[unit][actors]") {
  options wanted;
  wanted.limits.properties_max = 3;
  simulated_node node{wanted};
  REQUIRE(node.create({machine("m", "", {{"a", 1}, {"b", 2}})}).applied == 1);
  auto before = *node.find("m");
  auto done = node.update({
      setting("m", {{"a", 5}, {"c", 1}, {"d", 1}}),
      setting("m", {{"a", 5}, {"note", "\xc3\x28"}}),
      setting("m", {{"a", 5}, {"", 1}}),
      setting("m", {{"a", 5}, {"b", std::string(limits::text_bytes_max + 1, 'x')}}),
  });
  CHECK(codes(done, 4)
        == std::vector<errc>{errc::limit_reached, errc::bad_value, errc::bad_name,
                             errc::limit_reached});
  auto after = *node.find("m");
  CHECK(after.version == before.version);
  CHECK(after.properties == before.properties);
  CHECK(node.set("m", "c", 1) == errc::none);
  CHECK(node.set("m", "d", 1) == errc::limit_reached);
  CHECK(node.set("m", "c", 2) == errc::none);
}

TEST_CASE("random updates leave what a map of them would", "[unit][actors]") {
  auto seed = test::seed();
  INFO(test::repeat_command(seed));
  options wanted;
  wanted.seed = seed;
  simulated_node node{wanted};
  REQUIRE(node.create({machine("m")}).applied == 1);
  std::map<std::string, value> model;
  std::uint64_t version = 1;
  auto random_value = [&]() -> value {
    switch (node.below(6)) {
    case 0:
      return static_cast<std::int64_t>(node.below(3));
    case 1:
      return node.below(2) == 0;
    case 2:
      return static_cast<double>(node.below(3)) / 2;
    case 3:
      return std::string(node.below(2'000), 'x');
    case 4:
      return value{value_list{value{1}, value{std::string(node.below(30), 'y')}}};
    default:
      return value{value_map{{"k", value{static_cast<std::int64_t>(node.below(2))}}}};
    }
  };
  for (int round = 0; round < 1'000; ++round) {
    // 40 keys: rows pass the 12 keys that are searched one by one, up and down.
    twin_update one{"m", {}, {}, 0, 0};
    std::set<std::string> used;
    for (std::size_t i = node.below(6); i > 0; --i) {
      auto key = "key" + std::to_string(node.below(40));
      if (!used.insert(key).second)
        continue;
      if (node.below(round / 250 % 2 == 0 ? 4 : 2) != 0) {
        auto content = random_value();
        auto held = model.find(key);
        version += held == model.end() || !(held->second == content);
        model.insert_or_assign(key, content);
        one.set.push_back({key, std::move(content)});
      } else {
        version += model.erase(key);
        one.unset.push_back(key);
      }
    }
    REQUIRE(node.update({one}).applied == 1);
    auto twin = *node.find("m");
    REQUIRE(twin.version == version);
    REQUIRE(twin.properties.size() == model.size());
    for (const auto& [key, content] : model) {
      REQUIRE(twin.find(key) != nullptr);
      REQUIRE(*twin.find(key) == content);
    }
  }
}

TEST_CASE("of twenty writers that expect one version exactly one wins", "[unit][actors]") {
  auto seed = test::seed();
  INFO(test::repeat_command(seed));
  options wanted;
  wanted.seed = seed;
  simulated_node node{wanted};
  REQUIRE(node.create({machine("m", "", {{"winner", -1}})}).applied == 1);
  for (std::uint64_t round = 1; round <= 10; ++round) {
    std::vector<test::pending> answers;
    for (int i = 0; i < 20; ++i) {
      answers.push_back(node.submit(make_update(
          std::vector{setting("m", {{"winner", static_cast<int>(round) * 100 + i}}, round)})));
      node.step(node.below(3));
    }
    node.run();
    int won = 0;
    for (int i = 0; i < 20; ++i) {
      auto done = expect_outcome(**answers[static_cast<std::size_t>(i)]).value();
      if (done.applied == 0) {
        CHECK(only_failure(done).code == errc::precondition_failed);
        continue;
      }
      ++won;
      CHECK(*node.find("m")->find("winner") == value{static_cast<int>(round) * 100 + i});
    }
    CHECK(won == 1);
  }
}

TEST_CASE("stamps of a twin rise with every write, even if the wall clock goes back",
          "[unit][actors]") {
  options wanted;
  wanted.cells = 1;
  simulated_node node{wanted};
  REQUIRE(node.create({machine("m", "", {{"a", 0}})}).applied == 1);
  stamp last{};
  for (int i = 1; i < 100; ++i) {
    node.clock().shift_wall(std::chrono::milliseconds{i % 3 == 0 ? -50 : 10});
    REQUIRE(node.set("m", "a", i) == errc::none);
    const auto& row = node.runner(0).core().row(node.directory().find("m")->row);
    CHECK(row.slots[0].at.time > last.time);
    CHECK(row.slots[0].at.write > last.write);
    last = row.slots[0].at;
  }
}

// ---- lifecycle ----------------------------------------------------------------------------------

TEST_CASE("doors move twins along the lifecycle table and nowhere else", "[unit][actors]") {
  simulated_node node;
  REQUIRE(node.create({machine("m")}).applied == 1);
  auto move = [&](lifecycle_trigger trigger) {
    auto done = node.lifecycle({"m"}, trigger);
    return done.applied == 1 ? errc::none : only_failure(done).code;
  };
  using enum lifecycle_trigger;
  CHECK(move(suspend) == errc::illegal_state);
  CHECK(move(activate) == errc::none);
  CHECK(move(suspend) == errc::none);
  CHECK(node.find("m")->lifecycle == lifecycle_state::suspended);
  CHECK(move(resume) == errc::none);
  CHECK(move(repair) == errc::illegal_state);
  for (auto inner : {data_missed, data_seen, give_up, lifecycle_trigger::remove})
    CHECK(move(inner) == errc::unsupported);
  CHECK(move(static_cast<lifecycle_trigger>(200)) == errc::bad_value);
  CHECK(move(retire) == errc::none);
  CHECK(move(resume) == errc::illegal_state);
  CHECK(node.set("m", "a", 1) == errc::illegal_state);
  CHECK(only_failure(node.lifecycle({"nobody"}, activate)).code == errc::twin_not_found);
  CHECK(node.find("m")->version == 1);
}

// ---- delete -------------------------------------------------------------------------------------

TEST_CASE("a delete asks about children and does as told, over all cells", "[unit][actors]") {
  auto seed = test::seed();
  INFO(test::repeat_command(seed));
  options wanted;
  wanted.seed = seed;
  wanted.cells = 6;
  simulated_node node{wanted};
  auto twins = tree("r", 4, 3);
  REQUIRE(node.create(twins).applied == 40);

  CHECK(only_failure(node.remove({"r.0"}, child_policy::refuse)).code == errc::has_children);
  CHECK(node.all().size() == 40);
  CHECK(node.set("r.0", "a", 1) == errc::none);
  CHECK(node.remove({"r.0.0.0"}, child_policy::refuse).applied == 1);

  CHECK(node.remove({"r.1"}, child_policy::cascade).applied == 1);
  CHECK(node.all().size() == 39 - 13);
  CHECK_FALSE(node.find("r.1.2.2"));
  CHECK(node.broken_invariants() == no_faults);

  CHECK(node.remove({"r"}, child_policy::orphan).applied == 1);
  CHECK(node.all().size() == 25);
  CHECK(node.find("r.2")->parent.empty());
  CHECK(node.find("r.2")->path == "/r.2");
  CHECK(node.find("r.2.1.0")->path == "/r.2/r.2.1/r.2.1.0");
  CHECK(node.broken_invariants() == no_faults);

  CHECK(node.remove({"r.0", "r.2", "r.2", "nobody"}, child_policy::cascade).applied == 2);
  CHECK(node.all().empty());
  CHECK(node.broken_invariants() == no_faults);
}

TEST_CASE("the children of a deleted twin's group leave one by one", "[unit][actors]") {
  simulated_node node;
  REQUIRE(
      node.create({machine("p"), machine("a", "p"), machine("b", "p"), machine("c", "p")}).applied
      == 4);
  CHECK(node.remove({"b"}, child_policy::refuse).applied == 1);
  CHECK(node.broken_invariants() == no_faults);
  CHECK(node.remove({"a", "c"}, child_policy::refuse).applied == 2);
  CHECK_FALSE(node.find("p")->has_children);
  CHECK(node.broken_invariants() == no_faults);
  CHECK(node.create({machine("d", "p")}).applied == 1);
  CHECK(node.broken_invariants() == no_faults);
}

TEST_CASE("orphans make room in the depth that is allowed", "[unit][actors]") {
  options wanted;
  wanted.limits.depth_max = 4;
  simulated_node node{wanted};
  REQUIRE(node.create(tree("r", 4, 1)).applied == 4);
  CHECK(only_failure(node.create({machine("x", "r.0.0.0")})).code == errc::limit_reached);
  REQUIRE(node.create({machine("keeper", "r.0.0")}).applied == 1);
  REQUIRE(node.remove({"r"}, child_policy::orphan).applied == 1);
  CHECK(node.create({machine("x", "r.0.0.0")}).applied == 1);
  CHECK(node.find("x")->path == "/r.0/r.0.0/r.0.0.0/x");
  CHECK(only_failure(node.create({machine("y", "x")})).code == errc::limit_reached);
  CHECK(node.broken_invariants() == no_faults);
}

TEST_CASE("a parent that is deleted while its emptied group opens anew ends, and so does all",
          "[unit][actors]") {
  // The group was gone; the delete then met one that waited for the parent's consent.
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    INFO("seed " << seed);
    options wanted;
    wanted.seed = seed;
    simulated_node node{wanted};
    REQUIRE(node.create({machine("p"), machine("c", "p")}).applied == 2);
    auto gone = node.send_remove({"c"}, child_policy::refuse);
    node.step(node.below(4));
    auto made = node.send_create({machine("d", "p")});
    node.step(node.below(4));
    auto removed = node.send_remove({"p"}, child_policy::cascade);
    node.run();
    REQUIRE(node.broken_invariants() == no_faults);
    CHECK(expect_outcome(**removed)->applied == 1);
    CHECK_FALSE(node.find("p"));
  }
}

TEST_CASE("a parent that comes back with another placement keeps all its children",
          "[unit][actors]") {
  // A child on its way to the old place opened a group there that the parent's delete never met.
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    INFO("seed " << seed);
    options wanted;
    wanted.seed = seed;
    wanted.cells = 3;
    simulated_node node{wanted};
    auto placed = machine("p");
    placed.placement = "key" + std::to_string(seed % 9);
    bool placed_first = seed % 2 == 0;
    REQUIRE(node.create({placed_first ? placed : machine("p")}).applied == 1);
    node.send_remove({"p"}, child_policy::cascade);
    auto early = node.send_create({machine("c1", "p"), machine("c2", "p")});
    node.step(node.below(4));
    node.send_create({placed_first ? machine("p") : placed});
    node.step(node.below(4));
    node.send_create({machine("c3", "p"), machine("c3.0", "c3")});
    node.run();
    REQUIRE(node.broken_invariants() == no_faults);
    // The second create may have met the first twin.
    CHECK(node.remove({"p"}, child_policy::cascade).applied <= 1);
    REQUIRE(node.all().empty());
    REQUIRE(node.broken_invariants() == no_faults);
  }
}

TEST_CASE("creates and deletes in any order leave a sound tree", "[unit][actors]") {
  auto seed = test::seed();
  INFO(test::repeat_command(seed));
  for (std::uint64_t round = 0; round < 60; ++round) {
    options wanted;
    wanted.seed = seed + round;
    wanted.cells = static_cast<std::uint32_t>(1 + round % 5);
    wanted.turn_entries_max = 1 + round % 7;
    wanted.inbox.items_max = round % 3 == 0 ? 20 : 10'000;
    simulated_node node{wanted};
    // Few ids and four levels by name, so that requests meet.
    auto any = [&] {
      std::string id = "t" + std::to_string(node.below(3));
      for (auto level = node.below(4); level > 0; --level)
        id += "." + std::to_string(node.below(3));
      return id;
    };
    auto any_new = [&] {
      auto id = any();
      auto dot = id.rfind('.');
      auto twin = machine(id, dot == std::string::npos ? "" : id.substr(0, dot));
      // Some roots come back with another place, their subtrees with them.
      if (twin.parent.empty() && node.below(3) == 0)
        twin.placement = "key" + std::to_string(node.below(3));
      return twin;
    };
    for (int i = 0; i < 300; ++i) {
      switch (node.below(8)) {
      case 0:
      case 1:
      case 2: {
        std::vector<new_twin> twins;
        for (auto n = node.below(8); n > 0; --n)
          twins.push_back(any_new());
        std::sort(twins.begin(), twins.end(),
                  [](const auto& a, const auto& b) { return a.id.size() < b.id.size(); });
        node.send_create(twins);
        break;
      }
      case 3:
      case 4:
      case 5:
        node.send_remove({any(), any()}, static_cast<child_policy>(node.below(3)));
        break;
      case 6:
        node.send_update({setting(any(), {{"k" + std::to_string(node.below(20)), i}})});
        break;
      default:
        node.submit(make_lifecycle(names{any()}, static_cast<std::uint8_t>(node.below(9))));
      }
      node.step(node.below(12));
    }
    node.run();
    REQUIRE(node.broken_invariants() == no_faults);
    // All can be taken down again.
    names roots;
    for (const auto& one : node.all())
      if (one.parent.empty())
        roots.push_back(one.id);
    for (const auto& root : roots)
      CHECK(node.remove({root}, child_policy::cascade).applied == 1);
    REQUIRE(node.all().empty());
    REQUIRE(node.broken_invariants() == no_faults);
  }
}

TEST_CASE("a twin's own address takes updates and gets, and nothing else", "[unit][actors]") {
  options wanted;
  wanted.cells = 1;
  simulated_node node{wanted};
  REQUIRE(node.create({machine("m", "", {{"a", 1}}), machine("n")}).applied == 2);
  auto row = node.directory().find("m")->row;
  auto ask = [&](std::uint32_t at, const frame& message) {
    std::optional<frame> answer;
    REQUIRE(node.runner(0).push_data(
        addressed_message{at, message, [&](frame reply) { answer = std::move(reply); }}));
    node.run();
    REQUIRE(answer);
    return *answer;
  };
  auto done = expect_outcome(
      ask(row, make_update(std::vector{setting("m", {{"a", 2}}), setting("n", {{"a", 2}})})));
  REQUIRE(done);
  CHECK(codes(*done, 2) == std::vector<errc>{errc::none, errc::twin_not_found});
  CHECK(*expect_page(ask(row, make_get({})))->twins.at(0).find("a") == value{2});
  CHECK(expect_page(ask(row, make_stats_request())).error().code == errc::unsupported);
  CHECK(expect_page(ask(77, make_get({}))).error().code == errc::twin_not_found);
  REQUIRE(node.runner(0).push_data(
      addressed_message{row, make_update(std::vector{setting("m", {{"a", 3}})}), {}}));
  node.run();
  CHECK(*node.find("m")->find("a") == value{3});
}

TEST_CASE("a message to a twin that was deleted never reaches who has its row now",
          "[unit][actors]") {
  options wanted;
  wanted.cells = 1;
  simulated_node node{wanted};
  REQUIRE(node.create({machine("old"), machine("other")}).applied == 2);
  auto row = node.directory().find("old")->row;
  const auto* other = node.runner(0).core().row(node.directory().find("other")->row).address;
  auto ask = [&](const twin_address* to) {
    frame answer;
    REQUIRE(node.runner(0).push_data(
        addressed_message{row, make_get({}), [&](frame reply) { answer = std::move(reply); }, to}));
    node.run();
    return expect_page(answer);
  };
  CHECK(ask(node.runner(0).core().row(row).address)->twins.at(0).id == "old");
  CHECK(ask(other).error().code == errc::twin_not_found);
}
