#pragma once

#include <span>
#include <string>

namespace gemel {

class terminal;

/// Runs the program `gemel`.
/// @param arguments without the program's name.
/// @returns the exit code: 0 done, 1 the request failed, 2 wrong usage or bad input, 128 plus the
///          signal's number when one ended it.
int run_program(std::span<const std::string> arguments, terminal& console);

} // namespace gemel
