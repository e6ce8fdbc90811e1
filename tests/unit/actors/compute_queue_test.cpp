#include "actors/compute_queue.hpp"
#include "tests/support/catch.hpp"

using namespace gemel;

namespace {

compute_job job(const char* function, std::uint32_t concurrency = 0) {
  compute_job made;
  made.function = function;
  made.concurrency = concurrency;
  return made;
}

std::string next(compute_queue& aut, std::int64_t now = 0) {
  auto made = aut.take(now);
  return made.next ? made.next->function : "";
}

} // namespace

TEST_CASE("functions take turns, whatever one of them has waiting", "[unit][actors]") {
  compute_queue aut{{}};
  for (int i = 0; i < 5; ++i)
    aut.push(job("flood"), 0);
  aut.push(job("rare"), 0);
  CHECK(next(aut) == "flood");
  CHECK(next(aut) == "rare");
  CHECK(next(aut) == "flood");
  CHECK(aut.waiting() == 3);
  CHECK(aut.running() == 3);
}

TEST_CASE("a function's quota holds its own calls back and no others", "[unit][actors]") {
  compute_queue aut{{100, 2}};
  for (int i = 0; i < 3; ++i)
    aut.push(job("a"), 0);
  aut.push(job("b", 1), 0);
  aut.push(job("b", 1), 0);
  CHECK(next(aut) == "a");
  CHECK(next(aut) == "b");
  CHECK(next(aut) == "a");
  CHECK(next(aut).empty());
  CHECK(aut.runnable() == 0);
  CHECK(aut.delay_ms(50) == 0);
  aut.finished("b");
  CHECK(aut.runnable() == 1);
  CHECK(next(aut) == "b");
}

TEST_CASE("calls that nobody wants any more are not begun", "[unit][actors]") {
  compute_queue aut{{}};
  auto late = job("a");
  late.deadline_ms = 100;
  auto gone = job("a");
  gone.stop = std::make_shared<std::atomic<bool>>(true);
  aut.push(std::move(late), 0);
  aut.push(std::move(gone), 0);
  aut.push(job("a"), 0);
  auto made = aut.take(100);
  REQUIRE(made.next);
  REQUIRE(made.dropped.size() == 2);
  CHECK(made.dropped[0].second.code == errc::timed_out);
  CHECK(made.dropped[1].second.code == errc::stopping);
  CHECK(aut.waiting() == 0);
}

TEST_CASE("a full queue gives the call back", "[unit][actors]") {
  compute_queue aut{{2, 0}};
  CHECK(!aut.push(job("a"), 0));
  CHECK(!aut.push(job("a"), 0));
  CHECK(aut.push(job("a"), 0));
  CHECK(aut.clear().size() == 2);
  CHECK(next(aut).empty());
}

TEST_CASE("a pool grows at once, shrinks late, and does not flap", "[unit][actors]") {
  pool_size aut{{1, 8, 20, 20, 1'000}};
  CHECK(!aut.decide(0, 10, 1, 5));
  auto grown = aut.decide(10, 25, 1, 5);
  REQUIRE(grown);
  CHECK(grown->to == 2);
  CHECK(!aut.decide(15, 30, 2, 5)); // The last one has had no time to take effect.
  std::int64_t now = 30;
  while (aut.size() < 8) {
    REQUIRE(now < 500);
    aut.decide(now += 20, 40, aut.size(), 50);
  }
  CHECK(!aut.decide(now + 100, 500, 8, 50)); // No more than the most.
  // A load that comes and goes within the time keeps its workers.
  for (int i = 0; i < 100; ++i) {
    CHECK(!aut.decide(now += 500, 0, 2, 0));
    CHECK(!aut.decide(now += 100, 5, 8, 1));
  }
  int changes = 0;
  for (int i = 0; i < 200; ++i)
    changes += aut.decide(now += 100, 0, 0, 0).has_value();
  CHECK(changes == 7);
  CHECK(aut.size() == 1);
}
