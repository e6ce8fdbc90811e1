#pragma once

#include "actors/compute_job.hpp"
#include "actors/ports.hpp"
#include "actors/work_gate.hpp"
#include "messages/records.hpp"
#include "workflows/functions.hpp"
#include "workflows/run.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gemel {

/// A step that runs another workflow.
struct child_request {
  /// The step's idempotency key: the same child for every attempt, unless it failed.
  std::string key{};
  std::string workflow{};
  /// 0: the newest.
  std::uint32_t version = 0;
  value input{};
};

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
    std::function<void(compute_job)> compute{};
    /// Milliseconds since 1970 UTC.
    std::function<std::int64_t()> now_ms{};
    /// Keeps changes of a run; calls `then` on the executor's thread when they are kept, maybe at
    /// once, in the order of the calls. What follows from them is done by `then`. Empty: nothing is
    /// kept.
    std::function<void(workflow_run&, std::vector<run_record>, std::function<void()> then)>
        commit{};
    /// Starts the run of another workflow, or finds it, and calls `done` on the executor's thread
    /// when it has ended. Empty: there are no other workflows.
    std::function<void(child_request, std::function<void(step_outcome)> done)> start_child{};
    /// Nobody waits for this child any more: it is cancelled.
    std::function<void(std::string key)> cancel_child{};
    /// Hold back what reads twins, what changes them (a weight of one each), and calls of
    /// functions, so that many runs at once do not fill the node's own queues; null: nothing is
    /// held back.
    std::shared_ptr<work_gate> reads{};
    std::shared_ptr<work_gate> writes{};
    std::shared_ptr<work_gate> calls{};
  };

  /// @param functions must outlive this.
  workflow_executor(std::shared_ptr<const ports> world, const function_library& functions,
                    std::shared_ptr<workflow_run> run);
  workflow_executor(ports world, const function_library& functions,
                    std::shared_ptr<workflow_run> run)
      : workflow_executor{std::make_shared<const ports>(std::move(world)), functions,
                          std::move(run)} {}

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

  void carry_out(const std::vector<run_command>& commands);
  void begin(const run_command& command);
  void stop(const run_command& command);
  void proceed(const run_command& command);
  void fetch_read_twins(const attempt_ptr& of);
  void prepare(const attempt_ptr& of);
  void select_twins(const attempt_ptr& of);
  void fetch_twins(const attempt_ptr& of, std::size_t from);
  void query_twins(const attempt_ptr& of, std::string page_token);
  void work(const attempt_ptr& of);
  void work_aggregate(const attempt_ptr& of);
  void finish_aggregate(const attempt_ptr& of, result<value> made);
  void work_compute(const attempt_ptr& of);
  void compute_next(const attempt_ptr& of);
  void compute_one(const attempt_ptr& of, std::size_t index);
  void computed(const attempt_ptr& of, std::size_t index, result<value> answer);
  void work_update(const attempt_ptr& of);
  void work_emit(const attempt_ptr& of);
  void work_sync(const attempt_ptr& of);
  void finish_sync(const attempt_ptr& of, std::int64_t wanted, const value* held);
  void work_query(const attempt_ptr& of);
  void work_child(const attempt_ptr& of);
  void take_outcome(const attempt_ptr& of, const frame& answer);
  void finish_by_twin(const attempt_ptr& of, value_map results, value_map errors);
  void finish(const attempt_ptr& of, step_outcome outcome);
  void fail(const attempt_ptr& of, const error& why);
  // Where a request passes, and its weight there.
  struct passage {
    std::shared_ptr<work_gate> gate;
    std::size_t weight = 1;
  };
  passage reading() const { return {world_->reads}; }
  passage changing(std::size_t twins) const { return {world_->writes, twins}; }

  // Sends `asked`; `then` runs on our thread, unless the attempt was given up meanwhile.
  void ask(const attempt_ptr& of, passage through, frame asked,
           std::function<void(const frame&)> then);
  // The same, where the answer is read on the thread that it comes from: `read` may look at nothing
  // that changes; what it returns runs on ours.
  void ask_apart(const attempt_ptr& of, passage through, frame asked,
                 std::function<std::function<void()>(const frame&)> read);
  void send(frame asked, std::function<std::function<void()>(const frame&)> read,
            std::function<void(const std::function<void()>&)> here);
  bool is_current(const attempt_ptr& of) const;
  void give_up(const attempt_ptr& of);

  std::shared_ptr<const ports> world_;
  const function_library& functions_;
  std::shared_ptr<workflow_run> run_;
  std::size_t under_way_ = 0;
  bool driving_ = false;
  // Attempts whose work can be stopped: compute and children.
  std::map<std::uint32_t, attempt_ptr> stoppable_;
  // Attempts that wait until what they were prepared with is kept.
  std::map<std::uint32_t, attempt_ptr> prepared_;
  // Answers that come after our end find nobody.
  std::shared_ptr<bool> alive_;
};

/// The twin as functions and templates see it: a map of `id`, `type`, `parent`, `path`, `version`,
/// `lifecycle`, `updated_at` and `properties`.
value as_map(const twin_record& twin);

} // namespace gemel
