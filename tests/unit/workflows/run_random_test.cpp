#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"
#include "workflows/run.hpp"

#include <map>
#include <random>
#include <set>

using namespace gemel;

namespace {

constexpr std::size_t steps_max = 14;

/// A random graph of steps whose attempts take their time and fail as a function of step and
/// attempt, so that two executors meet the same work whenever they do it.
struct random_case {
  std::vector<std::set<std::size_t>> before;
  std::vector<step_trigger> triggers;
  std::vector<std::uint32_t> attempts; // max_attempts
  std::vector<std::uint32_t> fails;    // this many attempts fail
  std::vector<std::int64_t> takes;
  std::size_t parallel = 1;
  std::string text;
};

random_case make_case(std::mt19937_64& random) {
  auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  static const char* names[] = {"all_success", "all_completed", "all_done",
                                "one_success", "one_failed",    "none_failed"};
  random_case made;
  auto count = 1 + below(steps_max);
  made.parallel = 1 + below(6);
  std::string steps;
  for (std::size_t i = 0; i < count; ++i) {
    auto& before = made.before.emplace_back();
    for (std::size_t k = 0; k < i; ++k)
      if (below(4) == 0)
        before.insert(k);
    auto trigger = before.empty() ? 0 : below(6);
    made.triggers.push_back(static_cast<step_trigger>(trigger));
    made.attempts.push_back(static_cast<std::uint32_t>(1 + below(3)));
    made.fails.push_back(below(3) == 0 ? static_cast<std::uint32_t>(below(5)) : 0);
    made.takes.push_back(static_cast<std::int64_t>(1 + below(50)));
    std::string list;
    for (auto one : before)
      list += (list.empty() ? "\"s" : ", \"s") + std::to_string(one) + "\"";
    steps += (i > 0 ? ", " : "") + std::string{R"({"id": "s)"} + std::to_string(i)
             + R"(", "type": "compute", "function": "f", "trigger": ")" + names[trigger]
             + R"(", "retry": {"max_attempts": )" + std::to_string(made.attempts.back())
             + R"(, "interval": 10}, "depends_on": [)" + list + "]}";
  }
  made.text = R"({"on_error": "continue", "max_parallel": )" + std::to_string(made.parallel)
              + R"(, "steps": [)" + steps + "]}";
  return made;
}

// What becomes of each step, from the meaning of the words alone: the order in time does not
// matter where every step that may start does.
std::vector<step_state> reference_states(const random_case& of) {
  std::vector<step_state> states;
  for (std::size_t i = 0; i < of.before.size(); ++i) {
    std::size_t good = 0;
    std::size_t bad = 0;
    std::size_t lost = 0;
    for (auto one : of.before[i]) {
      good += states[one] == step_state::completed;
      bad += states[one] == step_state::failed;
      lost += states[one] == step_state::not_run;
    }
    bool starts = false;
    switch (of.triggers[i]) {
    case step_trigger::all_success:
      starts = bad + lost == 0;
      break;
    case step_trigger::all_completed:
      starts = lost == 0;
      break;
    case step_trigger::all_done:
      starts = true;
      break;
    case step_trigger::one_success:
      starts = good > 0;
      break;
    case step_trigger::one_failed:
      starts = bad > 0;
      break;
    case step_trigger::none_failed:
      starts = bad + lost == 0;
      break;
    }
    states.push_back(!starts                        ? step_state::not_run
                     : of.fails[i] < of.attempts[i] ? step_state::completed
                                                    : step_state::failed);
  }
  return states;
}

// Runs it in simulated time; the process may end and come back, the run be paused and resumed.
class player {
public:
  player(const random_case& of, std::mt19937_64& random) : case_{of}, random_{random} {
    auto made = workflow::parse(of.text, "w.json");
    REQUIRE(made);
    document_ = std::make_shared<const workflow>(std::move(*made));
    run_ = std::make_unique<workflow_run>("r", document_, value{}, 1);
  }

