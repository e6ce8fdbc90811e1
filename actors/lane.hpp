#pragma once

#include "actors/binder.hpp"
#include "actors/cell_counters.hpp"
#include "actors/hierarchy.hpp"
#include "actors/ports.hpp"
#include "actors/subscription.hpp"
#include "actors/twin.hpp"
#include "messages/records.hpp"
#include "registry/symbols.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

namespace gemel {

/// One property's change, as it waits on the lane.
struct lane_change {
  key_id key;
  /// Null: the property is new.
  value before;
  /// Null: the property is gone.
  value after;
};

/// The twin that an event is about; lives during one call.
struct lane_subject {
  /// Its row's place in the cell.
  std::uint32_t index;
  const twin_row& row;
  /// Its siblings; null for a root.
  const hierarchy_group* group;
};

/// Which event it is, and why it happened; lives during one call.
struct event_origin {
  /// With the twin's shard, the event's id.
  dot write{};
  /// The id of the event that led to it; empty: not known.
  std::string_view cause{};
  /// When the device measured it, microseconds since 1970 UTC; 0: not given.
  std::int64_t source_time_us = 0;
};

/// What the lane needs of its cell.
struct lane_world {
  symbol_cache& keys;
  symbol_cache& types;
  cell_counters& counters;
  /// Events on the lane before it is flushed; it is flushed at the end of each turn in any case.
  std::uint32_t events_max;
  std::function<twin_row&(std::uint32_t index)> row;
};

/// A cell's stream of twin events: what happened since the last flush, who asked for it, and the
/// frames that tell them. Called in its cell's turn only.
class lane {
public:
  explicit lane(lane_world world) : world_{std::move(world)} {}

  // ---- changes of the update under work -----------------------------------------------------

  /// Where the next change will lie.
  std::uint32_t mark() const noexcept { return static_cast<std::uint32_t>(changes_.size()); }
  void put(key_id key, value before, value after) {
    changes_.push_back({key, std::move(before), std::move(after)});
  }
  std::span<const lane_change> changes_from(std::uint32_t begin) const {
    return std::span{changes_}.subspan(begin);
  }
  /// Forgets the changes from `begin` on.
  void drop_from(std::uint32_t begin) { changes_.resize(begin); }

  // ---- events -------------------------------------------------------------------------------

  /// Whether anybody may want an event of this twin; cheap, since every update asks.
  bool wanted(const lane_subject& of) const;

  /// Tells those who want it of an event without changes. Must be called while the row is as the
  /// event left it. May flush.
  void note(event_kind kind, const lane_subject& of, const event_origin& from, const moment& now,
            std::string detail);

  /// The same of an update, whose changes were put from `changes_begin` on.
  void note_update(const lane_subject& of, const event_origin& from, std::uint32_t changes_begin,
                   const moment& now);

  /// The same of an emitted event, whose payload was put from `changes_begin` on, as new values.
  void note_emitted(const lane_subject& of, const event_origin& from, std::uint32_t changes_begin,
                    const moment& now, std::string name);

  /// Gives the events to the subscribers that they are for.
  void flush();

  /// Takes back what `flush` threw at: the subscribers of those events hear that they missed them.
  void drop() noexcept;

  // ---- readers ------------------------------------------------------------------------------

  /// Adds a subscription. @param type of its request, if it names one. @param rows its twins, if it
  /// names some.
  void subscribe(const subscription_ptr& asked, std::optional<type_id> type,
                 const std::vector<std::uint32_t>& rows);
  void unsubscribe(std::uint64_t number);

  /// The twin of the row is gone.
  void forget_row(std::uint32_t index);

private:
  struct event {
    event_kind kind;
    compact_id id;
    type_id type;
    std::string parent;
    std::uint64_t version;
    std::int64_t time_us;
    std::int64_t source_time_us;
    lifecycle_state lifecycle;
    std::uint32_t changes_begin;
    std::uint32_t changes_end;
    // Of a crash what was thrown; of an emitted event its name.
    std::string detail;
    std::uint16_t shard;
    dot write;
    std::string cause;
  };
  struct reader {
    subscription_ptr asked;
    std::optional<twin_binder> where;
    std::optional<type_id> type;
    std::vector<std::uint32_t> rows;
    // Places on the lane, ascending.
    std::vector<std::uint32_t> pending;
    std::uint64_t missed = 0;
  };

  event event_of(event_kind kind, const lane_subject& of, const event_origin& from,
                 const moment& now) const;
  void put(event&& happened, const lane_subject& of);
  void match(reader& r, std::uint32_t place, const lane_subject& of);
  void list_reader(reader& r, const std::vector<std::uint32_t>& rows);
  frame build_events(const reader& r, std::size_t from, std::size_t to);
  std::size_t wire_bytes(const event& e);
  std::size_t frame_end(const reader& r, std::size_t from);
  void deliver(reader& r);

  lane_world world_;
  std::vector<lane_change> changes_;
  std::vector<event> events_;
  boost::unordered_flat_map<std::uint64_t, std::unique_ptr<reader>> readers_;
  // Those that the lane holds something for.
  std::vector<reader*> pending_readers_;
  boost::unordered_flat_map<std::uint32_t, std::vector<reader*>> row_readers_;
  boost::unordered_flat_map<std::uint32_t, std::vector<reader*>> type_readers_;
  std::unordered_map<std::string, std::vector<reader*>> parent_readers_;
  std::vector<reader*> all_readers_;
};

} // namespace gemel
