#pragma once

#include "workflows/run.hpp"

#include <string>
#include <string_view>

/// Changes of runs as values: what the run log holds and what programs are told.
namespace gemel {

/// A list: kind, step, attempt, state, run state, time, due time, error, message, result, with
/// errors. Part of the format of run logs: fields are only ever added at the end.
value to_value(const run_record& record);

/// @returns errc::store_corrupt for what `to_value` did not make.
result<run_record> run_record_of(const value& made);

/// The value as bytes with a checksum at their end, and back.
std::string pack_checked(const value& content);
/// @returns errc::store_corrupt.
result<value> unpack_checked(std::string_view bytes);

} // namespace gemel
