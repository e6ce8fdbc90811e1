// Two CAF systems in one process, on CAF's testing scheduler and network backend: time moves when
// told and messages cross the link when told.
//
// The fault: a linked program vanishes, sends damaged frames, or sends more than it may. What must
// hold: the node goes on, names the fault to whoever is still there, and keeps nothing of a session
// that ended.

#include "actors/session_actor.hpp"
#include "actors/twin_actor.hpp"
#include "messages/requests.hpp"
#include "tests/support/catch.hpp"

#include <caf/io/middleman.hpp>
#include <caf/io/network/test_multiplexer.hpp>
#include <caf/scheduler/test_coordinator.hpp>

using namespace gemel;

namespace {

class manual_clock final : public clock_port {
public:
  moment now() const noexcept override { return at; }
  moment at{1'700'000'000'000'000, 1};
};

// One simulated CAF system.
struct simulated_system {
  static caf_config::options simulated() {
    caf_config::options wanted;
    wanted.links = true;
    wanted.simulated = true;
    return wanted;
  }

  caf_config config{simulated()};
  caf::actor_system system{config};
  caf::scheduler::test_coordinator& scheduler =
      dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler());
  caf::io::network::test_multiplexer& network =
      dynamic_cast<caf::io::network::test_multiplexer&>(system.middleman().backend());
};

constexpr int next_turn = 0;

// Gives a cell its turns among the actors' messages.
caf::behavior turning_actor(caf::event_based_actor* self, cell_runner* runner) {
  return {
      [self, runner](int) {
        if (runner->turn())
          self->send(self, next_turn);
      },
      [self](close_atom) { self->quit(); },
  };
}

// A node's actors on a simulated system.
struct simulated_door : simulated_system {
  simulated_door() {
    cell_runner::options limits{{limits::cell_queue_items_max, limits::cell_queue_bytes_max}};
    for (std::uint16_t i = 0; i < 2; ++i) {
      runners.push_back(std::make_unique<cell_runner>(
          cell_id{i}, world, limits, clock, [this, i] { caf::anon_send(cells[i], next_turn); }));
      twins.cells.push_back(runners.back().get());
      cells.push_back(system.spawn(turning_actor, runners.back().get()));
    }
    ingress::options wanted;
    wanted.cells = 2;
    wanted.node = "simulated";
    in = std::make_unique<ingress>(wanted, twin_directory, clock, twins.cells);
    doors = std::make_unique<door_context>(*in);
    doors->requests_max = 4;
    door = system.spawn(door_actor, doors.get());
  }
  ~simulated_door() {
    auto run_all = [this] {
      while (scheduler.try_run_once()) {
      }
    };
    caf::anon_send(door, close_atom::value);
    run_all();
    for (auto& cell : cells)
      caf::anon_send(cell, close_atom::value);
    door = nullptr;
    run_all();
    cells.clear();
    runners.clear();
  }

  manual_clock clock;
  gemel::symbols names;
  directory twin_directory{7};
  behavior_table behaviors;
  supervision_table supervision;
  model_table models;
  alias_table aliases;
  twin_actor_context twins{system, {}, {}, {}};
  twin_actor_addresses addresses{twins};
  cell_environment world{names,
                         twin_directory,
                         addresses,
                         behaviors,
                         supervision,
                         models,
                         aliases,
                         2,
                         {},
                         [this](cell_id to, frame message) {
                           runners[static_cast<std::size_t>(to)]->push_ordered(
                               control_message{std::move(message)});
                         }};
  std::vector<std::unique_ptr<cell_runner>> runners;
  std::vector<caf::actor> cells;
  std::unique_ptr<ingress> in;
  std::unique_ptr<door_context> doors;
  caf::actor door;
};

// What a linked program has: a sink, and the answers it got.
struct program : simulated_system {
  struct inbox {
    std::vector<frame> answers;
    std::vector<frame> events;
    std::vector<std::string> errors;
    caf::actor session;
  };

  std::shared_ptr<inbox> got = std::make_shared<inbox>();
  caf::actor self = system.spawn([got = got](caf::event_based_actor* me) -> caf::behavior {
    ignore_unknown(me);
    return {
        [got, me](const caf::actor& door) {
          me->request(door, caf::infinite, make_hello("test"), caf::actor{me})
              .then([got](const frame& welcome, const caf::actor& session) {
                got->answers.push_back(welcome);
                got->session = session;
              });
        },
        [got, me](const frame& ask) {
          me->request(got->session, caf::infinite, ask)
              .then([got](const frame& answer) { got->answers.push_back(answer); },
                    [got, me](const caf::error& why) {
                      got->errors.push_back(me->system().render(why));
                    });
        },
        [got](event_atom, const frame& events) { got->events.push_back(events); },
        [me, got](close_atom) {
          got->session = nullptr;
          me->quit();
        },
    };
  });

  ~program() {
    got->session = nullptr;
    caf::anon_send_exit(self, caf::exit_reason::user_shutdown);
    self = nullptr;
    while (scheduler.try_run_once()) {
    }
  }
};

struct linked {
  simulated_door node;
  program far;

