#pragma once

#include "actors/ports.hpp"
#include "actors/rule_effects.hpp"
#include "messages/histogram.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace gemel {

/// Takes what a rule publishes. Called on a thread of rules, for several matches at a time; what it
/// throws is counted as a failure of the action.
using rule_sink = std::function<void(const value&)>;

/// What became of a post.
struct post_outcome {
  result<void> how{};
  /// Trying again is of no use.
  bool is_final = false;
  /// The server asked for so much patience.
  std::chrono::milliseconds pause{0};
};

/// What became of the findings and actions of one rule.
struct rule_outcomes {
  std::uint64_t done = 0;
  std::uint64_t failed = 0;
  std::uint64_t retried = 0;
  /// Left out by `at_most`.
  std::uint64_t limited = 0;
  std::string last_error{};
  /// From the event's write to the action's begin.
  std::uint64_t latency_p50_us = 0;
  std::uint64_t latency_p99_us = 0;
};

/// Carries out the actions of rules. None blocks: what the node refuses for a moment is sent again
/// with a back-off, what fails is counted and told. Any thread may call.
class rule_outlet : public std::enable_shared_from_this<rule_outlet> {
public:
  static constexpr std::size_t waiting_max = 100'000;
  static constexpr std::uint32_t attempts_max = 8;
  /// Of webhooks, over some minutes.
  static constexpr std::uint32_t posts_max = 10;

  struct ports {
    std::function<void(frame, reply_function)> request{};
    std::function<void(const std::string&)> log{};
    /// Posts to an address; answers later, from any thread. May be empty.
    std::function<void(const rule_effect&, std::function<void(post_outcome)>)> post{};
    /// Writes down a line for what was posted in vain; may be empty.
    std::function<result<void>(const std::string&)> bury{};
    std::map<std::string, rule_sink, std::less<>> sinks{};
    const clock_port* clock = nullptr;
    /// Actions outlive this: what is not ended is not given up by `stop`, and what is can be asked
    /// for, to be written down.
    bool keeps = false;
  };

  explicit rule_outlet(ports world) : world_{std::move(world)} {}

  /// Where the action `publish` of this name goes from now on.
  void add_sink(std::string name, rule_sink to);

  /// All actions of what a rule found.
  void take(const rule_finding& found);

  /// Sends again what is due.
  void tick(std::int64_t now_ms);

  /// What waits is given up, unless actions outlive this; webhooks are written down as dead
  /// letters.
  void stop();

  // ---- actions that outlive the process; see `ports::keeps` ---------------------------------

  /// Until `release` findings are only noted: they may have been acted upon before a crash.
  void hold();
  /// Carries out what was noted, and `more`, but not the actions in `done`, nor one of them twice.
  void release(std::vector<rule_effect> more, const std::unordered_set<std::string>& done);
  /// Actions under way.
  std::vector<rule_effect> unfinished() const;
  /// Keys of actions that ended since this was last asked.
  std::vector<std::string> take_ended();
  /// Those of them that were begun in an epoch before `epoch`; they are forgotten here.
  std::vector<std::string> take_ended_before(std::uint64_t epoch);

  rule_outcomes outcomes(const std::string& rule) const;
  rule_outcomes totals() const;
  std::size_t waiting() const;
  void forget(const std::string& rule);

private:
  // What an action did of what `at_most` allows it.
  struct rate {
    std::int64_t begin_ms = 0;
    std::uint32_t count = 0;
  };
  struct record {
    std::uint64_t done = 0;
    std::uint64_t failed = 0;
    std::uint64_t retried = 0;
    std::uint64_t limited = 0;
    std::string last_error{};
    std::map<std::size_t, rate> rates{}; // by place of the action in its rule
    std::unique_ptr<histogram> latency{};
  };
  struct ended_action {
    std::string action{};
    std::uint64_t epoch = 0;
  };
  struct again {
    rule_effect effect{};
    std::uint32_t attempts = 0;
    std::int64_t due_ms = 0;
  };

  std::int64_t now_ms() const;
  bool begin(const rule_effect& effect);
  void note_end(const rule_effect& effect);
  void carry_out(rule_effect effect, std::uint32_t attempts);
  void publish(const rule_effect& effect);
  rule_sink sink_of(const std::string& name) const;
  void ended(const rule_effect& effect, std::uint32_t attempts, const result<void>& how);
  void posted(const rule_effect& effect, std::uint32_t attempts, const post_outcome& outcome);
  void again_later(const rule_effect& effect, std::uint32_t attempts, std::int64_t pause_ms);
  void bury(const rule_effect& effect, const error& why, std::uint32_t attempts);
  void give_up(const rule_effect& effect, const error& why);
  bool may_act(const wanted_action& wanted, std::size_t ordinal, const rule_effect& effect);
  void note_latency(const rule_finding& found);
  static rule_outcomes outcomes_of(const record& from);

  ports world_;
  mutable std::mutex mutex_;
  std::map<std::string, record, std::less<>> records_;
  std::vector<again> waiting_;
  bool is_holding_ = false;
  std::vector<rule_effect> held_;
  std::unordered_map<std::string, rule_effect> open_; // by action; with `keeps` alone
  std::vector<ended_action> ended_;
  std::vector<std::string> untold_;
};

} // namespace gemel
