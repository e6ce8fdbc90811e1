#pragma once

#include "messages/error.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace gemel::factory {

/// Machines of one demo.
inline constexpr std::uint32_t demo_machines_max = 100'000;
/// Hours of one shift.
inline constexpr double demo_hours_max = 168.0;

/// What the demo is asked to do.
struct demo_options {
  /// 1 to `demo_machines_max`.
  std::uint32_t machines = 100;
  /// Simulated hours, above 0 to `demo_hours_max`.
  double hours = 8.0;
  std::uint64_t seed = 1;
  /// The summary only.
  bool quiet = false;
  bool keep = false;
  /// A recorded series in place of the plant; empty: the plant.
  std::string replay;
  /// Labelled windows of that series; empty: none.
  std::string windows;
  /// Alert above and below; neither given: above 85.
  std::optional<double> threshold;
  std::optional<double> below;
};

/// Why there is nothing to run: asked for help, or wrong options.
struct early_end {
  /// 0 or 2.
  int exit_code = 0;
  /// For standard output if the code is 0, else for standard error.
  std::string text;
};

/// Reads the command line.
tl::expected<demo_options, early_end> parse_options(int argc, const char* const* argv);

} // namespace gemel::factory
