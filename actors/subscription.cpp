#include "actors/subscription.hpp"

#include "messages/limits.hpp"
#include "messages/replies.hpp"

#include <algorithm>

namespace gemel {

namespace {

constexpr std::uint32_t all_kinds = UINT32_MAX;

std::uint32_t mask_of(const std::vector<event_kind>& kinds) {
  std::uint32_t mask = 0;
  for (auto kind : kinds)
    mask |= 1u << static_cast<unsigned>(kind);
  return kinds.empty() ? all_kinds : mask;
}

} // namespace

subscription::subscription(options wanted, subscriber_end to)
    : options_{std::move(wanted)}, kinds_{mask_of(options_.asked.kinds)},
      credit_{options_.credit_max}, to_{std::move(to)} {
  GEMEL_CHECK(options_.credit_max > 0);
  if (options_.asked.keep_ms > 0)
    backlog_.emplace(event_backlog::options{options_.backlog_max, options_.backlog_bytes_max,
                                            options_.credit_max});
}

update_folder::options subscription::folding() const noexcept {
  return {std::chrono::milliseconds{options_.asked.min_interval_ms}, options_.folded_twins_max,
          options_.folded_bytes_max};
}

std::uint32_t subscription::frame_events_max() const noexcept {
  constexpr std::uint32_t events_max = 4'096;
  return std::min(events_max, options_.credit_max);
}

std::uint32_t subscription::reserve(std::uint32_t count) noexcept {
  if (is_kept())
    return count;
  auto have = credit_.load(std::memory_order_relaxed);
  for (;;) {
    auto taken = std::min<std::int64_t>(have, count);
    if (taken == 0 || credit_.compare_exchange_weak(have, have - taken, std::memory_order_relaxed))
      return static_cast<std::uint32_t>(taken);
  }
}

void subscription::give_back(std::uint32_t count) noexcept {
  if (!is_kept())
    credit_.fetch_add(count, std::memory_order_relaxed);
}

void subscription::publish(frame_builder& built, std::uint32_t count) {
  auto batch = built.getRoot<wire::Message>().getEvents();
  if (!is_kept()) {
    batch.setMissed(missed_.exchange(0, std::memory_order_relaxed));
    return to_.deliver(built.finish());
  }
  std::lock_guard guard{mutex_};
  batch.setFirstSequence(backlog_->next());
  backlog_->add(built.finish(), count);
  send_backlog();
}

void subscription::lose(std::uint32_t events) noexcept {
  if (!is_kept()) {
    missed_.fetch_add(events, std::memory_order_relaxed);
    return;
  }
  std::lock_guard guard{mutex_};
  backlog_->skip(events);
}

void subscription::tell_gap() {
  if (is_kept()) {
    std::lock_guard guard{mutex_};
    return send_backlog();
  }
  if (missed_.load(std::memory_order_relaxed) == 0 || credit_.load(std::memory_order_relaxed) == 0)
    return;
  if (auto missed = missed_.exchange(0, std::memory_order_relaxed); missed > 0)
    to_.deliver(make_gap_notice(number(), missed, 0));
}

void subscription::send_backlog() {
  while (auto due = backlog_->take()) {
    if (due->missed > 0)
      to_.deliver(make_gap_notice(number(), due->missed, due->first));
    if (!due->events)
      continue;
    to_.deliver(due->skip > 0 ? make_events_tail(due->events, due->skip) : std::move(due->events));
  }
}

void subscription::grant(std::uint32_t events, std::uint64_t owner) {
  if (is_kept()) {
    std::lock_guard guard{mutex_};
    if (owner != 0 && owner != to_.owner)
      return;
    backlog_->grant(events);
    return send_backlog();
  }
  auto have = credit_.load(std::memory_order_relaxed);
  while (!credit_.compare_exchange_weak(have,
                                        std::min<std::int64_t>(have + events, options_.credit_max),
                                        std::memory_order_relaxed)) {
  }
  tell_gap();
}

bool subscription::detach(std::uint64_t owner, std::int64_t until) {
  if (!is_kept())
    return false;
  std::lock_guard guard{mutex_};
  if (owner != to_.owner)
    return false;
  backlog_->cut();
  to_ = {};
  expires_at_ = until;
  return true;
}

result<void> subscription::resume(subscriber_end to, std::uint64_t after) {
  if (!is_kept())
    return fail(errc::bad_value,
                "subscription " + std::to_string(number()) + " was made without keep_ms");
  std::lock_guard guard{mutex_};
  if (is_closed_)
    return fail(errc::subscription_lost, "subscription " + std::to_string(number()));
  if (auto done = backlog_->resume(after); !done)
    return done;
  to_ = std::move(to);
  send_backlog();
  return {};
}

bool subscription::is_detached() const {
  std::lock_guard guard{mutex_};
  return is_kept() && !backlog_->linked();
}

bool subscription::expire(std::int64_t now) {
  std::lock_guard guard{mutex_};
  if (!is_kept() || backlog_->linked() || expires_at_ > now)
    return false;
  is_closed_ = true;
  return true;
}

} // namespace gemel
