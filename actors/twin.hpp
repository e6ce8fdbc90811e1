#pragma once

#include "actors/ports.hpp"
#include "messages/lifecycle_state.hpp"
#include "messages/stamp.hpp"
#include "messages/value.hpp"
#include "registry/compact_id.hpp"
#include "registry/shape.hpp"

#include <cstdint>
#include <limits>

namespace gemel {

/// A property's value and the write it came from.
struct property_slot {
  value content;
  stamp at;
};

/// The state of one twin: a row of its cell's table. Only that cell reads or writes it. Plain data;
/// what may be done with it is in cell.hpp.
struct twin_row {
  static constexpr std::uint32_t none = UINT32_MAX;

  enum flag : std::uint16_t {
    /// The row holds a twin.
    live = 1,
    /// Its behaviour, if its type has one, is running.
    running = 2,
    /// Some cell has (or is making) a hierarchy actor for its children.
    has_group = 4,
    /// A delete waits for its children's cell; nothing else is taken.
    closing = 8,
    /// Somebody subscribed to this twin by its id.
    watched = 16,
    /// Placed by an explicit key of its root.
    pinned = 32,
    /// Something has a claim on it, see held_rows.hpp: writes wait.
    held = 64,
    /// Source times lie behind its slots, see slots.hpp.
    timed = 128,
    /// Its values lie in the store alone: it has no slots, whatever its layout says.
    passive = 256,
    /// The store has its values as they are.
    stored = 512,
    /// With `closing`: it is to be retired, not deleted.
    retiring = 1'024,
    /// Its supervisor stopped its behaviour and is going to start it again: writes are `twin_busy`.
    stopped = 2'048,
    /// Somebody needed its values since the clock's hand came by, see residency.hpp.
    used = 4'096,
    /// The store is being given its values, so that it can leave memory.
    leaving = 8'192,
    /// Somebody needed its values since the last pass over its type, see idle_sweep.hpp.
    recent = 16'384,
  };

  compact_id id;
  const shape* layout = nullptr;
  /// As many as `layout` has keys; owned, see slots.hpp. Null of a passive twin.
  property_slot* slots = nullptr;
  /// 1 when made, raised by one for each property that an update changes.
  std::uint64_t version = 0;
  hybrid_time updated{};
  twin_address* address = nullptr;
  /// The group of its siblings in this cell, or `none` for a root.
  std::uint32_t group = none;
  /// Siblings in the order they were made.
  std::uint32_t previous = none;
  std::uint32_t next = none;
  /// Place in the cell's list of this type's rows.
  std::uint32_t type_place = 0;
  std::uint16_t shard = 0;
  lifecycle_state lifecycle = lifecycle_state::provisioned;
  // In the bytes that are left over.
  std::uint8_t seen_high = 0;
  std::uint16_t flags = 0;
  std::uint16_t seen_low = 0;

  /// When data last came, in units of 2^28 ns (0.27 s) of `moment::steady_ns`, modulo 2^24: it goes
  /// round in 52 days.
  std::uint32_t seen() const noexcept { return std::uint32_t{seen_high} << 16 | seen_low; }
  void seen(std::uint32_t at) noexcept {
    seen_high = static_cast<std::uint8_t>(at >> 16);
    seen_low = static_cast<std::uint16_t>(at);
  }
  bool has(flag f) const noexcept { return (flags & f) != 0; }
  void set(flag f, bool on = true) noexcept {
    flags = static_cast<std::uint16_t>(on ? flags | f : flags & ~f);
  }
  const value* find(key_id key) const noexcept {
    auto slot = layout->find(key);
    return slot != shape::no_slot ? &slots[slot].content : nullptr;
  }
};

static_assert(sizeof(twin_row) == 88);

} // namespace gemel
