#pragma once

#include "actors/cell_runner.hpp"
#include "actors/twin_mover.hpp"
#include "registry/query.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace gemel {

struct cell_query_plan;

/// Where every request goes in, whichever door it came through: checks limits, finds out who owns
/// what, and gives each cell its share. It runs on the thread of whoever calls; any number may call
/// at once. There is no other way to a twin but its own address, which ends in the same queues.
class ingress {
public:
  struct options {
    std::uint32_t cells = 1;
    /// For the ids of twins that come without one.
    std::uint64_t seed = 0;
    std::size_t subscriptions_max = limits::subscriptions_max;
    std::uint32_t subscriber_backlog_max = limits::subscriber_backlog_max;
    std::size_t subscriber_backlog_bytes_max = limits::subscriber_backlog_bytes_max;
    std::chrono::milliseconds subscription_keep_max = limits::subscription_keep_max;
    std::uint32_t page_rows_max = limits::page_rows_max;
    std::size_t page_bytes_max = limits::page_bytes_max;
    std::size_t batch_entries_max = limits::batch_entries_max;
    std::size_t gatherings_max = limits::gatherings_max;
    std::string node;
    std::string program;
    /// Of the node; null: none.
    const model_table* models = nullptr;
    const alias_table* aliases = nullptr;
  };

  /// @param cells as many as `limits.cells`; must outlive this.
  ingress(options limits, directory& twins, const clock_port& clock,
          std::vector<cell_runner*> cells);

  /// Any request but `subscribe`; `reply` is called once, maybe before this returns.
  void submit(const frame& request, reply_function reply);

  /// The hot way: a frame of updates. `done` may be empty; for `under_way` see `batch`.
  void update(const frame& request, batch::done_function done,
              std::atomic<std::uint64_t>* under_way = nullptr);

  /// A frame of twins to make.
  void create(const frame& request, batch::done_function done);

  /// Events that twins emit on each other: nobody waits, what cannot be delivered is counted.
  void emit_unasked(const frame& request);

  /// Events of `emit_unasked` that were dropped: no such twin, or too much waited for it.
  std::uint64_t sends_dropped() const noexcept {
    return sends_dropped_.load(std::memory_order_relaxed);
  }

  /// Asks for events, or takes a kept subscription over. The reply comes when every event from then
  /// on is seen; events may come before it.
  void subscribe(const frame& request, subscriber_end to, const reply_function& reply);

  /// Ends a subscription; nothing is delivered after `reply`. An unknown number is no error.
  void unsubscribe(std::uint64_t number, const reply_function& reply);

  /// Gives a subscription room for more events. An unknown number is no error. @param owner see
  /// `subscription::grant`.
  void grant(std::uint64_t number, std::uint32_t credit, std::uint64_t owner = 0);

  /// The link of `owner` broke: its subscriptions end, or wait to be resumed.
  void detach(const std::vector<std::uint64_t>& numbers, std::uint64_t owner);

  /// Ends the subscriptions that waited long enough to be resumed. @returns how many still wait;
  /// call again, after a second or so, while there are any.
  std::size_t sweep();

  /// Adds what only the node knows to the statistics; set before the first request.
  void on_stats(std::function<void(stats_record&)> extra) { extra_stats_ = std::move(extra); }

  /// Who answers calls of a service, on the thread of whoever asks; set before the first request.
  using service_function = std::function<void(const service_call&, reply_function)>;
  void on_service(std::string name, service_function answers) {
    services_.emplace(std::move(name), std::move(answers));
  }

  std::size_t subscriptions() const;

  /// Passed between looking up where a twin is and pushing to its cell.
  routing_gate& gate() noexcept { return gate_; }

private:
  struct target {
    std::uint16_t cell;
    route to;
  };
  struct placed {
    std::uint32_t level;
    std::uint16_t cell;
    std::uint16_t shard;
    bool pinned;
  };
  class query_gathering;
  // A frame of updates that are applied together or not at all.
  struct atomic_request {
    frame request;
    batch::done_function done;
    std::atomic<std::uint64_t>* under_way;
    // Its age, which it keeps when it is sent again.
    std::uint64_t number;
    std::uint32_t attempt = 1;
  };

