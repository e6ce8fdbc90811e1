#include "load.hpp"
#include "runtime/adapters/machine.hpp"

#include <fmt/format.h>

namespace gemel::bench {

int run_create(const options& asked) {
  auto in = start_node(asked);
  auto before = resident_bytes();
  auto cpu_began = processor_seconds();
  auto took = create_all(*in, asked);
  auto cpu = processor_seconds() - cpu_began;
  auto twins = static_cast<double>(asked.twins);
  report(asked, "create", "create_rate", twins / took, "twins/s");
  report(asked, "create", "create_rate_per_cpu_s", twins / cpu, "twins/CPU s");
  report(asked, "create", "rss_per_twin", static_cast<double>(resident_bytes() - before) / twins,
         "bytes");
  return 0;
}

int run_update(const options& asked) {
  auto in = start_node(asked);
  create_all(*in, asked);
  report_rate(
      asked, "update", "update_rate",
      update_rate(*in, asked, machine_ids(asked), asked.batch, frames_under_way, asked.seconds));
  return 0;
}

int run_update_one(const options& asked) {
  auto in = start_node(asked);
  create_all(*in, asked);
  report_rate(asked, "update-one", "update_rate_one_by_one",
              update_rate(*in, asked, machine_ids(asked), 1, updates_under_way, asked.seconds));
  return 0;
}

int run_notify(const options& asked) {
  auto in = start_node(asked);
  create_all(*in, asked);
  auto ids = machine_ids(asked);
  auto alone = update_rate(*in, asked, ids, asked.batch, frames_under_way, asked.seconds / 2);
  report_rate(asked, "notify", "update_rate_without_subscribers", alone);
  std::atomic<std::uint64_t> notified{0};
  std::atomic<std::uint64_t> hot{0};
  std::atomic<std::uint64_t> missed{0};
  auto callback = [&](const event_batch& events) {
    std::uint64_t above = 0;
    auto temperature = events.key("temperature");
    for (unsigned i = 0; i < events.size(); ++i)
      above += events[i].new_value(temperature).number().value_or(0) > 85;
    hot.fetch_add(above, std::memory_order_relaxed);
    notified.fetch_add(events.size(), std::memory_order_relaxed);
    missed.fetch_add(events.missed(), std::memory_order_relaxed);
  };
  // Every twin is subscribed to by its id; a request names at most 1,000 of them here.
  constexpr std::size_t ids_per_subscription = 1'000;
  for (std::size_t from = 0; from < ids.size(); from += ids_per_subscription) {
    subscription_request wanted;
    auto to = std::min(from + ids_per_subscription, ids.size());
    wanted.ids.assign(ids.begin() + static_cast<std::ptrdiff_t>(from),
                      ids.begin() + static_cast<std::ptrdiff_t>(to));
    if (auto made = in->subscribe(wanted, callback); !made) {
      fmt::print(stderr, "gemel-bench: {}\n", to_string(made.error()));
      return 1;
    }
  }
  auto began = now_seconds();
  auto measured = update_rate(*in, asked, ids, asked.batch, frames_under_way, asked.seconds);
  auto took = now_seconds() - began;
  report_rate(asked, "notify", "update_rate_with_subscribers", measured);
  report(asked, "notify", "notified_update_rate", static_cast<double>(notified.load()) / took,
         "updates/s");
  report(asked, "notify", "notifications_missed", static_cast<double>(missed.load()), "updates");
  report(asked, "notify", "notified_above_85", static_cast<double>(hot.load()), "updates");
  return 0;
}

} // namespace gemel::bench
