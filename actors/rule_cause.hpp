#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// The causes that rules' actions give to what they do: the id of the event that led to it, `~`,
/// how many rules have led to it, a dot, and the action's key.
namespace gemel {

/// How many rules led to an event one after the other, by its `cause`; 0: none did.
std::uint32_t rule_depth(std::string_view cause) noexcept;

/// A cause without what a rule put behind it.
std::string_view plain_cause(std::string_view cause) noexcept;

/// The key of the action that gave this cause, 16 hexadecimal digits; empty: it was none.
std::string_view action_in(std::string_view cause) noexcept;

/// @param led_to_it id of the event, @param depth rules that led to that one.
std::string cause_of_action(std::string_view led_to_it, std::uint32_t depth,
                            std::string_view action);

/// Where a store notes that the action is done.
std::string done_fact(std::string_view action);
/// What the keys of these facts begin with.
inline constexpr std::string_view done_facts = "rules/done/";

} // namespace gemel
