#pragma once

#include "examples/factory/chart.hpp"
#include "examples/factory/options.hpp"
#include "examples/factory/replay.hpp"
#include "examples/factory/watch.hpp"

#include <string>
#include <vector>

namespace gemel::factory {

/// The twin that lives through a recording.
inline constexpr const char* recorded_machine = "recorded-machine";

/// A recorded series as a whole.
struct recording {
  /// Of the file, without its folder.
  std::string name;
  /// At least one; in the file's order.
  std::vector<sample> samples;
  /// Where people found a failure; empty if not asked for.
  std::vector<time_window> windows;
};

/// Reads the files of `options`.
/// @returns errc::io_failed with the system's words and the faults of `replay` and `read_windows`,
///          with file, line and column; errc::missing_field for a series without samples,
///          errc::limit_reached for more than 10,000,000.
result<recording> read_recording(const demo_options& options);

/// Feeds one machine twin with the series, each value with the time it was measured, and prints
/// what a subscription made of it to standard output.
/// @returns what the node failed with.
result<void> replay_recording(node& at, const recording& what, const demo_options& options,
                              const painter& paint);

} // namespace gemel::factory
