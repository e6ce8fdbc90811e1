// gemel-soak NAME [options]: long checks that must end without a violation. Each prints one line of
// counts and ends with 1 on a violation.

#include "bench/soak/overload.hpp"
#include "bench/soak/sync.hpp"

#include <CLI/CLI.hpp>

#include <functional>
#include <map>
#include <string>

int main(int argc, char** argv) {
  using namespace gemel::soak;
  options asked;
  CLI::App app{"Long checks of gemel: each ends with one line of counts, and with exit code 1 on a "
               "violation."};
  app.name("gemel-soak");
  app.require_subcommand(1);
  // A new check: one line here, one file beside this one.
  const std::map<std::string, std::pair<std::string, std::function<int(const options&)>>> checks = {
      {"overload", {"ten times the load that a node can bear", run_overload}},
      {"sync", {"replicas of 2 to 7 nodes in simulated time, with faults of all kinds", run_sync}},
  };
  for (const auto& [name, check] : checks) {
    auto* sub = app.add_subcommand(name, check.first);
    if (name == "sync")
      sub->add_option("--seeds", asked.seeds, "runs, of which each has a seed of its own")
          ->check(CLI::Range(1, 1'000'000'000))
          ->capture_default_str();
    else
      sub->add_option("--seconds", asked.seconds, "length of the load")
          ->check(CLI::Range(0.1, 86'400.0))
          ->capture_default_str();
    sub->add_option("--seed", asked.seed, "of all random choices")->capture_default_str();
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    return app.exit(wrong) == 0 ? 0 : 2;
  }
  return checks.at(app.get_subcommands().front()->get_name()).second(asked);
}
