#pragma once

#include "workflows/run.hpp"

#include <optional>
#include <vector>

namespace gemel {

/// What a new run begins with that does an ended one over in part: the records of the steps whose
/// results it keeps. Given to `workflow_run::apply`, then `recover` starts the rest.
/// @param from the step that is done over with all that depends on it; nothing: those that failed,
///        were cancelled or not run.
/// @returns errc::illegal_state if the run has not ended, or if nothing is to be done over.
result<std::vector<run_record>>
rerun_records(const workflow_run& ended, std::optional<std::uint32_t> from, std::int64_t now_ms);

} // namespace gemel
