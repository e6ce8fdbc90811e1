#pragma once

#include "actors/rule_coordinator.hpp"
#include "actors/rule_keeper.hpp"
#include "messages/fault.hpp"
#include "registry/model.hpp"
#include "runtime/adapters/rule_folder.hpp"
#include "runtime/adapters/rule_workers.hpp"
#include "runtime/adapters/task_queue.hpp"
#include "runtime/adapters/webhooks.hpp"
#include "runtime/config.hpp"
#include "runtime/rule_observer.hpp"
#include "runtime/rule_outlet.hpp"
#include "runtime/twin_api.hpp"

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace gemel {

/// The rules of a node at work: fed by the node's own events, with the threads that run them. Knows
/// the node as any program does.
class rule_host {
public:
  struct options {
    rules_section section{};
    /// Of threads, if the section does not say.
    std::uint32_t workers = 1;
    /// For the action `publish`, by name.
    std::map<std::string, rule_sink, std::less<>> sinks{};
    std::function<void(const std::string&)> log{};
    /// Of the node, which must outlive this; null: it has none.
    const model_table* models = nullptr;
    /// That of the node, where rules and what they have in memory outlive a crash; must outlive
    /// this. Null: they do not.
    store_port* store = nullptr;
  };

  /// @param on, clock must outlive this.
  rule_host(options wanted, twin_api& on, const clock_port& clock);
  ~rule_host();

  /// Brings back what the store knows, reads the folder, if there is one, and begins.
  /// @returns the first fault with its place; with more of them their number; errc::store_corrupt.
  result<void> start();

  /// Answers a call of the service `rules`, later and on another thread:
  ///
  ///     add | replace   document (text), file  -> rule, version, kept (of replace)
  ///     remove          rule                   -> null
  ///     list                                   -> rules: rule, version, description, file
  ///     show            rule                   -> document, and what `stats` answers
  ///     stats           rule (or none: all)    -> rules: one map of numbers each
  ///
  /// A document with faults is refused as errc::bad_value, with a fault on each line.
  void call(const service_call& asked, reply_function reply);

  /// Where the action `publish` of this name goes from now on.
  void add_sink(std::string name, rule_sink to) {
    outlet_->add_sink(std::move(name), std::move(to));
  }

  void add_stats(stats_record& stats);

  /// Ends the threads; no action begins after it returns.
  void stop();

private:
  using answer = result<value>;
  // A checkpoint while the partitions hand in their states.
  struct gathering {
    std::mutex mutex;
    std::size_t missing = 0;
    rule_keeper::content made{};
  };

  std::int64_t now_ms() const;
  void run();
  void tick();
  void watch_folder(bool is_start, fault_list& faults);
  void load_file(const std::string& path, fault_list& faults);
  answer answer_call(const service_call& asked);
  answer put(const service_call& asked);
  answer remove(const service_call& asked);
  answer list() const;
  answer stats_of(const service_call& asked, bool with_document);
  value numbers_of(const rule_coordinator::live_rule& one, bool with_document);
  result<void> bring_back();
  result<void> restore(const rule_keeper::content& from);
  result<void> redo(log_position at, const rule_record& what);
  void take_back_files();
  result<void> take_unseen();
  result<void> note(const rule_record& what);
  result<void> put_rule(std::shared_ptr<const rule> document, const std::string& file, bool is_new,
                        bool& is_kept);
  result<void> drop_rule(std::string_view name);
  void take(rule_record seen);
  void keep();
  void begin_checkpoint(std::int64_t now);
  void finish_checkpoint(const std::shared_ptr<gathering>& from);
  void listen();
  void on_events(const event_batch& events);
  void send_tasks();

  options options_;
  twin_api& node_;
  const clock_port& clock_;
  webhooks webhooks_;
  std::shared_ptr<rule_outlet> outlet_;
  rule_workers workers_;
  mutable std::mutex mutex_; // of the coordinator
  rule_coordinator coordinator_;
  // Under the same mutex.
  std::optional<rule_keeper> keeper_;
  std::uint64_t epoch_ = 0; // of the last checkpoint that was begun
  std::int64_t lag_ms_ = 0; // the greatest since it was last asked
  std::string complaint_;
  std::vector<rule_effect> unfinished_; // of the last checkpoint, until the start is over
  rule_observer observer_;
  task_queue tasks_;
  rule_folder folder_;
  std::int64_t watched_ms_ = 0;
  std::int64_t ticked_ms_ = 0;
  std::optional<subscription_id> heard_;
  std::atomic<std::uint64_t> events_{0};
  std::atomic<std::uint64_t> missed_{0};
  std::mutex stop_mutex_; // no call is taken once it is set
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

} // namespace gemel
