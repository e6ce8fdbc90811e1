#include "registry/lifecycle.hpp"

#include <array>
#include <optional>
#include <string>

namespace gemel {

namespace {

using target = std::optional<lifecycle_state>;

constexpr std::array<std::string_view, lifecycle_triggers> trigger_names{
    "activate", "suspend", "resume", "data_missed", "data_seen",
    "give_up",  "repair",  "retire", "remove"};

constexpr target none = std::nullopt;
constexpr target active = lifecycle_state::active;
constexpr target suspended = lifecycle_state::suspended;
constexpr target stale = lifecycle_state::stale;
constexpr target faulted = lifecycle_state::faulted;
constexpr target retired = lifecycle_state::retired;
constexpr target deleted = lifecycle_state::deleted;

// One row per state, one column per trigger, both in the order of their numbers.
// clang-format off
constexpr std::array<std::array<target, lifecycle_triggers>, lifecycle_states> table{{
  // activate suspend  resume  missed seen    give_up  repair  retire   remove
  {{active, none,      none,   none,  active, faulted, none,   retired, none}},    // provisioned
  {{none,   suspended, none,   stale, active, faulted, none,   retired, none}},    // active
  {{none,   none,      active, none,  none,   faulted, none,   retired, none}},    // suspended
  {{none,   suspended, none,   none,  active, faulted, none,   retired, none}},    // stale
  {{none,   none,      none,   none,  none,   faulted, active, retired, none}},    // faulted
  {{none,   none,      none,   none,  none,   none,    none,   none,    deleted}}, // retired
  {{none,   none,      none,   none,  none,   none,    none,   none,    none}},    // deleted
}};
// clang-format on

void append(std::string& list, std::string_view name) {
  if (!list.empty())
    list += ", ";
  list += name;
}

// What the runtime itself decides is nothing to advise.
constexpr std::array<bool, lifecycle_triggers> by_people{true,  true, true, false, false,
                                                         false, true, true, true};

std::string possible_moves(std::size_t from) {
  std::string all;
  for (std::size_t i = 0; i < lifecycle_triggers; ++i)
    if (by_people[i] && table[from][i])
      append(all, trigger_names[i]);
  return all.empty() ? "nothing is possible from there" : "possible from there: " + all;
}

} // namespace

result<lifecycle_state> next(lifecycle_state from, lifecycle_trigger trigger) {
  auto row = static_cast<std::size_t>(from);
  auto column = static_cast<std::size_t>(trigger);
  if (row >= lifecycle_states)
    return fail(errc::bad_value, std::to_string(row) + " is no lifecycle state");
  if (column >= lifecycle_triggers)
    return fail(errc::bad_value, std::to_string(column) + " is no lifecycle trigger");
  if (auto to = table[row][column])
    return *to;
  return fail(errc::illegal_state, "'" + std::string{trigger_names[column]} + "' of a twin that is "
                                       + std::string{to_string(from)} + "; " + possible_moves(row));
}

error takes_no_updates(lifecycle_state state) {
  return {errc::illegal_state, "a twin that is " + std::string{to_string(state)}
                                   + " takes no updates; "
                                   + possible_moves(static_cast<std::size_t>(state))};
}

std::string_view to_string(lifecycle_trigger trigger) noexcept {
  auto index = static_cast<std::size_t>(trigger);
  return index < trigger_names.size() ? trigger_names[index] : "unknown";
}

result<lifecycle_trigger> lifecycle_trigger_from_string(std::string_view text) {
  std::string all;
  for (std::size_t i = 0; i < lifecycle_triggers; ++i) {
    if (trigger_names[i] == text)
      return static_cast<lifecycle_trigger>(i);
    append(all, trigger_names[i]);
  }
  return fail(errc::bad_value,
              "'" + std::string{text} + "' is no lifecycle trigger; it is one of " + all);
}

} // namespace gemel
