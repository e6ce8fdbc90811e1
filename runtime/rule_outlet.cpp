#include "runtime/rule_outlet.hpp"

#include "messages/replies.hpp"
#include "messages/text.hpp"
#include "runtime/cloud_event.hpp"

#include <algorithm>

namespace gemel {

namespace {

constexpr std::int64_t us_per_ms = 1'000;
constexpr std::int64_t first_pause_ms = 50;

bool may_pass(errc code) {
  return code == errc::overloaded || code == errc::twin_busy || code == errc::unreachable
         || code == errc::timed_out;
}

// What an answer of any kind says of a request.
result<void> verdict_of(const frame& answer) {
  auto message = answer.message();
  if (!message.isReply())
    return fail(errc::bad_frame, "no reply");
  auto reply = message.getReply();
  if (reply.isError())
    return tl::unexpected<error>(read_error(reply.getError()));
  if (!reply.isOutcome())
    return {};
  auto outcome = read_outcome(reply.getOutcome());
  if (outcome.failures.empty())
    return {};
  return tl::unexpected<error>(outcome.failures.front().why);
}

} // namespace

std::int64_t rule_outlet::now_ms() const {
  return world_.clock->now().unix_us / us_per_ms;
}

void rule_outlet::note_latency(const rule_finding& found) {
  if (found.written_us == 0)
    return;
  {
    std::lock_guard guard{mutex_};
    if (is_holding_)
      return;
  }
  auto taken = std::max<std::int64_t>(world_.clock->now().unix_us - found.written_us, 0);
  std::lock_guard guard{mutex_};
  auto& into = records_[found.of->name()].latency;
  if (into == nullptr)
    into = std::make_unique<histogram>();
  into->record(std::chrono::microseconds{taken});
}

// Whether the action is to be carried out now.
bool rule_outlet::begin(const rule_effect& effect) {
  if (!world_.keeps)
    return true;
  std::lock_guard guard{mutex_};
  if (is_holding_) {
    held_.push_back(effect);
    return false;
  }
  return open_.emplace(effect.action, effect).second;
}

void rule_outlet::note_end(const rule_effect& effect) {
  if (!world_.keeps || effect.action.empty())
    return;
  open_.erase(effect.action);
  ended_.push_back({effect.action, effect.epoch});
  untold_.push_back(effect.action);
}

void rule_outlet::hold() {
  std::lock_guard guard{mutex_};
  is_holding_ = true;
}

void rule_outlet::release(std::vector<rule_effect> more,
                          const std::unordered_set<std::string>& done) {
  {
    std::lock_guard guard{mutex_};
    is_holding_ = false;
    for (auto& one : held_)
      more.push_back(std::move(one));
    held_ = {};
  }
  for (auto& one : more)
    if (!done.contains(one.action) && begin(one))
      carry_out(std::move(one), 1);
}

std::vector<rule_effect> rule_outlet::unfinished() const {
  std::lock_guard guard{mutex_};
  std::vector<rule_effect> made;
  for (const auto& [action, one] : open_)
    made.push_back(one);
  return made;
}

std::vector<std::string> rule_outlet::take_ended() {
  std::lock_guard guard{mutex_};
  return std::exchange(untold_, {});
}

std::vector<std::string> rule_outlet::take_ended_before(std::uint64_t epoch) {
  std::lock_guard guard{mutex_};
  std::vector<std::string> made;
  std::erase_if(ended_, [&](ended_action& one) {
    auto goes = one.epoch < epoch;
    if (goes)
      made.push_back(std::move(one.action));
    return goes;
  });
  return made;
}

void rule_outlet::take(const rule_finding& found) {
  {
    std::lock_guard guard{mutex_};
    if (is_holding_ && found.what == rule_finding::kind::timeout)
      return; // It was told before.
  }
  note_latency(found);
  if (found.what == rule_finding::kind::timeout)
    return world_.log("rule " + found.of->name() + ": out of time, key "
                      + to_json(found.found.key));
  auto wanted = found.of->actions_for(found.found);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    auto effect = effect_of(wanted[i], i, found);
    if (effect) {
      if (may_act(wanted[i], i, *effect) && begin(*effect))
        carry_out(std::move(*effect), 1);
      continue;
    }
    rule_effect refused;
    refused.rule = found.of->name();
    ended(refused, attempts_max, tl::unexpected<error>(effect.error()));
  }
}

void rule_outlet::add_sink(std::string name, rule_sink to) {
  std::lock_guard guard{mutex_};
  world_.sinks.insert_or_assign(std::move(name), std::move(to));
}

rule_sink rule_outlet::sink_of(const std::string& name) const {
  std::lock_guard guard{mutex_};
  auto known = world_.sinks.find(name);
  return known != world_.sinks.end() ? known->second : rule_sink{};
}

void rule_outlet::publish(const rule_effect& effect) {
  auto sink = sink_of(effect.target);
  if (!sink)
    return ended(effect, attempts_max,
                 fail(errc::unsupported, "no sink '" + effect.target + "' was given to the node"));
  try {
    sink(effect.payload);
  } catch (const std::exception& thrown) {
    return ended(effect, attempts_max, fail(errc::command_failed, thrown.what()));
  }
  ended(effect, 1, {});
}

void rule_outlet::carry_out(rule_effect effect, std::uint32_t attempts) {
  if (effect.kind == action_kind::log) {
    world_.log("rule " + effect.rule + ": " + effect.target);
    return ended(effect, attempts, {});
  }
  if (effect.kind == action_kind::publish)
    return publish(effect);
  auto self = shared_from_this();
  auto shared = std::make_shared<rule_effect>(std::move(effect));
  if (shared->kind == action_kind::webhook) {
    if (!world_.post)
      return ended(*shared, attempts_max, fail(errc::unsupported, "webhooks are not sent here"));
    return world_.post(*shared, [self, shared, attempts](const post_outcome& outcome) {
      self->posted(*shared, attempts, outcome);
    });
  }
  world_.request(shared->request, [self, shared, attempts](const frame& answer) {
    self->ended(*shared, attempts, verdict_of(answer));
  });
}

