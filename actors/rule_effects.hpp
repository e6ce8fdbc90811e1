#pragma once

#include "actors/rule_partition.hpp"
#include "messages/frame.hpp"

#include <string>

namespace gemel {

/// What a rule's action makes the node, or the world outside, do.
struct rule_effect {
  action_kind kind = action_kind::log;
  std::string rule{};
  /// When the match was complete, milliseconds since 1970 UTC.
  std::int64_t at = 0;
  /// The same for the same action of the same match, also when it is tried again.
  std::string idempotency_key{};
  /// The same as 16 hexadecimal digits: what the action is known by in causes and in the store.
  std::string action{};
  /// Of `rule_finding`.
  std::uint64_t epoch = 0;
  /// Of actions on twins and workflows: the request; else empty.
  frame request{};
  /// Of `log` the text; of `publish` the name of the sink, of `webhook` the address.
  std::string target{};
  /// Of `publish` and `webhook`.
  value payload{};
};

/// @param ordinal of the action in its rule. @param found what the rule found.
/// @returns errc::bad_value, with what is wrong, if the templates of the action made something that
///          it cannot do, such as an update of a twin whose id is null.
result<rule_effect> effect_of(const wanted_action& wanted, std::size_t ordinal,
                              const rule_finding& found);

} // namespace gemel
