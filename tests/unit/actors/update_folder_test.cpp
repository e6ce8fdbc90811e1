#include "actors/update_folder.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/simulated_node.hpp"

#include <map>
#include <random>

using namespace gemel;

namespace {

constexpr std::int64_t interval = 1'000;

update_folder::options bounds(std::size_t twins, std::size_t bytes = 1u << 20) {
  return {std::chrono::nanoseconds{interval}, twins, bytes};
}

lane_event update(std::uint64_t version) {
  lane_event made{};
  made.kind = event_kind::updated;
  made.version = version;
  return made;
}

lane_change change(std::uint32_t key, int before, int after) {
  return {key_id{key}, before, after};
}

bool passes(update_folder& aut, std::uint32_t row, std::uint64_t version, lane_change one,
            std::int64_t now) {
  return aut.passes(row, update(version), std::span{&one, 1}, now);
}

} // namespace

TEST_CASE("an update_folder lets the first update pass and folds what comes too soon",
          "[unit][actors]") {
  update_folder aut{bounds(10)};
  CHECK(passes(aut, 7, 2, change(1, 20, 21), 100));
  CHECK_FALSE(aut.next_due());
  CHECK_FALSE(passes(aut, 7, 3, change(1, 21, 22), 200));
  CHECK_FALSE(passes(aut, 7, 4, change(2, 5, 6), 300));
  CHECK_FALSE(passes(aut, 7, 5, change(1, 22, 23), 400));
  CHECK(aut.next_due() == 1'100);
  CHECK_FALSE(aut.take_due(1'099));
  auto due = aut.take_due(1'100);
  REQUIRE(due);
  CHECK(due->event.version == 5);
  REQUIRE(due->changes.size() == 2);
  CHECK(due->changes[0].before == value{21});
  CHECK(due->changes[0].after == value{23});
  CHECK(due->changes[1].before == value{5});
  CHECK(due->changes[1].after == value{6});
  // The interval begins anew with it.
  CHECK_FALSE(passes(aut, 7, 6, change(1, 23, 24), 2'000));
  CHECK(aut.take_due(2'100)->event.version == 6);
  CHECK_FALSE(aut.take_due(4'000));
  CHECK(aut.twins() == 0);
  CHECK(passes(aut, 7, 7, change(1, 24, 25), 4'000));
}

TEST_CASE("an event of another kind takes out what is held of its twin", "[unit][actors]") {
  update_folder aut{bounds(10)};
  CHECK(passes(aut, 1, 2, change(1, 0, 1), 0));
  CHECK(passes(aut, 2, 2, change(1, 0, 1), 0));
  CHECK_FALSE(aut.take(1));
  CHECK_FALSE(passes(aut, 1, 3, change(1, 1, 2), 10));
  CHECK(aut.take(1)->event.version == 3);
  CHECK_FALSE(aut.take(1));
  CHECK(aut.held() == 0);
  aut.forget(1);
  // Another twin has the row now.
  CHECK(passes(aut, 1, 2, change(1, 0, 1), 20));
}

TEST_CASE("an update_folder without room limits fewer twins, and loses nothing", "[unit][actors]") {
  update_folder aut{bounds(2, 1'000)};
  for (std::uint32_t row = 0; row < 4; ++row)
    CHECK(passes(aut, row, 2, change(1, 0, 1), 0));
  CHECK(aut.twins() == 2);
  CHECK_FALSE(passes(aut, 1, 3, change(1, 1, 2), 1));
  CHECK(passes(aut, 2, 3, change(1, 1, 2), 1));
  CHECK_FALSE(aut.full());
  lane_change large{key_id{1}, {}, value{std::string(2'000, 'x')}};
  CHECK_FALSE(aut.passes(0, update(3), std::span{&large, 1}, 2));
  CHECK(aut.full());
  CHECK(aut.take(0)->changes[0].after.heap_bytes() >= 2'000);
  CHECK_FALSE(aut.full());
}

TEST_CASE("folded or not, the changes of each twin chain up, and no two come too close",
          "[unit][actors]") {
  auto seed = test::seed();
  INFO(test::repeat_command(seed));
  std::mt19937_64 random{seed};
  auto below = [&](std::uint64_t n) { return random() % n; };
  for (int run = 0; run < 100; ++run) {
    constexpr std::uint32_t rows = 8;
    constexpr std::uint32_t keys = 3;
    update_folder aut{bounds(rows)};
    std::map<std::pair<std::uint32_t, key_id>, std::int64_t> state;
    std::map<std::pair<std::uint32_t, key_id>, std::int64_t> told;
    std::map<std::uint64_t, std::int64_t> last;
    std::map<std::uint64_t, std::uint64_t> version;
    std::int64_t now = 0;
    auto tell = [&](std::uint32_t row, const lane_event& event,
                    std::span<const lane_change> changes) {
      REQUIRE((!last.contains(row) || now - last[row] >= interval));
      last[row] = now;
      REQUIRE(event.version > version[row]);
      version[row] = event.version;
      for (const auto& c : changes) {
        auto& known = told[{row, c.key}];
        REQUIRE(c.before == value{known});
        known = c.after.as_integer();
      }
    };
    // A held event does not say its row: the source time does here.
    auto tell_due = [&] {
      while (auto due = aut.take_due(now))
        tell(static_cast<std::uint32_t>(due->event.source_time_us), due->event, due->changes);
    };
    for (std::uint64_t i = 1; i < 500; ++i) {
      now += static_cast<std::int64_t>(below(200));
      if (below(3) == 0)
        tell_due();
      auto row = static_cast<std::uint32_t>(below(rows));
      auto key = key_id{static_cast<std::uint32_t>(below(keys))};
      auto& held = state[{row, key}];
      lane_change one{key, held, static_cast<std::int64_t>(i)};
      held = static_cast<std::int64_t>(i);
      auto event = update(i);
      event.source_time_us = row;
      if (aut.passes(row, event, std::span{&one, 1}, now))
        tell(row, event, std::span{&one, 1});
      REQUIRE(aut.twins() <= rows);
    }
    now += interval;
    tell_due();
    REQUIRE(aut.held() == 0);
    REQUIRE(told == state);
  }
}
