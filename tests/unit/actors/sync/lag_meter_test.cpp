#include "actors/sync/lag_meter.hpp"
#include "tests/support/catch.hpp"

using namespace gemel;

namespace {

constexpr std::int64_t ms = 1'000'000;

} // namespace

TEST_CASE("a peer that has everything is not behind", "[unit][sync]") {
  lag_meter meter;
  CHECK(meter.lag_ns() == 0);
  meter.look({}, 5 * ms);
  CHECK(meter.lag_ns() == 0);
  meter.look({{7, 7}, {3, 3}}, 900 * ms);
  CHECK(meter.lag_ns() == 0);
}

TEST_CASE("a silent peer falls behind by the time that goes on", "[unit][sync]") {
  lag_meter meter;
  meter.look({{7, 7}}, 100 * ms);
  meter.look({{8, 7}}, 150 * ms);
  CHECK(meter.lag_ns() == 50 * ms); // at most what lies between two looks too much
  meter.look({{8, 7}, {1, 0}}, 1'150 * ms);
  CHECK(meter.lag_ns() == 1'050 * ms);
  meter.look({{9, 8}, {1, 0}}, 2'000 * ms);
  CHECK(meter.lag_ns() == 1'850 * ms); // it has by now what was there at 150 ms
  meter.look({{9, 9}, {1, 1}}, 2'100 * ms);
  CHECK(meter.lag_ns() == 0);
}

TEST_CASE("a peer that keeps up under load is a little behind, however long it lasts",
          "[unit][sync]") {
  lag_meter meter;
  for (change_number i = 1; i < 10'000; ++i) {
    meter.look({{i * 10, i * 10 - 5}}, static_cast<std::int64_t>(i) * 50 * ms);
    CHECK(meter.lag_ns() <= 100 * ms);
  }
}

TEST_CASE("a peer that is new has all to learn", "[unit][sync]") {
  lag_meter meter;
  meter.look({{100, 0}}, 500 * ms);
  CHECK(meter.lag_ns() == 0);
  meter.look({{100, 0}}, 700 * ms);
  CHECK(meter.lag_ns() == 200 * ms);
}
