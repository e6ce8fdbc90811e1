#pragma once

#include "workflows/rule_expression.hpp"

#include <optional>
#include <span>
#include <string>

namespace gemel {

/// What can be told of a stage's condition without asking each run: runs are found by it.
struct condition_parts {
  /// Must hold, and reads the event alone. Nothing: the condition has no such part.
  std::optional<rule_expression> of_event{};
  /// Must be equal for the condition to hold; the first reads the event alone, the second what is
  /// bound alone. Both or none.
  std::optional<rule_expression> event_side{};
  std::optional<rule_expression> bound_side{};
};

/// @param where compiled under `options`. @param stages as of `rule_expression`.
condition_parts parts_of(const rule_expression& where, std::span<const std::string> stages,
                         const expression_options& options);

/// A text that is the same for values that are equal to each other in an expression; rarely for
/// others. Empty for null, which equals nothing.
std::string equality_text(const value& of);

} // namespace gemel
