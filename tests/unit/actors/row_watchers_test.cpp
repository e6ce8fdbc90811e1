#include "actors/row_watchers.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/simulated_node.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <vector>

using gemel::row_watchers;

namespace {

struct watcher {
  int number = 0;
};

std::vector<watcher*> listed(const row_watchers<watcher>& rows, std::uint32_t row) {
  auto found = rows.of(row);
  return {found.begin(), found.end()};
}

} // namespace

TEST_CASE("A row that nobody watches has no watchers, however high its number",
          "[unit][actors][lane]") {
  row_watchers<watcher> rows;
  CHECK(rows.of(0).empty());
  CHECK(rows.of(4'000'000).empty());
  rows.fetch(4'000'000);
  watcher one;
  CHECK_FALSE(rows.remove(7, &one));
  rows.clear(7);
  rows.add(3, &one);
  CHECK(rows.of(2).empty());
  CHECK(rows.of(4).empty());
}

TEST_CASE("Removing says whether it was the row's last watcher", "[unit][actors][lane]") {
  row_watchers<watcher> rows;
  std::array<watcher, 2> all;
  rows.add(1, &all[0]);
  rows.add(1, &all[1]);
  CHECK_FALSE(rows.remove(1, &all[0]));
  CHECK(listed(rows, 1) == std::vector{&all[1]});
  CHECK_FALSE(rows.remove(1, &all[0]));
  CHECK(rows.remove(1, &all[1]));
  CHECK(rows.of(1).empty());
  CHECK_FALSE(rows.remove(1, &all[1]));
}

TEST_CASE("Watchers of rows are what a map of lists says", "[unit][actors][lane][random]") {
  auto seed = gemel::test::seed();
  INFO(gemel::test::repeat_command(seed));
  std::mt19937_64 random{seed};
  row_watchers<watcher> rows;
  std::map<std::uint32_t, std::vector<watcher*>> expected;
  std::array<watcher, 5> all;
  constexpr std::uint32_t row_count = 20;
  for (int step = 0; step < 5'000; ++step) {
    auto row = static_cast<std::uint32_t>(random() % row_count);
    auto* who = &all[random() % all.size()];
    auto& mine = expected[row];
    switch (random() % 8) {
    case 0:
      rows.clear(row);
      mine.clear();
      break;
    case 1:
    case 2:
    case 3: {
      auto erased = std::erase(mine, who);
      auto last = rows.remove(row, who);
      REQUIRE(last == (erased > 0 && mine.empty()));
      break;
    }
    default:
      if (std::find(mine.begin(), mine.end(), who) == mine.end()) {
        rows.add(row, who);
        mine.push_back(who);
      }
    }
    for (std::uint32_t r = 0; r < row_count; ++r)
      REQUIRE(listed(rows, r) == expected[r]);
  }
}
