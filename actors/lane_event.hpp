#pragma once

#include "messages/lifecycle_state.hpp"
#include "messages/records.hpp"
#include "messages/stamp.hpp"
#include "messages/value.hpp"
#include "registry/compact_id.hpp"
#include "registry/symbols.hpp"

#include <cstdint>
#include <string>

namespace gemel {

/// One property's change, as it waits on a lane. Of an emitted event: a part of its payload, as
/// `after`.
struct lane_change {
  key_id key;
  /// Null: the property is new.
  value before;
  /// Null: the property is gone.
  value after;
};

/// One event, as it waits on a lane. Its changes lie beside it, from `changes_begin` to before
/// `changes_end`.
struct lane_event {
  event_kind kind;
  compact_id id;
  type_id type;
  /// Empty: a root.
  std::string parent;
  /// After the event.
  std::uint64_t version;
  std::int64_t time_us;
  std::int64_t source_time_us;
  lifecycle_state lifecycle;
  std::uint32_t changes_begin;
  std::uint32_t changes_end;
  /// Of a crash what was thrown; of an emitted event its name.
  std::string detail;
  /// With `write` the event's id.
  std::uint16_t shard;
  dot write;
  /// The id of the event that led to it; empty: not known.
  std::string cause;
};

} // namespace gemel
