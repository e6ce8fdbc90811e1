#pragma once

#include "actors/cell_counters.hpp"
#include "actors/event_binder.hpp"
#include "actors/frame_numbers.hpp"
#include "actors/hierarchy.hpp"
#include "actors/lane_event.hpp"
#include "actors/ports.hpp"
#include "actors/row_watchers.hpp"
#include "actors/subscription.hpp"
#include "actors/twin.hpp"
#include "actors/update_folder.hpp"
#include "messages/records.hpp"
#include "registry/symbols.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace gemel {

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
  /// Whether a type is a model or extends it.
  std::function<bool(std::string_view type, std::string_view model)> is_a;
  /// Calls `what` when all that happened so far survives a crash; empty: there is no store.
  std::function<void(std::function<void()> what)> when_durable{};
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
  bool wanted(const lane_subject& of) { return !readers_.empty() && is_wanted(of); }

  /// Asks for the memory that an event of the watched twin of this row will look at.
  void fetch_row(std::uint32_t index) const noexcept { row_readers_.fetch(index); }

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

  /// Ends a turn: flushes what happened, and what was held back long enough.
  void end_turn(const moment& now);

  /// When `end_turn` must be called next although nothing happens, `moment::steady_ns`.
  std::optional<std::int64_t> next_due() const;

  // ---- readers ------------------------------------------------------------------------------

  /// Adds a subscription. @param rows its twins, if it names some.
  void subscribe(const subscription_ptr& asked, const std::vector<std::uint32_t>& rows);
  void unsubscribe(std::uint64_t number);

  /// The twin of the row is gone, all its events noted.
  void forget_row(std::uint32_t index);

  /// The same of a twin that goes on in another cell. @returns who asked for it by its id.
  std::vector<subscription_ptr> give_row_away(std::uint32_t index);
  /// The other cell's side.
  void take_row(std::uint32_t index, const std::vector<subscription_ptr>& asked);

  /// A group of children is at another place in the tree, or gone.
  void forget_group(std::uint32_t group) { subtree_readers_of_.erase(group); }

private:
  struct reader {
    subscription_ptr asked;
    std::optional<event_binder> where;
    // By type: whether it is one that was asked for.
    boost::unordered_flat_map<std::uint32_t, bool> types;
    std::vector<std::uint32_t> rows;
    // Places on the lane, in the order of delivery.
    std::vector<std::uint32_t> pending;
    // Of a subscriber with a rate limit.
    std::optional<update_folder> folder;
    bool is_timed = false; // stands in `timers_`
  };
  using reader_list = std::vector<reader*>;
  struct timer {
    std::int64_t at;
    std::uint64_t subscription;
    bool operator>(const timer& other) const noexcept { return at > other.at; }
  };

  bool is_wanted(const lane_subject& of);
  lane_event event_of(event_kind kind, const lane_subject& of, const event_origin& from,
                      const moment& now) const;
  void put(lane_event&& happened, const lane_subject& of, const moment& now);
  std::span<const lane_change> changes_of(const lane_event& event) const {
    return std::span{changes_}.subspan(event.changes_begin,
                                       event.changes_end - event.changes_begin);
  }

  // ---- who wants what ----
  void match(reader& r, std::uint32_t place, const lane_subject& of, const moment& now);
  bool accepts(reader& r, std::uint32_t place, const lane_subject& of);
  bool has_type(reader& r, type_id type);
  const reader_list& readers_of_type(type_id type);
  const reader_list& readers_above(const lane_subject& of);
  void list_reader(reader& r, const std::vector<std::uint32_t>& rows);

  // ---- rate limits ----
  bool is_held(reader& r, std::uint32_t place, const lane_subject& of, const moment& now);
  void give_held(reader& r, update_folder::folded&& held);
  void set_timer(reader& r);
  void drop_idle_timers();

  // ---- delivery ----
  void add_pending(reader& r, std::uint32_t place);
  void write_events(frame_builder& into, const reader& r, std::size_t from, std::size_t to);
  void write_event(wire::Event::Builder one, const lane_event& event);
  std::size_t wire_bytes(const lane_event& e);
  std::size_t frame_end(const reader& r, std::size_t from);
  void deliver(reader& r);
  void publish(reader& r, frame_builder& built, std::uint32_t events);
  void lose(reader& r, std::uint32_t events);

  lane_world world_;
  // Of the frame under work.
  frame_numbers<key_id> frame_keys_;
  frame_numbers<type_id> frame_types_;
  std::vector<lane_change> changes_;
  std::vector<lane_event> events_;
  boost::unordered_flat_map<std::uint64_t, std::unique_ptr<reader>> readers_;
  // Those that the lane holds something for.
  reader_list pending_readers_;
  // Each reader stands in one of these, the most selective that it can.
  row_watchers<reader> row_readers_;
  std::unordered_map<std::string, reader_list> parent_readers_;
  reader_list subtree_readers_;
  reader_list typed_readers_;
  reader_list all_readers_;
  // Found when first asked for; forgotten when the readers change, or the tree.
  boost::unordered_flat_map<std::uint32_t, reader_list> subtree_readers_of_; // by group
  boost::unordered_flat_map<std::uint32_t, reader_list> typed_readers_of_;   // by type
  // Those with a rate limit.
  reader_list folding_readers_;
  std::priority_queue<timer, std::vector<timer>, std::greater<>> timers_;
};

} // namespace gemel
