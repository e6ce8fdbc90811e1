#include "messages/histogram.hpp"
#include "runtime/adapters/machine.hpp"
#include "workload.hpp"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <semaphore>
#include <thread>

namespace gemel::bench {

namespace {

std::vector<std::string> machine_ids(const options& asked) {
  std::vector<std::string> ids;
  ids.reserve(asked.twins);
  for (std::uint64_t i = 0; i < asked.twins; ++i)
    ids.push_back(machine_id(i));
  return ids;
}

struct rate {
  double per_second = 0;
  double per_cpu_second = 0;
};

// How many frames of one client are under way. A client that has filled its window sleeps until
// half of it is free, so that waking it is not what is measured.
class window {
public:
  explicit window(std::uint32_t size) : size_{size} {}

  void enter() {
    while (open_.load() >= size_) {
      waiting_.store(true);
      // If there is room by now, a release may still have come in between: then take it.
      if (open_.load() >= size_ || !waiting_.exchange(false))
        half_.acquire();
    }
    open_.fetch_add(1, std::memory_order_relaxed);
  }
  void leave() {
    if (open_.fetch_sub(1) <= size_ / 2 + 1 && waiting_.load() && waiting_.exchange(false))
      half_.release();
  }
  void drain() {
    while (open_.load(std::memory_order_acquire) != 0)
      std::this_thread::yield();
  }

private:
  std::uint32_t size_;
  std::atomic<std::uint32_t> open_{0};
  std::atomic<bool> waiting_{false};
  std::counting_semaphore<> half_{0};
};

// One client's: its own cache lines, since every answer writes here.
struct alignas(64) load {
  explicit load(std::uint32_t frames) : room{frames} {}

  window room;
  std::atomic<std::uint64_t> applied{0};
  std::atomic<std::uint64_t> failed{0};
};

void run_client(node& in, const std::vector<std::string>& ids, std::uint64_t seed,
                std::uint32_t batch, load& mine, const std::atomic<bool>& stop) {
  random_source random{seed};
  while (!stop.load(std::memory_order_relaxed)) {
    auto updates = make_updates(ids, batch, random);
    mine.room.enter();
    in.update_async(updates, [&mine](outcome&& what) {
      mine.applied.fetch_add(what.applied, std::memory_order_relaxed);
      if (!what.failures.empty())
        mine.failed.fetch_add(what.failures.size(), std::memory_order_relaxed);
      mine.room.leave();
    });
  }
  mine.room.drain();
}

// A closed loop, each client with up to `frames` frames under way; an update counts once it is
// applied.
rate update_rate(node& in, const options& asked, const std::vector<std::string>& ids,
                 std::uint32_t batch, std::uint32_t frames, double seconds) {
  std::vector<std::unique_ptr<load>> loads;
  for (unsigned c = 0; c < asked.clients; ++c)
    loads.push_back(std::make_unique<load>(frames));
  auto sum = [&loads](std::atomic<std::uint64_t> load::*counter) {
    std::uint64_t all = 0;
    for (const auto& one : loads)
      all += (*one.*counter).load();
    return all;
  };
  std::atomic<bool> stop{false};
  std::vector<std::jthread> clients;
  for (unsigned c = 0; c < asked.clients; ++c)
    clients.emplace_back(
        [&, c] { run_client(in, ids, asked.seed + c + 1, batch, *loads[c], stop); });
  std::this_thread::sleep_for(std::chrono::seconds{1}); // warm up
  auto count = sum(&load::applied);
  auto began = now_seconds();
  auto cpu_began = processor_seconds();
  std::this_thread::sleep_for(std::chrono::duration<double>{seconds});
  rate measured;
  auto done = static_cast<double>(sum(&load::applied) - count);
  measured.per_second = done / (now_seconds() - began);
  measured.per_cpu_second = done / (processor_seconds() - cpu_began);
  stop = true;
  clients.clear();
  if (auto failed = sum(&load::failed); failed != 0) {
    fmt::print(stderr, "gemel-bench: {} updates failed\n", failed);
    std::exit(1);
  }
  return measured;
}

void report_rate(const options& asked, std::string_view bench, const std::string& metric,
                 const rate& measured) {
  report(asked, bench, metric, measured.per_second, "updates/s");
  report(asked, bench, metric + "_per_cpu_s", measured.per_cpu_second, "updates/CPU s");
}

} // namespace

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
  auto ids = machine_ids(asked);
  report_rate(asked, "update", "update_rate",
              update_rate(*in, asked, ids, asked.batch, 8, asked.seconds));
  return 0;
}

