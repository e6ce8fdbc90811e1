#pragma once

#include "actors/twin.hpp"

#include <cstddef>
#include <cstdint>

/// The memory of a row's slots. Behind the slots of a `timed` row lies one source time for each, so
/// that twins whose devices give none pay nothing for it.
namespace gemel {

/// `count` null values, and source times of 0 if `timed`. Null when `count` is 0.
property_slot* make_slots(std::size_t count, bool timed);

/// @param count as given to `make_slots`.
void free_slots(property_slot* slots, std::size_t count) noexcept;

/// One for each slot, microseconds since 1970 UTC, 0: not given. Only of a timed row.
inline std::int64_t* source_times(property_slot* slots, std::size_t count) noexcept {
  return reinterpret_cast<std::int64_t*>(slots + count);
}

/// 0 when the row has none.
inline std::int64_t source_time_of(const twin_row& row, std::size_t slot) noexcept {
  return row.has(twin_row::timed) ? source_times(row.slots, row.layout->size())[slot] : 0;
}

} // namespace gemel
