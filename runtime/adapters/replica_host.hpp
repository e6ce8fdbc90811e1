#pragma once

#include "actors/sync/hold_watch.hpp"
#include "actors/sync/lag_meter.hpp"
#include "actors/sync/replica_bridge.hpp"
#include "runtime/adapters/rocks_replicas.hpp"
#include "runtime/adapters/rocks_store.hpp"
#include "runtime/adapters/task_queue.hpp"
#include "runtime/config.hpp"
#include "runtime/link_book.hpp"
#include "runtime/peer_transport.hpp"
#include "runtime/twin_api.hpp"

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace gemel {

/// The replicas of a node at work, on a thread of their own: reads the cells' log, writes to the
/// cells what peers wrote, and hears of peers over a transport. Twins never wait for it: what it
/// has not read yet stays in the log, which it holds back.
class replica_host {
public:
  /// Under this name it holds the log back.
  static constexpr const char* holder = "replicas";

  struct options {
    sync_section section{};
    conflict_policies policies{};
    /// Names of the config's peers, in the order of the transport's numbers.
    std::vector<std::string> peers{};
    std::string cluster{};
    std::string node{};
    /// Whether peers may be on other machines, see `link_book`.
    bool may_leave_machine = false;
    /// As `node_config::store` says: with `disk`, peers hear of nothing that is not on the disk.
    durability level = durability::process;
    std::function<void(const std::string&)> log{};
  };

  /// @param from, on, clock must outlive this.
  replica_host(options wanted, rocks_store& from, twin_api& on, const clock_port& clock,
               std::shared_ptr<peer_transport> way);
  ~replica_host();

  /// Loads what is kept, and begins. @returns errc::store_corrupt, or what the transport says.
  result<void> start();
  /// Ends the links and the thread. No call is answered after it.
  void stop();

  /// Answers a call of the service `sync`, later and on its own thread:
  ///
  ///     link_add      peer                    -> null, once it is kept; what `link_book::check`
  ///     says;
  ///                                              errc::store_failed, _full: perhaps not kept
  ///     link_remove   peer                    -> null, once it is kept; `link_book::remove`
  ///     status                                -> node, links: a map of numbers each
  ///     conflicts                             -> conflicts: id, twin, property, values
  ///     resolve   twin, property, id, value   -> null; errc::precondition_failed if something was
  ///                                              written since
  ///     policy    twin, strategy (optional)   -> twin; strategy: that of this twin alone, null:
  ///                                              none. One that is given is set before, null
  ///                                              takes it away
  ///     held      twins, replicas, wait_ms    -> peers that are sent what is here; held: by twin
  ///                                              how many hold what it is now, null: it is not
  ///                                              replicated. Waits for so many replicas of each
  ///                                              ("all": every peer that is sent it), at most
  ///                                              wait_ms, and not for more than there are
  void call(const service_call& asked, reply_function reply);

  void add_stats(stats_record& stats) const;

  /// The log has something more. Any thread.
  void wake();

  /// Forgets what an earlier start kept: the node has no peers any more.
  static result<void> forget(rocks_store& of);

private:
  using answer = result<value>;

  void run();
  void run_tasks(std::chrono::milliseconds wait);
  bool catch_up();
  void catch_up_to(log_position upto);
  result<void> take(std::string_view record);
  void import();
  void reach_peers();
  void push();
  void end_push();
  std::vector<twin_record> look_at(const std::vector<std::string>& twins);
  void carry_out(const replica_pushes& wanted);
  void update(const std::vector<twin_update>& wanted);
  void carry_out_moves(const replica_pushes& wanted);
  void note_failures(const result<outcome>& done, std::size_t entries,
                     const std::function<const std::string&(std::size_t)>& twin);
  void note_failure(const std::string& twin, const error& why);
  void commit();
  result<void> try_commit(bool sync);
  void publish();
  void publish_links();
  void look_at_lags();
  void complain(const error& why);
  answer answer_call(const service_call& asked);
  void hold(const service_call& asked, const reply_function& reply);
  void look_at_holds();
  answer status() const;
  answer add_link(const service_call& asked);
  answer remove_link(const service_call& asked);
  result<void> keep_links();
  result<void> restore_links();
  void open_link(const peer_address& peer, std::string text);
  std::string name_of(writer_id writer) const;
  answer conflicts() const;
  answer resolve(const service_call& asked);
  answer policy(const service_call& asked);

  options options_;
  rocks_store& store_;
  twin_api& node_;
  const clock_port& clock_;
  std::shared_ptr<peer_transport> way_;
  rocks_replicas kept_;
  link_book links_;
  replicator replicas_;
  replica_bridge bridge_;
  hold_watch holds_;
  task_queue tasks_;
  static constexpr std::size_t events_at_once = 64;
  std::array<stored_event, events_at_once> events_; // of the log, as they are read
  log_position taken_{};
  log_position committed_{};
  log_position retained_{};
  bool updating_ = false;                // cells carry updates of a push out
  std::optional<log_position> push_end_; // where the log shows all of a push
  std::string complaint_;
  std::int64_t publish_at_ = 0; // moment::steady_ns
  std::atomic<bool> woken_{false};
  std::mutex stop_mutex_; // no call is taken once it is set
  std::atomic<bool> stopping_{false};
  struct counts {
    std::atomic<std::uint64_t> writes{0};
    std::atomic<std::uint64_t> pushes{0};
    std::atomic<std::uint64_t> to_show{0};
    std::atomic<std::uint64_t> refused{0};
    std::atomic<std::uint64_t> conflicts{0};
    std::atomic<std::uint64_t> links_up{0};
    std::atomic<std::uint64_t> backlog{0};
    std::atomic<std::uint64_t> sent_bytes{0};
    std::atomic<std::uint64_t> received_bytes{0};
    std::atomic<std::uint64_t> full_copies{0};
    std::atomic<std::uint64_t> digest_alarms{0};
    std::atomic<std::uint64_t> delete_marks{0};
    std::atomic<std::uint64_t> delete_marks_collected{0};
  };
  counts counts_;
  std::vector<lag_meter> lags_;      // by the peers' numbers
  std::int64_t look_at_lags_at_ = 0; // moment::steady_ns
  link_status gone_{};               // counts of links that were removed
  mutable std::mutex shown_mutex_;
  std::vector<counter_record> shown_links_; // with the mutex
  std::thread thread_;
};

} // namespace gemel
