// Workflow runs of the seed's example: an aggregate over a building's machines, then a computation
// that depends on it; in memory, and with each change in the log before it takes effect. And how
// long after a step has begun the one that depends on it begins.

#include "load.hpp"
#include "messages/histogram.hpp"
#include "messages/replies.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <thread>

namespace gemel::bench {

namespace {

// A document of each building, of at most so many.
constexpr std::uint64_t documents_max = 1'000;
// That each client has under way.
constexpr std::uint32_t runs_under_way = 100;

void must(bool holds, std::string_view what) {
  if (holds)
    return;
  fmt::print(stderr, "gemel-bench: {}\n", what);
  std::exit(1);
}

std::uint64_t documents_of(const options& asked) {
  return std::clamp<std::uint64_t>(asked.twins / machines_per_building, 1, documents_max);
}

std::string example(const options& asked, std::uint64_t building) {
  std::string machines;
  auto first = building * machines_per_building;
  for (auto i = first; i < std::min(first + machines_per_building, asked.twins); ++i)
    machines += fmt::format("{}\"{}\"", machines.empty() ? "" : ", ", machine_id(i));
  return fmt::format(R"({{"workflow": "example-{0}", "steps": [
  {{"id": "collect_temperatures", "type": "aggregate", "twin_ids": [{1}],
   "function": "collect_property", "parameters": {{"property": "temperature"}}}},
  {{"id": "analyze_patterns", "type": "compute", "twin_ids": ["building-{0:05}"],
   "function": "pattern_analysis", "parameters": {{"algorithm": "thermal_analysis"}}}}],
  "dependencies": {{"analyze_patterns": ["collect_temperatures"]}}}})",
                     building, machines);
}

constexpr const char* pair = R"({"workflow": "pair", "steps": [
  {"id": "a", "type": "compute", "function": "first"},
  {"id": "b", "type": "compute", "function": "second", "depends_on": ["a"]}]})";

// A call that starts the workflow and is answered when its run has ended.
frame make_run(const std::string& workflow) {
  return make_service_call({"workflows", "run", value{value_map{{"workflow", value{workflow}}}}});
}

bool has_completed(const frame& answer) {
  auto made = expect_result(answer);
  const auto* state = made ? made->find("state") : nullptr;
  return state != nullptr && state->is_text() && state->as_text() == "completed";
}

/// When the steps of `pair` begin. Its runs come one at a time.
class step_watch {
public:
  function_info first() {
    return {"first", "", [this](const function_input&) -> result<value> {
              std::lock_guard guard{mutex_};
              began_ = now_seconds();
              return value{};
            }};
  }
  function_info second() {
    return {"second", "", [this](const function_input&) -> result<value> {
              std::lock_guard guard{mutex_};
              auto ns = static_cast<std::int64_t>(1e9 * (now_seconds() - began_));
              between_.record(std::chrono::nanoseconds{std::max<std::int64_t>(ns, 1)});
              return value{};
            }};
  }
  histogram take() {
    std::lock_guard guard{mutex_};
    return std::exchange(between_, {});
  }

private:
  std::mutex mutex_;
  double began_ = 0;
  histogram between_{};
};

struct setting {
  std::unique_ptr<step_watch> watch = std::make_unique<step_watch>();
  std::unique_ptr<node> in{};
};

setting make_setting(const options& asked, const std::string& folder) {
  setting made;
  node_options wanted;
  wanted.config.node.workers = asked.workers;
  wanted.config.node.seed = asked.seed;
  wanted.config.workflows.ended_max = 1'000;
  wanted.config.store.path = folder;
  wanted.functions = {made.watch->first(), made.watch->second()};
  auto started = node::start(std::move(wanted));
  must(started.has_value(), started ? "" : to_string(started.error()));
  made.in = std::move(*started);
  create_all(*made.in, asked);
  auto add = [&](const std::string& document) {
    auto added =
        made.in->call({"workflows", "add", value{value_map{{"document", value{document}}}}});
    must(added.has_value(), added ? "" : to_string(added.error()));
  };
  for (std::uint64_t i = 0; i < documents_of(asked); ++i)
    add(example(asked, i));
  add(pair);
  return made;
}

