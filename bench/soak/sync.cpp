#include "bench/soak/sync.hpp"

#include "bench/soak/replica_simulation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace gemel::soak {

namespace {

std::string faults_of(const simulation_result& all) {
  std::string text;
  for (std::size_t i = 0; i < fault_kinds; ++i)
    text += fmt::format("{}{}={}", i == 0 ? "" : " ", to_string(static_cast<fault_kind>(i)),
                        all.faults[i]);
  return text;
}

} // namespace

int run_sync(const options& asked) {
  constexpr std::uint64_t enough_for_all_kinds = 1'000;
  std::atomic<std::uint64_t> next{asked.seed};
  std::mutex shared;
  simulation_result all;
  std::uint64_t violations = 0;
  auto work = [&] {
    for (auto seed = next++; seed < asked.seed + asked.seeds; seed = next++) {
      auto made = simulate_replicas(seed);
      std::lock_guard lock{shared};
      if (!made.violation.empty()) {
        ++violations;
        fmt::print("seed {}: {}\n", seed, made.violation);
      }
      all.add(made);
    }
  };
  std::vector<std::thread> workers;
  for (auto n = std::max(1u, std::thread::hardware_concurrency()); n > 0; --n)
    workers.emplace_back(work);
  for (auto& w : workers)
    w.join();
  auto missing = asked.seeds >= enough_for_all_kinds
                 && std::count(all.faults.begin(), all.faults.end(), 0U) != 0;
  fmt::print("sync: {} seeds, {} nodes, {:.1f} simulated hours, {} writes, {} deliveries, {} "
             "checks, {} violations{}; {}\n",
             asked.seeds, all.nodes, all.seconds / 3'600, all.writes, all.deliveries, all.checks,
             violations, missing ? ", a kind of fault never happened" : "", faults_of(all));
  return violations == 0 && !missing ? 0 : 1;
}

} // namespace gemel::soak
