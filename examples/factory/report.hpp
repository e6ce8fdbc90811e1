#pragma once

#include "examples/factory/chart.hpp"
#include "examples/factory/shift.hpp"

#include <string>

/// A shift in words.
namespace gemel::factory {

/// One line for an alert, when it comes.
std::string describe(const explained_alert& one, const painter& paint);

/// One line for the factory floor.
std::string describe(const floor_view& seen, const painter& paint);

/// The summary.
std::string describe(const shift_summary& of, const demo_options& options, const painter& paint);

} // namespace gemel::factory
