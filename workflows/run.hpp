#pragma once

#include "workflows/workflow.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// One execution of a workflow, as a state machine without time, randomness or I/O of its own.
namespace gemel {

enum class run_state : std::uint8_t {
  pending,
  running,
  paused,
  // Terminal ones from here on; they never change.
  completed,
  completed_with_errors,
  failed,
  cancelled,
  timed_out,
};
std::string_view to_string(run_state state) noexcept;
constexpr bool is_terminal(run_state state) noexcept {
  return state >= run_state::completed;
}

enum class step_state : std::uint8_t {
  pending,
  running,
  retry_wait,
  // Terminal ones from here on.
  completed,
  completed_with_errors,
  /// Failed, and a step named by its `catch` took over.
  caught,
  skipped,
  failed,
  cancelled,
  not_run,
};
std::string_view to_string(step_state state) noexcept;
constexpr bool is_terminal(step_state state) noexcept {
  return state >= step_state::completed;
}

/// How an attempt of a step ended.
struct step_outcome {
  /// Empty: it succeeded. Else the error's name, such as `twin_not_found` or `timed_out`.
  std::string error{};
  /// For people.
  std::string message{};
  value result{};
  /// It succeeded, but some of its twins did not.
  bool with_errors = false;
};

/// One change of a run's state. The sequence of its records is the run: they are kept before what
/// follows from them is done, and give the same run back.
struct run_record {
  enum class kind : std::uint8_t {
    started,
    /// `step` begins attempt `attempt`.
    step_started,
    /// `step` ended in `state` with `outcome`.
    step_ended,
    /// `step` failed and waits until `due_ms` for its next attempt; `outcome` says why.
    step_retry,
    /// `step` was reached by a catch or a switch.
    step_reached,
    /// Variables: `outcome.result` is a map of those that change.
    vars_set,
    paused,
    resumed,
    /// The run ended in `run`.
    ended,
    /// Completed steps are undone, in reverse order of their completion.
    compensating,
    /// What `step` writes follows from twins that it read: `outcome.result` is that, for this and
    /// all later attempts.
    step_prepared,
  };
  kind what = kind::started;
  std::uint32_t step = 0;
  std::uint32_t attempt = 0;
  step_state state = step_state::pending;
  run_state run = run_state::pending;
  /// Milliseconds since 1970 UTC.
  std::int64_t at_ms = 0;
  std::int64_t due_ms = 0;
  step_outcome outcome{};
};

/// What the run's surroundings shall do.
struct run_command {
  enum class kind : std::uint8_t {
    /// Attempt `attempt` of `step` shall begin: `workflow_run::prepare`, then the work, then
    /// `finish_step`.
    begin,
    /// The work of `step` shall stop; its end is no longer waited for.
    cancel,
    /// What `step` was prepared with is kept: its work goes on.
    proceed,
  };
  kind what = kind::begin;
  std::uint32_t step = 0;
  std::uint32_t attempt = 0;
};

/// What a step shall work on.
struct step_work {
  /// `when` does not hold: nothing to do.
  bool skipped = false;
  value parameters{};
  /// The results of the steps it depends on, by their ids.
  value inputs{};
  /// Ids, if they were given as such.
  std::optional<std::vector<std::string>> twin_ids{};
  std::string type{};
  std::string where{};
};

/// The same work has the same key in every attempt and after every restart of the node.
std::string idempotency_key(std::string_view run_id, std::string_view step_id);

/// Whether a step with this many twins, some of which failed, fails as a whole.
bool too_many_failed(const twin_failure_rule& rule, std::size_t twins, std::size_t failed) noexcept;

/// Finds a twin's properties as a map; null: there is no such twin.
using twin_lookup = std::function<const value*(std::string_view id)>;

/// The run. After every call `take_records` gives the changes it made, which are to be kept first,
/// and `take_commands` what to do then. Times are milliseconds since 1970 UTC and may stand still,
/// but what lies behind them does not come back.
class workflow_run {
public:
  /// @param seed of the jitter of retries.
  workflow_run(std::string id, std::shared_ptr<const workflow> document, value input,
               std::uint64_t seed);

  const std::string& id() const noexcept { return id_; }
  const workflow& document() const noexcept { return *document_; }
  run_state state() const noexcept { return state_; }
  const value& vars() const noexcept { return vars_; }
  /// The document's own, with what was given laid over it.
  const value& input() const noexcept { return input_; }
  bool is_compensating() const noexcept { return compensating_; }

  struct step_view {
    step_state state = step_state::pending;
    std::uint32_t attempt = 0;
    std::int64_t started_ms = 0;
    std::int64_t ended_ms = 0;
    /// Of retry_wait: when the next attempt begins.
    std::int64_t due_ms = 0;
    step_outcome outcome{};
  };
  const step_view& step(std::uint32_t index) const { return steps_[index]; }

