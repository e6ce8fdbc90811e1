#include "actors/sync/property_table.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <map>
#include <random>
#include <utility>
#include <vector>

using namespace gemel;

namespace {

using place = property_table::place;
using name = std::pair<std::string, std::string>;

// What the table must hold, kept in the plainest way.
struct reference {
  std::map<name, place> held;
  std::map<change_number, name> order;
  std::map<name, change_number> changed;

  void touch(const name& one, change_number number) {
    order.erase(changed[one]);
    changed[one] = number;
    order[number] = one;
  }
  void erase(const name& one) {
    order.erase(changed[one]);
    changed.erase(one);
    held.erase(one);
  }
};

std::vector<name> order_after(const property_table& table, change_number from) {
  std::vector<name> made;
  table.each_after(from, [&](place at) { made.emplace_back(table.twin_of(at), table.key_of(at)); });
  return made;
}

std::vector<name> order_after(const reference& right, change_number from) {
  std::vector<name> made;
  for (auto at = right.order.upper_bound(from); at != right.order.end(); ++at)
    made.push_back(at->second);
  return made;
}

void compare(const property_table& table, const reference& right, change_number from) {
  REQUIRE(table.size() == right.order.size());
  REQUIRE(order_after(table, from) == order_after(right, from));
  REQUIRE(table.count_after(from, 5) == std::min<std::size_t>(5, order_after(right, from).size()));
  std::size_t held = 0;
  table.each_twin([&](std::string_view twin) {
    table.each_of(twin, [&](place at) {
      ++held;
      REQUIRE(table.twin_of(at) == twin);
      REQUIRE(right.held.at({std::string{twin}, table.key_of(at)}) == at);
    });
  });
  REQUIRE(held == right.held.size());
}

} // namespace

TEST_CASE("a table of properties finds all of them, in the order of their changes",
          "[unit][sync]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  property_table table{"first"};
  reference right;
  change_number last = 0;
  for (int step = 0; step < 4'000; ++step) {
    name one{"twin-" + std::to_string(random() % 40), "key-" + std::to_string(random() % 12)};
    auto known = right.held.find(one);
    REQUIRE(table.find(one.first, one.second)
            == (known != right.held.end() ? known->second : property_table::nowhere));
    if (known != right.held.end() && random() % 3 == 0) {
      table.erase(known->second);
      right.erase(one);
    } else {
      auto at = table.obtain(one.first, one.second);
      right.held[one] = at;
      table.touch(at, ++last);
      right.touch(one, last);
    }
    if (step % 100 == 0)
      compare(table, right, last > 30 ? last - random() % 30 : 0);
  }
  while (!right.held.empty()) {
    auto [one, at] = *right.held.begin();
    table.erase(at);
    right.erase(one);
  }
  CHECK(table.empty());
  CHECK(table.size() == 0);
}

TEST_CASE("a property of the table stays where it is", "[unit][sync]") {
  property_table table{"first"};
  auto& first = table.at(table.obtain("pump", "speed"));
  for (int i = 0; i < 5'000; ++i)
    table.obtain("twin-" + std::to_string(i), "speed");
  CHECK(&first == &table.at(table.find("pump", "speed")));
}
