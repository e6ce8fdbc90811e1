#include "examples/factory/plant.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <vector>

using namespace gemel;
using namespace gemel::factory;

namespace {

constexpr int shift_seconds = 8 * 3'600;

plant_options healthy(std::uint64_t seed = 1, std::uint32_t machines = 100) {
  plant_options options;
  options.machines = machines;
  options.seed = seed;
  options.worn_bearings = 0;
  options.clogging_filters = 0;
  return options;
}

plant_options with(plant_options options, std::uint32_t worn, std::uint32_t clogging) {
  options.worn_bearings = worn;
  options.clogging_filters = clogging;
  return options;
}

// Runs in steps of `step_s` and calls `see` with each reading.
template <class See>
void run(plant& of, int seconds, int step_s, See see) {
  for (int t = 0; t < seconds; t += step_s) {
    of.step(step_s);
    for (const auto& reading : of.readings())
      see(reading);
  }
}

struct peak {
  double celsius = -300;
  double mm_s = 0;
  bool alerted = false;
  bool tripped = false;
};

std::vector<peak> peaks_of(plant& of, std::size_t machines) {
  std::vector<peak> peaks(machines);
  run(of, shift_seconds, 5, [&](const machine_reading& r) {
    auto& own = peaks[r.machine];
    own.celsius = std::max(own.celsius, r.temperature_c);
    own.mm_s = std::max(own.mm_s, r.vibration_mm_s);
    own.alerted = own.alerted || r.temperature_c > alert_celsius;
    own.tripped = own.tripped || r.status == machine_status::alarm;
  });
  return peaks;
}

std::vector<std::uint64_t> bits_of(const plant_options& options, int seconds) {
  plant aut{options};
  std::vector<std::uint64_t> bits;
  run(aut, seconds, 1, [&](const machine_reading& r) {
    for (double number : {r.temperature_c, r.vibration_mm_s, r.power_kw, r.spindle_rpm}) {
      bits.emplace_back();
      std::memcpy(&bits.back(), &number, sizeof number);
    }
    bits.push_back(static_cast<std::uint64_t>(r.status) << 40 | r.parts);
  });
  return bits;
}

} // namespace

