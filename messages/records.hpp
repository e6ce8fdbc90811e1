#pragma once

#include "messages/error.hpp"
#include "messages/lifecycle_state.hpp"
#include "messages/value.hpp"

#include <cstdint>
#include <string>
#include <vector>

/// What the messages say, as plain C++ values: for callers outside the hot path. Actors read frames
/// in place instead.
namespace gemel {

/// One property of a twin.
struct property {
  std::string key{};
  value content{};

  friend bool operator==(const property&, const property&) = default;
};

using properties = std::vector<property>;

/// A twin to be made.
struct new_twin {
  /// Empty: the node makes a random UUID.
  std::string id{};
  std::string type{};
  /// Empty: a root twin.
  std::string parent{};
  gemel::properties properties{};
  /// Twins of one non-empty placement key share a shard.
  std::string placement{};
};

/// A change of one twin, applied whole or not at all.
struct twin_update {
  std::string id{};
  gemel::properties set{};
  std::vector<std::string> unset{};
  /// Only if the twin's version is this; 0: no condition.
  std::uint64_t if_version = 0;
  /// When the device measured it, microseconds since 1970 UTC; 0: when the twin applied it.
  std::int64_t source_time_us = 0;
};

/// A twin as it was when asked.
struct twin_record {
  std::string id{};
  std::string type{};
  std::string parent{};
  /// `/` and the ids from the root down, joined by `/`.
  std::string path{};
  std::uint64_t version = 0;
  lifecycle_state lifecycle = lifecycle_state::provisioned;
  /// Microseconds since 1970 UTC.
  std::int64_t updated_at_us = 0;
  bool has_children = false;
  gemel::properties properties{};

  /// The property's value, or null when the twin has none of that key.
  const value* find(std::string_view key) const noexcept;
};

/// What became of one entry of a batch that failed.
struct failure {
  /// Which entry, counted from 0.
  std::uint32_t index = 0;
  error why{};

  friend bool operator==(const failure&, const failure&) = default;
};

/// What became of a batch.
struct outcome {
  std::uint32_t applied = 0;
  /// By index, ascending.
  std::vector<failure> failures{};
  /// Of a create: the id of every entry.
  std::vector<std::string> ids{};
};

/// What becomes of the children of a twin that is deleted.
enum class child_policy : std::uint8_t { refuse, cascade, orphan };

/// Which twins are asked for.
struct query_request {
  std::string type{};
  std::string parent{};
  bool roots_only = false;
  /// An expression; empty: all.
  std::string where{};
  /// Expressions to answer, mostly property keys, each under its own text; empty: all properties.
  std::vector<std::string> select{};
  /// An expression, mostly a property; empty: by id.
  std::string order_by{};
  bool descending = false;
  /// Rows of one page; 0: 100.
  std::uint32_t limit = 0;
  std::string page_token{};
  bool count_only = false;
};

/// One page of an answer.
struct twin_page {
  std::vector<twin_record> twins{};
  /// Token of the next page; empty: this was the last one.
  std::string next{};
  /// How many match, when only that was asked.
  std::uint64_t total = 0;
  /// Ids asked for that are not there.
  std::vector<std::string> missing{};
};

/// Which events are asked for. All given conditions must hold.
struct subscription_request {
  std::vector<std::string> ids{};
  std::string type{};
  std::string parent{};
  /// An expression over the new state; empty: always.
  std::string where{};
  /// Events that may come before the next grant; 0: `limits::subscriber_backlog_max`.
  std::uint32_t credit = 0;
};

/// What happened to a twin. The numbers are part of the wire format.
enum class event_kind : std::uint8_t {
  created = 0,
  updated = 1,
  removed = 2,
  lifecycle = 3,
  crashed = 4,
};

std::string_view to_string(event_kind kind) noexcept;

/// One property's change.
struct property_change {
  std::string key{};
  /// Null: the property is new.
  value old_value{};
  /// Null: the property is gone.
  value new_value{};
};

/// One event as a plain value.
struct twin_event {
  event_kind kind = event_kind::updated;
  std::string id{};
  std::string type{};
  std::string parent{};
  std::uint64_t version = 0;
  lifecycle_state lifecycle = lifecycle_state::provisioned;
  std::int64_t time_us = 0;
  /// 0: not given.
  std::int64_t source_time_us = 0;
  std::vector<property_change> changes{};
  /// Of a crash: what was thrown.
  std::string detail{};

  /// The change of one property, or null when it did not change.
  const property_change* find(std::string_view key) const noexcept;
};

/// One named number of a node.
struct counter_record {
  std::string name{};
  double number = 0;
  std::string help{};
};

/// One latency histogram of a node, in nanoseconds.
struct latency_record {
  std::string name{};
  std::uint64_t count = 0;
  std::uint64_t p50_ns = 0;
  std::uint64_t p99_ns = 0;
  std::uint64_t p999_ns = 0;
  std::uint64_t max_ns = 0;
};

struct stats_record {
  std::vector<counter_record> counters{};
  std::vector<latency_record> latencies{};
};

} // namespace gemel