// Counted from the first one of each time. What is left out counts as ended, so that a start after
// a crash leaves it out, too.
bool rule_outlet::may_act(const wanted_action& wanted, std::size_t ordinal,
                          const rule_effect& effect) {
  if (!wanted.limit)
    return true;
  auto now = now_ms();
  std::lock_guard guard{mutex_};
  if (is_holding_)
    return true;
  auto& of = records_[effect.rule];
  auto& known = of.rates[ordinal];
  if (known.count == 0 || now - known.begin_ms >= wanted.limit->every.count())
    known = {now, 0};
  if (known.count >= wanted.limit->count) {
    ++of.limited;
    note_end(effect);
    return false;
  }
  ++known.count;
  return true;
}

void rule_outlet::again_later(const rule_effect& effect, std::uint32_t attempts,
                              std::int64_t pause_ms) {
  ++records_[effect.rule].retried;
  waiting_.push_back({effect, attempts + 1, now_ms() + pause_ms});
}

void rule_outlet::give_up(const rule_effect& effect, const error& why) {
  {
    std::lock_guard guard{mutex_};
    note_end(effect);
    auto& into = records_[effect.rule];
    ++into.failed;
    into.last_error = to_string(why);
  }
  world_.log("rule " + effect.rule + ": an action failed: " + to_string(why));
}

void rule_outlet::ended(const rule_effect& effect, std::uint32_t attempts,
                        const result<void>& how) {
  {
    std::lock_guard guard{mutex_};
    if (how) {
      ++records_[effect.rule].done;
      note_end(effect);
      return;
    }
    if (world_.keeps && how.error().code == errc::stopping)
      return; // The next start goes on with it.
    if (may_pass(how.error().code) && attempts < attempts_max && waiting_.size() < waiting_max)
      return again_later(effect, attempts, first_pause_ms << attempts);
  }
  give_up(effect, how.error());
}

void rule_outlet::posted(const rule_effect& effect, std::uint32_t attempts,
                         const post_outcome& outcome) {
  if (outcome.how)
    return ended(effect, attempts, outcome.how);
  if (world_.keeps && outcome.how.error().code == errc::stopping)
    return;
  {
    std::lock_guard guard{mutex_};
    if (!outcome.is_final && attempts < posts_max && waiting_.size() < waiting_max) {
      constexpr std::int64_t pause_max_ms = 60'000;
      constexpr std::int64_t wish_max_ms = 3'600'000; // Of a server.
      auto pause = std::min(first_pause_ms << (2 + attempts), pause_max_ms);
      auto wish = std::min<std::int64_t>(outcome.pause.count(), wish_max_ms);
      return again_later(effect, attempts, std::max(pause, wish));
    }
  }
  give_up(effect, outcome.how.error());
  bury(effect, outcome.how.error(), attempts);
}

void rule_outlet::bury(const rule_effect& effect, const error& why, std::uint32_t attempts) {
  if (!world_.bury)
    return;
  if (auto kept = world_.bury(dead_letter(effect, why, attempts, now_ms())); !kept)
    world_.log("rule " + effect.rule + ": a dead letter is lost: " + to_string(kept.error()));
}

void rule_outlet::stop() {
  std::vector<again> left;
  {
    std::lock_guard guard{mutex_};
    left = std::exchange(waiting_, {});
  }
  if (world_.keeps)
    return; // The next start goes on with them.
  const error why{errc::stopping, "the node is stopping"};
  for (const auto& one : left) {
    give_up(one.effect, why);
    if (one.effect.kind == action_kind::webhook)
      bury(one.effect, why, one.attempts - 1);
  }
}

void rule_outlet::tick(std::int64_t now) {
  std::vector<again> due;
  {
    std::lock_guard guard{mutex_};
    auto behind = std::stable_partition(waiting_.begin(), waiting_.end(),
                                        [&](const again& one) { return one.due_ms > now; });
    std::move(behind, waiting_.end(), std::back_inserter(due));
    waiting_.erase(behind, waiting_.end());
  }
  for (auto& one : due)
    carry_out(std::move(one.effect), one.attempts);
}

rule_outcomes rule_outlet::outcomes_of(const record& from) {
  rule_outcomes made{from.done, from.failed, from.retried, from.limited, from.last_error, 0, 0};
  if (from.latency == nullptr)
    return made;
  auto us = [&](double quantile) {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(from.latency->value_at(quantile))
            .count());
  };
  made.latency_p50_us = us(0.5);
  made.latency_p99_us = us(0.99);
  return made;
}

rule_outcomes rule_outlet::outcomes(const std::string& rule) const {
  std::lock_guard guard{mutex_};
  auto known = records_.find(rule);
  return known != records_.end() ? outcomes_of(known->second) : rule_outcomes{};
}

rule_outcomes rule_outlet::totals() const {
  std::lock_guard guard{mutex_};
  rule_outcomes sum;
  for (const auto& [name, one] : records_) {
    sum.done += one.done;
    sum.failed += one.failed;
    sum.retried += one.retried;
  }
  return sum;
}

std::size_t rule_outlet::waiting() const {
  std::lock_guard guard{mutex_};
  return waiting_.size();
}

void rule_outlet::forget(const std::string& rule) {
  std::lock_guard guard{mutex_};
  records_.erase(rule);
}

} // namespace gemel
