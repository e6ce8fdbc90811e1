#include "runtime/rule_outlet.hpp"

#include "messages/replies.hpp"
#include "messages/text.hpp"

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
  auto taken = std::max<std::int64_t>(world_.clock->now().unix_us - found.written_us, 0);
  std::lock_guard guard{mutex_};
  auto& into = records_[found.of->name()].latency;
  if (into == nullptr)
    into = std::make_unique<histogram>();
  into->record(std::chrono::microseconds{taken});
}

void rule_outlet::take(const rule_finding& found) {
  note_latency(found);
  if (found.what == rule_finding::kind::timeout)
    return world_.log("rule " + found.of->name() + ": out of time, key "
                      + to_json(found.found.key));
  auto wanted = found.of->actions_for(found.found);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    auto effect = effect_of(wanted[i], i, found);
    if (effect) {
      carry_out(std::move(*effect), 1);
      continue;
    }
    rule_effect refused;
    refused.rule = found.of->name();
    ended(refused, attempts_max, tl::unexpected<error>(effect.error()));
  }
}

void rule_outlet::publish(const rule_effect& effect) {
  auto sink = world_.sinks.find(effect.target);
  if (sink == world_.sinks.end())
    return ended(effect, attempts_max,
                 fail(errc::unsupported, "no sink '" + effect.target + "' was given to the node"));
  try {
    sink->second(effect.payload);
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
    return world_.post(*shared, [self, shared, attempts](const result<void>& how) {
      self->ended(*shared, attempts, how);
    });
  }
  world_.request(shared->request, [self, shared, attempts](const frame& answer) {
    self->ended(*shared, attempts, verdict_of(answer));
  });
}

void rule_outlet::ended(const rule_effect& effect, std::uint32_t attempts,
                        const result<void>& how) {
  {
    std::lock_guard guard{mutex_};
    auto& into = records_[effect.rule];
    if (how) {
      ++into.done;
      return;
    }
    auto is_passing = may_pass(how.error().code) || effect.kind == action_kind::webhook;
    if (is_passing && attempts < attempts_max && waiting_.size() < waiting_max) {
      ++into.retried;
      waiting_.push_back({effect, attempts + 1, now_ms() + (first_pause_ms << attempts)});
      return;
    }
    ++into.failed;
    into.last_error = to_string(how.error());
  }
  world_.log("rule " + effect.rule + ": an action failed: " + to_string(how.error()));
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
  rule_outcomes made{from.done, from.failed, from.retried, from.last_error, 0, 0};
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
