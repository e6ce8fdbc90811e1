#include "actors/timing_wheel.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/simulated_node.hpp"

#include <map>
#include <random>
#include <set>
#include <vector>

using namespace gemel;

namespace {

constexpr std::int64_t ms = 1'000'000;

std::vector<std::uint64_t> fired_by(timing_wheel& wheel, std::int64_t now) {
  std::vector<std::uint64_t> fired;
  CHECK(wheel.advance(now, SIZE_MAX, [&](std::uint64_t payload) { fired.push_back(payload); }));
  return fired;
}

} // namespace

TEST_CASE("timing_wheel fires a timer at its tick and not before", "[unit][actors]") {
  timing_wheel wheel{5 * ms};
  wheel.add(100 * ms + 1, 7);
  CHECK(fired_by(wheel, 100 * ms + 1).empty()); // Rounded up to 101.
  CHECK(fired_by(wheel, 101 * ms - 1).empty());
  CHECK(fired_by(wheel, 101 * ms) == std::vector<std::uint64_t>{7});
  CHECK(wheel.size() == 0);
  CHECK_FALSE(wheel.next_due());
}

TEST_CASE("timing_wheel fires what is past at the next tick", "[unit][actors]") {
  timing_wheel wheel{1'000 * ms};
  wheel.add(3 * ms, 1);
  wheel.add(-5, 2);
  CHECK(fired_by(wheel, 1'000 * ms).empty());
  CHECK(fired_by(wheel, 1'001 * ms).size() == 2);
}

TEST_CASE("timing_wheel does not fire a cancelled timer and uses its place anew",
          "[unit][actors]") {
  timing_wheel wheel;
  auto first = wheel.add(10 * ms, 1);
  wheel.cancel(first);
  CHECK(wheel.size() == 0);
  CHECK_THROWS_AS(wheel.cancel(first), broken_invariant);
  CHECK(wheel.add(10 * ms, 2) == first);
  CHECK(fired_by(wheel, 10 * ms) == std::vector<std::uint64_t>{2});
}

TEST_CASE("timing_wheel fires no more at once than it is asked to", "[unit][actors]") {
  timing_wheel wheel;
  for (std::uint64_t i = 0; i < 10; ++i)
    wheel.add(5 * ms, i);
  std::set<std::uint64_t> fired;
  auto note = [&](std::uint64_t payload) { fired.insert(payload); };
  CHECK_FALSE(wheel.advance(9 * ms, 4, note));
  CHECK(fired.size() == 4);
  CHECK(wheel.next_due() == 5 * ms);
  CHECK_FALSE(wheel.advance(9 * ms, 4, note));
  CHECK(wheel.advance(9 * ms, 4, note));
  CHECK(fired.size() == 10);
}

TEST_CASE("timing_wheel fires in the next tick what a timer sets at once", "[unit][actors]") {
  timing_wheel wheel;
  std::size_t fired = 0;
  wheel.add(ms, 0);
  wheel.advance(100 * ms, SIZE_MAX, [&](std::uint64_t n) {
    ++fired;
    if (n < 20)
      wheel.add(0, n + 1);
  });
  CHECK(fired == 21);
}

TEST_CASE("timing_wheel looks at few slots for timers far away", "[unit][actors]") {
  timing_wheel wheel;
  auto far = std::int64_t{365} * 24 * 3'600'000 * ms;
  wheel.add(far, 1);
  std::size_t wakes = 0;
  while (auto due = wheel.next_due()) {
    CHECK(*due <= far);
    ++wakes;
    auto fired = fired_by(wheel, *due);
    CHECK(fired.empty() == (*due < far));
  }
  CHECK(wakes <= 8);
}

TEST_CASE("timing_wheel does what a sorted list of timers does", "[unit][actors]") {
  auto seed = test::seed();
  INFO(test::repeat_command(seed));
  std::mt19937_64 random{seed};
  auto below = [&](std::uint64_t n) { return random() % n; };
  std::int64_t now = static_cast<std::int64_t>(below(1'000'000'000'000));
  timing_wheel wheel{now};
  auto tick = [](std::int64_t ns) { return ns / ms; };
  struct known {
    std::int64_t due_tick;
    timing_wheel::timer at;
  };
  std::map<std::uint64_t, known> model;
  std::uint64_t next_payload = 0;
  std::size_t fired_in_all = 0;
  for (int step = 0; step < 300'000; ++step) {
    switch (below(8)) {
    case 0:
    case 1:
    case 2:
    case 3: { // From a few ticks to hundreds of days, sometimes past.
      auto ahead = static_cast<std::int64_t>(below(std::uint64_t{1} << (10 + below(45))));
      auto due = now + ahead - static_cast<std::int64_t>(below(3) * ms);
      auto up = due <= 0 ? 0 : (due + ms - 1) / ms;
      model[next_payload] = {std::max(up, tick(now) + 1), wheel.add(due, next_payload)};
      ++next_payload;
      break;
    }
    case 4:
    case 5:
      if (!model.empty()) {
        auto one = model.lower_bound(below(next_payload));
        if (one == model.end())
          one = model.begin();
        wheel.cancel(one->second.at);
        model.erase(one);
      }
      break;
    default: {
      if (below(4) == 0 && wheel.next_due())
        now = std::max(now, *wheel.next_due());
      else
        now += static_cast<std::int64_t>(below(std::uint64_t{1} << (10 + below(30))));
      std::int64_t last = 0;
      wheel.advance(now, SIZE_MAX, [&](std::uint64_t payload) {
        auto one = model.find(payload);
        REQUIRE(one != model.end());
        REQUIRE(one->second.due_tick <= tick(now));
        REQUIRE(one->second.due_tick >= last);
        last = one->second.due_tick;
        model.erase(one);
        ++fired_in_all;
      });
      for (const auto& [payload, one] : model)
        if (step % 64 == 0)
          REQUIRE(one.due_tick > tick(now));
      break;
    }
    }
    REQUIRE(wheel.size() == model.size());
    if (step % 64 == 0) {
      auto first = std::min_element(model.begin(), model.end(), [](const auto& a, const auto& b) {
        return a.second.due_tick < b.second.due_tick;
      });
      REQUIRE(wheel.next_due().has_value() == (first != model.end()));
      if (first != model.end())
        REQUIRE(*wheel.next_due() <= first->second.due_tick * ms);
    }
  }
  CHECK(fired_in_all > 1'000);
}
