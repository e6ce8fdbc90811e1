// The fault: children of one parent end in every way there is (a crash in an update, a command, an
// event, a tick or the end of long work; a normal exit; a shutdown), in seeded storms.
//
// What must hold: exactly those run, and were started as often, as a small supervisor written from
// Erlang/OTP's "Supervisor Behaviour" and `supervisor(3)` says; every deferred command is answered
// once, at the latest when its behaviour ends; ticks end with the behaviour that asked for them.

#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/simulated_node.hpp"

#include <algorithm>
#include <deque>
#include <map>

using namespace gemel;
using namespace std::chrono_literals;
using gemel::test::simulated_node;

namespace {

using names = std::vector<std::string>;
const names children{"a", "b", "c", "d", "e"};
constexpr auto period = 1'000ms;

// ---- the reference: independent of actors/supervision.hpp -----------------------------------

class reference_supervisor {
public:
  struct child {
    bool running = true;
    int starts = 1;
  };

  explicit reference_supervisor(const supervision_policy& policy) : policy_{policy} {}

  void ended(std::size_t who, exit_kind how, std::chrono::milliseconds now) {
    children_[who].running = false;
    // "A permanent child process is always restarted. A temporary child process is never restarted.
    // A transient child process is restarted only if it terminates abnormally, i.e. with an exit
    // reason other than normal, shutdown."
    bool again = policy_.kind == restart_kind::permanent
                 || (policy_.kind == restart_kind::transient && how == exit_kind::crash);
    if (!again)
      return;
    // "If more than MaxR number of restarts occur in the last MaxT seconds, the supervisor
    // terminates all the child processes and then itself. [...] the next higher-level supervisor
    // takes some action."
    while (!restarts_.empty() && now - restarts_.front() > period)
      restarts_.pop_front();
    restarts_.push_back(now);
    if (restarts_.size() > policy_.intensity) {
      restarts_.clear();
      ++supervisor_starts_;
      start_from(0);
      return;
    }
    switch (policy_.strategy) {
    case restart_strategy::one_for_one: // "only that process is restarted"
      return start(who);
    case restart_strategy::one_for_all: // "all other child processes are terminated, and then all
                                        // child processes [...] are restarted"
      return start_from(0);
    case restart_strategy::rest_for_one: // "the rest of the child processes (that is, the child
                                         // processes after the terminated process in start order)"
      return start_from(who);
    }
  }

  const std::vector<child>& all() const { return children_; }
  int supervisor_starts() const { return supervisor_starts_; }

private:
  void start(std::size_t who) {
    children_[who].running = true;
    ++children_[who].starts;
  }
  void start_from(std::size_t first) {
    for (auto i = first; i < children_.size(); ++i)
      start(i);
  }

  supervision_policy policy_;
  std::vector<child> children_ = std::vector<child>(children.size());
  std::deque<std::chrono::milliseconds> restarts_;
  int supervisor_starts_ = 1;
};

// ---- the real one ---------------------------------------------------------------------------

struct log {
  std::map<std::string, int> starts;
  std::map<std::string, int> ticks;
  std::vector<command_reply> replies;
};

class worker final : public behavior {
public:
  explicit worker(log& of) : log_{of} {}
  void on_start(twin_context& twin) override { ++log_.starts[std::string{twin.id()}]; }
  void on_update(twin_context& twin, std::span<const change_view> changes) override {
    for (const auto& c : changes)
      if (c.key == "boom")
        crash(twin);
  }
  void on_event(twin_context& twin, const emitted_event&) override { crash(twin); }
  void on_tick(twin_context& twin) override {
    ++log_.ticks[std::string{twin.id()}];
    crash(twin);
  }
  result<value> boom(twin_context& twin, const named_values&) {
    crash(twin);
    return value{};
  }
  result<value> tick(twin_context& twin, const named_values&) {
    twin.tick_every(10ms);
    return value{};
  }
  result<value> later(twin_context& twin, const named_values&) {
    log_.replies.push_back(twin.defer());
    return value{};
  }
  result<value> work(twin_context& twin, const named_values&) {
    twin.run([]() -> result<value> { return value{1}; },
             [this](twin_context& of, result<value>) { crash(of); });
    return value{};
  }

private:
  // All of this is undone.
  [[noreturn]] void crash(twin_context& twin) {
    twin.set("n", -1);
    twin.unset("kept");
    twin.emit("never");
    twin.send("a", "never");
    twin.tick_every(1ms);
    throw std::runtime_error{"boom"};
  }

  log& log_;
};

class supervised_line {
public:
  supervised_line(const supervision_policy& policy, std::uint64_t seed)
      : node_{wanted(policy, seed)}, reference_{policy} {
    std::vector<new_twin> twins{{"line", "Line"}};
    for (const auto& id : children)
      twins.push_back({id, "Machine", "line", {{"n", 1}, {"kept", true}}});
    REQUIRE(node_.create(twins).applied == twins.size());
    started_ = node_.clock().now().steady_ns;
  }

  simulated_node& node() { return node_; }
  bool runs(std::size_t who) const { return reference_.all()[who].running; }

  void end(std::size_t who, exit_kind how) {
    const auto& id = children[who];
    if (how == exit_kind::crash)
      crash(id);
    else
      exit(id, how == exit_kind::normal);
    node_.run();
    reference_.ended(who, how, now());
  }

