#include "examples/factory/watch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace gemel::factory {

// ---- the subscription ------------------------------------------------------------------------

void watch::inbox::add(const event_batch& events) {
  std::lock_guard guard{mutex};
  missed += events.missed();
  for (unsigned i = 0; i < events.size(); ++i) {
    auto event = events[i].record();
    const auto* change = event.find(property);
    auto now = change ? change->new_value.number() : std::nullopt;
    if (!now)
      continue;
    changes.push_back(
        {std::move(event.id), event.source_time_us, change->old_value.number(), *now});
    ++count;
  }
  arrived.notify_all();
}

result<std::unique_ptr<watch>> watch::start(node& at, std::string_view type,
                                            std::string_view property, value_limits limits) {
  auto in = std::make_shared<inbox>();
  in->property = property;
  std::unique_ptr<watch> made{new watch{at, in}};
  subscription_request asked;
  asked.type = type;
  asked.where = limits.condition(property);
  auto subscribed = at.subscribe(asked, [in](const event_batch& events) { in->add(events); });
  if (!subscribed)
    return tl::unexpected{subscribed.error()};
  made->subscription_ = *subscribed;
  return made;
}

watch::~watch() {
  if (subscription_)
    static_cast<void>(node_.unsubscribe(*subscription_));
}

std::vector<value_change> watch::take() {
  std::lock_guard guard{in_->mutex};
  return std::exchange(in_->changes, {});
}

result<void> watch::wait_for(std::uint64_t count) {
  constexpr std::chrono::seconds patience{10};
  std::unique_lock lock{in_->mutex};
  auto all_came = [&] { return in_->count + in_->missed >= count; };
  for (auto before = in_->count; !all_came(); before = in_->count)
    if (in_->arrived.wait_for(lock, patience) == std::cv_status::timeout && in_->count == before)
      return fail(errc::timed_out, fmt::format("{} of {} changes came", in_->count, count));
  return {};
}

std::uint64_t watch::missed() const {
  std::lock_guard guard{in_->mutex};
  return in_->missed;
}

// ---- the updates -----------------------------------------------------------------------------

feed::~feed() {
  static_cast<void>(finish());
}

void feed::send(const frame& updates, std::uint32_t count) {
  {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [&] { return under_way_ == 0 || under_way_ + count <= under_way_max; });
    under_way_ += count;
  }
  node_.update_async(updates, [this, count](outcome&& what) { answered(count, what); });
}

// Notifies under the lock: once it is free, `finish` may return and the feed may be gone.
void feed::answered(std::uint32_t count, const outcome& what) {
  std::lock_guard guard{mutex_};
  under_way_ -= count;
  if (!failure_ && !what.failures.empty())
    failure_ = what.failures.front().why;
  changed_.notify_all();
}

result<void> feed::finish() {
  std::unique_lock lock{mutex_};
  changed_.wait(lock, [&] { return under_way_ == 0; });
  if (failure_)
    return tl::unexpected{*failure_};
  return {};
}

// ---- the node and its figures ----------------------------------------------------------------

result<std::unique_ptr<node>> start_node() {
  node_options options;
  options.config.node.id = "factory-demo";
  options.listen = true;
  auto started = node::start(options);
  if (started || started.error().code != errc::io_failed)
    return started;
  options.config.listen.port = 0;
  return node::start(options);
}

result<cost> cost_of(node& of) {
  auto stats = of.stats();
  if (!stats)
    return tl::unexpected{stats.error()};
  auto counter = [&](std::string_view name) {
    auto found = std::find_if(stats->counters.begin(), stats->counters.end(),
                              [&](const counter_record& c) { return c.name == name; });
    return found == stats->counters.end() ? 0.0 : found->number;
  };
  cost spent;
  spent.updates = counter("gemel_updates_applied_total");
  spent.events = counter("gemel_events_total");
  spent.events_delivered = counter("gemel_events_delivered_total");
  spent.events_missed = counter("gemel_events_missed_total");
  spent.queries = counter("gemel_queries_total");
  spent.resident_bytes = counter("gemel_resident_bytes");
  for (const auto& one : stats->latencies)
    if (one.name == "gemel_update_latency")
      spent.latency = one;
  return spent;
}

namespace {

// Nanoseconds for people: three digits that count.
std::string shown_ns(std::uint64_t ns) {
  auto number = static_cast<double>(ns);
  if (ns < 1'000'000)
    return fmt::format("{:.0f} us", number / 1e3);
  return fmt::format("{:.3g} ms", number / 1e6);
}

// Such as 2,880,000.
std::string with_commas(double number) {
  auto text = fmt::format("{:.0f}", number);
  for (std::size_t at = text.size(); at > 3;)
    text.insert(at -= 3, ",");
  return text;
}

} // namespace

std::string describe(const cost& spent) {
  const auto& l = spent.latency;
  std::string text;
  text += fmt::format("  updates    {} applied in {:.2f} s, {} a second\n",
                      with_commas(spent.updates), spent.seconds,
                      with_commas(spent.seconds > 0 ? spent.updates / spent.seconds : 0));
  text += fmt::format("  latency    p50 {}, p99 {}, p99.9 {}, max {} (up to {} under way)\n",
                      shown_ns(l.p50_ns), shown_ns(l.p99_ns), shown_ns(l.p999_ns),
                      shown_ns(l.max_ns), with_commas(feed::under_way_max));
  text += fmt::format("  events     {} of {} matched the subscription, {} missed\n",
                      with_commas(spent.events_delivered), with_commas(spent.events),
                      with_commas(spent.events_missed));
  return text;
}

} // namespace gemel::factory
