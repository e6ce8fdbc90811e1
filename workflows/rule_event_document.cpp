#include "workflows/rule_event_document.hpp"

#include "workflows/json_document.hpp"
#include "workflows/object_reader.hpp"

#include <algorithm>
#include <chrono>
#include <limits>

namespace gemel {

namespace {

// The number that `digits` characters of `text` at `at` are; nothing if one is no digit.
std::optional<int> digits_at(std::string_view text, std::size_t at, std::size_t digits) {
  if (at + digits > text.size())
    return std::nullopt;
  int number = 0;
  for (auto c : text.substr(at, digits)) {
    if (c < '0' || c > '9')
      return std::nullopt;
    number = number * 10 + (c - '0');
  }
  return number;
}

bool has_form(std::string_view text) {
  return text.size() >= 20 && text[4] == '-' && text[7] == '-'
         && (text[10] == 'T' || text[10] == 't' || text[10] == ' ') && text[13] == ':'
         && text[16] == ':';
}

// Minutes that a zone such as `Z` or `+01:30` is before UTC.
std::optional<int> zone_minutes(std::string_view zone) {
  if (zone == "Z" || zone == "z")
    return 0;
  if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':')
    return std::nullopt;
  auto hours = digits_at(zone, 1, 2);
  auto minutes = digits_at(zone, 4, 2);
  if (!hours || !minutes || *hours > 23 || *minutes > 59)
    return std::nullopt;
  return (zone[0] == '+' ? 1 : -1) * (*hours * 60 + *minutes);
}

// The milliseconds of `.25` at the begin of `text`, which is taken away.
std::optional<int> take_fraction(std::string_view& text) {
  if (!text.starts_with('.'))
    return 0;
  auto end = std::min(text.find_first_not_of("0123456789", 1), text.size());
  if (end == 1)
    return std::nullopt;
  auto digits = std::string{text.substr(1, end - 1)} + "00";
  text.remove_prefix(end);
  return digits_at(digits, 0, 3);
}

std::optional<std::int64_t> time_of(object_reader& from, std::string_view key,
                                    object_reader::need how) {
  const auto* found = from.find(key);
  if (found == nullptr) {
    if (how == object_reader::required && from.is_object())
      from.report({}, errc::missing_field, "'" + std::string{key} + "' is missing in an event");
    return std::nullopt;
  }
  // The years 0 to 9999, so that sums with durations stay in range.
  constexpr std::int64_t time_max = 253'402'300'799'999;
  if (found->is_integer() && found->as_integer() >= -62'167'219'200'000
      && found->as_integer() <= time_max)
    return found->as_integer();
  if (found->is_text())
    if (auto made = parse_time(found->as_text()))
      return *made;
  from.report(key, errc::bad_value, "'" + std::string{key} + "' is no time: " + to_json(*found),
              R"(a text such as "2026-01-01T00:00:00Z", or milliseconds since 1970)");
  return std::nullopt;
}

// `{"node": "n1", "counter": 5, "seen": {"n2": 7}}`.
std::shared_ptr<const causal_stamp> stamp_of(object_reader& from, fault_list& faults) {
  const auto* content = from.object("stamp");
  if (content == nullptr)
    return nullptr;
  constexpr auto counter_max = std::numeric_limits<std::int64_t>::max();
  object_reader fields{*content, from.at("stamp"), "a stamp", faults};
  auto made = std::make_shared<causal_stamp>();
  made->node = fields.text("node", object_reader::required).value_or("");
  made->counter = static_cast<std::uint64_t>(
      fields.integer("counter", 1, counter_max, object_reader::required).value_or(0));
  if (const auto* seen = fields.object("seen")) {
    object_reader nodes{*seen, fields.at("seen"), "'seen'", faults};
    for (const auto& member : seen->as_map())
      made->seen[member.key] =
          static_cast<std::uint64_t>(nodes.integer(member.key, 0, counter_max).value_or(0));
  }
  fields.finish();
  return made;
}

value text_or_null(object_reader& from, std::string_view key) {
  auto text = from.text(key);
  return text ? value{*text} : value{};
}

} // namespace

result<std::int64_t> parse_time(std::string_view text) {
  using namespace std::chrono;
  auto refuse = [] { return fail(errc::bad_syntax, "no time such as 2026-01-01T00:00:00Z"); };
  if (!has_form(text))
    return refuse();
  auto part = [&](std::size_t at, std::size_t digits) {
    return digits_at(text, at, digits).value_or(-1);
  };
  year_month_day date{year{part(0, 4)}, month{static_cast<unsigned>(part(5, 2))},
                      day{static_cast<unsigned>(part(8, 2))}};
  auto hour = part(11, 2);
  auto minute = part(14, 2);
  auto second = part(17, 2);
  auto rest = text.substr(19);
  auto fraction = take_fraction(rest);
  auto zone = zone_minutes(rest);
  auto is_fine = part(0, 4) >= 0 && date.ok() && hour >= 0 && hour < 24 && minute >= 0
                 && minute < 60 && second >= 0 && second < 60 && fraction && zone;
  if (!is_fine)
    return refuse();
  auto made = sys_days{date}.time_since_epoch() + hours{hour} + minutes{minute - *zone}
              + seconds{second} + milliseconds{*fraction};
  return duration_cast<milliseconds>(made).count();
}

tl::expected<recorded_event, fault_list>
read_recorded_event(std::string_view line, std::size_t number, const std::string& file) {
  auto at_line = [&](fault_list faults) {
    for (auto& one : faults) {
      one.file = file;
      one.line = number;
    }
    return tl::unexpected<fault_list>(std::move(faults));
  };
  auto document = json_document::parse(std::string{line}, file);
  if (!document)
    return at_line(std::move(document.error()));
  fault_list faults;
  object_reader from{document->root(), "", "an event", faults};
  auto made = std::make_shared<rule_event>();
  recorded_event read;
  made->time = value{time_of(from, "time", object_reader::required).value_or(0)};
  made->twin_id = text_or_null(from, "twin_id");
  made->twin_type = text_or_null(from, "twin_type");
  made->parent_id = text_or_null(from, "parent_id");
  made->event = value{from.text("event").value_or("updated")};
  if (const auto* properties = from.object("properties"))
    made->properties = *properties;
  made->id = text_or_null(from, "event_id");
  made->cause = text_or_null(from, "cause");
  made->stamp = stamp_of(from, faults);
  if (auto models = from.texts("models"))
    made->models = std::make_shared<const std::vector<std::string>>(std::move(*models));
  read.source = from.text("source").value_or("");
  read.arrived = time_of(from, "arrived", object_reader::optional);
  from.finish();
  document->place(faults);
  if (!faults.empty())
    return at_line(std::move(faults));
  read.event = std::move(made);
  return read;
}

} // namespace gemel
