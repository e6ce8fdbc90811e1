#include "actors/sync/replicated_tree.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <map>
#include <random>

using namespace gemel;

namespace {

struct tree {
  std::map<std::string, shown_place, std::less<>> places;

  void put(const std::string& twin, const std::string& parent, std::int64_t ms) {
    places[twin] = {true, parent, make_hybrid_time(ms, 0), {writer_id{1}, std::uint64_t(ms)}};
  }
  std::string parent(std::string_view twin) const {
    return parent_in_tree(twin, [this](std::string_view id) {
      auto at = places.find(id);
      return at != places.end() ? at->second : shown_place{};
    });
  }
};

} // namespace

TEST_CASE("a twin is where it was put, if its parent is there", "[unit][sync]") {
  tree t;
  t.put("hall", "", 1);
  t.put("line", "hall", 2);
  t.put("pump", "gone", 3);
  CHECK(t.parent("hall").empty());
  CHECK(t.parent("line") == "hall");
  CHECK(t.parent("pump").empty());
  CHECK(t.parent("nobody").empty());
  t.places["hall"].alive = false; // deleted while the line was moved below it
  CHECK(t.parent("line").empty());
}

TEST_CASE("of two twins moved below each other the one moved last is a root", "[unit][sync]") {
  tree t;
  t.put("a", "b", 1);
  t.put("b", "a", 2);
  t.put("child", "b", 5);
  CHECK(t.parent("a") == "b");
  CHECK(t.parent("b").empty());
  CHECK(t.parent("child") == "b");
  t.put("self", "self", 9);
  CHECK(t.parent("self").empty());
}

TEST_CASE("whatever was moved where, the tree has no circle and keeps most moves", "[unit][sync]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  for (int round = 0; round < 500; ++round) {
    tree t;
    constexpr std::uint64_t twins = 8;
    for (std::uint64_t i = 0; i < twins; ++i) {
      auto parent = random() % (twins + 2); // two that are not there
      t.put(std::to_string(i), std::to_string(parent), static_cast<std::int64_t>(random() % 5));
    }
    for (std::uint64_t i = 0; i < twins; ++i) {
      std::string at = std::to_string(i);
      std::uint64_t steps = 0;
      for (; !at.empty() && steps <= twins; ++steps)
        at = t.parent(at);
      REQUIRE(steps <= twins);
    }
  }
}