int run_update_one(const options& asked) {
  auto in = start_node(asked);
  create_all(*in, asked);
  auto ids = machine_ids(asked);
  report_rate(asked, "update-one", "update_rate_one_by_one",
              update_rate(*in, asked, ids, 1, 2'000, asked.seconds));
  return 0;
}

namespace {

// Latencies as the cells' threads see them, each thread its own.
class latency_recorder {
public:
  struct pair {
    histogram from_submit;
    histogram from_schedule;
  };

  void record(std::int64_t submitted_ns, std::int64_t scheduled_ns, std::int64_t now_ns) {
    thread_local pair* mine = nullptr;
    thread_local latency_recorder* owner = nullptr;
    if (owner != this) {
      std::lock_guard guard{mutex_};
      mine = pairs_.emplace_back(std::make_unique<pair>()).get();
      owner = this;
    }
    mine->from_submit.record(
        std::chrono::nanoseconds{std::max<std::int64_t>(now_ns - submitted_ns, 1)});
    mine->from_schedule.record(
        std::chrono::nanoseconds{std::max<std::int64_t>(now_ns - scheduled_ns, 1)});
  }

  pair sum() {
    std::lock_guard guard{mutex_};
    pair all;
    for (const auto& one : pairs_) {
      all.from_submit.merge(one->from_submit);
      all.from_schedule.merge(one->from_schedule);
    }
    return all;
  }

private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<pair>> pairs_;
};

std::int64_t now_ns() {
  return std::chrono::steady_clock::now().time_since_epoch().count();
}

void report_latency(const options& asked, const std::string& prefix, const histogram& h) {
  auto us = [](std::chrono::nanoseconds t) { return static_cast<double>(t.count()) / 1'000; };
  report(asked, "update-latency", prefix + "_p50", us(h.value_at(0.5)), "us");
  report(asked, "update-latency", prefix + "_p99", us(h.value_at(0.99)), "us");
  report(asked, "update-latency", prefix + "_p999", us(h.value_at(0.999)), "us");
  report(asked, "update-latency", prefix + "_max", us(h.max()), "us");
}

} // namespace

int run_update_latency(const options& asked) {
  auto in = start_node(asked);
  create_all(*in, asked);
  auto ids = machine_ids(asked);
  // Half of what one client's open loop, which needs a core of its own, saturates at.
  auto one_client = asked;
  one_client.clients = 1;
  auto saturated = update_rate(*in, one_client, ids, 1, 2'000, 2);
  auto offered = saturated.per_second / 2;
  report(asked, "update-latency", "offered_rate", offered, "updates/s");
  latency_recorder latencies;
  std::atomic<std::uint64_t> applied{0};
  random_source random{asked.seed};
  auto began = now_ns();
  auto period_ns = 1e9 / offered;
  auto warm_up = static_cast<std::uint64_t>(offered);
  auto total = warm_up + static_cast<std::uint64_t>(offered * asked.seconds);
  for (std::uint64_t i = 0; i < total; ++i) {
    auto due = began + static_cast<std::int64_t>(static_cast<double>(i) * period_ns);
    auto update = make_updates(ids, 1, random);
    auto submitted = now_ns();
    while (submitted < due)
      submitted = now_ns();
    in->update_async(update, [&, submitted, due, i](outcome&& what) {
      if (i >= warm_up)
        latencies.record(submitted, due, now_ns());
      applied.fetch_add(what.applied, std::memory_order_release);
    });
  }
  auto took = static_cast<double>(now_ns() - began) * 1e-9;
  while (applied.load(std::memory_order_acquire) < total)
    std::this_thread::yield();
  report(asked, "update-latency", "achieved_rate", static_cast<double>(total) / took, "updates/s");
  auto measured = latencies.sum();
  report_latency(asked, "latency", measured.from_submit);
  report_latency(asked, "latency_from_schedule", measured.from_schedule);
  return 0;
}

int run_notify(const options& asked) {
  auto in = start_node(asked);
  create_all(*in, asked);
  auto ids = machine_ids(asked);
  auto alone = update_rate(*in, asked, ids, asked.batch, 8, asked.seconds / 2);
  report_rate(asked, "notify", "update_rate_without_subscribers", alone);
  std::atomic<std::uint64_t> notified{0};
  std::atomic<std::uint64_t> hot{0};
  std::atomic<std::uint64_t> missed{0};
  auto callback = [&](const event_batch& events) {
    std::uint64_t above = 0;
    for (unsigned i = 0; i < events.size(); ++i)
      above += events[i].new_value("temperature").number().value_or(0) > 85;
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
  auto measured = update_rate(*in, asked, ids, asked.batch, 8, asked.seconds);
  auto took = now_seconds() - began;
  report_rate(asked, "notify", "update_rate_with_subscribers", measured);
  report(asked, "notify", "notified_update_rate", static_cast<double>(notified.load()) / took,
         "updates/s");
  report(asked, "notify", "notifications_missed", static_cast<double>(missed.load()), "updates");
  report(asked, "notify", "notified_above_85", static_cast<double>(hot.load()), "updates");
  return 0;
}

} // namespace gemel::bench
