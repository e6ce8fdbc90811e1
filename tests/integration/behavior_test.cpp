// Behaviours on a real node: threads, clocks and a link instead of simulated ones.

#include "runtime/gemel.hpp"
#include "tests/support/catch.hpp"

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

using namespace gemel;
using namespace std::chrono_literals;

namespace {

class press final : public behavior {
public:
  explicit press(std::promise<command_reply>& waiting) : waiting_{waiting} {}

  void on_event(twin_context& twin, const emitted_event& happened) override {
    twin.set("heard", value{happened.name});
  }
  void on_tick(twin_context& twin) override {
    const auto* strokes = twin.get("strokes");
    auto n = strokes != nullptr ? strokes->as_integer() + 1 : 1;
    twin.set("strokes", n);
    if (n == 3) {
      twin.cancel_tick();
      twin.send("other", "done");
    }
  }
  result<value> start(twin_context& twin, const named_values& arguments) {
    twin.tick_every(std::chrono::milliseconds{arguments.find("ms")->as_integer()});
    return value{};
  }
  result<value> later(twin_context& twin, const named_values&) {
    waiting_.set_value(twin.defer());
    return value{};
  }
  result<value> square(twin_context& twin, const named_values& arguments) {
    auto reply = std::make_shared<command_reply>(twin.defer());
    auto n = arguments.find("n")->as_integer();
    twin.run([n] { return result<value>{value{n * n}}; },
             [reply](twin_context&, result<value> made) { reply->complete(std::move(made)); });
    return value{};
  }

private:
  std::promise<command_reply>& waiting_;
};

std::unique_ptr<node> start_node(std::promise<command_reply>& waiting) {
  node_options wanted;
  wanted.config.node.workers = 2;
  wanted.behaviors["press"] =
      behavior_type{[&waiting] { return std::make_unique<press>(waiting); },
                    {command("start", "Strokes at a rate", &press::start),
                     command("later", "Answers when it is told to", &press::later),
                     command("square", "Squares, on another thread", &press::square)}};
  auto started = node::start(std::move(wanted));
  REQUIRE(started);
  REQUIRE((*started)->create({.id = "p", .type = "press"}));
  REQUIRE((*started)->create({.id = "other", .type = "press"}));
  return std::move(*started);
}

// Until it holds, as long as a test may take.
template <class Condition>
bool soon(Condition holds) {
  for (int i = 0; i < 2'000; ++i) {
    if (holds())
      return true;
    std::this_thread::sleep_for(5ms);
  }
  return false;
}

} // namespace

TEST_CASE("a real node's twins tick, and tell each other", "[integration][runtime]") {
  std::promise<command_reply> waiting;
  auto in = start_node(waiting);
  REQUIRE(in->command({.id = "p", .name = "start", .arguments = {{"ms", 2}}}));
  CHECK(soon([&] { return in->get("other")->find("heard") != nullptr; }));
  CHECK(*in->get("p")->find("strokes") == value{3});
  CHECK(*in->get("other")->find("heard") == value{"done"});
  REQUIRE(in->emit({.id = "p", .name = "alarm", .payload = {{"level", 2}}}));
  CHECK(*in->get("p")->find("heard") == value{"alarm"});
}

TEST_CASE("a real node answers commands later, in time or not at all", "[integration][runtime]") {
  std::promise<command_reply> waiting;
  auto in = start_node(waiting);
  CHECK(in->command({.id = "p", .name = "square", .arguments = {{"n", 12}}}) == value{144});
  auto unknown = in->command({.id = "p", .name = "fly"});
  CHECK(unknown.error().code == errc::unknown_command);
  std::thread elsewhere{[answer = waiting.get_future()]() mutable {
    answer.get().complete(value{"from another thread"});
  }};
  CHECK(in->command({.id = "p", .name = "later"}) == value{"from another thread"});
  elsewhere.join();
  waiting = {};
  auto late = in->command({.id = "p", .name = "later", .timeout_ms = 20});
  CHECK(late.error().code == errc::timed_out);
  waiting.get_future().get().complete(value{1}); // Nobody waits any more.
}

TEST_CASE("a node that stops answers the commands that wait, and late answers are harmless",
          "[integration][runtime]") {
  std::promise<command_reply> waiting;
  auto in = start_node(waiting);
  std::promise<frame> answer;
  in->request(make_command({.id = "p", .name = "later", .timeout_ms = 600'000}),
              [&](frame content) { answer.set_value(std::move(content)); });
  auto reply = waiting.get_future().get();
  in->stop();
  auto what = expect_result(answer.get_future().get());
  CHECK(what.error().code == errc::stopping);
  in.reset();
  reply.complete(value{1});
}

TEST_CASE("a real node tells when a twin's data are stale", "[integration][runtime]") {
  node_options wanted;
  wanted.config.node.workers = 2;
  wanted.config.types["sensor"].model = {.name = "sensor", .stale_after_us = 50'000};
  auto started = node::start(std::move(wanted));
  REQUIRE(started);
  auto& in = **started;
  REQUIRE(in.create({.id = "s", .type = "sensor", .properties = {{"v", 1}}}));
  CHECK(soon([&] { return in.get("s")->lifecycle == lifecycle_state::stale; }));
  REQUIRE(in.update("s", {{"v", 1}}));
  CHECK(in.get("s")->lifecycle == lifecycle_state::active);
}
