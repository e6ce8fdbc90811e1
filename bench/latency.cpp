#include "load.hpp"
#include "messages/histogram.hpp"
#include "runtime/adapters/machine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <thread>

namespace gemel::bench {

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

// An open loop of single updates from one thread, one every `period_ns` from `began` on, however
// long the answers take.
class generator {
public:
  generator(node& in, const std::vector<std::string>& ids, std::uint64_t seed)
      : in_{in}, ids_{ids}, random_{seed} {}

  void run(std::int64_t began, double period_ns, std::uint64_t warm_up, std::uint64_t total,
           latency_recorder& into) {
    for (std::uint64_t i = 0; i < total; ++i) {
      auto due = began + static_cast<std::int64_t>(static_cast<double>(i) * period_ns);
      auto update = make_updates(ids_, 1, random_);
      auto submitted = now_ns();
      while (submitted < due)
        submitted = now_ns();
      in_.update_async(update, [this, &into, submitted, due, counts = i >= warm_up](outcome&&) {
        if (counts)
          into.record(submitted, due, now_ns());
        answered_.fetch_add(1, std::memory_order_release);
      });
    }
    ended_ns_ = now_ns();
    while (answered_.load(std::memory_order_acquire) < total)
      std::this_thread::yield();
  }

  // When the last update was submitted.
  std::int64_t ended_ns() const noexcept { return ended_ns_; }

private:
  node& in_;
  const std::vector<std::string>& ids_;
  random_source random_;
  std::int64_t ended_ns_ = 0;
  alignas(64) std::atomic<std::uint64_t> answered_{0};
};

// Runs the open loop at `offered` updates/s from `threads` threads, a second longer than asked to
// warm up. @returns the rate that the generators kept up with.
double run_open_loop(node& in, const options& asked, const std::vector<std::string>& ids,
                     double offered, latency_recorder& into) {
  std::vector<std::unique_ptr<generator>> generators;
  for (unsigned g = 0; g < asked.clients; ++g)
    generators.push_back(std::make_unique<generator>(in, ids, asked.seed + g + 1));
  auto each = offered / asked.clients;
  auto period_ns = 1e9 / each;
  auto warm_up = static_cast<std::uint64_t>(each);
  auto total = warm_up + static_cast<std::uint64_t>(each * asked.seconds);
  auto began = now_ns();
  std::vector<std::jthread> threads;
  for (unsigned g = 0; g < asked.clients; ++g) {
    auto first = began + static_cast<std::int64_t>(period_ns * g / asked.clients);
    threads.emplace_back(
        [&, g, first] { generators[g]->run(first, period_ns, warm_up, total, into); });
  }
  threads.clear();
  std::int64_t ended = began;
  for (const auto& one : generators)
    ended = std::max(ended, one->ended_ns());
  return static_cast<double>(total * asked.clients) / (static_cast<double>(ended - began) * 1e-9);
}

} // namespace

int run_update_latency(const options& wanted) {
  auto asked = wanted;
  // Waiting for the next update keeps a core busy, and so does a cell's thread that waits for the
  // next one. With a core for each of them none is put aside for milliseconds, which would then be
  // what is measured; so the node has the cores that the generators leave.
  auto cores = core_count();
  if (asked.clients_given == 0)
    asked.clients = std::max(1U, cores / 4);
  if (asked.workers == 0)
    asked.workers = cores > asked.clients ? cores - asked.clients : 1;
  auto in = start_node(asked);
  create_all(*in, asked);
  auto ids = machine_ids(asked);
  auto saturated = update_rate(*in, asked, ids, 1, updates_under_way, 2);
  auto offered = saturated.per_second / 2;
  report(asked, "update-latency", "generators", asked.clients, "threads");
  report(asked, "update-latency", "workers", asked.workers, "threads");
  report(asked, "update-latency", "offered_rate", offered, "updates/s");
  latency_recorder latencies;
  auto achieved = run_open_loop(*in, asked, ids, offered, latencies);
  report(asked, "update-latency", "achieved_rate", achieved, "updates/s");
  auto measured = latencies.sum();
  report_latency(asked, "latency", measured.from_submit);
  report_latency(asked, "latency_from_schedule", measured.from_schedule);
  return 0;
}

} // namespace gemel::bench
