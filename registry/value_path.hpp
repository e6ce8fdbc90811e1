#pragma once

#include "messages/error.hpp"
#include "messages/records.hpp"
#include "messages/value.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// Changes inside a property, and sums: the pure part of what an update does to values.
namespace gemel {

/// One step into a value: a key of a map, or an index of a list; a negative index counts from the
/// end, -1 is the last element.
using value_step = std::variant<std::string, std::int64_t>;

/// A place inside a twin's properties.
struct value_path {
  std::string property{};
  /// At most `limits::value_depth_max`.
  std::vector<value_step> steps{};

  friend bool operator==(const value_path&, const value_path&) = default;
};

/// Reads a path such as `limits.high`, `axes[2].speed`, `log[-1]` or `"a.b"."two words"`:
///
///     path = name { "." name | "[" ["-"] digits "]" }
///     name = characters but . [ ] " and spaces, or anything in double quotes, a quote in it twice
///
/// @returns errc::bad_syntax with the place and what was expected; errc::bad_name for a name that
///          no property or member may have; errc::limit_reached for too many steps.
result<value_path> parse_value_path(std::string_view text);

/// The path as it is written; `parse_value_path` reads it back.
std::string to_string(const value_path& path);

/// The sum of two numbers. Integers stay integers; an integer and a real make a real.
/// @param current null: there is none yet, which counts as 0.
/// @returns errc::bad_value when either is no number, errc::limit_reached when integers overflow.
result<value> add_numbers(const value* current, const value& amount);

/// What becomes of a property by one change inside it. Values never change, so the maps and lists
/// on the way are made anew; the rest is shared with the old value.
/// @param current the property's value; null: the twin has none.
/// @param content what to set, add or append; must be within the limits for itself. Not used by
///        `unset`.
/// @returns nothing when the twin then has no such property; errc::bad_value with the place when
///          something on the way is no map or list, or a list has no such element;
///          errc::limit_reached when the property would grow beyond `limits::value_depth_max` or
///          `limits::value_elements_max`, or integers overflow.
result<std::optional<value>> change_inside(const value* current, const value_path& path,
                                           path_change::action what, const value& content);

} // namespace gemel