  void play(bool disturbed) {
    run_->start(now_);
    for (int turn = 0; !is_terminal(run_->state()); ++turn) {
      REQUIRE(turn < 10'000);
      collect();
      REQUIRE(ends_.size() <= case_.parallel);
      if (disturbed)
        disturb();
      next();
    }
    collect();
  }

  void cancel_at(std::int64_t when) {
    run_->start(now_);
    for (int turn = 0; !is_terminal(run_->state()) && now_ < when; ++turn) {
      REQUIRE(turn < 10'000);
      collect();
      next();
    }
    run_->cancel(now_);
    collect();
  }

  const workflow_run& run() const { return *run_; }
  std::size_t open() const { return ends_.size(); }

private:
  void collect() {
    for (auto& one : run_->take_records())
      records_.push_back(std::move(one));
    for (const auto& one : run_->take_commands()) {
      if (one.what == run_command::kind::begin)
        ends_[{one.step, one.attempt}] = now_ + case_.takes[one.step];
      else
        ends_.erase({one.step, one.attempt});
    }
  }

  void disturb() {
    switch (random_() % 8) {
    case 0: { // The process ends: only the records stay, attempts under way are lost.
      auto again = std::make_unique<workflow_run>("r", document_, value{}, 1);
      for (const auto& one : records_)
        again->apply(one);
      // A lost attempt counts as one, so the work must know that it is repeated.
      for (const auto& [key, end] : ends_)
        ++lost_[key.first];
      ends_.clear();
      run_ = std::move(again);
      run_->recover(now_);
      collect();
      return;
    }
    case 1:
      run_->pause(now_);
      now_ += 30;
      run_->tick(now_);
      run_->resume(now_);
      collect();
      return;
    default:
      return;
    }
  }

  // The next end of an attempt, or the next timer.
  void next() {
    auto first = ends_.end();
    for (auto one = ends_.begin(); one != ends_.end(); ++one)
      if (first == ends_.end() || one->second < first->second)
        first = one;
    auto due = run_->next_due();
    if (first != ends_.end() && (!due || first->second <= *due)) {
      auto [key, end] = *first;
      ends_.erase(first);
      now_ = std::max(now_, end);
      auto number = key.second - lost_[key.first];
      step_outcome outcome;
      if (number <= case_.fails[key.first])
        outcome.error = "bad_value";
      else
        outcome.result = value{static_cast<std::int64_t>(key.first)};
      run_->finish_step(key.first, key.second, std::move(outcome), now_);
      return;
    }
    REQUIRE(due);
    now_ = std::max(now_, *due);
    run_->tick(now_);
  }

  const random_case& case_;
  std::mt19937_64& random_;
  std::shared_ptr<const workflow> document_;
  std::unique_ptr<workflow_run> run_;
  std::vector<run_record> records_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::int64_t> ends_;
  std::map<std::uint32_t, std::uint32_t> lost_;
  std::int64_t now_ = 1'000;
};

void check_states(const random_case& of, const workflow_run& run) {
  auto wanted = reference_states(of);
  for (std::uint32_t i = 0; i < wanted.size(); ++i) {
    INFO("step " << i);
    REQUIRE(to_string(run.step(i).state) == to_string(wanted[i]));
  }
}

} // namespace

TEST_CASE("10,000 random workflows end as the words say", "[unit][workflows]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  for (int i = 0; i < 10'000; ++i) {
    auto made = make_case(random);
    INFO(made.text);
    player quiet{made, random};
    quiet.play(false);
    check_states(made, quiet.run());
    REQUIRE(quiet.open() == 0);
  }
}

TEST_CASE("random workflows end the same over crashes and pauses", "[unit][workflows]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  for (int i = 0; i < 2'000; ++i) {
    auto made = make_case(random);
    // A crash costs the attempt that was under way, so how many are left depends on when it came:
    // who fails at all fails always here.
    for (std::size_t k = 0; k < made.fails.size(); ++k)
      made.fails[k] = made.fails[k] > 0 ? 1'000 : 0;
    INFO(made.text);
    player disturbed{made, random};
    disturbed.play(true);
    check_states(made, disturbed.run());
  }
}

TEST_CASE("a cancelled run leaves nothing under way and nothing pending", "[unit][workflows]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  for (int i = 0; i < 2'000; ++i) {
    auto made = make_case(random);
    INFO(made.text);
    player aut{made, random};
    aut.cancel_at(1'000 + static_cast<std::int64_t>(random() % 200));
    REQUIRE(is_terminal(aut.run().state()));
    REQUIRE(aut.open() == 0);
    for (std::uint32_t k = 0; k < made.before.size(); ++k)
      REQUIRE(is_terminal(aut.run().step(k).state));
  }
}
