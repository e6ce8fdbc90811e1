#pragma once

#include "runtime/gemel.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// The work that every peer is measured with: the seed's machines, 100 under each building.
namespace gemel::bench {

struct options {
  std::uint64_t twins = 100'000;
  double seconds = 5;
  /// Updates of one frame.
  std::uint32_t batch = 1'000;
  /// Threads that make load; 0: one per core.
  unsigned clients = 0;
  /// The same as it was asked for.
  unsigned clients_given = 0;
  /// Worker threads of the node; 0: one per core.
  unsigned workers = 0;
  std::uint64_t seed = 1;
  bool json = false;
  /// Machines have an index of their temperatures.
  bool indexed = false;
  /// Folder of the real series of `series`.
  std::string data = "../shared/data";
  /// Where `store` writes; empty: the system's folder for temporary files.
  std::string folder{};
};

/// Prints one result: a JSON object a line, or a line for people.
void report(const options& asked, std::string_view bench, std::string_view metric, double number,
            std::string_view unit);

/// The id of machine `index`.
std::string machine_id(std::uint64_t index);

/// Seeded random numbers (xorshift64*, Vigna 2016): fast, since they are drawn in the timed part.
class random_source {
public:
  explicit random_source(std::uint64_t seed) : state_{seed * 0x9e3779b97f4a7c15U | 1} {}
  std::uint64_t next() noexcept {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1dU;
  }
  std::uint64_t below(std::uint64_t bound) noexcept { return next() % bound; }
  double unit() noexcept { return static_cast<double>(next() >> 11) * 0x1p-53; }

private:
  std::uint64_t state_;
};

/// A node as the options ask for it.
std::unique_ptr<node> start_node(const options& asked);

/// The same with `config` besides the threads. Null, and says why, if it does not start.
std::unique_ptr<node> start_node(const options& asked, node_config config);

/// Makes the machines `from` to before `to` and their buildings from `clients` threads. `from` is
/// the first of a building. @returns seconds taken.
double create_range(node& in, const options& asked, std::uint64_t from, std::uint64_t to);

/// All of them.
double create_all(node& in, const options& asked);

/// The ids of all machines.
std::vector<std::string> machine_ids(const options& asked);

inline constexpr std::uint64_t machines_per_building = 100;

/// A frame of `asked.batch` updates of random machines: temperature 60 + 25.25 u, so that 1 % are
/// above 85, and vibration.
frame make_updates(const std::vector<std::string>& ids, std::uint32_t count, random_source& random);

/// A folder of this process for a store; nothing is made.
std::string store_folder(const options& asked);

/// Seconds of processor time that this process has used.
double processor_seconds();

/// Seconds of a steady clock.
double now_seconds();

/// The benchmarks; each returns the program's exit code.
int run_create(const options& asked);
int run_update(const options& asked);
int run_update_one(const options& asked);
int run_update_latency(const options& asked);
int run_notify(const options& asked);
int run_series(const options& asked);
int run_history(const options& asked);
int run_store(const options& asked);
int run_durable(const options& asked);
int run_restart(const options& asked);
int run_passivation(const options& asked);
int run_query(const options& asked);
int run_memory(const options& asked);
int run_raw_caf(const options& asked);
int run_rollup(const options& asked);
int run_rules(const options& asked);
int run_compute(const options& asked);
int run_workflow(const options& asked);
int run_workflow_restart(const options& asked);
int run_sync(const options& asked);

} // namespace gemel::bench
