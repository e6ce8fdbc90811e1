// The fault: twins come, change, crash with what they changed undone, and go, anywhere in trees
// over many cells, whose turns come in any order.
//
// What must hold: when all is quiet every roll-up is bit for bit what a count from scratch gives.

#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/simulated_node.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace gemel;
using gemel::test::simulated_node;

namespace {

using names = std::vector<std::string>;
const names no_faults;

type_model model(const std::string& name, std::vector<std::string> rollups) {
  type_model made;
  made.name = name;
  made.rollups = std::move(rollups);
  return made;
}

// Changes its own temperature and throws after that when it is told to.
class hasty final : public behavior {
public:
  void on_update(twin_context& twin, std::span<const change_view> changes) override {
    for (const auto& change : changes) {
      if (change.key != "boom")
        continue;
      twin.set("temperature", 1e300);
      throw std::runtime_error{"boom"};
    }
  }
};

simulated_node::options plant(std::uint32_t cells, std::uint64_t seed) {
  simulated_node::options wanted;
  wanted.cells = cells;
  wanted.seed = seed;
  wanted.models = {model("Site", {"temperature", "power"}), model("Line", {"temperature"}),
                   model("Meter", {"power"})};
  wanted.behaviors = {{"Press", [] { return std::make_unique<hasty>(); }}};
  wanted.supervision.fallback.intensity = 3;
  return wanted;
}

const rollup_record& rollup_of(const twin_record& twin, std::size_t i = 0) {
  REQUIRE(twin.rollups.size() > i);
  return twin.rollups[i];
}

value any_number(simulated_node& node) {
  switch (node.below(9)) {
  case 0:
    return static_cast<std::int64_t>(node.random()());
  case 1:
    return std::ldexp(static_cast<double>(node.below(1000)) - 500, int(node.below(1800)) - 900);
  case 2:
    return std::numeric_limits<double>::infinity() * (node.below(2) == 0 ? 1 : -1);
  case 3:
    return "warm";
  case 4:
    return -0.0;
  case 5:
    return std::nan("");
  default:
    return 20 + static_cast<double>(node.below(100)) / 7;
  }
}

} // namespace

TEST_CASE("a parent knows count, sum, least and greatest of all twins below it",
          "[fault][actors]") {
  simulated_node node{plant(4, 3)};
  REQUIRE(node.create({{"site", "Site", "", {}, ""},
                       {"hall", "Hall", "site", {{"power", 1}}, ""},
                       {"line", "Line", "hall", {{"temperature", 5}}, ""},
                       {"m1", "Press", "line", {{"temperature", 20.5}, {"power", 7}}, ""},
                       {"m2", "Press", "line", {{"temperature", 30}}, ""}})
              .applied
          == 5);
  auto site = *node.find("site");
  CHECK(rollup_of(site).property == "temperature");
  CHECK(rollup_of(site).count == 3);
  CHECK(rollup_of(site).sum == 55.5);
  CHECK(rollup_of(site).min == 5);
  CHECK(rollup_of(site).max == 30);
  CHECK(rollup_of(site, 1).count == 2);
  CHECK(rollup_of(site, 1).sum == 8);
  CHECK(rollup_of(*node.find("line")).count == 2);
  // It only hands on what others ask for.
  CHECK(node.find("hall")->rollups.empty());
  CHECK(node.broken_invariants() == no_faults);
  // The greatest and the least leave.
  CHECK(node.set("m2", "temperature", 21) == errc::none);
  CHECK(node.update({{"line", {}, {"temperature"}, 0, 0}}).applied == 1);
  site = *node.find("site");
  CHECK(rollup_of(site).count == 2);
  CHECK(rollup_of(site).min == 20.5);
  CHECK(rollup_of(site).max == 21);
  CHECK(node.set("m2", "temperature", "hot") == errc::none);
  CHECK(rollup_of(*node.find("site")).count == 1);
  // What a crash undoes was never counted.
  CHECK(node.set("m1", "boom", 1) == errc::twin_crashed);
  CHECK(rollup_of(*node.find("site")).sum == 20.5);
  REQUIRE(node.remove({"line"}, child_policy::orphan).applied == 1);
  CHECK(rollup_of(*node.find("site")).count == 0);
  CHECK(rollup_of(*node.find("site"), 1).count == 1);
  CHECK(node.broken_invariants() == no_faults);
}

