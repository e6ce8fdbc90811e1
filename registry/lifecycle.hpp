#pragma once

#include "messages/error.hpp"
#include "messages/lifecycle_state.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

/// The lifecycle table: what moves a twin from one state to another. `-` is an illegal move.
///
// clang-format off
///   state       activate suspend   resume data_missed data_seen give_up repair retire  remove
///   provisioned active   -         -      -           active    faulted -      retired -
///   active      -        suspended -      stale       active    faulted -      retired -
///   suspended   -        -         active -           -         faulted -      retired -
///   stale       -        suspended -      -           active    faulted -      retired -
///   faulted     -        -         -      -           -         faulted active retired -
///   retired     -        -         -      -           -         -       -      -       deleted
///   deleted     -        -         -      -           -         -       -      -       -
// clang-format on
///
/// A delete asked for at a door is `retire` (unless retired already) and `remove` in one step.
namespace gemel {

/// What can happen to a twin. The numbers stand in messages: never renumber, add at the end.
enum class lifecycle_trigger : std::uint8_t {
  /// Takes a provisioned twin into use; so does its first update.
  activate = 0,
  /// Pauses it.
  suspend = 1,
  /// Ends the pause.
  resume = 2,
  /// No update came within the time of its type.
  data_missed = 3,
  /// An update was accepted. Of an active twin, it stays as it is.
  data_seen = 4,
  /// Supervision gave up on it or on its parent. A faulted twin stays as it is.
  give_up = 5,
  /// Puts a faulted twin into use again, with a fresh restart budget.
  repair = 6,
  /// Takes it out of use for good.
  retire = 7,
  /// Deletes a retired twin.
  remove = 8,
};

inline constexpr std::size_t lifecycle_states = 7;
inline constexpr std::size_t lifecycle_triggers = 9;

/// The state after `trigger` in state `from`.
/// @returns errc::illegal_state naming what a person may do from there; errc::bad_value if a
///          number (from a message) is none of the enumerators.
[[nodiscard]] result<lifecycle_state> next(lifecycle_state from, lifecycle_trigger trigger);

/// Whether a twin in `state` takes updates: exactly where `data_seen` is a legal move. They make it
/// active.
constexpr bool accepts_updates(lifecycle_state state) noexcept {
  return state == lifecycle_state::provisioned || state == lifecycle_state::active
         || state == lifecycle_state::stale;
}

/// What a twin in `state`, which does not take updates, answers to one.
error takes_no_updates(lifecycle_state state);

/// The name as written above; `unknown` for a number that is none.
std::string_view to_string(lifecycle_trigger trigger) noexcept;

/// The value for a name made by `to_string`.
/// @returns errc::bad_value with the names that would be right.
result<lifecycle_trigger> lifecycle_trigger_from_string(std::string_view text);

} // namespace gemel
