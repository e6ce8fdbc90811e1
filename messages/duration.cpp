#include "messages/duration.hpp"

#include <array>
#include <charconv>
#include <cstdint>

namespace gemel {

namespace {

struct duration_unit {
  std::string_view name;
  std::int64_t milliseconds;
};

// Smallest first.
constexpr std::array units{duration_unit{"ms", 1}, duration_unit{"s", 1'000},
                           duration_unit{"m", 60'000}, duration_unit{"h", 3'600'000}};

const duration_unit* find_unit(std::string_view name) noexcept {
  for (const auto& unit : units)
    if (unit.name == name)
      return &unit;
  return nullptr;
}

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

std::string quoted(std::string_view text) {
  return "'" + std::string{text.substr(0, 32)} + "'";
}

} // namespace

result<std::chrono::milliseconds> parse_duration(std::string_view text) {
  std::int64_t count = 0;
  auto [stop, ec] = std::from_chars(text.data(), text.data() + text.size(), count);
  auto digits = static_cast<std::size_t>(stop - text.data());
  const auto* unit = find_unit(text.substr(digits));
  if (text.empty() || !is_digit(text.front()) || unit == nullptr)
    return fail(errc::bad_syntax, quoted(text) + " is not " + std::string{duration_form});
  if (ec != std::errc{} || count > duration_max.count() / unit->milliseconds)
    return fail(errc::limit_reached, quoted(text) + " is longer than a century");
  return std::chrono::milliseconds{count * unit->milliseconds};
}

std::string format_duration(std::chrono::milliseconds duration) {
  const auto* best = &units.front();
  for (const auto& unit : units)
    if (duration.count() != 0 && duration.count() % unit.milliseconds == 0)
      best = &unit;
  return std::to_string(duration.count() / best->milliseconds) + std::string{best->name};
}

} // namespace gemel