  // ---- what happens to it; each has no effect where the state does not allow it ----

  void start(std::int64_t now_ms);
  /// An end that comes late (another attempt runs, or none) is ignored.
  void finish_step(std::uint32_t step, std::uint32_t attempt, step_outcome outcome,
                   std::int64_t now_ms);
  /// `when` did not hold.
  void skip_step(std::uint32_t step, std::uint32_t attempt, std::int64_t now_ms);
  /// Keeps what attempt `attempt` of `step` was prepared with, if a repetition must write the same
  /// although the twins that it read have changed since, maybe by itself; `proceed` follows then.
  /// @returns false if nothing need be kept.
  bool keep_prepared(std::uint32_t step, std::uint32_t attempt, const step_work& work,
                     std::int64_t now_ms);
  /// The work of a step says that it is alive.
  void heartbeat(std::uint32_t step, std::uint32_t attempt, std::int64_t now_ms);
  /// Something happened; ends the steps that wait for it. @param content the event's properties, a
  /// map. @param twin whom it happened to; empty: nobody.
  /// @returns how many steps heard of it.
  std::size_t signal(std::string_view event, std::string_view twin, const value& content,
                     std::int64_t now_ms);
  void cancel(std::int64_t now_ms);
  void pause(std::int64_t now_ms);
  void resume(std::int64_t now_ms);
  /// Undoes what the completed steps did, by the steps they name; only of a run that has ended
  /// without success. @returns errc::illegal_state otherwise.
  result<void> compensate(std::int64_t now_ms);
  /// Does what is due.
  void tick(std::int64_t now_ms);
  /// When `tick` is next wanted; nothing: not at all.
  std::optional<std::int64_t> next_due() const;

  /// What attempt `attempt` of `step` is to do. @returns errc::bad_value if the twins it is for are
  /// no list of ids.
  result<step_work> prepare(std::uint32_t step, const twin_lookup& twins) const;
  /// The twins that `prepare` will look up.
  std::vector<std::string> twins_read_by(std::uint32_t step) const;

  std::vector<run_record> take_records();
  std::vector<run_command> take_commands();

  // ---- coming back ----

  /// Repeats a change that was kept; for a run made anew, with all its records in order.
  void apply(const run_record& record);
  /// After the last record: what was under way begins anew, with the next attempt's number.
  void recover(std::int64_t now_ms);

  /// The results of all steps, by id: what a caller gets from a run that has ended.
  value results() const;

private:
  enum class readiness : std::uint8_t { wait, start, never };

  readiness readiness_of(std::uint32_t step) const;
  void note(run_record record);
  void advance(std::int64_t now_ms);
  void begin_ready(std::int64_t now_ms);
  void begin(std::uint32_t step, std::int64_t now_ms);
  void begin_inside(std::uint32_t step, std::int64_t now_ms);
  void choose_case(std::uint32_t step, std::int64_t now_ms);
  void end_step(std::uint32_t step, step_state state, step_outcome outcome, std::int64_t now_ms);
  void fail_step(std::uint32_t step, step_outcome outcome, std::int64_t now_ms);
  bool retry(std::uint32_t step, const step_outcome& outcome, std::int64_t now_ms);
  std::int64_t retry_delay(std::uint32_t step, const retry_rule& rule) const;
  void stop_running(std::int64_t now_ms);
  void end_run(run_state state, std::int64_t now_ms);
  void drop(std::uint32_t step, std::int64_t now_ms);
  void drop_lost(std::int64_t now_ms);
  bool drop_unreached(std::int64_t now_ms);
  bool is_open() const;
  run_state final_state() const;
  bool follows_failures(std::uint32_t step) const;
  void next_compensation(std::int64_t now_ms);
  void check_due(std::uint32_t step, std::int64_t now_ms);
  std::optional<std::int64_t> due_of(std::uint32_t step) const;
  bool runs_inside(std::uint32_t step) const;
  reference_resolver resolver(std::uint32_t step, const twin_lookup& twins,
                              std::deque<value>& made) const;
  bool holds(const expression& of, std::uint32_t step) const;

  std::string id_;
  std::shared_ptr<const workflow> document_;
  value input_;
  value vars_;
  std::uint64_t seed_;
  run_state state_ = run_state::pending;
  std::int64_t started_ms_ = 0;
  std::vector<step_view> steps_;
  // Reached by a catch or a switch.
  std::vector<bool> reached_;
  std::vector<std::int64_t> heartbeat_ms_;
  std::uint32_t running_ = 0;
  // Records made so far.
  std::uint64_t changes_ = 0;
  bool failed_ = false;
  bool compensating_ = false;
  // Parameters of steps, by their index.
  std::map<std::uint32_t, value> prepared_;
  std::vector<std::uint32_t> completed_order_;
  std::vector<run_record> records_;
  std::vector<run_command> commands_;
};

} // namespace gemel
