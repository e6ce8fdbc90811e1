#pragma once

#include "workflows/rule_state.hpp"

#include <functional>
#include <memory>
#include <unordered_map>

namespace gemel {

/// What a partition has of one rule, as bytes.
struct saved_rule {
  std::string name{};
  std::string state{};
};

/// Work of one partition, in order.
struct rule_task {
  enum class action : std::uint8_t { put, remove, take, advance, save };
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
  /// Of `save`: is given what the partition has, by rule.
  std::function<void(std::vector<saved_rule>)> saved{};
};

/// What a rule found.
struct rule_finding {
  enum class kind : std::uint8_t { match, timeout };
  kind what = kind::match;
  std::shared_ptr<const rule> of{};
  found_match found{};
  /// Of the event that led to it; 0: time alone did.
  std::int64_t written_us = 0;
  /// How often its partition had been saved before.
  std::uint64_t epoch = 0;
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

  /// Adds a share of what partitions saved, to a rule that was put before; see `rule_state`.
  /// @returns errc::store_corrupt.
  result<void> restore(std::uint64_t rule, std::string_view state, const restored_share& share);

  /// Zeros for a rule that is not here.
  rule_numbers numbers(std::uint64_t rule) const;

private:
  void give(const rule_state& from, match_output&& output, std::int64_t written_us,
            const sink& into) const;
  std::vector<saved_rule> save();

  std::unordered_map<std::uint64_t, std::unique_ptr<rule_state>> rules_;
  std::uint64_t epoch_ = 0;
};

} // namespace gemel
