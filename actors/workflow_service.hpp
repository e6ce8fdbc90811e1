#pragma once

#include "actors/workflow_coordinator.hpp"

namespace gemel {

class call_arguments;

/// Answers calls of the service `workflows`, on the coordinator's thread. Names of calls and the
/// members of their arguments:
///
///     add       document, file          -> workflow, version, digest
///     start     document | workflow, version; id, input, cause -> id, state
///     run       as start; wait_ms       -> id, state, ended, results (by step); waits up to
///                                          wait_ms for the end, else as long as is allowed
///     list      workflow, state, limit  -> runs: id, workflow, version, state, started_ms,
///                                          ended_ms, steps, steps_ended, cause
///     show      id                      -> id, state, document, input, cause, changes
///     changes   id, after, wait_ms      -> state, ended, changes (lists as by `to_value`), next;
///                                          waits up to wait_ms for the first one
///     result    id, step, offset        -> text (JSON), next, more; results of any size, in parts
///     signal    event, id, twin, content -> heard
///     cancel | pause | resume | compensate   id -> state
///     rerun     id, from, as            -> id, state
///     versions  workflow                -> versions: workflow, version, steps, runs, triggers
///
/// A document with faults is answered by errc::bad_syntax or bad_value, each fault on a line.
class workflow_service {
public:
  /// @param answers must outlive this.
  workflow_service(workflow_coordinator& answers, std::function<std::int64_t()> now_ms)
      : coordinator_{answers}, now_ms_{std::move(now_ms)} {}

  void call(const service_call& asked, const reply_function& reply);

private:
  using answer = result<value>;

  answer add(call_arguments& from);
  answer start(call_arguments& from);
  void run(call_arguments& from, const reply_function& reply);
  value end_of(std::string_view id) const;
  answer list(call_arguments& from);
  answer show(call_arguments& from);
  answer result_of(call_arguments& from);
  answer signal(call_arguments& from);
  answer control(const service_call& asked, call_arguments& from);
  answer rerun(call_arguments& from);
  answer versions(call_arguments& from);
  void changes(call_arguments& from, const reply_function& reply);
  value changes_after(std::string_view id, std::size_t after) const;
  value state_of(std::string_view id) const;

  workflow_coordinator& coordinator_;
  std::function<std::int64_t()> now_ms_;
};

} // namespace gemel
