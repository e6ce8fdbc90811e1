#include "runtime/program/units.hpp"

#include "messages/stamp.hpp"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <cmath>

namespace gemel {

std::string grouped(std::uint64_t number) {
  auto text = std::to_string(number);
  for (auto place = static_cast<std::ptrdiff_t>(text.size()) - 3; place > 0; place -= 3)
    text.insert(static_cast<std::size_t>(place), ",");
  return text;
}

std::string counter_text(double number) {
  if (!std::isfinite(number))
    return fmt::format("{}", number);
  auto magnitude = std::abs(number);
  if (magnitude == std::floor(magnitude) && magnitude < 1e15)
    return (number < 0 ? "-" : "") + grouped(static_cast<std::uint64_t>(magnitude));
  auto text = fmt::format("{:.3f}", number);
  text.erase(text.find_last_not_of('0') + 1);
  return text.back() == '.' ? text + '0' : text;
}

std::string bytes_text(double bytes) {
  constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (bytes >= 1'023.95 && unit + 1 < units.size()) {
    bytes /= 1'024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.1f} {}", bytes, units[unit]);
}

std::string latency_text(std::uint64_t nanoseconds) {
  constexpr std::array units{"ns", "us", "ms", "s"};
  auto amount = static_cast<double>(nanoseconds);
  std::size_t unit = 0;
  while (amount >= 999.5 && unit + 1 < units.size()) {
    amount /= 1'000;
    ++unit;
  }
  auto decimals = unit == 0 || amount >= 99.95 ? 0 : amount >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f} {}", amount, decimals, units[unit]);
}

std::string time_text(std::int64_t unix_us) {
  using namespace std::chrono;
  constexpr std::int64_t first_us = -62'167'219'200'000'000; // 0000-01-01
  constexpr std::int64_t last_us = 253'402'300'799'999'999;  // the end of 9999-12-31
  if (unix_us < first_us || unix_us > last_us)
    return std::to_string(unix_us);
  sys_time<microseconds> time{microseconds{unix_us}};
  auto day = floor<days>(time);
  year_month_day date{day};
  hh_mm_ss clock{time - day};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

std::string stamp_time_text(const property_stamp& of) {
  return time_text(unix_ms(hybrid_time{of.time}) * 1'000);
}

std::string write_text(const property_stamp& of) {
  auto write = dot{of.dot};
  return fmt::format("{}-{}", writer_of(write), counter_of(write));
}

} // namespace gemel
