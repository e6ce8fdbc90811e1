#include "actors/drain_estimate.hpp"
#include "tests/support/catch.hpp"

using namespace gemel;
using namespace std::chrono_literals;

TEST_CASE("a drain_estimate says when half of the queue is done", "[unit][actors]") {
  drain_estimate aut;
  CHECK(aut.retry_after_ms(1'000'000) == 1);
  aut.done(0, 1h);
  CHECK(aut.retry_after_ms(1'000'000) == 1);
  aut.done(10, 1ms);
  CHECK(aut.retry_after_ms(10'000) == 500);
  CHECK(aut.retry_after_ms(0) == 1);
  for (int i = 0; i < 100; ++i)
    aut.done(1, 1us);
  CHECK(aut.retry_after_ms(10'000) < 10);
  aut.done(1, 24h);
  CHECK(aut.retry_after_ms(1'000'000'000) == limits::retry_after_max.count());
}
