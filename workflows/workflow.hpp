#pragma once

#include "messages/fault.hpp"
#include "registry/expression.hpp"
#include "workflows/compute_place.hpp"
#include "workflows/cron.hpp"
#include "workflows/template_value.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// A workflow document: read, checked and planned. The language is described in
/// `workflows/workflow.schema.json`; documents with only `steps` and `dependencies` run as they
/// are.
namespace gemel {

/// Bounds of one document.
inline constexpr std::size_t workflow_steps_max = 10'000;
inline constexpr std::uint32_t step_attempts_max = 1'000;
inline constexpr std::uint32_t parallel_max = 10'000;

enum class step_kind : std::uint8_t {
  compute,
  sync,
  aggregate,
  update,
  query,
  wait,
  wait_event,
  workflow,
  emit,
  set,
  choose, // `switch` in documents
};
std::string_view to_string(step_kind kind) noexcept;

/// When a step starts, given how those it depends on ended. A skipped one counts as a success.
enum class step_trigger : std::uint8_t {
  all_success,
  /// All ended, none by cancellation or without having been run.
  all_completed,
  /// All ended, however.
  all_done,
  /// At least one succeeded; starts as soon as one has.
  one_success,
  /// At least one failed; starts as soon as one has.
  one_failed,
  /// All ended and none failed.
  none_failed,
};

/// Which errors, by name; `*` is any.
struct error_filter {
  std::vector<std::string> names{};
  bool matches(std::string_view name) const noexcept;
};

struct retry_rule {
  error_filter errors{{"*"}};
  /// The first attempt counted.
  std::uint32_t max_attempts = 1;
  std::chrono::milliseconds interval{1'000};
  /// Each wait is this many times the one before; at least 1.
  double backoff = 1;
  std::chrono::milliseconds max_interval{60'000};
  /// The share of a wait that is random, 0 to 1.
  double jitter = 0;
};

struct catch_rule {
  error_filter errors{};
  /// Index of the step that takes over.
  std::uint32_t next = 0;
};

/// How many of a step's twins may fail.
struct twin_failure_rule {
  enum class mode : std::uint8_t {
    /// Errors stand in the result by twin, the step completes.
    collect,
    /// The first one fails the step.
    fail,
    max,
    max_percent,
  };
  mode how = mode::collect;
  double limit = 0;
};

/// The twins that a step is for.
struct twin_selection {
  /// A list of ids, or an expression that makes one; null: by query.
  template_value ids{};
  bool by_query = false;
  std::string type{};
  /// A text, maybe with expressions of the run in `${}`; null: all.
  template_value where{};
};

struct switch_case {
  expression when;
  std::uint32_t next;
};

struct workflow_step {
  std::string id{};
  step_kind kind = step_kind::compute;
  std::optional<twin_selection> twins{};
  /// Of compute and aggregate.
  std::string function{};
  /// Of compute, aggregate and sync: `parameters`; of update: `set`; of emit: `payload`; of set:
  /// the variables; of workflow: `input`; of query: the other fields of `twins`.
  template_value parameters{};
  /// Of update.
  std::vector<std::string> unset{};
  /// Of wait_event and emit.
  std::string event{};
  /// Of wait_event, over the event; of query, where it is part of the selection, not used.
  std::optional<expression> where{};
  /// Of wait.
  std::chrono::milliseconds duration{0};
  /// Of workflow.
  std::string workflow{};
  std::uint32_t workflow_version = 0; // 0: the newest
  /// Of switch.
  std::vector<switch_case> cases{};
  std::optional<std::uint32_t> otherwise{};

  std::vector<std::uint32_t> depends_on{};
  step_trigger trigger = step_trigger::all_success;
  /// Only if this holds when the step would start; else it is skipped.
  std::optional<expression> when{};
  /// 0: none.
  std::chrono::milliseconds timeout{0};
  std::chrono::milliseconds heartbeat{0};
  /// The first one whose errors match counts; none: one attempt.
  std::vector<retry_rule> retry{};
  std::vector<catch_rule> catches{};
  twin_failure_rule twin_failures{};
  /// Twins at a time; 0: as many as the run may.
  std::uint32_t concurrency = 0;
  /// Of `compute` steps: how urgent their calls are, 0 to `compute_priority_max`, and where they
  /// run.
  std::int32_t priority = 0;
  compute_place place{};
  std::optional<std::uint32_t> compensate{};
  /// Reached by a catch, a switch or a compensation only: not started by itself.
  bool on_demand = false;
  /// Steps that depend on this one.
  std::vector<std::uint32_t> dependents{};
};

/// What starts runs of a workflow by itself. Only the newest version of a workflow listens.
struct workflow_trigger {
  enum class kind : std::uint8_t {
    /// At whole multiples of `every` since 1970 UTC.
    interval,
    cron,
    /// Something happened to a twin.
    event,
  };
  kind what = kind::interval;
  std::chrono::milliseconds every{0};
  std::optional<cron_schedule> schedule{};
  /// `created`, `updated`, `removed`, `lifecycle`, `crashed`, `moved`, or the name of an event that
  /// twins emit.
  std::string on{};
  /// Of twins of this type; empty: any.
  std::string type{};
  /// Over `event`, `twin_id`, `type`, `parent`, the new values of what changed and, below `old`,
  /// those before.
  std::optional<expression> where{};
};

enum class on_error_rule : std::uint8_t {
  /// Nothing new starts after a step failed; what runs is cancelled.
  fail_fast,
  /// Steps that do not depend on the failed one go on.
  keep_going,
};

/// What a document may name besides itself.
struct workflow_names {
  /// Null: any function is taken.
  const std::vector<std::string>* functions = nullptr;
};

/// A workflow that is right. Immutable; any thread may read it.
class workflow {
public:
  /// @param file stands in the faults; may be empty.
  /// @returns all faults at once, with line, column and JSON pointer.
  static tl::expected<workflow, fault_list> parse(std::string text, std::string file,
                                                  const workflow_names& known = {});

  const std::string& name() const noexcept { return name_; }
  std::uint32_t version() const noexcept { return version_; }
  /// The idempotency key of runs started from this document; empty: none.
  const std::string& id() const noexcept { return id_; }
  const value& input() const noexcept { return input_; }
  const value& vars() const noexcept { return vars_; }
  /// 0: none.
  std::chrono::milliseconds timeout() const noexcept { return timeout_; }
  /// Steps at a time.
  std::uint32_t max_parallel() const noexcept { return max_parallel_; }
  on_error_rule on_error() const noexcept { return on_error_; }
  /// Has a step of type `wait_event`.
  bool waits_for_events() const noexcept {
    return std::any_of(steps_.begin(), steps_.end(), [](const workflow_step& step) {
      return step.kind == step_kind::wait_event;
    });
  }
  const std::vector<workflow_trigger>& triggers() const noexcept { return triggers_; }
  /// What the input of a run must look like, as a JSON Schema; null: anything.
  const value& input_schema() const noexcept { return input_schema_; }
  const std::vector<workflow_step>& steps() const noexcept { return steps_; }
  /// In an order in which each stands behind all it depends on.
  const std::vector<std::uint32_t>& order() const noexcept { return order_; }
  /// The document as it was read.
  const std::string& text() const noexcept { return text_; }

  /// Index of a step; nothing if there is none of this id.
  std::optional<std::uint32_t> find(std::string_view id) const noexcept;

private:
  friend class workflow_reader;
  workflow() = default;

  std::string name_;
  std::uint32_t version_ = 1;
  std::string id_;
  value input_;
  value vars_;
  std::chrono::milliseconds timeout_{0};
  std::uint32_t max_parallel_ = 64;
  on_error_rule on_error_ = on_error_rule::fail_fast;
  std::vector<workflow_trigger> triggers_;
  value input_schema_;
  std::vector<workflow_step> steps_;
  std::vector<std::uint32_t> order_;
  std::string text_;
};

} // namespace gemel
