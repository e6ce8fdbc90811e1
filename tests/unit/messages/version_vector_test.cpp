#include "messages/version_vector.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <map>
#include <random>

using namespace gemel;

namespace {

constexpr writer_id a = make_writer(site_id{1}, 7);
constexpr writer_id b = make_writer(site_id{2}, 7);

version_vector of(std::initializer_list<write_id> writes) {
  version_vector made;
  for (auto w : writes)
    made.advance(w);
  return made;
}

} // namespace

TEST_CASE("a writer names its site", "[unit][messages]") {
  CHECK(site_of(a) == site_id{1});
  CHECK(site_of(b) == site_id{2});
}

TEST_CASE("a version vector covers what it was told, and all before", "[unit][messages]") {
  auto known = of({{a, 3}, {b, 1}});
  CHECK(known.covers(write_id{a, 2}));
  CHECK(known.covers(write_id{a, 3}));
  CHECK_FALSE(known.covers(write_id{a, 4}));
  CHECK_FALSE(known.covers(write_id{make_writer(site_id{3}, 1), 1}));
  known.advance({a, 1});
  CHECK(known.of(a) == 3);
  known.advance({b, 0});
  CHECK(known.size() == 2);
}

TEST_CASE("joined vectors know what either knew", "[unit][messages]") {
  auto left = of({{a, 3}});
  CHECK_FALSE(left.join(of({{a, 2}})));
  CHECK(left.join(of({{a, 1}, {b, 4}})));
  CHECK(left == of({{b, 4}, {a, 3}}));
  CHECK(left.hash() == of({{a, 3}, {b, 4}}).hash());
  CHECK(left.hash() != of({{a, 3}, {b, 5}}).hash());
}

TEST_CASE("join of version vectors is commutative, associative and idempotent",
          "[unit][messages]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  auto drawn = [&] {
    version_vector made;
    for (auto n = random() % 6; n > 0; --n)
      made.advance(
          {make_writer(site_id{static_cast<std::uint32_t>(random() % 5)}, 1), random() % 10});
    return made;
  };
  auto joined = [](version_vector left, const version_vector& right) {
    left.join(right);
    return left;
  };
  for (int i = 0; i < 2'000; ++i) {
    auto x = drawn();
    auto y = drawn();
    auto z = drawn();
    REQUIRE(joined(x, y) == joined(y, x));
    REQUIRE(joined(joined(x, y), z) == joined(x, joined(y, z)));
    REQUIRE(joined(x, x) == x);
    REQUIRE(joined(x, y).covers(x));
    REQUIRE(x.covers(y) == (joined(x, y) == x));
  }
}
