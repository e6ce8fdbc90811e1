#pragma once

#include "actors/rule_effects.hpp"

#include <string>

namespace gemel {

/// What a webhook posts: an event as of CloudEvents 1.0, structured, in JSON. `id` is the action's
/// idempotency key, the same whenever it is sent; `type` is `gemel.rule`; `source` names the rule.
std::string cloud_event(const rule_effect& of);

/// RFC 3339, UTC, such as `2026-01-01T00:00:00.250Z`; a year outside 0 to 9999 is clamped.
std::string rfc3339(std::int64_t unix_ms);

/// One line for a file of events that no server took: `at`, `url`, `error`, `attempts`, `event`.
std::string dead_letter(const rule_effect& of, const error& why, std::uint32_t attempts,
                        std::int64_t now_ms);

} // namespace gemel