  void push_grouped(const batch_ptr& of, std::vector<target>& targets);
  void push_parts(const batch_ptr& of, const std::vector<target>& sorted);
  void push_part(const batch_ptr& of, std::uint16_t cell, std::uint32_t begin, std::uint32_t end);
  void command(const frame& request, const reply_function& reply);
  void emit(const frame& request, batch::done_function done);
  void by_ids(const frame& request, capnp::List<capnp::Text>::Reader ids,
              batch::done_function done);
  result<placed> place(wire::Create::Reader made, std::string_view id,
                       const std::unordered_map<std::string_view, placed>& in_batch,
                       std::uint16_t& parent_cell) const;
  std::string new_id();
  /// Runs what goes through all cells now, or, if twins are being moved, after that.
  /// @param always is never refused.
  void scan(std::function<void()> ask, const reply_function& reply, bool always = false);
  struct named_twin {
    std::string asked; // as the answer calls it
    std::string id;
  };
  named_twin named_by(wire::Alias::Reader alias) const;
  /// @returns errc::unknown_key for a property by which no twin can be found.
  result<void> check_aliases(wire::Get::Reader wanted) const;
  void update_atomic(atomic_request asked);
  void push_joint(const batch_ptr& of, const std::vector<target>& sorted, std::uint64_t number);
  static void refuse_joint(const batch_ptr& of, std::vector<failure>& faults,
                           std::uint32_t entries);
  void get(const frame& request, const reply_function& reply, std::uint32_t attempt = 1);
  void query(const frame& request, const reply_function& reply);
  std::vector<std::size_t> cells_of(const cell_query_plan& plan) const;
  void run_query(const std::shared_ptr<query_gathering>& of, std::size_t part);
  void types(const reply_function& reply);
  void service(const frame& request, reply_function reply) const;
  void stats(const reply_function& reply);
  result<subscription::options> subscription_options(subscription_request&& asked) const;
  void subscribe_now(subscription::options& wanted, const subscriber_end& to,
                     const reply_function& reply);
  void resume(const subscription_request& asked, subscriber_end to, const reply_function& reply);
  void end_all(std::vector<std::uint64_t> numbers);
  error overloaded(std::string why) const;

  /// Runs `job` in every cell's turn, and `done`, which answers `reply`, after the last of them. If
  /// one throws, `reply` (may be empty) is answered with an error.
  void in_each_cell(std::function<void(cell&, std::size_t)> job, const reply_function& reply,
                    std::function<void()> done);

  /// A place among the requests that hold their answer, or that must be bounded, until it is let
  /// go. Null: too many are under way, and `reply` was told so.
  std::shared_ptr<void> take_seat(const reply_function& reply);

  /// The same in these cells alone; in none, `done` is called at once.
  void in_cells(std::span<const std::size_t> which, std::function<void(cell&, std::size_t)> job,
                const reply_function& reply, std::function<void()> done);
  /// `in_each_cell` with such a place.
  void gather(std::function<void(cell&, std::size_t)> job, const reply_function& reply,
              std::function<void()> done);

  options limits_;
  directory& twins_;
  const clock_port& clock_;
  std::vector<cell_runner*> cells_;
  routing_gate gate_;
  std::shared_ptr<twin_mover> mover_;
  std::atomic<std::uint64_t> ids_made_{0};
  std::atomic<std::uint64_t> creates_{0};
  std::atomic<std::uint64_t> sends_dropped_{0};
  // Atomic batches so far, and those over several cells that took effect.
  std::atomic<std::uint64_t> transactions_{0};
  std::atomic<std::uint64_t> commits_{0};
  std::atomic<std::size_t> gatherings_{0};
  std::atomic<std::uint64_t> queries_{0};
  std::function<void(stats_record&)> extra_stats_;
  std::map<std::string, service_function, std::less<>> services_;
  mutable std::mutex mutex_;
  std::uint64_t last_subscription_ = 0;
  std::unordered_map<std::uint64_t, subscription_ptr> subscriptions_;
};

} // namespace gemel
