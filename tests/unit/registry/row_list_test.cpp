#include "registry/row_list.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <list>
#include <map>
#include <random>
#include <set>

using namespace gemel;

namespace {

// A list beside what each of its scans must give.
struct checked_list {
  struct open_scan {
    std::shared_ptr<row_list::scan> scan;
    std::set<std::uint32_t> due;
  };

  void add(std::uint32_t row) { places[row] = rows.add(row); }

  void remove(std::uint32_t row) {
    auto place = places.at(row);
    places.erase(row);
    rows.remove(place, [&](std::uint32_t moved, std::uint32_t to) { places[moved] = to; });
    for (auto& each : scans)
      each.due.erase(row);
  }

  void open() {
    auto& made = scans.emplace_back();
    made.scan = rows.open();
    for (auto [row, place] : places)
      made.due.insert(row);
  }

  // Every row that is given must be due, and none may be due at the end.
  void step(std::list<open_scan>::iterator at, std::size_t count) {
    auto given = rows.next(*at->scan, count);
    for (auto row : given)
      REQUIRE(at->due.erase(row) == 1);
    if (!given.empty())
      return;
    REQUIRE(at->due.empty());
    scans.erase(at);
  }

  row_list rows;
  std::map<std::uint32_t, std::uint32_t> places;
  std::list<open_scan> scans;
};

} // namespace

TEST_CASE("a scan gives every row that stays exactly once, whatever comes and goes",
          "[unit][registry]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  checked_list list;
  std::uint32_t next = 0;
  for (auto round = 0; round < 50'000; ++round) {
    auto what = random() % 8;
    if (what < 3 || list.places.empty()) {
      list.add(next++);
    } else if (what < 6) {
      auto i = list.places.begin();
      std::advance(
          i, static_cast<std::ptrdiff_t>(random() % std::min<std::size_t>(list.places.size(), 64)));
      list.remove(i->first);
    } else if (what == 6 && list.scans.size() < 5) {
      list.open();
    } else if (!list.scans.empty()) {
      auto i = list.scans.begin();
      std::advance(i, static_cast<std::ptrdiff_t>(random() % list.scans.size()));
      list.step(i, 1 + random() % 7);
    }
    REQUIRE(list.rows.size() == list.places.size());
  }
  for (auto [row, place] : list.places)
    REQUIRE(list.rows.rows()[place] == row);
  while (!list.scans.empty())
    list.step(list.scans.begin(), 16);
}
