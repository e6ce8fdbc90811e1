#pragma once

#include "messages/durability.hpp"
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
  /// A twin that is there already is no failure; it stays as it is.
  bool if_absent = false;
};

/// A change inside a property that is a map or a list.
struct path_change {
  enum class action : std::uint8_t { set, unset, add, append };
  /// Such as `limits.high` or `axes[2].speed`, see `wire::PathChange`.
  std::string path{};
  action what = action::set;
  /// Of `unset`: not used.
  value content{};
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
  /// Numbers to add; a property that is not there counts as 0.
  gemel::properties add{};
  /// After `set`, `unset` and `add`, in this order.
  std::vector<path_change> paths{};
  /// Properties that `set` does not name are removed.
  bool replace = false;
  /// Only if the twin has none of these properties.
  std::vector<std::string> if_absent{};
  /// Only if this expression holds for the twin as it is; empty: always.
  std::string condition{};
};

/// How a whole batch of updates is meant.
struct update_options {
  /// All or none, and nobody sees a part of it.
  bool atomic = false;
  /// The id of the event that led to it; empty: none.
  std::string cause{};
  /// What must be true before the answer; nothing: what the node or the twin's type says.
  std::optional<durability> wanted{};
  /// What the replicas of the node hold: shown in every state of the lifecycle. Not over a link.
  bool replica = false;
};

/// Something that happens to a twin without changing it.
struct twin_emit {
  std::string id{};
  std::string name{};
  gemel::properties payload{};
  std::int64_t source_time_us = 0;
};

/// What is asked of a twin's behaviour.
struct twin_command {
  std::string id{};
  std::string name{};
  /// By name.
  gemel::properties arguments{};
  /// 0: the node's default.
  std::uint32_t timeout_ms = 0;
  std::string cause{};
};

/// What is asked of a coordinator of a node.
struct service_call {
  /// Such as `workflows`.
  std::string service{};
  std::string name{};
  /// A map or null.
  value arguments{};
};

/// A unique property with its value, which names a twin.
struct twin_alias {
  std::string property{};
  value content{};
};

/// What a parent knows of all twins below it. The last three are of those that have the property
/// as a number.
struct rollup_record {
  std::string property{};
  std::uint64_t count = 0;
  /// Correctly rounded, whatever the order of the writes.
  double sum = 0;
  double min = 0;
  double max = 0;

  /// Not meaningful while `count` is 0, as `min` and `max`.
  double mean() const noexcept { return sum / static_cast<double>(count); }
};

/// Which write a property's value came from.
struct property_stamp {
  /// A `hybrid_time`.
  std::uint64_t time = 0;
  /// Writer and counter, see messages/stamp.hpp.
  std::uint64_t dot = 0;
  /// 0: not given.
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
  std::vector<rollup_record> rollups{};
  /// One for each property, if asked for.
  std::vector<property_stamp> stamps{};

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
  /// Only twins below this one, at any depth; empty: not asked for.
  std::string ancestor{};
  /// Expressions; answers groups instead of twins.
  std::vector<std::string> group_by{};
  /// `count()`, or `count|sum|avg|min|max(expression)`.
  std::vector<std::string> aggregates{};
  /// Answers how it is carried out, too.
  bool explain = false;
};

/// One row of an answer with `group_by` or `aggregates`.
struct group_record {
  /// One for each of `group_by`; a missing value is a null.
  std::vector<value> keys{};
  /// One for each of `aggregates`.
  std::vector<value> values{};
};

/// One page of an answer.
struct twin_page {
  std::vector<twin_record> twins{};
  /// Token of the next page; empty: this was the last one.
  std::string next{};
  /// How many match, when only that was asked.
  std::uint64_t total = 0;
  /// Ids asked for that are not there, and aliases as `property=value`.
  std::vector<std::string> missing{};
  std::vector<group_record> groups{};
  /// If asked for.
  std::string explanation{};
};

/// A twin type as a node knows it.
struct type_record {
  std::string name{};
  /// Empty: nothing.
  std::string extends{};
  std::vector<std::string> capabilities{};
  struct property_info {
    std::string key{};
    /// Empty: any.
    std::string kind{};
    std::string unit{};
    bool indexed = false;
    bool unique = false;
  };
  std::vector<property_info> properties{};
  std::vector<std::string> commands{};
  /// Live ones of just this type.
  std::uint64_t twins = 0;
  bool has_behavior = false;
};

/// What happened to a twin. The numbers are part of the wire format.
enum class event_kind : std::uint8_t {
  created = 0,
  updated = 1,
  removed = 2,
  lifecycle = 3,
  crashed = 4,
  /// Something happened that changes no property.
  emitted = 5,
  /// It has another parent, or none.
  moved = 6,
};

std::string_view to_string(event_kind kind) noexcept;

/// Which events are asked for. All given conditions must hold.
struct subscription_request {
  std::vector<std::string> ids{};
  std::string type{};
  std::string parent{};
  /// An expression over the new state and the change, see `wire::Subscribe`; empty: always.
  std::string where{};
  /// Events that may come before the next grant; 0: `limits::subscriber_backlog_max`.
  std::uint32_t credit = 0;
  /// Only twins below this one, at any depth; empty: any.
  std::string ancestor{};
  /// Empty: all kinds.
  std::vector<event_kind> kinds{};
  /// At most one `updated` event for each twin in this time, with all changes folded; 0: every one.
  std::uint32_t min_interval_ms = 0;
  /// How long it outlives its link, to be resumed; 0: it ends with the link.
  std::uint32_t keep_ms = 0;
  /// Takes over this subscription after the event of number `resume_after`; 0: a new one.
  std::uint64_t resume = 0;
  std::uint64_t resume_after = 0;
  /// Only events that a crash of the node can no longer undo.
  bool durable = false;
};

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
  /// With `dot` the id of this event, see `event_id`.
  std::uint16_t shard = 0;
  std::uint64_t dot = 0;
  /// The id of the event that led to this one; empty: none.
  std::string cause{};
  /// Of `emitted`.
  std::string name{};

  /// The change of one property, or null when it did not change.
  const property_change* find(std::string_view key) const noexcept;

  /// The event's own id, to be given as the `cause` of what it leads to.
  std::string event_id() const;
};

/// `<writer>-<shard>-<counter>`: the text of an event's id, unique in a cluster.
std::string event_id_of(std::uint16_t shard, std::uint64_t dot);

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
