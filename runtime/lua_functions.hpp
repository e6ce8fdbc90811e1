#pragma once

#include "messages/error.hpp"
#include "workflows/functions.hpp"

#include <chrono>
#include <cstdint>
#include <string>

/// Functions written in Lua 5.4.
namespace gemel {

/// Bounds of one call.
struct lua_limits {
  std::size_t memory_bytes = std::size_t{64} << 20;
  /// Instructions of Lua's machine.
  std::uint64_t instructions = 1'000'000'000;
};

/// Makes the function that `text` returns. The text is a chunk whose value is a function, or a
/// table with `call` (a function) and maybe `help` and `concurrency`. It is called with a table of
/// `twin`, `parameters` and `inputs` and returns its answer; `gemel.alive()` says that the work
/// goes on. There is no file, process, network, clock or randomness: of Lua's libraries, `math`
/// (without `random`), `string` (without `dump`), `table`, `utf8` and the harmless basic functions
/// are there. Each call has a state of its own: nothing is kept between two.
/// @param name of the function. @param file stands in errors.
/// @returns errc::bad_syntax with file and line; errc::bad_value if it returns no function.
result<function_info> make_lua_function(std::string name, std::string text, std::string file,
                                        lua_limits bounds = {});

/// The function's name for a file: its name without folder and `.lua`.
std::string lua_function_name(const std::string& path);

} // namespace gemel
