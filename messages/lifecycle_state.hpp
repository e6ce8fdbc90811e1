#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace gemel {

/// Where a twin is in its life. The numbers are part of the wire format. The moves between them are
/// the table of registry/lifecycle.hpp.
enum class lifecycle_state : std::uint8_t {
  /// Made, no data yet.
  provisioned = 0,
  active = 1,
  /// Stopped on purpose: takes no updates until resumed.
  suspended = 2,
  /// No data for the type's time.
  stale = 3,
  /// Supervision gave up on it: takes no updates until repaired.
  faulted = 4,
  /// Out of service: readable, takes no updates, may only be deleted.
  retired = 5,
  /// Gone; seen only in the last event of a twin.
  deleted = 6,
};

std::string_view to_string(lifecycle_state state) noexcept;

std::optional<lifecycle_state> lifecycle_state_from_string(std::string_view text) noexcept;

} // namespace gemel
