#include "messages/stamp.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

using namespace gemel;

TEST_CASE("a hybrid time holds milliseconds above a counter", "[unit][messages]") {
  auto t = make_hybrid_time(1'700'000'000'123, 65'535);
  CHECK(unix_ms(t) == 1'700'000'000'123);
  CHECK((static_cast<std::uint64_t>(t) & 0xffff) == 65'535);
  CHECK(make_hybrid_time(2, 0) > make_hybrid_time(1, 65'535));
  CHECK(unix_ms(make_hybrid_time((std::int64_t{1} << 48) - 1, 0)) == (std::int64_t{1} << 48) - 1);
}

TEST_CASE("a hybrid clock follows the wall and never goes back with it", "[unit][messages]") {
  hybrid_clock clock;
  CHECK(clock.tick(100) == make_hybrid_time(100, 0));
  CHECK(clock.tick(100) == make_hybrid_time(100, 1));
  CHECK(clock.tick(40) == make_hybrid_time(100, 2));
  CHECK(clock.last() == make_hybrid_time(100, 2));
  CHECK(clock.tick(101) == make_hybrid_time(101, 0));
}

TEST_CASE("a full counter borrows the next millisecond", "[unit][messages]") {
  hybrid_clock clock;
  clock.observe(make_hybrid_time(100, 65'535));
  CHECK(clock.tick(100) == make_hybrid_time(101, 0));
  CHECK(clock.tick(101) == make_hybrid_time(101, 1));
}

TEST_CASE("a stamp that was seen is passed, an old one changes nothing", "[unit][messages]") {
  hybrid_clock clock;
  clock.tick(100);
  clock.observe(make_hybrid_time(500, 7));
  CHECK(clock.tick(100) == make_hybrid_time(500, 8));
  clock.observe(make_hybrid_time(3, 3));
  CHECK(clock.last() == make_hybrid_time(500, 8));
}

TEST_CASE("a wall clock before 1970 counts as 1970", "[unit][messages]") {
  hybrid_clock clock;
  CHECK(clock.tick(-1) == make_hybrid_time(0, 1));
  CHECK(clock.tick(-1'000'000) == make_hybrid_time(0, 2));
  CHECK(clock.tick(5) == make_hybrid_time(5, 0));
}

TEST_CASE("stamps of a clock rise whatever the wall does and others send", "[unit][messages]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  hybrid_clock clock;
  auto before = clock.last();
  for (int i = 0; i < 100'000; ++i) {
    if (random() % 4 == 0)
      clock.observe(make_hybrid_time(static_cast<std::int64_t>(random() % 2'000),
                                     static_cast<std::uint16_t>(random())));
    auto seen = clock.last();
    auto wall = static_cast<std::int64_t>(random() % 1'000);
    auto now = clock.tick(wall);
    REQUIRE(now > before);
    REQUIRE(now > seen);
    REQUIRE(unix_ms(now) >= wall);
    before = now;
  }
}

TEST_CASE("a dot holds its writer above its counter", "[unit][messages]") {
  auto d = make_dot(65'535, (std::uint64_t{1} << 48) - 1);
  CHECK(writer_of(d) == 65'535);
  CHECK(counter_of(d) == (std::uint64_t{1} << 48) - 1);
  CHECK(writer_of(make_dot(3, 4)) == 3);
  CHECK(counter_of(make_dot(3, 4)) == 4);
  CHECK(make_dot(3, 4) != make_dot(4, 3));
  CHECK(stamp{make_hybrid_time(1, 0), make_dot(1, 1)}
        != stamp{make_hybrid_time(1, 0), make_dot(1, 2)});
}
