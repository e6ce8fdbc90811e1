#include "actors/residency.hpp"
#include "tests/support/catch.hpp"

#include <vector>

using namespace gemel;

namespace {

// Rows with a mark each; all are in memory.
struct rows {
  std::vector<bool> used;
  residency::verdict ask(std::uint32_t index) {
    if (!used[index])
      return residency::verdict::leaves;
    used[index] = false;
    return residency::verdict::spared;
  }
  std::vector<std::uint32_t> choose(residency& of) {
    return of.choose(static_cast<std::uint32_t>(used.size()), [&](auto i) { return ask(i); });
  }
};

residency with(std::uint64_t max, std::size_t active) {
  residency made{max};
  for (std::size_t i = 0; i < active; ++i)
    made.came();
  return made;
}

} // namespace

TEST_CASE("residency sends nobody out while there is room", "[unit][actors]") {
  rows on{std::vector<bool>(5, false)};
  auto unbounded = with(0, 5);
  CHECK(on.choose(unbounded).empty());
  auto just_full = with(5, 5);
  CHECK_FALSE(just_full.full());
  CHECK(on.choose(just_full).empty());
}

TEST_CASE("residency sends out those first whom nobody used since the last round",
          "[unit][actors]") {
  rows on{std::vector<bool>(6, true)};
  on.used[3] = false;
  auto aut = with(5, 6);
  CHECK(on.choose(aut) == std::vector<std::uint32_t>{3});
  // The marks of 0 to 2 are taken, those of 4 and 5 not yet.
  aut.left();
  aut.came();
  on.used[3] = true;
  CHECK(on.choose(aut) == std::vector<std::uint32_t>{0});
}

TEST_CASE("residency gives up after two rounds in which nobody could leave", "[unit][actors]") {
  auto aut = with(1, 4);
  std::size_t asked = 0;
  auto chosen = aut.choose(4, [&](auto) {
    ++asked;
    return residency::verdict::no;
  });
  CHECK(chosen.empty());
  CHECK(asked == 8);
}

TEST_CASE("residency counts those on their way out as gone, until they stay after all",
          "[unit][actors]") {
  rows on{std::vector<bool>(4, false)};
  auto aut = with(2, 4);
  CHECK(on.choose(aut).size() == 2);
  aut.began(2);
  CHECK_FALSE(aut.full());
  CHECK(on.choose(aut).empty());
  aut.ended(2);
  CHECK(aut.full());
}

TEST_CASE("residency sends out a bounded number at once", "[unit][actors]") {
  rows on{std::vector<bool>(3 * residency::leaving_max, false)};
  auto aut = with(1, on.used.size());
  CHECK(on.choose(aut).size() == residency::leaving_max);
}
