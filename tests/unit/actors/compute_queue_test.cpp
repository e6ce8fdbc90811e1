#include "actors/compute_queue.hpp"
#include "actors/pool_size.hpp"
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
  compute_queue aut{{.function_max = 2}};
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
  aut.finished(4, 0); // The call of b.
  CHECK(aut.runnable() == 1);
  CHECK(next(aut) == "b");
}

TEST_CASE("calls that nobody wants any more are not begun", "[unit][actors]") {
  compute_queue aut{{}};
  auto late = job("a");
  late.deadline_ms = 100;
  auto gone = job("a");
  gone.input.stop = std::make_shared<std::atomic<bool>>(true);
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
  compute_queue aut{{.waiting_max = 2}};
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

namespace {

compute_job job_of(std::string tenant, std::int32_t priority = 0, const char* function = "f") {
  auto made = job(function);
  made.tenant = std::move(tenant);
  made.priority = priority;
  return made;
}

compute_job take_one(compute_queue& from, std::int64_t now = 0) {
  auto made = from.take(now);
  REQUIRE(made.next);
  return std::move(*made.next);
}

} // namespace

TEST_CASE("higher priorities go first, and waiting raises them", "[unit][actors]") {
  compute_queue aut{{.age_ms = 100}};
  aut.push(job_of("low"), 0);
  aut.push(job_of("high", 5), 10);
  aut.push(job_of("high", 5), 490);
  CHECK(take_one(aut, 10).tenant == "high");
  // By now the low one has waited for as long as five priorities are worth, the high one not.
  CHECK(take_one(aut, 520).tenant == "low");
  CHECK(take_one(aut, 520).tenant == "high");
}

TEST_CASE("tenants share the workers, and none takes all the room", "[unit][actors]") {
  compute_queue aut{{.waiting_max = 100, .tenant_max = 3}};
  std::size_t taken = 0;
  while (!aut.push(job_of("flood"), 0))
    ++taken;
  CHECK(taken == 75);
  for (int i = 0; i < 25; ++i)
    CHECK(!aut.push(job_of("modest"), 0));
  CHECK(aut.push(job_of("late"), 0));
  std::map<std::string, int> running;
  while (auto next = aut.take(0).next)
    ++running[next->tenant];
  CHECK(running == std::map<std::string, int>{{"flood", 3}, {"modest", 3}});
}

TEST_CASE("one call is cancelled, whether it waits or runs", "[unit][actors]") {
  compute_queue aut{{}};
  aut.push(job("a"), 0);
  aut.push(job("a"), 0);
  auto runs = take_one(aut);
  auto all = aut.list(7, 10);
  REQUIRE(all.size() == 2);
  CHECK(all[0].is_running);
  CHECK(all[1].for_ms == 7);
  auto waited = aut.cancel(all[1].number);
  CHECK(waited.was_found);
  CHECK(waited.waiting);
  CHECK(!runs.input.is_stopped());
  auto ran = aut.cancel(runs.number);
  CHECK(ran.was_found);
  CHECK(!ran.waiting);
  CHECK(runs.input.is_stopped());
  aut.finished(runs.number, 9);
  CHECK(!aut.cancel(runs.number).was_found);
  CHECK(aut.running() + aut.waiting() == 0);
}

TEST_CASE("a deadline ends what waits behind a quota, and stops what runs", "[unit][actors]") {
  compute_queue aut{{.function_max = 1}};
  auto late = job("a");
  late.deadline_ms = 50;
  aut.push(late, 0);
  aut.push(late, 0);
  auto runs = take_one(aut);
  CHECK(aut.expire(49).empty());
  auto dropped = aut.expire(50);
  REQUIRE(dropped.size() == 1);
  CHECK(dropped[0].second.code == errc::timed_out);
  CHECK(runs.input.is_stopped());
}

TEST_CASE("a pool whose most workers are not enough says so once, and when they are again",
          "[unit][actors]") {
  pool_size aut{{.min = 1, .max = 2, .saturated_after_ms = 1'000}};
  int saturated = 0;
  int relieved = 0;
  std::size_t wanted = 0;
  auto run = [&](std::int64_t from, std::int64_t to, std::int64_t delay, std::size_t waits) {
    for (auto now = from; now < to; now += 10)
      if (auto made = aut.decide(now, delay, 2, waits)) {
        saturated += made->what == pool_size::kind::saturated;
        relieved += made->what == pool_size::kind::relieved;
        wanted = made->to;
      }
  };
  run(0, 1'000, 100, 9); // Not for long enough, with all workers.
  CHECK(saturated == 0);
  run(1'000, 3'000, 100, 9);
  CHECK(saturated == 1);
  CHECK(wanted == 4);
  CHECK(aut.is_saturated());
  run(3'000, 3'500, 0, 0);
  CHECK(relieved == 0);
  run(3'500, 9'000, 0, 0);
  CHECK(relieved == 1);
  CHECK(saturated == 1);
}
