#pragma once

#include "messages/error.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

/// Reading files of the machine. Blocks: not for handlers of actors.
namespace gemel {

/// Whether `path` is an ordinary file, which can be read twice; no pipe, device or folder.
bool is_regular_file(const std::string& path);

/// The whole file.
/// @returns errc::io_failed with the path and the system's words if it is absent, a directory or
///          not readable; errc::limit_reached if it has more than `bytes_max` bytes.
result<std::string> read_file(const std::string& path, std::size_t bytes_max);

/// Takes a line without its line feed and its number, counted from 1; false: read no further.
using line_sink = std::function<bool(std::string_view line, std::size_t number)>;

/// Hands every line to `sink`, holding one at a time: for files larger than memory. A last line
/// without a line feed counts. `-` is the standard input.
/// @returns as `read_file`; errc::limit_reached for a line of more than `line_bytes_max` bytes,
///          after the lines before it were handed out.
result<void> read_lines(const std::string& path, std::size_t line_bytes_max, const line_sink& sink);

} // namespace gemel
