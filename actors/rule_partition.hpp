#pragma once

#include "workflows/rule_state.hpp"

#include <functional>
#include <memory>
#include <unordered_map>

namespace gemel {

/// Work of one partition, in order.
struct rule_task {
  enum class action : std::uint8_t { put, remove, take, advance };
  action what = action::take;
  std::uint64_t rule = 0;
  /// Of `put`.
  std::shared_ptr<const gemel::rule> document{};
  /// Of `take`.
  value key{};
  rule_event_ptr event{};
  /// Of `take`: when the twin's cell wrote the event, microseconds since 1970 UTC.
  std::int64_t written_us = 0;
  /// Of `advance`: no event before it comes any more.
  std::int64_t now_ms = 0;
};

/// What a rule found.
struct rule_finding {
  enum class kind : std::uint8_t { match, timeout };
  kind what = kind::match;
  std::shared_ptr<const rule> of{};
  found_match found{};
  /// Of the event that led to it; 0: time alone did.
  std::int64_t written_us = 0;
};

/// What one rule has in one partition.
struct rule_numbers {
  match_counters counts{};
  std::size_t keys = 0;
  std::size_t open = 0;
  /// Of memory, about.
  std::size_t bytes = 0;
  /// Matches that `output` left out.
  std::uint64_t left_out = 0;
};

/// The state of all rules for a share of their keys. A key is always in the same partition, so that
/// partitions need to know nothing of each other. Pure; for one thread at a time.
class rule_partition {
public:
  using sink = std::function<void(rule_finding)>;

  void run(const rule_task& task, const sink& into);

  /// Zeros for a rule that is not here.
  rule_numbers numbers(std::uint64_t rule) const;

private:
  static void give(const rule_state& from, match_output&& output, std::int64_t written_us,
                   const sink& into);

  std::unordered_map<std::uint64_t, std::unique_ptr<rule_state>> rules_;
};

} // namespace gemel
