#include "actors/event_backlog.hpp"
#include "messages/replies.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/simulated_node.hpp"

#include <algorithm>
#include <deque>
#include <random>

using namespace gemel;

namespace {

frame some_frame() {
  return make_done_reply();
}

event_backlog::options bounds(std::uint64_t events, std::uint32_t credit) {
  return {events, 1u << 20, credit};
}

// A subscriber that believes what it is told, and checks that it is told everything.
class receiver {
public:
  void take_all(event_backlog& from) {
    while (auto sent = from.take()) {
      REQUIRE(sent->first == seen_ + 1 + sent->missed);
      missed_ += sent->missed;
      seen_ = sent->first - 1;
      if (!sent->events)
        continue;
      auto count = sizes_.at(sent->first - sent->skip) - sent->skip;
      REQUIRE(count > 0);
      seen_ += count;
      held_ += count;
    }
  }

  void knows_size(std::uint64_t first, std::uint32_t count) { sizes_[first] = count; }
  std::uint64_t seen() const { return seen_; }
  std::uint64_t missed() const { return missed_; }
  std::uint64_t held() const { return held_; }
  void work_off(std::uint64_t events) { held_ -= events; }
  /// It lost what it had not worked off, and remembers to have seen `seen`.
  void restart(std::uint64_t seen) {
    seen_ = seen;
    held_ = 0;
  }

private:
  std::map<std::uint64_t, std::uint32_t> sizes_;
  std::uint64_t seen_ = 0;
  std::uint64_t missed_ = 0;
  std::uint64_t held_ = 0;
};

} // namespace

TEST_CASE("an event_backlog sends at once what there is credit for, and the rest on grants",
          "[unit][actors]") {
  event_backlog aut{bounds(100, 5)};
  CHECK_FALSE(aut.take());
  aut.add(some_frame(), 3);
  aut.add(some_frame(), 3);
  auto first = aut.take();
  REQUIRE(first);
  CHECK(first->first == 1);
  CHECK(first->missed == 0);
  CHECK_FALSE(aut.take());
  aut.grant(1);
  auto second = aut.take();
  REQUIRE(second);
  CHECK(second->first == 4);
  CHECK_FALSE(aut.take());
  CHECK(aut.events() == 6);
  aut.grant(2);
  CHECK(aut.events() == 3);
  aut.grant(1'000);
  CHECK(aut.events() == 0);
  CHECK(aut.bytes() == 0);
}

TEST_CASE("an event_backlog that was cut sends again what was not seen", "[unit][actors]") {
  event_backlog aut{bounds(100, 50)};
  for (int i = 0; i < 3; ++i)
    aut.add(some_frame(), 4);
  while (aut.take()) {
  }
  aut.cut();
  aut.add(some_frame(), 4);
  CHECK_FALSE(aut.take());
  REQUIRE(aut.resume(6));
  auto half = aut.take();
  REQUIRE(half);
  CHECK(half->first == 7);
  CHECK(half->skip == 2);
  CHECK(half->missed == 0);
  CHECK(aut.take()->first == 9);
  CHECK(aut.take()->first == 13);
  CHECK_FALSE(aut.take());
  CHECK(aut.resume(17).error().code == errc::bad_value);
  CHECK_FALSE(aut.take());
}

TEST_CASE("an event_backlog tells once how much it could not keep", "[unit][actors]") {
  event_backlog aut{bounds(6, 6)};
  aut.cut();
  for (int i = 0; i < 5; ++i)
    aut.add(some_frame(), 3);
  CHECK(aut.events() == 6);
  REQUIRE(aut.resume(0));
  auto first = aut.take();
  REQUIRE(first);
  CHECK(first->missed == 9);
  CHECK(first->first == 10);
  auto second = aut.take();
  REQUIRE(second);
  CHECK(second->missed == 0);
  CHECK_FALSE(aut.take());
  // All was worked off, then the subscriber says it has seen less: nothing is kept, all is told.
  aut.grant(6);
  REQUIRE(aut.resume(12));
  auto gap = aut.take();
  REQUIRE(gap);
  CHECK_FALSE(gap->events);
  CHECK(gap->missed == 3);
  CHECK(gap->first == 16);
  CHECK_FALSE(aut.take());
}

TEST_CASE("an event_backlog is bounded by bytes too, but always has the newest frame",
          "[unit][actors]") {
  auto one = some_frame();
  event_backlog aut{{1'000, 2 * one.size(), 1'000}};
  aut.cut();
  for (int i = 0; i < 10; ++i)
    aut.add(one, 1);
  CHECK(aut.events() == 2);
  event_backlog small{{1'000, 1, 1'000}};
  small.cut();
  small.add(one, 7);
  small.add(one, 7);
  CHECK(small.events() == 7);
  REQUIRE(small.resume(0));
  CHECK(small.take()->missed == 7);
}

TEST_CASE("whatever happens to the link, each event of a backlog is sent or counted as missed once",
          "[unit][actors]") {
  auto seed = test::seed();
  INFO(test::repeat_command(seed));
  std::mt19937_64 random{seed};
  auto below = [&](std::uint64_t n) { return random() % n; };
  for (int run = 0; run < 300; ++run) {
    auto credit = static_cast<std::uint32_t>(1 + below(20));
    auto events_max = credit + below(40);
    event_backlog aut{bounds(events_max, credit)};
    receiver model;
    bool linked = true;
    for (int i = 0; i < 200; ++i) {
      switch (below(6)) {
      case 0:
        if (linked)
          aut.cut();
        linked = false;
        break;
      case 1: {
        // A subscriber that kept everything, or one that lost what it had not worked off.
        if (linked && below(4) != 0)
          break;
        auto lost = below(2) == 0 ? 0 : below(model.held() + 1);
        auto before = model.missed();
        auto kept = aut.events();
        model.restart(model.seen() - std::min(lost, model.seen()));
        REQUIRE(aut.resume(model.seen()));
        linked = true;
        model.take_all(aut);
        if (kept == aut.next() - 1)
          REQUIRE(model.missed() == before); // It had everything.
        break;
      }
      case 2: {
        auto done = below(model.held() + 1);
        model.work_off(done);
        aut.grant(static_cast<std::uint32_t>(done));
        break;
      }
      default: {
        auto count = static_cast<std::uint32_t>(1 + below(credit));
        model.knows_size(aut.next(), count);
        aut.add(some_frame(), count);
      }
      }
      if (linked)
        model.take_all(aut);
      REQUIRE(aut.events() <= events_max);
      REQUIRE(model.held() <= credit);
    }
    // In the end everything was seen or counted.
    REQUIRE(aut.resume(model.seen()));
    model.restart(model.seen());
    for (model.take_all(aut); model.held() > 0; model.take_all(aut)) {
      aut.grant(static_cast<std::uint32_t>(model.held()));
      model.work_off(model.held());
    }
    REQUIRE(model.seen() == aut.next() - 1);
  }
}
