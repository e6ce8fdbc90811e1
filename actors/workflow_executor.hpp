#pragma once

#include "actors/ports.hpp"
#include "messages/records.hpp"
#include "workflows/functions.hpp"
#include "workflows/run.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gemel {

/// What carries out the steps of a run: asks the node for twins, calls functions, and tells the run
/// how each attempt ended. A core without threads and clock: one thread at a time calls it, answers
/// may come from any thread and are posted to that one.
class workflow_executor {
public:
  struct ports {
    /// Sends a request to a node.
    std::function<void(frame, reply_function)> request{};
    /// Runs something later, in order, on the executor's own thread. Any thread may call it.
    std::function<void(std::function<void()>)> post{};
    /// Runs a function of the library, maybe on another thread, maybe at once.
    std::function<void(std::function<void()>)> compute{};
    /// Milliseconds since 1970 UTC.
    std::function<std::int64_t()> now_ms{};
    /// A change of the run, before what follows from it is done; may be empty.
    std::function<void(const run_record&)> on_change{};
  };

  /// @param functions must outlive this.
  workflow_executor(ports world, const function_library& functions,
                    std::shared_ptr<workflow_run> run);

  void start();
  /// Does what is due; to be called at `next_due` and after every other call of the run.
  void tick();
  std::optional<std::int64_t> next_due() const { return run_->next_due(); }
  /// Hands on what the run wants after somebody else changed it (cancel, pause, signal...).
  void drive();

  const workflow_run& run() const noexcept { return *run_; }
  workflow_run& run() noexcept { return *run_; }
  /// The run has ended and nothing is under way.
  bool is_done() const noexcept;

private:
  // One attempt of one step on its way. Shared with the answers that are still to come.
  struct attempt;
  using attempt_ptr = std::shared_ptr<attempt>;
  using step_function = void (workflow_executor::*)(const attempt_ptr&);

  void begin(const run_command& command);
  void fetch_read_twins(const attempt_ptr& of);
  void prepare(const attempt_ptr& of);
  void select_twins(const attempt_ptr& of);
  void fetch_twins(const attempt_ptr& of, std::size_t from);
  void query_twins(const attempt_ptr& of, std::string page_token);
  void work(const attempt_ptr& of);
  void work_aggregate(const attempt_ptr& of);
  void work_compute(const attempt_ptr& of);
  void compute_next(const attempt_ptr& of);
  void computed(const attempt_ptr& of, std::size_t index, result<value> answer);
  void work_update(const attempt_ptr& of);
  void work_emit(const attempt_ptr& of);
  void work_sync(const attempt_ptr& of);
  void work_query(const attempt_ptr& of);
  void take_outcome(const attempt_ptr& of, const frame& answer);
  void finish_by_twin(const attempt_ptr& of, value_map results, value_map errors);
  void finish(const attempt_ptr& of, step_outcome outcome);
  void fail(const attempt_ptr& of, const error& why);
  // Sends `asked`; `then` runs on our thread, unless the attempt was given up meanwhile.
  void ask(const attempt_ptr& of, frame asked, std::function<void(const frame&)> then);
  bool is_current(const attempt_ptr& of) const;

  ports world_;
  const function_library& functions_;
  std::shared_ptr<workflow_run> run_;
  std::size_t under_way_ = 0;
  // Answers that come after our end find nobody.
  std::shared_ptr<bool> alive_;
};

/// The twin as functions and templates see it: a map of `id`, `type`, `parent`, `path`, `version`,
/// `lifecycle`, `updated_at` and `properties`.
value as_map(const twin_record& twin);

} // namespace gemel
