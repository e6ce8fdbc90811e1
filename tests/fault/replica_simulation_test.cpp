// Whole nodes' replicas in simulated time, with partitions, crashes, torn and lost writes, damaged,
// repeated and reordered messages, wrong clocks, lost disks, old backups, peers
// that are removed and added. After every step each replica must hold exactly what the oracle says;
// in the end all must be equal.
#include "bench/soak/replica_simulation.hpp"
#include "tests/support/catch.hpp"

#include <cstdlib>
#include <string>

using namespace gemel;
using namespace gemel::soak;

namespace {

// Fixed seeds, so that a test that passed passes again; GEMEL_SEED runs that seed alone.
simulation_result run_seeds(std::uint64_t first, std::uint64_t count) {
  if (const auto* text = std::getenv("GEMEL_SEED")) {
    first = std::strtoull(text, nullptr, 10);
    count = 1;
  }
  simulation_result all;
  for (auto seed = first; seed < first + count; ++seed) {
    auto made = simulate_replicas(seed);
    INFO("GEMEL_SEED=" << seed << ", " << made.nodes << " nodes");
    CHECK(made.violation == "");
    all.add(made);
  }
  return all;
}

constexpr std::uint64_t seeds_per_test = 250;

} // namespace

TEST_CASE("replicas agree through every kind of fault, seeds 1 to 250", "[fault][sync]") {
  auto all = run_seeds(1, seeds_per_test);
  if (std::getenv("GEMEL_SEED") != nullptr)
    return;
  for (std::size_t i = 0; i < fault_kinds; ++i) {
    INFO("fault " << to_string(static_cast<fault_kind>(i)));
    CHECK(all.faults[i] > 0);
  }
}

TEST_CASE("replicas agree through faults, seeds 251 to 500", "[fault][sync]") {
  run_seeds(1 + seeds_per_test, seeds_per_test);
}

TEST_CASE("replicas agree through faults, seeds 501 to 750", "[fault][sync]") {
  run_seeds(1 + 2 * seeds_per_test, seeds_per_test);
}

TEST_CASE("replicas agree through faults, seeds 751 to 1000", "[fault][sync]") {
  run_seeds(1 + 3 * seeds_per_test, seeds_per_test);
}

TEST_CASE("replicas agree through faults, seeds 1001 to 1250", "[fault][sync]") {
  run_seeds(1 + 4 * seeds_per_test, seeds_per_test);
}

TEST_CASE("replicas agree through faults, seeds 1251 to 1500", "[fault][sync]") {
  run_seeds(1 + 5 * seeds_per_test, seeds_per_test);
}

TEST_CASE("replicas agree through faults, seeds 1501 to 1750", "[fault][sync]") {
  run_seeds(1 + 6 * seeds_per_test, seeds_per_test);
}

TEST_CASE("replicas agree through faults, seeds 1751 to 2000", "[fault][sync]") {
  run_seeds(1 + 7 * seeds_per_test, seeds_per_test);
}

TEST_CASE("the same seed gives the same run", "[fault][sync]") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed)
    CHECK(simulate_replicas(seed).trace == simulate_replicas(seed).trace);
}

TEST_CASE("every planted mistake is found", "[fault][sync]") {
  constexpr std::uint64_t seeds_max = 400;
  for (auto i = 1; i <= static_cast<int>(planted_bug::last_); ++i) {
    auto bug = static_cast<planted_bug>(i);
    std::uint64_t seed = 1;
    while (seed <= seeds_max && simulate_replicas(seed, bug).violation.empty())
      ++seed;
    INFO("planted mistake " << i << " of sync_rules.hpp");
    CHECK(seed <= seeds_max);
  }
}
