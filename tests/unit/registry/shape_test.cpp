#include "registry/shape.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <algorithm>
#include <random>

using namespace gemel;

namespace {

const shape* with_all(shape_table& table, const shape* from, std::uint32_t first,
                      std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i)
    from = table.with(from, key_id{first + i});
  return from;
}

} // namespace

TEST_CASE("shapes of the same keys in the same order are one", "[unit][registry]") {
  shape_table table;
  const auto* empty = table.empty(type_id{3});
  CHECK(table.empty(type_id{3}) == empty);
  CHECK(table.empty(type_id{4}) != empty);
  CHECK(empty->size() == 0);
  const auto* one = with_all(table, empty, 10, 5);
  CHECK(with_all(table, empty, 10, 5) == one);
  CHECK(one->type() == type_id{3});
  CHECK(with_all(table, table.empty(type_id{4}), 10, 5) != one);
  CHECK(table.with(table.with(empty, key_id{1}), key_id{2})
        != table.with(table.with(empty, key_id{2}), key_id{1}));
}

TEST_CASE("a shape finds each key, with few of them and with many", "[unit][registry]") {
  shape_table table;
  for (std::uint32_t count : {0u, 1u, 11u, 12u, 13u, 14u, 100u}) {
    const auto* made = with_all(table, table.empty(type_id{0}), 50, count);
    REQUIRE(made->size() == count);
    for (std::uint32_t i = 0; i < count; ++i) {
      CHECK(made->find(key_id{50 + i}) == i);
      CHECK(made->keys()[i] == key_id{50 + i});
    }
    CHECK(made->find(key_id{49}) == shape::no_slot);
    CHECK(made->find(key_id{50 + count}) == shape::no_slot);
  }
}

TEST_CASE("shape_table refuses a key that is there already", "[unit][registry]") {
  shape_table table;
  const auto* one = table.with(table.empty(type_id{0}), key_id{1});
  CHECK_THROWS_AS(table.with(one, key_id{1}), broken_invariant);
  CHECK_THROWS_AS(table.without(one, 1), broken_invariant);
}

TEST_CASE("shapes with and without keys keep the order of a list", "[unit][registry]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  shape_table table;
  const auto* now = table.empty(type_id{7});
  std::vector<key_id> model;
  for (int i = 0; i < 3'000; ++i) {
    key_id key{static_cast<std::uint32_t>(random() % 30)};
    auto at = std::find(model.begin(), model.end(), key);
    if (at == model.end()) {
      now = table.with(now, key);
      model.push_back(key);
    } else {
      CHECK(now->find(key) == static_cast<std::uint32_t>(at - model.begin()));
      now = table.without(now, now->find(key));
      model.erase(at);
    }
    CHECK(std::equal(model.begin(), model.end(), now->keys().begin(), now->keys().end()));
    CHECK(now->type() == type_id{7});
  }
}