TEST_CASE("a plant gives the same bytes for the same seed and others for another",
          "[unit][examples]") {
  auto options = with(healthy(42, 20), 1, 1);
  auto first = bits_of(options, 2'000);
  CHECK(first == bits_of(options, 2'000));
  options.seed = 43;
  CHECK(first != bits_of(options, 2'000));
}

TEST_CASE("a machine lives the same life however many others there are", "[unit][examples]") {
  plant small{healthy(7, 3)};
  plant large{healthy(7, 50)};
  for (int t = 0; t < 3'000; ++t) {
    small.step(1);
    large.step(1);
    REQUIRE(std::equal(small.readings().begin(), small.readings().end(), large.readings().begin()));
  }
}

TEST_CASE("the true state of a plant does not depend on how time is cut into steps",
          "[unit][examples]") {
  auto options = with(healthy(3, 10), 2, 2);
  plant fine{options};
  plant coarse{options};
  for (int t = 0; t < 3'600; ++t)
    fine.step(1);
  for (int t = 0; t < 3'600; t += 60)
    coarse.step(60);
  CHECK(fine.elapsed_s() == coarse.elapsed_s());
  for (std::size_t i = 0; i < 10; ++i) {
    CHECK(fine.true_celsius(i) == coarse.true_celsius(i));
    CHECK(fine.readings()[i].parts == coarse.readings()[i].parts);
    CHECK(fine.readings()[i].status == coarse.readings()[i].status);
  }
}

TEST_CASE("heat that goes into a machine comes out or stays in it", "[unit][examples]") {
  plant aut{with(healthy(5, 12), 3, 3)};
  for (double dt : {0.25, 1.0, 7.5, 600.0, 0.0, 3'600.0}) {
    for (int i = 0; i < 5; ++i)
      aut.step(dt);
    for (std::size_t i = 0; i < 12; ++i) {
      auto heat = aut.heat(i);
      INFO("machine " << i << " after " << aut.elapsed_s() << " s");
      CHECK(heat.in == Catch::Approx(heat.out + heat.stored).margin(1e-3 + heat.in * 1e-9));
    }
  }
  // About 2 kW while cutting, for five hours or so: no more than the drives could have given.
  for (std::size_t i = 0; i < 12; ++i) {
    CHECK(aut.heat(i).in > 1e6);
    CHECK(aut.heat(i).in < 15'000.0 * aut.elapsed_s());
  }
}

TEST_CASE("a healthy plant raises no alert in a shift, and is warm and in zone A",
          "[unit][examples]") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    plant aut{healthy(seed)};
    auto peaks = peaks_of(aut, 100);
    for (const auto& own : peaks) {
      REQUIRE_FALSE(own.alerted);
      REQUIRE_FALSE(own.tripped);
      REQUIRE(own.celsius > 40);
      REQUIRE(own.celsius < 75);
      REQUIRE(vibration_zone(own.mm_s) == 'A');
    }
    for (const auto& r : aut.readings())
      REQUIRE(r.fault == machine_fault::none);
  }
}

TEST_CASE("only machines with a worn bearing or a clogged filter alert", "[unit][examples]") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    INFO("seed " << seed);
    plant aut{with(healthy(seed), 5, 5)};
    auto peaks = peaks_of(aut, 100);
    int worn = 0;
    int clogged = 0;
    for (const auto& r : aut.readings()) {
      const auto& own = peaks[r.machine];
      if (r.fault == machine_fault::none)
        REQUIRE_FALSE(own.alerted);
      if (r.fault == machine_fault::worn_bearing)
        CHECK(vibration_zone(own.mm_s) >= 'C');
      if (r.fault == machine_fault::clogged_cooling)
        CHECK(vibration_zone(own.mm_s) == 'A');
      worn += own.alerted && r.fault == machine_fault::worn_bearing ? 1 : 0;
      clogged += own.alerted && r.fault == machine_fault::clogged_cooling ? 1 : 0;
    }
    CHECK(worn >= 2);
    CHECK(clogged >= 2);
  }
}

TEST_CASE("a faulty machine is hotter than the same machine in order", "[unit][examples]") {
  plant good{healthy(9, 8)};
  plant worn{with(healthy(9, 8), 8, 0)};
  plant clogged{with(healthy(9, 8), 0, 8)};
  auto peaks = peaks_of(good, 8);
  auto worn_peaks = peaks_of(worn, 8);
  auto clogged_peaks = peaks_of(clogged, 8);
  for (std::size_t i = 0; i < 8; ++i) {
    CHECK(worn_peaks[i].celsius > peaks[i].celsius + 5);
    CHECK(worn_peaks[i].mm_s > 2 * peaks[i].mm_s);
    CHECK(clogged_peaks[i].celsius > peaks[i].celsius + 5);
  }
}

TEST_CASE("a machine in alarm stands until it is cool and starts again", "[unit][examples]") {
  plant aut{with(healthy(2, 40), 20, 20)};
  std::vector<machine_status> before(40, machine_status::idle);
  int tripped = 0;
  int restarted = 0;
  run(aut, shift_seconds, 1, [&](const machine_reading& r) {
    auto& was = before[r.machine];
    auto celsius = aut.true_celsius(r.machine);
    if (r.status == machine_status::alarm)
      CHECK(r.spindle_rpm == 0);
    if (r.status == machine_status::alarm && was != machine_status::alarm) {
      ++tripped;
      CHECK(celsius >= trip_celsius);
      CHECK(celsius < trip_celsius + 1);
    }
    if (was == machine_status::alarm && r.status != machine_status::alarm) {
      ++restarted;
      CHECK(r.status == machine_status::idle);
      CHECK(celsius <= restart_celsius);
    }
    was = r.status;
  });
  CHECK(tripped > 0);
  CHECK(restarted > 0);
}

TEST_CASE("machines cut, change tools, wait and make parts, each by its own program",
          "[unit][examples]") {
  plant aut{healthy(1, 30)};
  std::vector<std::set<machine_status>> seen(30);
  std::set<double> speeds;
  run(aut, 2 * 3'600, 1, [&](const machine_reading& r) {
    seen[r.machine].insert(r.status);
    CHECK((r.spindle_rpm > 0) == (r.status == machine_status::cutting));
    if (r.spindle_rpm > 0) {
      speeds.insert(r.spindle_rpm);
      CHECK(r.power_kw > 5);
      CHECK(r.power_kw < 20);
    }
  });
  for (const auto& r : aut.readings()) {
    CHECK(seen[r.machine].size() == 3);
    CHECK(r.parts > 2);
  }
  CHECK(speeds.size() == 30);
}

TEST_CASE("the more hours bearings have run, the more of them fail", "[unit][examples]") {
  auto failed_within_two_days = [](double age_hours) {
    auto options = healthy(1, 40);
    options.age_hours = age_hours;
    plant aut{options};
    for (const auto& r : aut.readings())
      CHECK(r.fault == machine_fault::none); // a first spall does not show yet
    aut.step(86'400);
    aut.step(86'400);
    return std::count_if(aut.readings().begin(), aut.readings().end(),
                         [](auto& r) { return r.fault == machine_fault::worn_bearing; });
  };
  CHECK(failed_within_two_days(0) == 0);
  auto aged = failed_within_two_days(20'000);
  auto old = failed_within_two_days(80'000);
  CHECK(aged > 0);
  CHECK(old > aged);
  CHECK(old < 40);
  CHECK(failed_within_two_days(1'000'000) == 40);
}

TEST_CASE("plant options out of bounds are refused by name", "[unit][examples]") {
  auto context = [](const plant_options& options) { return check(options).error().context; };
  auto options = healthy();
  CHECK(check(options).has_value());
  options.machines = 0;
  CHECK(context(options) == "machines is 0, it must be 1 to 1000000");
  options.machines = 3;
  options.worn_bearings = 2;
  options.clogging_filters = 2;
  CHECK(context(options) == "worn_bearings and clogging_filters are 4 machines, there are 3");
  CHECK_THROWS_AS(plant{options}, broken_invariant);
  options.worn_bearings = std::numeric_limits<std::uint32_t>::max();
  CHECK_FALSE(check(options).has_value());
  options = healthy();
  options.start_hour = std::nan("");
  CHECK(context(options).find("start_hour") == 0);
  options = healthy();
  options.age_hours = -1;
  CHECK(context(options).find("age_hours is -1") == 0);
}

TEST_CASE("a plant refuses a step back, too far or of no length at all", "[unit][examples]") {
  plant aut{healthy(1, 2)};
  CHECK_THROWS_AS(aut.step(-1), broken_invariant);
  CHECK_THROWS_AS(aut.step(86'401), broken_invariant);
  CHECK_THROWS_AS(aut.step(std::nan("")), broken_invariant);
  CHECK_THROWS_AS(aut.heat(2), broken_invariant);
  CHECK(aut.elapsed_s() == 0);
}

TEST_CASE("the words of the plant and the zones of ISO 10816-3", "[unit][examples]") {
  CHECK(to_string(machine_status::tool_change) == "tool_change");
  CHECK(to_string(machine_fault::clogged_cooling) == "clogged_cooling");
  CHECK(to_string(static_cast<machine_status>(9)) == "unknown");
  CHECK(vibration_zone(1.4) == 'A');
  CHECK(vibration_zone(1.41) == 'B');
  CHECK(vibration_zone(2.81) == 'C');
  CHECK(vibration_zone(4.51) == 'D');
}

TEST_CASE("random_stream noise has mean 0, deviation 1 and an end", "[unit][examples]") {
  random_stream random{17};
  double sum = 0;
  double squares = 0;
  const int count = 100'000;
  for (int i = 0; i < count; ++i) {
    double x = random.noise();
    REQUIRE(std::abs(x) < 3.47);
    sum += x;
    squares += x * x;
    REQUIRE(random.whole(3, 5) - 3u <= 2u);
    REQUIRE(random.unit() < 1.0);
  }
  CHECK(std::abs(sum / count) < 0.02);
  CHECK(squares / count == Catch::Approx(1.0).margin(0.02));
}
