#include "workflows/cron.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <vector>

namespace gemel {

namespace {

constexpr std::int64_t minute_ms = 60'000;
constexpr std::int64_t minutes_per_hour = 60;
constexpr std::int64_t hours_per_day = 24;
constexpr std::int64_t minutes_per_day = minutes_per_hour * hours_per_day;
// The 29th of February may be eight years away, around a year such as 2100.
constexpr std::int64_t search_days_max = 366 * 9;

constexpr std::array<std::string_view, 12> month_names = {"jan", "feb", "mar", "apr", "may", "jun",
                                                          "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> day_names = {"sun", "mon", "tue", "wed",
                                                       "thu", "fri", "sat"};

struct field_rule {
  std::string_view name;
  unsigned min;
  unsigned max;
  const std::string_view* words;
  std::size_t word_count;
};

constexpr field_rule rules[] = {{"minute", 0, 59, nullptr, 0},
                                {"hour", 0, 23, nullptr, 0},
                                {"day of the month", 1, 31, nullptr, 0},
                                {"month", 1, 12, month_names.data(), month_names.size()},
                                {"day of the week", 0, 7, day_names.data(), day_names.size()}};

struct civil_date {
  std::int64_t year;
  unsigned month;
  unsigned day;
};

// Source: Howard Hinnant, "chrono-compatible low-level date algorithms", civil_from_days.
civil_date date_of(std::int64_t days) {
  days += 719'468;
  auto era = (days >= 0 ? days : days - 146'096) / 146'097;
  auto doe = static_cast<unsigned>(days - era * 146'097);
  auto yoe = (doe - doe / 1'460 + doe / 36'524 - doe / 146'096) / 365;
  auto doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
  auto mp = (5 * doy + 2) / 153;
  auto day = doy - (153 * mp + 2) / 5 + 1;
  auto month = mp < 10 ? mp + 3 : mp - 9;
  return {static_cast<std::int64_t>(yoe) + era * 400 + (month <= 2 ? 1 : 0), month, day};
}

std::optional<unsigned> number_of(std::string_view text, const field_rule& rule) {
  for (std::size_t i = 0; i < rule.word_count; ++i)
    if (text.size() == 3
        && std::equal(text.begin(), text.end(), rule.words[i].begin(),
                      [](char a, char b) { return (a | 0x20) == b; }))
      return static_cast<unsigned>(i) + rule.min;
  unsigned number = 0;
  auto [end, how] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (how != std::errc{} || end != text.data() + text.size() || number < rule.min
      || number > rule.max)
    return std::nullopt;
  return number;
}

// One element of a list: `*`, `a`, `a-b`, each with `/step`.
std::optional<std::uint64_t> bits_of(std::string_view part, const field_rule& rule) {
  unsigned step = 1;
  auto slash = part.find('/');
  if (slash != std::string_view::npos) {
    field_rule steps{rule.name, 1, rule.max, nullptr, 0};
    auto given = number_of(part.substr(slash + 1), steps);
    if (!given)
      return std::nullopt;
    step = *given;
    part = part.substr(0, slash);
  }
  auto from = rule.min;
  auto to = rule.max;
  if (part != "*") {
    auto dash = part.find('-');
    auto first = number_of(part.substr(0, dash), rule);
    auto last = dash == std::string_view::npos ? first : number_of(part.substr(dash + 1), rule);
    if (!first || !last || *last < *first)
      return std::nullopt;
    from = *first;
    if (slash == std::string_view::npos || dash != std::string_view::npos)
      to = *last;
  }
  std::uint64_t bits = 0;
  for (auto i = from; i <= to; i += step)
    bits |= std::uint64_t{1} << i;
  return bits;
}

std::optional<std::uint64_t> field_of(std::string_view text, const field_rule& rule) {
  std::uint64_t bits = 0;
  for (;;) {
    auto comma = text.find(',');
    auto one = bits_of(text.substr(0, comma), rule);
    if (!one)
      return std::nullopt;
    bits |= *one;
    if (comma == std::string_view::npos)
      return bits;
    text.remove_prefix(comma + 1);
  }
}

std::string_view written_out(std::string_view text) {
  if (text == "@hourly")
    return "0 * * * *";
  if (text == "@daily")
    return "0 0 * * *";
  if (text == "@weekly")
    return "0 0 * * 0";
  if (text == "@monthly")
    return "0 0 1 * *";
  if (text == "@yearly")
    return "0 0 1 1 *";
  return text;
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  for (std::size_t at = 0; at < text.size();) {
    auto end = std::min(text.find(' ', at), text.size());
    if (end > at)
      words.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

constexpr bool has(std::uint64_t bits, std::int64_t index) {
  return ((bits >> static_cast<unsigned>(index)) & 1) != 0;
}

} // namespace

result<cron_schedule> cron_schedule::parse(std::string_view text) {
  auto words = words_of(written_out(text));
  if (words.size() != std::size(rules))
    return fail(errc::bad_syntax, "'" + std::string{text}
                                      + "' is no schedule; five fields are needed, such as "
                                        "'30 3 * * mon-fri'");
  std::array<std::uint64_t, std::size(rules)> bits{};
  for (std::size_t i = 0; i < words.size(); ++i) {
    auto made = field_of(words[i], rules[i]);
    if (!made)
      return fail(errc::bad_syntax,
                  "'" + std::string{words[i]} + "' is no " + std::string{rules[i].name} + " ("
                      + std::to_string(rules[i].min) + " to " + std::to_string(rules[i].max) + ")");
    bits[i] = *made;
  }
  cron_schedule made;
  made.minutes_ = bits[0];
  made.hours_ = bits[1];
  made.days_ = bits[2];
  made.months_ = bits[3];
  made.weekdays_ = has(bits[4], 7) ? bits[4] | 1 : bits[4];
  made.any_day_ = words[2].starts_with('*');
  made.any_weekday_ = words[4].starts_with('*');
  if (!made.next_day(0))
    return fail(errc::bad_value, "no day is ever like '" + std::string{text} + "'");
  return made;
}

bool cron_schedule::fits_day(std::int64_t days) const {
  auto date = date_of(days);
  if (!has(months_, date.month))
    return false;
  constexpr std::int64_t thursday = 4; // 1970-01-01
  auto weekday = ((days + thursday) % 7 + 7) % 7;
  bool day = has(days_, date.day);
  bool week = has(weekdays_, weekday);
  return any_day_ || any_weekday_ ? day && week : day || week;
}

std::optional<std::int64_t> cron_schedule::next_day(std::int64_t from) const {
  for (auto day = from; day < from + search_days_max; ++day)
    if (fits_day(day))
      return day;
  return std::nullopt;
}

std::int64_t cron_schedule::next_after(std::int64_t after_ms) const {
  auto floor_of = [](std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); };
  auto minute = floor_of(after_ms, minute_ms) + 1;
  for (;;) {
    auto day = floor_of(minute, minutes_per_day);
    auto fitting = next_day(day);
    GEMEL_CHECK(fitting.has_value()); // `parse` has looked
    if (*fitting != day)
      minute = *fitting * minutes_per_day;
    auto end = (*fitting + 1) * minutes_per_day;
    for (; minute < end; ++minute) {
      auto in_day = minute - *fitting * minutes_per_day;
      if (has(hours_, in_day / minutes_per_hour) && has(minutes_, in_day % minutes_per_hour))
        return minute * minute_ms;
    }
  }
}

} // namespace gemel
