// Export to a server that loses, refuses, repeats and goes away; time and chance are simulated.

#include "runtime/exporter.hpp"
#include "tests/support/history_records.hpp"
#include "tests/support/seed.hpp"

#include <algorithm>
#include <memory>
#include <random>
#include <set>
#include <sstream>

using namespace gemel;

namespace {

constexpr std::int64_t second_us = 1'000'000;

// A node's log with an exporter that may die, and the server.
class simulated_export {
public:
  simulated_export(std::uint64_t seed, exporter::options wanted) : random_{seed}, options_{wanted} {
    start();
  }

  void write(const std::string& id, int number) {
    log_.push_back(records_.update(id, "temperature", value{number}, number * second_us));
  }

  void start() {
    exporter::ports world;
    world.read_log = [this](log_position after, const store_port::record_sink& each) {
      for (auto i = static_cast<std::size_t>(after); i < log_.size(); ++i)
        if (auto done = each(log_position{i + 1}, log_stream::twins, log_[i]); !done)
          return done;
      return result<void>{};
    };
    world.reached = [this] { return log_position{log_.size()}; };
    world.post = [this](std::string lines) {
      CHECK_FALSE(sent);
      sent = std::move(lines);
    };
    world.keep = [this](log_position cursor) {
      CHECK(cursor >= kept);
      kept = cursor;
      return result<void>{};
    };
    world.random = [this] { return random_(); };
    world.log = [this](const std::string& words) { said.push_back(words); };
    sent.reset();
    aut = std::make_unique<exporter>(
        models_, [](std::string_view) { return std::optional<std::string>{"machine"}; }, options_,
        std::move(world));
    aut->open(kept);
  }

  // The server takes what was sent, and says so or not.
  void take() {
    std::istringstream lines{*sent};
    for (std::string line; std::getline(lines, line);) {
      auto number = std::stoi(line.substr(line.find('=', line.find(' ')) + 1));
      arrived.push_back(number);
    }
  }
  void say(int status, std::optional<std::int64_t> retry_after_ms = {}) {
    sent.reset();
    aut->answered({status, retry_after_ms, "status " + std::to_string(status)}, now_ms);
  }

  std::unique_ptr<exporter> aut;
  std::optional<std::string> sent;
  std::vector<int> arrived;
  log_position kept{};
  std::vector<std::string> said;
  std::int64_t now_ms = 1'000;

private:
  std::mt19937_64 random_;
  exporter::options options_;
  model_table models_ = test::machines_with_history();
  test::history_records records_;
  std::vector<std::string> log_;
};

} // namespace

/// The faults: answers that are lost, errors of servers and of the way, ends of the process. What
/// must hold: every value arrives at least once; without repetitions the order is the log's.
TEST_CASE("every value is exported at least once, in order, whatever the server does",
          "[fault][runtime]") {
  for (int round = 0; round < 50; ++round) {
    auto seed = test::seed() + static_cast<std::uint64_t>(round);
    INFO("GEMEL_SEED=" << seed);
    std::mt19937_64 random{seed};
    exporter::options wanted;
    wanted.batch_bytes = 200 + random() % 2'000;
    simulated_export on{seed, wanted};
    int written = 0;
    constexpr int values = 600;
    for (int steps = 0; written < values || on.kept != log_position{values}; ++steps) {
      REQUIRE(steps < 200'000);
      if (written < values && random() % 3 == 0)
        on.write("m" + std::to_string(random() % 3), written++);
      on.now_ms += static_cast<std::int64_t>(random() % 400);
      on.aut->pump(on.now_ms);
      if (random() % 200 == 0) {
        on.start(); // The process ended.
        continue;
      }
      if (!on.sent || random() % 3 == 0)
        continue;
      auto how = random() % 10;
      if (how != 0)
        on.take();
      if (how == 1)
        on.say(0); // It took them, and the answer was lost.
      else if (how == 2)
        on.say(503);
      else if (how == 3)
        on.say(429, 5'000);
      else if (how == 4)
        on.say(401);
      else
        on.say(how == 0 ? 500 : 204);
    }
    std::set<int> once{on.arrived.begin(), on.arrived.end()};
    CHECK(once.size() == values);
    // Whoever comes back goes back to something that was sent before.
    int most = -1;
    for (auto number : on.arrived) {
      CHECK(number <= most + 1);
      most = std::max(most, number);
    }
    CHECK(on.aut->count().lost == 0);
  }
}

TEST_CASE("what waits for a server that is away is bounded, and what is given up is counted",
          "[fault][runtime]") {
  exporter::options wanted;
  wanted.queue_bytes_max = 10'000;
  simulated_export on{1, wanted};
  constexpr int values = 5'000;
  for (int i = 0; i < values; ++i) {
    on.write("m1", i);
    on.now_ms += 100;
    on.aut->pump(on.now_ms);
    if (on.sent)
      on.say(0);
  }
  while (on.aut->pump(on.now_ms)) {
  }
  CHECK(on.aut->backlog_bytes() <= wanted.queue_bytes_max);
  CHECK(on.aut->is_failing());
  CHECK(on.aut->count().failures > 10);
  CHECK(on.aut->count().failures < 200); // the back-off
  for (int i = 0; i < 1'000 && on.aut->cursor() != log_position{values}; ++i) {
    on.now_ms += 1'000;
    on.aut->pump(on.now_ms);
    if (on.sent) {
      on.take();
      on.say(204);
    }
  }
  CHECK(on.aut->cursor() == log_position{values});
  CHECK_FALSE(on.arrived.empty());
  CHECK(on.arrived.back() == values - 1);
  CHECK(on.aut->count().lost + on.arrived.size() == values);
  CHECK(on.aut->count().values == on.arrived.size());
  CHECK(on.aut->backlog_bytes() == 0);
}

TEST_CASE("a batch that a server refuses for its content is given up, a large one is cut",
          "[fault][runtime]") {
  exporter::options wanted;
  wanted.batch_bytes = 40'000;
  simulated_export on{1, wanted};
  for (int i = 0; i < 2'000; ++i)
    on.write("m1", i);
  std::size_t least = SIZE_MAX;
  for (int i = 0; i < 1'000 && on.aut->cursor() != log_position{2'000}; ++i) {
    on.now_ms += 40'000;
    on.aut->pump(on.now_ms);
    if (!on.sent)
      continue;
    least = std::min(least, on.sent->size());
    if (on.sent->size() > 10'000) {
      on.say(413);
      continue;
    }
    on.take();
    on.say(204);
  }
  CHECK(on.arrived.size() == 2'000);
  CHECK(least <= 10'000);
  on.write("m1", 2'000);
  on.now_ms += 40'000;
  on.aut->pump(on.now_ms);
  on.now_ms += 40'000;
  on.aut->pump(on.now_ms);
  REQUIRE(on.sent);
  on.say(400);
  CHECK(on.aut->count().refused == 1);
  CHECK(on.aut->cursor() == log_position{2'001});
}
