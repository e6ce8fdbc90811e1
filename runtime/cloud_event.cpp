#include "runtime/cloud_event.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace gemel {

namespace {

value event_of(const rule_effect& of) {
  return value{value_map{{"specversion", value{"1.0"}},
                         {"id", value{of.idempotency_key}},
                         {"source", value{"/gemel/rules/" + of.rule}},
                         {"type", value{"gemel.rule"}},
                         {"time", value{rfc3339(of.at)}},
                         {"datacontenttype", value{"application/json"}},
                         {"data", of.payload}}};
}

} // namespace

std::string rfc3339(std::int64_t unix_ms) {
  using namespace std::chrono;
  constexpr std::int64_t first = -62'167'219'200'000; // The years 0 to 9999.
  constexpr std::int64_t last = 253'402'300'799'999;
  sys_time<milliseconds> time{milliseconds{std::clamp(unix_ms, first, last)}};
  auto day = floor<days>(time);
  year_month_day date{day};
  hh_mm_ss clock{time - day};
  char text[40];
  auto size = std::snprintf(
      text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return {text, static_cast<std::size_t>(size)};
}

std::string cloud_event(const rule_effect& of) {
  return to_json(event_of(of));
}

std::string dead_letter(const rule_effect& of, const error& why, std::uint32_t attempts,
                        std::int64_t now_ms) {
  return to_json(value{value_map{{"at", value{rfc3339(now_ms)}},
                                 {"url", value{of.target}},
                                 {"error", value{to_string(why)}},
                                 {"attempts", value{std::int64_t{attempts}}},
                                 {"event", event_of(of)}}});
}

} // namespace gemel