  // A command that is not answered yet.
  void owe(std::size_t who) {
    owed_.push_back(node_.submit(make_command({children[who], "later", {}, 600'000})));
    node_.run();
  }

  void check() {
    for (std::size_t i = 0; i < children.size(); ++i) {
      INFO(children[i]);
      const auto& expected = reference_.all()[i];
      auto where = node_.directory().find(children[i]);
      REQUIRE(where);
      const auto& row = node_.runner(static_cast<std::size_t>(where->cell)).core().row(where->row);
      CHECK(row.has(twin_row::running) == expected.running);
      CHECK(log_.starts[children[i]] == expected.starts);
      auto twin = *node_.find(children[i]);
      CHECK(*twin.find("n") == value{1});
      CHECK(twin.find("kept") != nullptr);
    }
    CHECK(log_.starts["line"] == reference_.supervisor_starts());
    CHECK(node_.counters().emitted == 0);
  }

  // Every command that was deferred is answered exactly once; the node sees to "at most".
  void finish() {
    log_.replies.clear();
    node_.run();
    for (const auto& one : owed_)
      CHECK(one->has_value());
    auto ticks = log_.ticks;
    node_.run_for(1s);
    CHECK(log_.ticks == ticks);
    CHECK(node_.broken_invariants() == names{});
  }

private:
  std::chrono::milliseconds now() {
    return std::chrono::milliseconds{(node_.clock().now().steady_ns - started_) / 1'000'000};
  }

  simulated_node::options wanted(const supervision_policy& policy, std::uint64_t seed) {
    simulated_node::options made;
    made.seed = seed;
    behavior_type machine{[this] { return std::make_unique<worker>(log_); },
                          {command("boom", "", &worker::boom), command("tick", "", &worker::tick),
                           command("later", "", &worker::later),
                           command("work", "", &worker::work)}};
    made.behaviors = {{"Machine", machine}, {"Line", machine}};
    made.supervision.fallback = {restart_strategy::one_for_one, restart_kind::permanent, 1'000,
                                 1'000'000};
    made.supervision.by_type["Line"] = policy;
    return made;
  }

  void crash(const std::string& id) {
    switch (node_.below(5)) {
    case 0:
      CHECK(node_.set(id, "boom", 1) == errc::twin_crashed);
      break;
    case 1:
      CHECK(node_.command({id, "boom"}).error().code == errc::twin_crashed);
      break;
    case 2:
      CHECK(test::codes(node_.emit({{id, "event"}}), 1)[0] == errc::twin_crashed);
      break;
    case 3:
      CHECK(node_.command({id, "work"}).has_value());
      break;
    default:
      CHECK(node_.command({id, "tick"}).has_value());
      node_.run_for(10ms);
      break;
    }
  }

  void exit(const std::string& id, bool normal) {
    auto where = node_.directory().find(id);
    node_.runner(static_cast<std::size_t>(where->cell))
        .push_control(exit_signal{where->row, normal});
  }

  log log_;
  simulated_node node_;
  reference_supervisor reference_;
  std::vector<test::pending> owed_;
  std::int64_t started_ = 0;
};

constexpr std::array strategies{restart_strategy::one_for_one, restart_strategy::one_for_all,
                                restart_strategy::rest_for_one};
constexpr std::array kinds{restart_kind::permanent, restart_kind::transient,
                           restart_kind::temporary};
constexpr std::array exits{exit_kind::normal, exit_kind::shutdown, exit_kind::crash};

supervision_policy policy_of(restart_strategy strategy, restart_kind kind, unsigned intensity) {
  return {strategy, kind, intensity, std::chrono::microseconds{period}.count()};
}

} // namespace

TEST_CASE("every strategy, kind, exit, child and intensity does what Erlang's supervisor does",
          "[fault][actors]") {
  std::uint64_t seed = 1;
  for (auto strategy : strategies)
    for (auto kind : kinds)
      for (auto how : exits)
        for (std::size_t who : {0u, 2u, 4u})
          for (unsigned intensity : {0u, 1u, 3u}) {
            INFO(to_string(strategy) << " " << to_string(kind) << " exit " << static_cast<int>(how)
                                     << " of " << children[who] << " intensity " << intensity);
            supervised_line line{policy_of(strategy, kind, intensity), seed++};
            line.owe(who);
            // Up to the edge, and one more.
            for (unsigned i = 0; i < intensity + 2 && line.runs(who); ++i) {
              line.end(who, how);
              line.check();
            }
            line.finish();
          }
}

TEST_CASE("storms of exits do what Erlang's supervisor does", "[fault][actors]") {
  auto seed = test::seed();
  INFO(test::repeat_command(seed));
  std::mt19937_64 random{seed};
  for (auto strategy : strategies)
    for (auto kind : kinds) {
      INFO(to_string(strategy) << " " << to_string(kind));
      supervised_line line{policy_of(strategy, kind, static_cast<unsigned>(2 + random() % 3)),
                           random()};
      for (int step = 0; step < 60; ++step) {
        auto who = random() % children.size();
        if (line.runs(who) && random() % 2 == 0)
          line.owe(who);
        // Mostly so near that intensity counts.
        line.node().run_for(random() % 4 == 0 ? 730ms : 37ms);
        if (line.runs(who))
          line.end(who, exits[random() % 4 == 0 ? random() % 3 : 2]);
        line.check();
      }
      line.finish();
    }
}
