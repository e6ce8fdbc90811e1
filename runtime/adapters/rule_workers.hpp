#pragma once

#include "actors/rule_partition.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace gemel {

/// One thread for each partition of rules, with a bounded queue of its own: a key with very many
/// events holds up its own partition alone.
class rule_workers {
public:
  /// Events that wait for one partition; further ones are left out and counted.
  static constexpr std::size_t waiting_max = 1'000'000;

  /// @param found is called on the thread of a partition, for several of them at a time.
  rule_workers(std::size_t partitions, rule_partition::sink found);
  ~rule_workers() { stop(); }
  rule_workers(const rule_workers&) = delete;
  rule_workers& operator=(const rule_workers&) = delete;

  std::size_t partitions() const noexcept { return parts_.size(); }

  /// Tasks of one partition are run in the order in which they were given.
  void push(std::size_t partition, std::vector<rule_task> tasks);

  /// Of all partitions together; waits for the tasks that they are at.
  rule_numbers numbers(std::uint64_t rule) const;

  /// Adds what a checkpoint says of a rule to each partition's share of it. Nothing may be under
  /// way.
  /// @returns errc::store_corrupt.
  result<void> restore(std::uint64_t rule, std::string_view state,
                       const std::function<std::size_t(const std::string& key)>& place_of);

  /// Waits until all that was pushed before has been run.
  void drain();

  /// Ends the threads; what waits is not run. A second call does nothing.
  void stop();

  std::uint64_t dropped() const noexcept { return dropped_.load(); }
  std::size_t waiting() const;

private:
  struct part {
    mutable std::mutex queue_mutex;
    std::condition_variable changed;
    std::vector<rule_task> queue;
    bool is_busy = false;
    mutable std::mutex state_mutex;
    rule_partition state;
    std::thread thread;
  };

  void run(part& mine);

  rule_partition::sink found_;
  std::vector<std::unique_ptr<part>> parts_;
  std::atomic<std::uint64_t> dropped_{0};
  std::atomic<bool> stopping_{false};
};

} // namespace gemel
