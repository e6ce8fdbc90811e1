#include "actors/ingress.hpp"
#include "messages/replies.hpp"
#include "messages/requests.hpp"
#include "messages/wire.hpp"

#include <algorithm>

namespace gemel {

namespace {

// Bounds of one subscriber's rate limit are shared out between the cells; each has at least these.
constexpr std::size_t folded_twins_min = 64;
constexpr std::size_t folded_bytes_min = 64u << 10;

error too_long(const char* what, std::chrono::milliseconds most) {
  return {errc::limit_reached,
          std::string{what} + ": at most " + std::to_string(most.count()) + " ms"};
}

} // namespace

/// @returns errc::limit_reached, or bad_syntax with the place inside `where`.
result<subscription::options> ingress::subscription_options(subscription_request&& asked) const {
  auto keep_max = limits_.subscription_keep_max;
  if (std::chrono::milliseconds{asked.keep_ms} > keep_max)
    return tl::unexpected<error>(too_long("limits.subscription_keep_max", keep_max));
  if (std::chrono::milliseconds{asked.min_interval_ms} > limits::min_interval_max)
    return tl::unexpected<error>(too_long("min_interval", limits::min_interval_max));
  subscription::options made;
  if (!asked.where.empty()) {
    auto compiled = expression::compile(asked.where, event_binder::options());
    if (!compiled)
      return fail(compiled.error().code, "where: " + compiled.error().context);
    made.where = std::move(*compiled);
  }
  auto backlog = limits_.subscriber_backlog_max;
  made.credit_max = asked.credit == 0 ? backlog : std::min(asked.credit, backlog);
  made.backlog_max = backlog;
  made.backlog_bytes_max = limits_.subscriber_backlog_bytes_max;
  made.folded_twins_max = std::max<std::size_t>(backlog / cells_.size(), folded_twins_min);
  made.folded_bytes_max =
      std::max(limits_.subscriber_backlog_bytes_max / cells_.size(), folded_bytes_min);
  made.asked = std::move(asked);
  return made;
}

void ingress::subscribe(const frame& request, subscriber_end to, const reply_function& reply) {
  auto asked = read_subscribe(request.message().getSubscribe());
  if (asked.resume != 0)
    return resume(asked, std::move(to), reply);
  auto wanted = subscription_options(std::move(asked));
  if (!wanted)
    return reply(make_error_reply(wanted.error()));
  auto shared = std::make_shared<subscription::options>(std::move(*wanted));
  scan([this, shared, to = std::move(to), reply] { subscribe_now(*shared, to, reply); }, reply);
}

void ingress::subscribe_now(subscription::options& wanted, const subscriber_end& to,
                            const reply_function& reply) {
  const auto& ids = wanted.asked.ids;
  auto rows = std::make_shared<std::vector<std::vector<cell::watched_row>>>(cells_.size());
  for (std::uint32_t i = 0; i < ids.size(); ++i) {
    auto at = twins_.find(ids[i]);
    if (!at)
      return reply(make_error_reply({errc::twin_not_found, ids[i]}));
    (*rows)[static_cast<std::size_t>(at->cell)].push_back({i, at->row});
  }
  subscription_ptr made;
  {
    std::lock_guard guard{mutex_};
    if (subscriptions_.size() >= limits_.subscriptions_max)
      return reply(make_error_reply({errc::limit_reached, "limits.subscriptions_max"}));
    wanted.number = ++last_subscription_;
    made = std::make_shared<subscription>(std::move(wanted), to);
    subscriptions_.emplace(made->number(), made);
  }
  auto refused = [this, number = made->number(), reply](frame why) {
    {
      std::lock_guard guard{mutex_};
      subscriptions_.erase(number);
    }
    reply(std::move(why));
  };
  gather([made, rows](cell& c, std::size_t i) { c.subscribe(made, (*rows)[i]); }, refused,
         [made, reply] { reply(make_subscribed_reply(made->number())); });
}

void ingress::resume(const subscription_request& asked, subscriber_end to,
                     const reply_function& reply) {
  subscription_ptr kept;
  {
    std::lock_guard guard{mutex_};
    if (auto i = subscriptions_.find(asked.resume); i != subscriptions_.end())
      kept = i->second;
  }
  if (kept == nullptr)
    return reply(
        make_error_reply({errc::subscription_lost, "subscription " + std::to_string(asked.resume)
                                                       + " is not kept here, or not any more"}));
  auto done = kept->resume(std::move(to), asked.resume_after);
  reply(done ? make_subscribed_reply(kept->number()) : make_error_reply(done.error()));
}

void ingress::unsubscribe(std::uint64_t number, const reply_function& reply) {
  auto done = [this, number, reply] {
    {
      std::lock_guard guard{mutex_};
      subscriptions_.erase(number);
    }
    if (reply)
      reply(make_done_reply());
  };
  auto ask = [this, number, reply, done] {
    gather([number](cell& c, std::size_t) { c.unsubscribe(number); }, reply, done);
  };
  scan(ask, reply, true);
}

/// One job for all of them, however many, so that it need not be refused.
void ingress::end_all(std::vector<std::uint64_t> numbers) {
  if (numbers.empty())
    return;
  {
    std::lock_guard guard{mutex_};
    for (auto number : numbers)
      subscriptions_.erase(number);
  }
  auto ask = [this, numbers = std::move(numbers)] {
    in_each_cell(
        [numbers](cell& c, std::size_t) {
          for (auto number : numbers)
            c.unsubscribe(number);
        },
        {}, [] {});
  };
  scan(ask, {}, true);
}

void ingress::detach(const std::vector<std::uint64_t>& numbers, std::uint64_t owner) {
  std::vector<std::uint64_t> ended;
  auto now = clock_.now().steady_ns;
  {
    std::lock_guard guard{mutex_};
    for (auto number : numbers) {
      auto i = subscriptions_.find(number);
      if (i == subscriptions_.end())
        continue;
      auto& each = *i->second;
      if (!each.is_kept())
        ended.push_back(number);
      else
        each.detach(owner, now + std::int64_t{each.asked().keep_ms} * 1'000'000);
    }
  }
  end_all(std::move(ended));
}

std::size_t ingress::sweep() {
  std::vector<std::uint64_t> ended;
  std::size_t waiting = 0;
  auto now = clock_.now().steady_ns;
  {
    std::lock_guard guard{mutex_};
    for (const auto& [number, each] : subscriptions_) {
      if (!each->is_detached())
        continue;
      if (each->expire(now))
        ended.push_back(number);
      else
        ++waiting;
    }
  }
  end_all(std::move(ended));
  return waiting;
}

void ingress::grant(std::uint64_t number, std::uint32_t credit, std::uint64_t owner) {
  subscription_ptr granted;
  {
    std::lock_guard guard{mutex_};
    if (auto i = subscriptions_.find(number); i != subscriptions_.end())
      granted = i->second;
  }
  if (granted != nullptr)
    granted->grant(credit, owner);
}

std::size_t ingress::subscriptions() const {
  std::lock_guard guard{mutex_};
  return subscriptions_.size();
}

} // namespace gemel
