#pragma once

#include "runtime/twin_api.hpp"
#include "workflows/functions.hpp"
#include "workflows/run.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace gemel {

/// How a workflow is run.
struct workflow_run_options {
  /// Stands in the run's idempotency keys; empty: the document's `id`, else `run`.
  std::string id{};
  /// Laid over the document's own input; a map or null.
  value input{};
  /// Of the jitter of retries.
  std::uint64_t seed = 0;
  /// Hears of every change, on the calling thread.
  std::function<void(const workflow_run&, const run_record&)> on_change{};
  /// Asked some times a second, on the calling thread; true: the run is cancelled.
  std::function<bool()> stop_wanted{};
};

/// Runs a workflow on the twins of a node, inside this process or elsewhere, and waits for its end.
/// The run lives in this process and is gone with it. Steps of type `workflow` fail as
/// `unsupported`: only a document that stands alone can be run like this.
/// @returns the run as it ended, with the results of its steps; whether it succeeded is in its
///          `state`.
std::shared_ptr<const workflow_run> run_workflow(twin_api& on,
                                                 std::shared_ptr<const workflow> document,
                                                 const function_library& functions,
                                                 workflow_run_options options = {});

} // namespace gemel
