#pragma once

#include "messages/error.hpp"

#include <chrono>
#include <string>
#include <string_view>

namespace gemel {

/// The longest duration a document can name: a century of Julian years. Keeps sums of a duration
/// and a wall time in microseconds far from overflow.
inline constexpr std::chrono::milliseconds duration_max{std::chrono::hours{24 * 36'525}};

/// Reads a duration as documents write it: digits and, without space, one of `ms`, `s`, `m`, `h`;
/// such as `250ms`, `30s`, `10m`, `1h`. No sign, no fraction, no sums (`1h30m` is `90m`).
/// @returns errc::bad_syntax if `text` is of another form; errc::limit_reached above
///          `duration_max`.
result<std::chrono::milliseconds> parse_duration(std::string_view text);

/// The duration in the largest unit that says it exactly: 90,000 ms is `90s`, 3,600,000 ms is `1h`,
/// 0 is `0ms`. `parse_duration` reads it back if it is not negative.
std::string format_duration(std::chrono::milliseconds duration);

/// What a duration looks like, for hints.
inline constexpr std::string_view duration_form =
    R"(a duration such as "250ms", "30s", "10m" or "1h", or whole milliseconds)";

} // namespace gemel