// A run's results are what they must be: a temperature of each machine, and what was made of them.
void check_results(node& in, const options& asked) {
  auto made = in.call({"workflows", "run", value{value_map{{"workflow", value{"example-0"}}}}});
  must(made.has_value(), made ? "" : to_string(made.error()));
  const auto* results = made->find("results");
  const auto* collected = results != nullptr ? results->find("collect_temperatures") : nullptr;
  const auto* by_twin = collected != nullptr ? collected->find("values") : nullptr;
  auto machines = std::min(machines_per_building, asked.twins);
  must(by_twin != nullptr && by_twin->is_map() && by_twin->as_map().size() == machines,
       "the example did not collect a temperature of each machine");
  const auto* analyzed = results->find("analyze_patterns");
  must(analyzed != nullptr && analyzed->is_map() && analyzed->as_map().size() == 1,
       "the example did not analyze its building");
}

rate measure_runs(node& in, const options& asked) {
  std::vector<frame> calls;
  for (std::uint64_t i = 0; i < documents_of(asked); ++i)
    calls.push_back(make_run(fmt::format("example-{}", i)));
  return measure_rate(
      asked, runs_under_way, asked.seconds, [&](unsigned client, client_load& mine) {
        random_source random{asked.seed + client};
        while (!mine.stopping()) {
          mine.room.enter();
          in.request(calls[random.below(calls.size())], [&mine](const frame& answer) {
            ++(has_completed(answer) ? mine.applied : mine.failed);
            mine.room.leave();
          });
        }
      });
}

// One run after the other. @returns how long each took from its start to its answer.
histogram run_one_by_one(node& in, const std::string& workflow, double seconds) {
  histogram took;
  auto end = now_seconds() + seconds;
  while (now_seconds() < end) {
    auto began = now_seconds();
    auto made = in.call({"workflows", "run", value{value_map{{"workflow", value{workflow}}}}});
    must(made.has_value(), made ? "" : to_string(made.error()));
    took.record(std::chrono::nanoseconds{static_cast<std::int64_t>(1e9 * (now_seconds() - began))});
  }
  return took;
}

// Starts `per_second` runs of the example, however long they take, until it goes out of scope.
class steady_load {
public:
  steady_load(node& in, const options& asked, double per_second)
      : thread_{[this, &in, &asked, per_second](const std::stop_token& stop) {
          random_source random{asked.seed};
          auto began = now_seconds();
          for (double due = began; !stop.stop_requested(); due += 1 / per_second) {
            while (now_seconds() < due)
              std::this_thread::sleep_for(std::chrono::microseconds{50});
            ++open_;
            in.request(make_run(fmt::format("example-{}", random.below(documents_of(asked)))),
                       [this](const frame&) { --open_; });
          }
        }} {}
  ~steady_load() {
    thread_.request_stop();
    thread_.join();
    while (open_ > 0)
      std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
  steady_load(const steady_load&) = delete;
  steady_load& operator=(const steady_load&) = delete;

private:
  std::atomic<std::int64_t> open_{0};
  std::jthread thread_;
};

void report_quantiles(const options& asked, const std::string& name, const std::string& suffix,
                      const histogram& from) {
  for (auto [quantile, label] : {std::pair{0.5, "p50"}, std::pair{0.99, "p99"}})
    report(asked, "workflow", name + "_" + label + suffix,
           static_cast<double>(from.value_at(quantile).count()) / 1e3, "us");
}

// @param suffix of the metrics. @param folder of the store; empty: in memory.
void measure(const options& asked, const std::string& suffix, const std::string& folder) {
  auto made = make_setting(asked, folder);
  check_results(*made.in, asked);
  auto reached = measure_runs(*made.in, asked);
  report_rate(asked, "workflow", "workflow_rate" + suffix, reached, "runs");
  auto seconds = asked.seconds / 2;
  report_quantiles(asked, "workflow", suffix, run_one_by_one(*made.in, "example-0", seconds));
  made.watch->take();
  run_one_by_one(*made.in, "pair", seconds);
  report_quantiles(asked, "start_to_start", suffix, made.watch->take());
  steady_load load{*made.in, asked, reached.per_second / 2};
  run_one_by_one(*made.in, "pair", seconds);
  report_quantiles(asked, "start_to_start_half_load", suffix, made.watch->take());
}

} // namespace

int run_workflow(const options& asked) {
  measure(asked, "", "");
  auto folder = store_folder(asked);
  std::filesystem::remove_all(folder);
  measure(asked, "_process", folder);
  std::filesystem::remove_all(folder);
  return 0;
}

} // namespace gemel::bench
