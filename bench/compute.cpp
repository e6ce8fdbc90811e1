// Calls of functions: what the pool of one node takes, how long calls wait for a thread at half of
// that, how soon it has all its threads after a step of the load, and two linked nodes beside one.

#include "load.hpp"
#include "messages/histogram.hpp"
#include "messages/requests.hpp"
#include "runtime/adapters/compute_pool.hpp"
#include "runtime/adapters/system_clock.hpp"
#include "runtime/peers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <latch>
#include <mutex>
#include <optional>
#include <thread>

namespace gemel::bench {

namespace {

using std::chrono::milliseconds;

constexpr std::uint32_t calls_under_way = 1'000;
constexpr double patience_seconds = 60;

void must(bool holds, std::string_view what) {
  if (holds)
    return;
  fmt::print(stderr, "gemel-bench: {}\n", what);
  std::exit(1);
}

std::unique_ptr<compute_pool> make_pool(const clock_port& clock, std::size_t min, std::size_t max) {
  pool_size::options size;
  size.min = min;
  size.max = max;
  return std::make_unique<compute_pool>(clock, compute_queue::options{}, size,
                                        poison_list::options{}, compute_pool::hooks{});
}

compute_job job_of(std::shared_ptr<const function_info> about,
                   std::function<void(result<value>)> done) {
  compute_job made;
  made.function = about->name;
  made.about = std::move(about);
  made.done = std::move(done);
  return made;
}

std::shared_ptr<const function_info> function_of(std::function<void()> body) {
  auto made = std::make_shared<function_info>();
  made->name = "f";
  made->call = [body = std::move(body)](const function_input&) -> result<value> {
    body();
    return value{};
  };
  return made;
}

rate measure_pool(const options& asked, std::size_t workers) {
  system_clock_port clock;
  auto pool = make_pool(clock, workers, workers);
  auto about = function_of([] {});
  auto made = measure_rate(asked, calls_under_way, asked.seconds, [&](unsigned, client_load& mine) {
    while (!mine.stopping()) {
      mine.room.enter();
      pool->submit(job_of(about, [&mine](const result<value>& answer) {
        ++(answer ? mine.applied : mine.failed);
        mine.room.leave();
      }));
    }
  });
  return made;
}

// From the time at which a call was due to its begin, open loop.
histogram measure_delay(const options& asked, std::size_t workers, double per_second) {
  system_clock_port clock;
  histogram waited;
  std::mutex mutex;
  auto pool = make_pool(clock, workers, workers);
  auto end = now_seconds() + asked.seconds;
  for (double due = now_seconds(); due < end; due += 1 / per_second) {
    while (now_seconds() < due)
      std::this_thread::yield();
    auto about = function_of([&, due] {
      auto ns = static_cast<std::int64_t>(1e9 * (now_seconds() - due));
      std::lock_guard guard{mutex};
      waited.record(std::chrono::nanoseconds{std::max<std::int64_t>(ns, 1)});
    });
    pool->submit(job_of(std::move(about), [](const result<value>&) {}));
  }
  auto patience = now_seconds() + patience_seconds;
  while (pool->open_calls() > 0 && now_seconds() < patience)
    std::this_thread::sleep_for(milliseconds{1});
  pool->stop();
  return waited;
}

// From one thread to `workers`, by calls that all come at once and wait.
double measure_scale_up(std::size_t workers) {
  system_clock_port clock;
  auto pool = make_pool(clock, 1, workers);
  constexpr milliseconds takes{50};
  constexpr std::size_t calls_per_worker = 20;
  auto about = function_of([=] { std::this_thread::sleep_for(takes); });
  auto began = now_seconds();
  for (std::size_t i = 0; i < workers * calls_per_worker; ++i)
    pool->submit(job_of(about, [](const result<value>&) {}));
  while (pool->look().workers < workers) {
    must(now_seconds() - began < patience_seconds, "the pool did not grow");
    std::this_thread::sleep_for(milliseconds{1});
  }
  return now_seconds() - began;
}

// ---- two nodes

std::unique_ptr<node> start_one(const options& asked, const std::string& folder,
                                const std::string& name, const std::string& peer) {
  node_options wanted;
  wanted.config.node.id = name;
  wanted.config.node.workers = asked.workers;
  wanted.config.store.path = folder + "/" + name;
  wanted.config.compute.workers_max = 4;
  wanted.config.compute.workers_min = 4;
  // It waits, as for a device: so that two nodes of one machine are worth more than one.
  wanted.functions = {{"wait", "", [](const function_input&) -> result<value> {
                         std::this_thread::sleep_for(milliseconds{5});
                         return value{};
                       }}};
  if (!peer.empty()) {
    wanted.config.cluster.key_file = folder + "/key";
    wanted.config.cluster.listen_port = 0;
    wanted.config.cluster.peers = {peer};
    auto links = make_peer_links(wanted.config);
    must(links.has_value(), links ? "" : to_string(links.error()));
    wanted.peers = {wanted.config.cluster.name, peer_names(wanted.config), std::move(*links)};
  }
  auto started = node::start(std::move(wanted));
  must(started.has_value(), started ? "" : to_string(started.error()));
  return std::move(*started);
}

std::string endpoint_of(node& in) {
  auto made = in.call({"sync", "status", {}});
  must(made.has_value(), made ? "" : to_string(made.error()));
  return std::string{made->find("endpoint")->as_text()};
}

bool sees_peer(node& in) {
  auto made = in.call({"compute", "nodes", {}});
  return made && made->find("nodes")->as_list()[1].find("there")->as_bool();
}

rate measure_nodes(const options& asked, node& in) {
  auto call = make_service_call({"compute", "run", value{value_map{{"function", value{"wait"}}}}});
  return measure_rate(asked, calls_under_way / 10, asked.seconds, [&](unsigned, client_load& mine) {
    while (!mine.stopping()) {
      mine.room.enter();
      in.request(call, [&mine](const frame& answer) {
        ++(expect_result(answer) ? mine.applied : mine.failed);
        mine.room.leave();
      });
    }
  });
}

void measure_both(const options& asked) {
  auto folder = store_folder(asked);
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  std::ofstream{folder + "/key"} << "a key for two nodes of a benchmark";
  {
    auto alone = start_one(asked, folder, "alone", "");
    report_rate(asked, "compute", "task_rate_1_node", measure_nodes(asked, *alone), "calls");
  }
  {
    auto edge = start_one(asked, folder, "edge", "cloud");
    auto cloud = start_one(asked, folder, "cloud", "edge=" + endpoint_of(*edge));
    auto patience = now_seconds() + patience_seconds;
    while (!sees_peer(*edge)) {
      must(now_seconds() < patience, "the nodes did not find each other");
      std::this_thread::sleep_for(milliseconds{10});
    }
    report_rate(asked, "compute", "task_rate_2_nodes", measure_nodes(asked, *edge), "calls");
  }
  std::filesystem::remove_all(folder);
}

} // namespace

int run_compute(const options& asked) {
  auto workers = std::size_t{asked.workers != 0 ? asked.workers : asked.clients};
  auto reached = measure_pool(asked, workers);
  report_rate(asked, "compute", "task_rate", reached, "calls");
  auto waited = measure_delay(asked, workers, reached.per_second / 2);
  for (auto [quantile, label] : {std::pair{0.5, "p50"}, std::pair{0.99, "p99"}})
    report(asked, "compute", fmt::format("queue_delay_{}", label),
           static_cast<double>(waited.value_at(quantile).count()) / 1e3, "us");
  constexpr std::size_t many = 16;
  report(asked, "compute", "scale_up", 1e3 * measure_scale_up(many), "ms");
  measure_both(asked);
  return 0;
}

} // namespace gemel::bench
