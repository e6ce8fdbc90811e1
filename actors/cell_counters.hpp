#pragma once

#include <cstdint>

namespace gemel {

/// Counts of one cell; see `node` for their names and meanings.
struct cell_counters {
  std::uint64_t created = 0;
  std::uint64_t removed = 0;
  std::uint64_t updates_applied = 0;
  std::uint64_t updates_unchanged = 0;
  std::uint64_t properties_changed = 0;
  std::uint64_t refused = 0;
  std::uint64_t crashes = 0;
  std::uint64_t restarts = 0;
  std::uint64_t escalations = 0;
  std::uint64_t gave_up = 0;
  std::uint64_t commands = 0;
  std::uint64_t commands_failed = 0;
  std::uint64_t ticks = 0;
  std::uint64_t emitted = 0;
  std::uint64_t events = 0;
  std::uint64_t events_delivered = 0;
  std::uint64_t events_missed = 0;
  std::uint64_t queries = 0;
  std::uint64_t rows_scanned = 0;
  // Twins that came back into memory, could not, and left it.
  std::uint64_t activations = 0;
  std::uint64_t activations_failed = 0;
  std::uint64_t passivations = 0;

  cell_counters& operator+=(const cell_counters& other) noexcept;
};

} // namespace gemel
