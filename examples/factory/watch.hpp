#pragma once

#include "examples/factory/alert_book.hpp"
#include "runtime/gemel.hpp"

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gemel::factory {

/// A subscription to twins whose value is outside its limits. Changes wait inside until they are
/// taken; take them often.
class watch {
public:
  /// Starts watching `property` of all twins of `type`. The watch must end before the node does.
  static result<std::unique_ptr<watch>> start(node& at, std::string_view type,
                                              std::string_view property, value_limits limits);
  ~watch();
  watch(const watch&) = delete;
  watch& operator=(const watch&) = delete;

  /// What came since the last call; per twin in its order.
  std::vector<value_change> take();

  /// Waits until `count` changes came, since the start, or 10 s without any passed.
  /// @returns errc::timed_out, saying how many came.
  result<void> wait_for(std::uint64_t count);

  /// Changes that the node left out because we were slow.
  std::uint64_t missed() const;

private:
  // What the callback writes: it may run once more after the watch has ended.
  struct inbox {
    std::mutex mutex;
    std::condition_variable arrived;
    std::vector<value_change> changes; // those not taken yet
    std::uint64_t count = 0;
    std::uint64_t missed = 0;
    std::string property;

    void add(const event_batch& events);
  };

  watch(node& at, std::shared_ptr<inbox> in) : node_{at}, in_{std::move(in)} {}

  node& node_;
  std::shared_ptr<inbox> in_;
  std::optional<subscription_id> subscription_;
};

/// Sends frames of updates, with a bounded number under way.
class feed {
public:
  /// Updates sent and not yet answered; more updates give higher rates and longer latencies.
  static constexpr std::uint32_t under_way_max = 16'384;

  /// The feed must end before the node does.
  explicit feed(node& to) : node_{to} {}
  ~feed();
  feed(const feed&) = delete;
  feed& operator=(const feed&) = delete;

  /// Waits for room, then sends a frame of `count` updates.
  void send(const frame& updates, std::uint32_t count);

  /// Waits until all that was sent is applied.
  /// @returns the first failure since the start.
  result<void> finish();

private:
  void answered(std::uint32_t count, const outcome& what);

  node& node_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint32_t under_way_ = 0;
  std::optional<error> failure_;
};

/// What a run cost, from the node's own figures.
struct cost {
  /// Wall clock of the part that is measured.
  double seconds = 0;
  double updates = 0;
  double events = 0;
  double events_delivered = 0;
  double events_missed = 0;
  double queries = 0;
  double resident_bytes = 0;
  latency_record latency;
};

/// The node's figures now; `seconds` is left 0.
result<cost> cost_of(node& of);

/// The lines that say what a run cost, each with its newline.
std::string describe(const cost& spent);

/// Starts a node that listens at the port of gemel, or, if that is taken, at any that is free.
result<std::unique_ptr<node>> start_node();

} // namespace gemel::factory
