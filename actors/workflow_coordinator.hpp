#pragma once

#include "actors/run_log.hpp"
#include "actors/workflow_executor.hpp"
#include "messages/event_batch.hpp"
#include "messages/fault.hpp"
#include "workflows/workflow_catalog.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace gemel {

/// All workflow runs of a node: starts them, keeps what they did before it takes effect, brings
/// them back after a crash. A core without threads and clock: one thread at a time calls it; what
/// comes from other threads is posted to that one.
class workflow_coordinator {
public:
  struct ports {
    /// Sends a request to the node.
    std::function<void(frame, reply_function)> request{};
    /// See `workflow_executor::ports`.
    std::function<void(std::function<void()>)> post{};
    std::function<void(compute_job)> compute{};
    /// Milliseconds since 1970 UTC.
    std::function<std::int64_t()> now_ms{};
    /// Null: runs are gone with the process.
    run_log_port* log = nullptr;
    /// Said once when the log fails; from then on nothing is carried out. May be empty.
    std::function<void(const error&)> on_log_failed{};
    /// `wanted_events` may have changed. May be empty.
    std::function<void()> on_interest{};
  };

  struct options {
    /// Runs that have not ended.
    std::size_t open_max = 1'000'000;
    /// Runs that have ended and can still be looked at; the oldest go.
    std::size_t ended_max = 10'000;
    /// Gets and queries of steps at a time: a part of those that the node takes.
    std::size_t reads_under_way_max = limits::gatherings_max / 4;
    /// Twins that steps change at a time: a part of what one cell's queue holds.
    std::size_t writes_under_way_max = limits::cell_queue_items_max / 4;
    /// Calls of functions that are handed on to be computed at a time.
    std::size_t calls_under_way_max = 10'000;
  };

  struct counters {
    std::uint64_t started = 0;
    std::uint64_t ended = 0;
    std::uint64_t failed = 0;
    std::uint64_t recovered = 0;
    std::uint64_t signals = 0;
    std::uint64_t triggered = 0;
    /// Triggers whose run could not be started.
    std::uint64_t triggers_refused = 0;
  };

  /// One run, as it is looked at.
  struct run_view {
    std::string id{};
    std::shared_ptr<const workflow_run> run{};
    value input{};
    std::string cause{};
    /// All changes, oldest first; the first `kept` of them are in the log.
    const std::vector<run_record>* records = nullptr;
    std::size_t kept = 0;
  };

  /// @param functions must outlive this.
  workflow_coordinator(ports world, const function_library& functions, options bounds);
  workflow_coordinator(ports world, const function_library& functions);
  ~workflow_coordinator();
  workflow_coordinator(const workflow_coordinator&) = delete;
  workflow_coordinator& operator=(const workflow_coordinator&) = delete;

  /// Brings back what the log holds, before anything else is asked. The runs stand still until
  /// `resume_all`. @returns errc::store_corrupt with the key.
  result<void> recover();
  void resume_all();

  using document_ptr = workflow_catalog::document_ptr;
  /// Takes a document in, and keeps it. The same one again changes nothing.
  /// @returns what `workflow_catalog::add` says.
  tl::expected<document_ptr, fault_list> add(std::string text, std::string file);

  struct start_request {
    /// Empty: one is made.
    std::string id{};
    document_ptr document{};
    value input{};
    /// What started it, for people.
    std::string cause{};
  };
  /// Starts a run, or finds the one of this id.
  /// @returns its id; errc::bad_name; errc::bad_value if the input is not as the document's schema
  ///          says; errc::limit_reached; errc::precondition_failed if the run of this id is of
  ///          another document or has another input.
  result<std::string> start(start_request asked);

  /// Each @returns errc::not_found for an unknown run, errc::illegal_state where its state does not
  /// allow it.
  result<void> cancel(std::string_view id);
  result<void> pause(std::string_view id);
  result<void> resume(std::string_view id);
  result<void> compensate(std::string_view id);
  /// Does a run over in a new one that keeps the results of other steps, see `rerun_records`.
  /// @param from a step; empty: those that failed. @param new_id empty: one is made.
  /// @returns the new run's id.
  result<std::string> rerun(std::string_view id, std::string_view from, std::string new_id);

