#pragma once

#include "messages/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>

/// The words of supervision, with Erlang/OTP's meanings (`supervisor.erl`, "Supervision Principles"
/// in the OTP design principles). The decisions are made in `actors/supervision.hpp`.
namespace gemel {

/// Which siblings are restarted along with a child that ended. "After" means started later.
enum class restart_strategy : std::uint8_t {
  /// Only the child itself.
  one_for_one = 0,
  /// All children.
  one_for_all = 1,
  /// The child and those started after it.
  rest_for_one = 2,
};

/// When a child that ended is restarted.
enum class restart_kind : std::uint8_t {
  /// However it ended.
  permanent = 0,
  /// When it crashed; not when it ended by itself (`normal`) or was told to (`shutdown`).
  transient = 1,
  /// Never, not even when it was stopped because of a sibling: then it is forgotten.
  temporary = 2,
};

/// How a child ended.
enum class exit_kind : std::uint8_t {
  /// It was done.
  normal = 0,
  /// It was told to stop.
  shutdown = 1,
  /// It failed.
  crash = 2,
};

/// Restarts one budget can be given: the bound of its memory (8 bytes each).
inline constexpr std::uint32_t restart_intensity_max = 1'000;
/// The longest period, in microseconds: one day. Beyond it a budget would remember, not protect.
inline constexpr std::int64_t restart_period_us_max = 86'400'000'000;

/// How one parent's children are supervised. The budget's default is wider than OTP's (1 in 5 s),
/// because a parent here has some hundred children of equal rank and two unlucky ones should not
/// stop a building.
struct supervision_policy {
  restart_strategy strategy = restart_strategy::one_for_one;
  /// The kind of a child that names none itself.
  restart_kind kind = restart_kind::permanent;
  /// Restarts tolerated within `period_us`; one more and the supervisor gives up. 0: the first one
  /// is too many. At most `restart_intensity_max`.
  std::uint32_t intensity = 5;
  /// Microseconds, 1 to `restart_period_us_max`.
  std::int64_t period_us = 10'000'000;

  friend bool operator==(const supervision_policy&, const supervision_policy&) = default;
};

/// Whether the numbers of `policy` are within their bounds.
/// @returns errc::bad_value naming the field and its range.
result<void> check(const supervision_policy& policy);

/// The name as configs write it, such as `one_for_all`; `unknown` for numbers that are none.
std::string_view to_string(restart_strategy strategy) noexcept;
std::string_view to_string(restart_kind kind) noexcept;
std::string_view to_string(exit_kind kind) noexcept;

/// The value for a name made by `to_string`.
/// @returns errc::bad_value with the names that would be right.
result<restart_strategy> restart_strategy_from_string(std::string_view text);
result<restart_kind> restart_kind_from_string(std::string_view text);
result<exit_kind> exit_kind_from_string(std::string_view text);

} // namespace gemel
