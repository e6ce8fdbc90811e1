#pragma once

#include "messages/error.hpp"

#include <cstdint>
#include <optional>
#include <string_view>

namespace gemel {

/// When something happens again and again, as in crontab(5): minute, hour, day of the month, month,
/// day of the week, each `*`, a number, a range `a-b`, a list, with steps `/n`; months and days
/// also by their first three letters, Sunday is 0 or 7; `@hourly @daily @weekly @monthly @yearly`.
/// If both days are given, either will do. Times are UTC.
class cron_schedule {
public:
  /// @returns errc::bad_syntax with the field that is wrong; errc::bad_value for days that do not
  ///          exist, such as the 30th of February.
  static result<cron_schedule> parse(std::string_view text);

  /// The first time after `after_ms`, in milliseconds since 1970 UTC.
  std::int64_t next_after(std::int64_t after_ms) const;

private:
  bool fits_day(std::int64_t days) const;
  std::optional<std::int64_t> next_day(std::int64_t from) const;

  // One bit for each value of a field.
  std::uint64_t minutes_ = 0;
  std::uint64_t hours_ = 0;
  std::uint64_t days_ = 0;
  std::uint64_t months_ = 0;
  std::uint64_t weekdays_ = 0;
  bool any_day_ = false;
  bool any_weekday_ = false;
};

} // namespace gemel
