#pragma once

#include "messages/records.hpp"

#include <span>
#include <string>
#include <string_view>

namespace gemel {

/// Reads `PROP=VALUE` as it stands on a command line: VALUE is JSON if it is valid JSON, else the
/// text itself. So `t=20.5` is a number, `on=true` a bool, `name=Press 7` and `code="007"` (with
/// its quotes) are texts.
/// @returns errc::bad_syntax without `=`; errc::bad_name; errc::bad_value and limit_reached as
///          `check_content`. The context names the argument.
result<property> parse_assignment(std::string_view argument);

/// All of them; of equal keys only one may stand.
/// @returns the first error; errc::bad_value for a key that stands twice.
result<properties> parse_assignments(std::span<const std::string> arguments);

/// Reads `PATH=VALUE`, or `PATH` alone if `what` is `unset`. VALUE as in `parse_assignment`.
/// @returns the faults of `parse_value_path`, errc::bad_syntax without `=`, errc::bad_value for
///          something to add that is no number.
result<path_change> parse_path_change(std::string_view argument, path_change::action what);

} // namespace gemel
