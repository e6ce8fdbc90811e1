#pragma once

#include "actors/cell_runner.hpp"
#include "actors/ingress.hpp"
#include "actors/recovery.hpp"
#include "messages/limits.hpp"
#include "messages/replies.hpp"
#include "messages/requests.hpp"
#include "runtime/adapters/rocks_store.hpp"
#include "tests/support/simulated_store.hpp"

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace gemel::test {

/// The command that repeats the test case under way with `seed`; for INFO.
std::string repeat_command(std::uint64_t seed);

/// A clock that moves when it is told to.
class manual_clock final : public clock_port {
public:
  moment now() const noexcept override { return now_; }
  void advance(std::chrono::nanoseconds by) {
    now_.steady_ns += by.count();
    now_.unix_us += by.count() / 1'000;
  }
  /// Moves the wall clock alone, backwards too.
  void shift_wall(std::chrono::microseconds by) { now_.unix_us += by.count(); }

private:
  moment now_{1'700'000'000'000'000, 1'000'000'000};
};

/// Does long work when it is told to, oldest first, on the thread that tells it.
class manual_works final : public work_port {
public:
  bool submit(std::function<void()> work) override {
    if (waiting_.size() >= works_max)
      return false;
    waiting_.push_back(std::move(work));
    return true;
  }
  /// Does one piece; false if none waits.
  bool step();
  std::size_t waiting() const noexcept { return waiting_.size(); }

  /// Pieces that may wait.
  std::size_t works_max = 1'000;

private:
  std::deque<std::function<void()>> waiting_;
};

/// Addresses without actors behind them, counted.
class counting_addresses final : public address_port {
public:
  twin_address* make(cell_id cell, std::uint32_t row) override;
  void end(twin_address* address) noexcept override;
  std::size_t live() const noexcept { return live_.size(); }

private:
  std::set<twin_address*> live_;
};

/// An answer that comes later; empty until then.
using pending = std::shared_ptr<std::optional<frame>>;

/// What one subscriber was told.
struct subscriber {
  std::uint64_t number = 0;
  std::vector<twin_event> events;
  /// Of every batch that came: events left out before it.
  std::vector<std::uint64_t> missed;
  /// Tells links apart.
  std::uint64_t owner = 0;
  /// Of a subscription that can be resumed: the number of the last event that came.
  std::uint64_t last_sequence = 0;

  std::uint64_t missed_sum() const;
};
using subscriber_ptr = std::shared_ptr<subscriber>;

/// A whole node on one thread, without CAF: cells, ingress, a clock that is moved by hand, and a
/// dispatcher that picks the next cell to run by a seeded generator. The same seed and the same
/// calls give the same run.
class simulated_node {
public:
  struct options {
    std::uint32_t cells = 4;
    std::uint64_t seed = 1;
    cell_limits limits{};
    supervision_table supervision{};
    behavior_table behaviors{};
    /// Each with its own declarations only; must be right.
    std::vector<type_model> models{};
    cell_inbox::options inbox{limits::cell_queue_items_max, limits::cell_queue_bytes_max};
    std::size_t turn_entries_max = 8'192;
    ingress::options doors{};
    /// Null: nothing is stored. Outlives the node. What it holds is there when the node is made.
    simulated_store* store = nullptr;
    /// The same of a real store, whose thread answers: look at answers after `run` only, and stop
    /// the store before the node is destroyed.
    rocks_store* real_store = nullptr;
    /// Small, so that snapshots are written all the time.
    std::uint64_t snapshot_pass_bytes = 1u << 20;
    /// See `store_link::active_max`.
    std::uint64_t active_max = 0;
  };

  explicit simulated_node(options wanted);
  /// The process ends here: nothing more leaves it.
  ~simulated_node();
  simulated_node() : simulated_node(options{}) {}
  simulated_node(const simulated_node&) = delete;
  simulated_node& operator=(const simulated_node&) = delete;

  // ---- the dispatcher ----

  /// One turn of one cell that has something to do; false if none has.
  bool step();
  /// Up to `turns` turns.
  void step(std::size_t turns);
  /// Turns until nothing waits anywhere, and all long work is done.
  void run();
  /// Moves the clock on, from timer to timer, and runs all that they lead to.
  void run_for(std::chrono::nanoseconds time);

  manual_clock& clock() noexcept { return clock_; }
  manual_works& works() noexcept { return works_; }
  std::mt19937_64& random() noexcept { return random_; }
  /// A number below `n`.
  std::size_t below(std::size_t n) { return random_() % n; }

  // ---- requests that are only sent ----

  pending submit(const frame& request);
  pending send_create(const std::vector<new_twin>& twins) { return submit(make_create(twins)); }
  pending send_update(const std::vector<twin_update>& updates) {
    return submit(make_update(updates));
  }
  pending send_remove(const std::vector<std::string>& ids, child_policy children) {
    return submit(make_remove(ids, children));
  }

  // ---- requests that run until all is quiet ----

  outcome create(const std::vector<new_twin>& twins);
  outcome update(const std::vector<twin_update>& updates);
  /// Sets one property of one twin. @returns the failure's code, or `errc::none`.
  errc set(const std::string& id, const std::string& key, value content);
  outcome remove(const std::vector<std::string>& ids, child_policy children);
  outcome lifecycle(const std::vector<std::string>& ids, lifecycle_trigger trigger);
  outcome retire(const std::vector<std::string>& ids, child_policy children);
  result<value> command(const twin_command& asked);
  outcome emit(const std::vector<twin_emit>& events, const std::string& cause = {});
  result<twin_page> get(const std::vector<std::string>& ids);
  /// The twin, or nothing.
  std::optional<twin_record> find(const std::string& id);
  result<twin_page> query(const query_request& asked);
  /// Every page of it, put together.
  std::vector<twin_record> query_all(query_request asked);
  /// Null if it was refused, see `last_error`.
  subscriber_ptr subscribe(const subscription_request& asked);
  void unsubscribe(const subscriber& who);
  void grant(const subscriber& who, std::uint32_t credit);
  /// The link of the subscriber breaks: what it was not given yet is lost.
  void cut(const subscriber& who);

  /// What `subscribe` was refused for.
  const error& last_error() const noexcept { return last_error_; }

  // ---- looking inside ----

  ingress& doors() noexcept { return *ingress_; }
  gemel::directory& directory() noexcept { return directory_; }
  gemel::symbols& symbols() noexcept { return symbols_; }
  const alias_table& aliases() const noexcept { return aliases_; }
  cell_runner& runner(std::size_t cell) { return *runners_[cell]; }
  const counting_addresses& addresses() const noexcept { return addresses_; }
  /// What was found in the store.
  const recovery_facts& recovered() const noexcept { return recovered_; }
  /// Lets the log forget what no cell needs.
  void trim();
  /// Requests that were not answered yet.
  std::size_t unanswered() const noexcept { return unanswered_; }
  /// All live twins, by no order.
  std::vector<twin_record> all();
  /// The sum over all cells.
  cell_counters counters();

  /// What must hold when nothing is under way and does not; empty: all is well. Among others:
  /// directory, rows, groups, addresses and paths agree, no batch is unanswered.
  std::vector<std::string> broken_invariants();

private:
  class audit;

  void wake_due();
  void wait_for_store();

  frame answer_to(const frame& request);
  frame seen(frame leaving);

  options options_;
  std::mt19937_64 random_;
  manual_clock clock_;
  manual_works works_;
  counting_addresses addresses_;
  gemel::symbols symbols_;
  gemel::directory directory_;
  model_table models_;
  alias_table aliases_;
  std::optional<store_link> link_;
  recovery_facts recovered_;
  cell_environment world_;
  std::vector<std::unique_ptr<cell_runner>> runners_;
  std::vector<std::size_t> ready_;
  std::unique_ptr<ingress> ingress_;
  std::atomic<std::size_t> unanswered_{0};
  std::uint64_t last_owner_ = 0;
  error last_error_;
};

/// The failures' codes by entry of `of`, `errc::none` for those that were applied.
std::vector<errc> codes(const outcome& of, std::size_t entries);

} // namespace gemel::test
