#pragma once

#include "messages/records.hpp"
#include "runtime/program/command_line.hpp"

#include <cstddef>
#include <string>

namespace gemel {

/// Bytes that a twin takes in a frame, at most.
std::size_t frame_bytes_of(const new_twin& twin);

/// Creates the twins of a file (JSON, or JSON lines of any length; `-` is the standard input), some
/// thousand at a time, and prints what became of them. A file is checked whole first, and nothing
/// is created if anything is wrong with it; from a pipe, the lines that are right are created.
/// @returns the exit code: `exit_usage` when the file has faults, `exit_failed` when the node
///          refused twins.
int import_twins(const program_context& context, const std::string& path);

} // namespace gemel
