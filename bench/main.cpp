// gemel-bench NAME [options]: the questions that design and README quote figures for.

#include "runtime/adapters/machine.hpp"
#include "workload.hpp"

#include <CLI/CLI.hpp>

#include <functional>
#include <map>
#include <string>

int main(int argc, char** argv) {
  using namespace gemel::bench;
  options asked;
  CLI::App app{"Measures gemel on the seed's machine twins: 5 properties, 100 to a building.\n"
               "One result a line; with --json one JSON object a line."};
  app.name("gemel-bench");
  app.require_subcommand(1);
  const std::map<std::string, std::pair<std::string, std::function<int(const options&)>>> benches =
      {
          {"create", {"make twins; resident bytes per twin", run_create}},
          {"update", {"updates applied and acknowledged, in batches", run_update}},
          {"update-one", {"the same one by one, a frame each", run_update_one}},
          {"update-latency", {"submit to applied, open loop at half load", run_update_latency}},
          {"rollup", {"a leaf's update applied to visible in its root's roll-up", run_rollup}},
          {"rules",
           {"event rules: events of a pattern, many rules, open runs, actions", run_rules}},
          {"workflow",
           {"runs of an aggregate and a computation that follows it; from step to step",
            run_workflow}},
          {"compute",
           {"calls of functions: rate, wait for a thread, growing, two nodes", run_compute}},
          {"workflow-restart",
           {"seconds until as many open runs as twins go on after kill -9", run_workflow_restart}},
          {"notify", {"updates with a subscriber on every twin", run_notify}},
          {"history",
           {"values taken in, questions over 10,000 of them, and all of series", run_history}},
          {"series", {"bytes and time per point of history, on real series", run_series}},
          {"durable", {"updates by what their answers promise, with a store", run_durable}},
          {"restart", {"seconds until all twins are back after kill -9", run_restart}},
          {"passivation",
           {"twins out of memory: bytes of each, time to come back", run_passivation}},
          {"store", {"updates through the store's log alone, by durability", run_store}},
          {"sync",
           {"two linked nodes: updates visible on the other, bytes, time after a cut", run_sync}},
          {"query", {"type and range: rate, and latency of one client", run_query}},
          {"memory", {"resident bytes per twin at 10,000, 100,000, ... twins", run_memory}},
          {"raw-caf", {"create, update and notify of one plain CAF actor per twin", run_raw_caf}},
      };
  for (const auto& [name, bench] : benches) {
    auto* sub = app.add_subcommand(name, bench.first);
    sub->add_option("--twins", asked.twins, "machine twins")
        ->check(CLI::Range(1, 100'000'000))
        ->capture_default_str();
    sub->add_option("--seconds", asked.seconds, "length of each measurement")
        ->check(CLI::Range(0.1, 3'600.0))
        ->capture_default_str();
    sub->add_option("--batch", asked.batch, "updates of one frame")
        ->check(CLI::Range(1, 65'536))
        ->capture_default_str();
    sub->add_option("--clients", asked.clients, "threads that make load; 0: one per core");
    sub->add_option("--workers", asked.workers, "threads that run cells; 0: one per core");
    sub->add_option("--seed", asked.seed, "of all random choices")->capture_default_str();
    sub->add_option("--data", asked.data, "folder with nab/ and cmapss/, of series")
        ->capture_default_str();
    sub->add_option("--folder", asked.folder, "where store writes; else a temporary folder");
    sub->add_flag("--json", asked.json, "one JSON object a line");
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    return app.exit(wrong) == 0 ? 0 : 2;
  }
  asked.clients_given = asked.clients;
  if (asked.clients == 0)
    asked.clients = gemel::core_count();
  return benches.at(app.get_subcommands().front()->get_name()).second(asked);
}
