#include "actors/idle_sweep.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

using namespace gemel;

namespace {

// Rows with a mark each.
struct rows {
  explicit rows(std::size_t count) : used(count, false), all(count) {
    std::iota(all.begin(), all.end(), 0u);
  }
  std::vector<std::uint32_t> choose(idle_sweep& of, std::int64_t at_ns) {
    return of.choose(all, at_ns, [&](std::uint32_t row) {
      bool is_idle = !used[row];
      used[row] = false;
      return is_idle;
    });
  }
  // Everything that is found up to `until_ns`, whenever something is due.
  std::vector<std::uint32_t> run(idle_sweep& of, std::int64_t until_ns) {
    std::vector<std::uint32_t> found;
    for (; now_ns <= until_ns; ++now_ns)
      while (of.due_ns() <= now_ns) {
        ++calls;
        auto some = choose(of, now_ns);
        CHECK(some.size() <= idle_sweep::looks_max);
        found.insert(found.end(), some.begin(), some.end());
      }
    std::sort(found.begin(), found.end());
    return found;
  }

  std::vector<bool> used;
  std::vector<std::uint32_t> all;
  std::int64_t now_ns = 1;
  std::size_t calls = 0;
};

} // namespace

TEST_CASE("idle_sweep finds who was not used since the pass before", "[unit][actors]") {
  rows on{5};
  idle_sweep of{1'600};
  CHECK(of.due_ns() == 0);
  on.used.assign(5, true);
  // Nobody before the type's time is over, and in the first pass nobody who was used.
  CHECK(on.run(of, 1'600).empty());
  CHECK(on.run(of, 3'200).empty());
  on.used[3] = true;
  CHECK(on.run(of, 4'800) == std::vector<std::uint32_t>{0, 1, 2, 4});
  CHECK(on.run(of, 6'400) == std::vector<std::uint32_t>{0, 1, 2, 3, 4});
}

TEST_CASE("idle_sweep looks at a part of many rows at a time", "[unit][actors]") {
  constexpr std::size_t many = 40 * idle_sweep::looks_max;
  rows on{many};
  idle_sweep of{1'600};
  CHECK(on.run(of, 3'199).size() == many);
  CHECK(on.calls >= 40);
  CHECK(on.calls < 200);
}

TEST_CASE("idle_sweep of no rows has nothing to do", "[unit][actors]") {
  rows on{0};
  idle_sweep of{1'600};
  CHECK(on.run(of, 10'000).empty());
  CHECK(on.calls < 10);
  CHECK_FALSE(idle_sweep{}.on());
}