TEST_CASE("roll-ups can be asked for, compared and sorted by in queries", "[fault][actors]") {
  simulated_node node{plant(3, 4)};
  std::vector<new_twin> twins;
  for (int i = 0; i < 20; ++i) {
    auto line = "line-" + std::to_string(i);
    twins.push_back({line, "Line", "", {}, ""});
    for (int k = 0; k < i; ++k)
      twins.push_back({line + "-" + std::to_string(k), "Press", line, {{"temperature", k}}, ""});
  }
  REQUIRE(node.create(twins).applied == twins.size());
  query_request asked;
  asked.type = "Line";
  asked.where = "rollup.temperature.avg > 4 AND rollup.temperature.count < 18";
  asked.order_by = "rollup.temperature.sum";
  asked.descending = true;
  asked.select = {"rollup.temperature.max", "rollup.temperature.min"};
  auto rows = node.query_all(asked);
  // Of n presses the mean is (n - 1) / 2.
  REQUIRE(rows.size() == 8);
  CHECK(rows.front().id == "line-17");
  CHECK(rows.back().id == "line-10");
  CHECK(*rows.front().find("rollup.temperature.max") == value{16.0});
  CHECK(*rows.front().find("rollup.temperature.min") == value{0.0});
  asked.where = "rollup.temperature.count == 0";
  asked.order_by.clear();
  asked.select.clear();
  CHECK(node.query_all(asked).size() == 1);
  asked.where = "NOT is_defined(rollup.temperature.avg)";
  CHECK(node.query_all(asked).size() == 1);
}

TEST_CASE("roll-ups stay exact through any order of creates, updates, crashes and deletes",
          "[fault][actors]") {
  auto seed = gemel::test::seed();
  INFO(gemel::test::repeat_command(seed));
  simulated_node node{plant(static_cast<std::uint32_t>(1 + seed % 5), seed)};
  std::vector<std::string> ids;
  const char* types[] = {"Site", "Line", "Meter", "Press", "Hall"};
  auto any_id = [&] { return ids.empty() ? std::string{"none"} : ids[node.below(ids.size())]; };
  int made = 0;
  for (int i = 0; i < 300; ++i) {
    auto what = node.below(12);
    if (what < 5) {
      new_twin twin;
      twin.id = node.below(5) == 0 && !ids.empty() ? any_id() : "t" + std::to_string(made++);
      twin.type = types[node.below(5)];
      if (node.below(6) != 0)
        twin.parent = any_id();
      else if (node.below(3) == 0)
        twin.placement = "pin" + std::to_string(node.below(3));
      if (node.below(2) == 0)
        twin.properties.push_back({"temperature", any_number(node)});
      if (node.below(2) == 0)
        twin.properties.push_back({"power", any_number(node)});
      ids.push_back(twin.id);
      node.send_create({twin});
    } else if (what < 10) {
      twin_update change;
      change.id = any_id();
      if (node.below(6) == 0)
        change.unset = {"temperature"};
      else
        change.set.push_back({"temperature", any_number(node)});
      change.set.push_back({"power", any_number(node)});
      if (node.below(8) == 0)
        change.set.push_back({"boom", static_cast<std::int64_t>(i)});
      node.send_update({change});
    } else if (what == 10) {
      node.send_remove({any_id()}, static_cast<child_policy>(node.below(3)));
    } else {
      node.step(node.below(10));
    }
    if (node.below(40) == 0) {
      node.run();
      REQUIRE(node.broken_invariants() == no_faults);
    }
  }
  node.run();
  CHECK(node.broken_invariants() == no_faults);
}