  /// Something happened: tells the runs that wait for it. @param id of a run; empty: all.
  /// @param twin whom it happened to; empty: nobody. @returns how many steps heard of it.
  result<std::size_t> signal(std::string_view id, std::string_view event, std::string_view twin,
                             const value& content);

  /// Events of twins, for the runs that wait and the triggers.
  void events(const event_batch& batch);
  /// The kinds of events of twins that somebody waits for.
  std::set<event_kind> wanted_events() const;

  /// Does what is due.
  void tick();
  /// When `tick` is next wanted; nothing: not at all.
  std::optional<std::int64_t> next_due() const;

  /// Nothing if there is none. Lives until the next call.
  std::optional<run_view> find(std::string_view id) const;
  /// Runs by start, newest first, until `each` returns false.
  void each(const std::function<bool(const run_view&)>& each) const;
  /// Calls `done` when run `id` has more than `seen` changes or has ended, or at `until_ms`.
  void when_changed(std::string_view id, std::size_t seen, std::int64_t until_ms,
                    std::function<void()> done);

  /// Calls `then` once all that was done so far is in the log, maybe at once; with an error if it
  /// cannot be.
  void when_kept(std::function<void(result<void>)> then);

  /// Calls everybody who waits in `when_changed`.
  void tell_all();

  std::size_t open_runs() const noexcept { return open_; }
  const counters& counts() const noexcept { return counters_; }
  const workflow_catalog& catalog() const noexcept { return catalog_; }

private:
  struct entry;
  using entry_ptr = std::shared_ptr<entry>;

  entry_ptr find_entry(std::string_view id) const;
  result<entry_ptr> open_entry(std::string_view id) const;
  void insert(const entry_ptr& made);
  void start_entry(const entry_ptr& made, std::vector<run_record> first);
  workflow_executor& executor_of(const entry_ptr& of);
  void commit(const entry_ptr& of, std::vector<run_record> records, std::function<void()> then);
  void keep(std::vector<run_fact> facts, std::function<void()> then);
  void noted(const result<void>& how, const std::function<void()>& then);
  void kept(const entry_ptr& of, std::size_t records);
  void note_due(const entry_ptr& of, std::int64_t soonest_ms = 0);
  void note_waiting(const entry_ptr& of);
  void tell_waiters(const entry_ptr& of);
  void ended(const entry_ptr& of);
  void forget_oldest();
  void start_child(child_request asked, std::function<void(step_outcome)> done);
  void cancel_child(const std::string& key);
  std::string new_id(std::string base);
  result<entry_ptr> read_run(const std::string& id, const std::vector<std::string_view>& parts);
  void plan_schedules();
  void fire_schedules(std::int64_t now_ms);
  void fire_event(const twin_event& what);
  void fire(const document_ptr& document, std::string id, value input, std::string cause);

  ports world_;
  std::shared_ptr<const workflow_executor::ports> steps_;
  const function_library& functions_;
  options bounds_;
  counters counters_{};
  workflow_catalog catalog_;
  std::map<std::string, entry_ptr, std::less<>> runs_;
  // By start, oldest first; the number is the entry's.
  std::map<std::uint64_t, entry_ptr> by_start_;
  std::uint64_t starts_ = 0;
  std::size_t open_ = 0;
  std::deque<std::string> ended_; // oldest first, at most `ended_max`
  std::set<std::pair<std::int64_t, std::string>> due_;
  std::map<std::string, std::set<std::string>, std::less<>> waiting_; // runs by event
  struct schedule {
    std::string workflow;
    std::size_t trigger;
  };
  std::multimap<std::int64_t, schedule> schedules_;          // by due time
  std::set<std::pair<std::int64_t, std::string>> deadlines_; // of waiters: time, run
  std::uint64_t last_number_ = 0;
  bool log_failed_ = false;
  // Writes that were given to the log, and that it has kept; in order.
  std::uint64_t given_ = 0;
  std::uint64_t noted_ = 0;
  struct kept_waiter {
    std::uint64_t given;
    std::function<void(result<void>)> then;
  };
  std::deque<kept_waiter> kept_waiters_; // oldest first
  std::shared_ptr<bool> alive_;
};

} // namespace gemel
