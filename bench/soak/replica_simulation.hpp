#pragma once

#include "actors/sync/sync_rules.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

/// Whole nodes' replicas with the real links, messages and journal records, in simulated time: the
/// network, the disks and the clocks are simulated and faulty. An oracle that knows every write and
/// who saw what looks at each replica after every step.
namespace gemel::soak {

/// What is broken in a run; counted where it took effect.
enum class fault_kind : std::uint8_t {
  partition,
  one_way,
  bridge,
  flapping,
  loss,
  duplicate,
  reorder,
  corrupt,
  disconnect,
  crash,
  torn_write,
  lost_write,
  slow_disk,
  pause,
  clock_jump,
  clock_drift,
  wiped,
  restored,
  /// A node gives a peer up by command, and takes it again later, or after a restart.
  unlinked,
  last_ = unlinked,
};

inline constexpr std::size_t fault_kinds = static_cast<std::size_t>(fault_kind::last_) + 1;

std::string_view to_string(fault_kind kind) noexcept;

struct simulation_result {
  /// The first thing that was wrong; empty: nothing.
  std::string violation{};
  std::array<std::uint64_t, fault_kinds> faults{};
  std::uint64_t writes = 0;
  std::uint64_t deliveries = 0;
  std::uint64_t checks = 0;
  std::uint64_t nodes = 0;
  /// Simulated.
  double seconds = 0;
  /// Of all that was delivered: the same seed gives the same.
  std::uint64_t trace = 0;

  void add(const simulation_result& other);
};

/// One run: everything is drawn from `seed`.
simulation_result simulate_replicas(std::uint64_t seed, planted_bug planted = planted_bug::none);

} // namespace gemel::soak