  linked() {
    auto acceptor = caf::io::accept_handle::from_int(1);
    auto server = caf::io::connection_handle::from_int(1);
    auto client = caf::io::connection_handle::from_int(2);
    node.network.prepare_connection(acceptor, server, far.network, "node", 7433, client);
    // Both calls wait for the middleman, which runs when told: let it run in between.
    run();
    node.scheduler.inline_next_enqueue();
    auto port = node.system.middleman().publish(node.door, 7433);
    REQUIRE(port);
    far.scheduler.inline_next_enqueue();
    far.scheduler.after_next_enqueue([&] { run(); });
    auto door = far.system.middleman().remote_actor("node", 7433);
    REQUIRE(door);
    caf::anon_send(far.self, *door);
    run();
    REQUIRE(far.got->answers.size() == 1);
    REQUIRE(far.got->answers[0].message().getReply().isWelcome());
    far.got->answers.clear();
  }

  // Runs both systems and their link until nothing moves.
  void run() {
    auto step = [](simulated_system& s) {
      return s.network.try_exec_runnable() || s.network.read_data()
             || s.network.try_accept_connection() || s.scheduler.try_run_once();
    };
    while (step(node) || step(far)) {
    }
  }

  frame ask(const frame& request) {
    caf::anon_send(far.self, request);
    run();
    REQUIRE(far.got->answers.size() == 1);
    auto answer = far.got->answers[0];
    far.got->answers.clear();
    return answer;
  }
};

std::vector<new_twin> one_machine() {
  return {{.id = "m", .type = "machine", .properties = {{"temperature", 60.0}}}};
}

} // namespace

TEST_CASE("a linked program creates, updates and watches over a simulated link",
          "[fault][actors]") {
  linked both;
  CHECK(expect_outcome(both.ask(make_create(one_machine())))->applied == 1);
  CHECK(expect_subscribed(both.ask(make_subscribe({.type = "machine"}))));
  std::array<property_ref, 1> set = {{{"temperature", 90.0}}};
  CHECK(expect_outcome(both.ask(make_update("m", set)))->applied == 1);
  REQUIRE(both.far.got->events.size() == 1);
  auto event = read_event(both.far.got->events[0].message().getEvents(), 0);
  CHECK(event.id == "m");
  CHECK(event.changes.at(0).new_value == value{90.0});
}

TEST_CASE("every double crosses a link unchanged", "[fault][actors]") {
  // CAF 0.17 itself loops for ever on an infinity and turns NaN into -1.
  linked both;
  REQUIRE(expect_outcome(both.ask(make_create(one_machine()))));
  for (double number :
       {std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(),
        std::numeric_limits<double>::quiet_NaN(), -0.0,
        std::numeric_limits<double>::denorm_min()}) {
    std::array<property_ref, 1> set = {{{"temperature", number}}};
    REQUIRE(expect_outcome(both.ask(make_update("m", set)))->applied == 1);
    auto page = expect_page(both.ask(make_get(std::vector<std::string>{"m"})));
    REQUIRE(page);
    CHECK(*page->twins.at(0).find("temperature") == value{number});
  }
}

TEST_CASE("an unlawful frame is answered with its fault and the session lives on",
          "[fault][actors]") {
  linked both;
  std::array<property_ref, 1> set = {{{"temperature", 1.0}}};
  auto answer = both.ask(make_update("bad/id", set));
  auto refused = expect_outcome(answer);
  REQUIRE(!refused);
  CHECK(refused.error().code == errc::bad_name);
  CHECK(refused.error().context.find("updates[0].id") != std::string::npos);
  CHECK(expect_outcome(both.ask(make_create(one_machine())))->applied == 1);
}

TEST_CASE("a session of a program that vanished leaves nothing behind", "[fault][actors]") {
  linked both;
  REQUIRE(expect_outcome(both.ask(make_create(one_machine()))));
  REQUIRE(expect_subscribed(both.ask(make_subscribe({.type = "machine"}))));
  CHECK(both.node.doors->sessions == 1);
  CHECK(both.node.in->subscriptions() == 1);
  caf::anon_send(both.far.self, close_atom::value);
  both.run();
  CHECK(both.node.doors->sessions == 0);
  CHECK(both.node.in->subscriptions() == 0);
  frame answer;
  both.node.in->submit(make_update("m", std::array<property_ref, 1>{{{"temperature", 2.0}}}),
                       [&](frame reply) { answer = std::move(reply); });
  both.run();
  CHECK(expect_outcome(answer)->applied == 1);
}

TEST_CASE("requests beyond a session's bound are answered as overloaded", "[fault][actors]") {
  linked both;
  for (int i = 0; i < 10; ++i)
    caf::anon_send(both.far.self, make_stats_request());
  both.run();
  REQUIRE(both.far.got->answers.size() == 10);
  std::size_t refused = 0;
  for (const auto& answer : both.far.got->answers) {
    auto stats = expect_stats(answer);
    if (!stats) {
      CHECK(stats.error().code == errc::overloaded);
      ++refused;
    }
  }
  CHECK(refused < 10);
}
