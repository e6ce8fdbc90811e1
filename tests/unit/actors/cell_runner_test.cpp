#include "actors/cell_runner.hpp"
#include "actors/ingress.hpp"
#include "messages/replies.hpp"
#include "messages/requests.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/simulated_node.hpp"

#include <stdexcept>

using namespace gemel;

namespace {

// Addresses of which the one for the third row cannot be made.
class broken_addresses final : public address_port {
public:
  twin_address* make(cell_id cell, std::uint32_t row) override {
    if (row == 2)
      throw std::runtime_error{"no third address"};
    return real_.make(cell, row);
  }
  void end(twin_address* address) noexcept override { real_.end(address); }

private:
  test::counting_addresses real_;
};

// One cell with its ingress, run by hand.
struct lone_cell {
  test::manual_clock clock;
  broken_addresses addresses;
  gemel::symbols symbols;
  gemel::directory directory{1};
  behavior_table behaviors;
  supervision_table supervision;
  model_table models;
  alias_table aliases;
  cell_environment world{symbols, directory, addresses, behaviors, supervision,
                         models,  aliases,   1,         {},        [](cell_id, const frame&) {}};
  bool scheduled = false;
  std::vector<std::string> told;
  cell_runner runner{cell_id{0},
                     world,
                     {{100, 1'000'000},
                      8'192,
                      [this](cell_id, std::string_view what) { told.emplace_back(what); }},
                     clock,
                     [this] { scheduled = true; }};
  ingress doors{{}, directory, clock, {&runner}};

  void run() {
    while (std::exchange(scheduled, false))
      while (runner.turn()) {
      }
  }

  std::optional<frame> ask(const frame& request) {
    std::optional<frame> answer;
    doors.submit(request, [&](frame reply) { answer = std::move(reply); });
    run();
    return answer;
  }

  outcome create(std::initializer_list<const char*> ids) {
    std::vector<new_twin> twins;
    for (const auto* id : ids)
      twins.push_back({.id = id, .type = "machine"});
    return expect_outcome(ask(make_create(twins)).value()).value();
  }
};

} // namespace

TEST_CASE("an entry that throws in its cell is answered, and the others of its batch run",
          "[unit][actors]") {
  lone_cell aut;
  auto made = aut.create({"a", "b", "c", "d"});
  CHECK(made.applied == 3);
  REQUIRE(made.failures.size() == 1);
  CHECK(made.failures[0].index == 2);
  CHECK(made.failures[0].why.code == errc::twin_crashed);
  CHECK(made.failures[0].why.context == "a fault of the node: no third address");
  CHECK(aut.runner.faults() == 1);
  CHECK(aut.told == std::vector<std::string>{"no third address"});
  property_ref set{"temperature", 20.5};
  auto later = expect_outcome(aut.ask(make_update("d", std::span{&set, 1})).value());
  CHECK(later->applied == 1);
}

TEST_CASE("a caller's function that throws stops neither the cell nor the count of requests",
          "[unit][actors]") {
  lone_cell aut;
  REQUIRE(aut.create({"a"}).applied == 1);
  property_ref set{"temperature", 20.5};
  std::atomic<std::uint64_t> under_way{1};
  int calls = 0;
  aut.doors.update(
      make_update("a", std::span{&set, 1}),
      [&](outcome&&) {
        ++calls;
        throw 7; // Not even a std::exception.
      },
      &under_way);
  aut.run();
  CHECK(calls == 1);
  CHECK(under_way == 0);
  CHECK(aut.runner.faults() == 1);
  CHECK(aut.create({"b"}).applied == 1);
}

TEST_CASE("an addressed message whose answer throws is answered once", "[unit][actors]") {
  lone_cell aut;
  REQUIRE(aut.create({"a"}).applied == 1);
  std::string id = "a";
  int calls = 0;
  auto answer = [&](const frame&) {
    ++calls;
    throw std::runtime_error{"the asker is broken"};
  };
  REQUIRE(aut.runner.push_data(addressed_message{0, make_get(std::span{&id, 1}), answer}));
  aut.run();
  CHECK(calls == 1);
  CHECK(aut.told == std::vector<std::string>{"the asker is broken"});
}

TEST_CASE("a job that throws says so to who waits for it, and the next one runs",
          "[unit][actors]") {
  lone_cell aut;
  std::vector<std::string> seen;
  aut.runner.push_ordered(cell_job{[](cell&, const moment&) { throw std::runtime_error{"a bug"}; },
                                   [&](const error& why) { seen.push_back(to_string(why)); }});
  aut.runner.push_ordered(
      cell_job{[](cell&, const moment&) { throw std::runtime_error{"another"}; }});
  aut.runner.push_ordered(cell_job{[&](cell&, const moment&) { seen.emplace_back("ran"); }});
  aut.run();
  CHECK(seen == std::vector<std::string>{"twin_crashed: a fault of the node: a bug", "ran"});
  CHECK(aut.runner.faults() == 2);
}

TEST_CASE("a subscriber that throws loses those events and is told so", "[unit][actors]") {
  lone_cell aut;
  REQUIRE(aut.create({"a"}).applied == 1);
  std::vector<std::uint64_t> missed;
  bool broken = true;
  std::optional<frame> answer;
  aut.doors.subscribe(make_subscribe({.type = "machine"}),
                      {1,
                       [&](const frame& events) {
                         if (std::exchange(broken, false))
                           throw std::runtime_error{"cannot take it"};
                         missed.push_back(events.message().getEvents().getMissed());
                       }},
                      [&](frame reply) { answer = std::move(reply); });
  aut.run();
  REQUIRE(expect_subscribed(answer.value()));
  for (double celsius : {1.0, 2.0}) {
    property_ref set{"temperature", celsius};
    CHECK(expect_outcome(aut.ask(make_update("a", std::span{&set, 1})).value())->applied == 1);
  }
  // The update, and that it made the twin active.
  CHECK(missed == std::vector<std::uint64_t>{2});
  CHECK(aut.runner.faults() == 1);
}

TEST_CASE("a request to all cells of which one throws is answered with an error",
          "[unit][actors]") {
  lone_cell aut;
  REQUIRE(aut.create({"a"}).applied == 1);
  int calls = 0;
  std::optional<frame> answer;
  aut.doors.on_stats([&](stats_record&) {
    ++calls;
    throw std::runtime_error{"no numbers today"};
  });
  answer = aut.ask(make_stats_request());
  CHECK(calls == 1);
  REQUIRE(answer);
  CHECK(expect_stats(*answer).error().code == errc::twin_crashed);
  CHECK(expect_stats(*answer).error().context == "a fault of the node: no numbers today");
}
