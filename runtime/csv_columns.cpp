#include "runtime/csv_columns.hpp"

#include "messages/names.hpp"
#include "messages/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

namespace gemel {

namespace {

constexpr std::array<std::string_view, 6> kinds{"text", "int", "double", "bool", "bytes", "json"};

// Neither `1e` nor `0x1` nor blanks around.
template <class Number>
bool read_number(std::string_view text, Number& made) {
  const auto* end = text.data() + text.size();
  auto [stop, failed] = std::from_chars(text.data(), end, made);
  return failed == std::errc{} && stop == end;
}

result<value> wrong(std::string_view text, std::string_view wanted) {
  constexpr std::size_t shown_max = 40;
  auto shown = text.size() > shown_max
                   ? std::string{"a text of "} + std::to_string(text.size()) + " bytes"
                   : "'" + std::string{text} + "'";
  return fail(errc::bad_value, "expected " + std::string{wanted} + ", found " + shown);
}

result<value> real_value(std::string_view text) {
  // As other programs write them, too.
  constexpr auto infinity = std::numeric_limits<double>::infinity();
  constexpr std::array<std::pair<std::string_view, double>, 6> names{
      {{"nan", std::numeric_limits<double>::quiet_NaN()},
       {"NaN", std::numeric_limits<double>::quiet_NaN()},
       {"inf", infinity},
       {"Infinity", infinity},
       {"-inf", -infinity},
       {"-Infinity", -infinity}}};
  for (const auto& [name, number] : names)
    if (text == name)
      return value{number};
  double number = 0;
  if (!read_number(text, number) || !std::isfinite(number))
    return wrong(text, "a number");
  return value{number};
}

} // namespace

struct csv_columns::row {
  std::string id;
  std::string type;
  std::string parent;
  std::string placement;
  std::string name;
  std::int64_t if_version = 0;
  std::int64_t source_time_us = 0;
  gemel::properties properties;
};

result<csv_columns::column> csv_columns::parse_column(bulk_action action, std::string_view text) {
  struct known {
    std::string_view name;
    role what;
    std::array<bool, 4> read; // by action
  };
  constexpr std::array<known, 12> names{
      {{"id", role::id, {true, true, true, true}},
       {"type", role::type, {true}},
       {"parent", role::parent, {true}},
       {"placement", role::placement, {true}},
       {"name", role::name, {false, false, false, true}},
       {"if_version", role::if_version, {false, true}},
       {"source_time_us", role::source_time, {false, true, false, true}},
       {"path", role::ignored, {}},
       {"version", role::ignored, {}},
       {"state", role::ignored, {}},
       {"updated_at", role::ignored, {}},
       {"has_children", role::ignored, {}}}};
  for (const auto& one : names) {
    if (one.name != text)
      continue;
    if (one.read[static_cast<std::size_t>(action)])
      return column{one.what};
    // Only emit has a name, only update a version: elsewhere they are properties like others.
    if (one.what != role::name && one.what != role::if_version && one.what != role::source_time)
      return column{role::ignored};
  }
  if (action == bulk_action::remove)
    return column{role::ignored};
  column made;
  if (auto colon = text.rfind(':'); colon != std::string_view::npos) {
    auto found = std::find(kinds.begin(), kinds.end(), text.substr(colon + 1));
    if (found == kinds.end())
      return fail(errc::bad_value, "no kind '" + std::string{text.substr(colon + 1)}
                                       + "'; text, int, double, bool, bytes or json");
    made.of = static_cast<kind>(1 + (found - kinds.begin()));
    text = text.substr(0, colon);
  }
  if (text.starts_with('.'))
    text.remove_prefix(1);
  if (auto valid = check_key(text); !valid)
    return tl::unexpected<error>(std::move(valid.error()));
  made.key = text;
  return made;
}

fault_list csv_columns::read_header(bulk_action action, const csv_record& header,
                                    std::string_view file, csv_columns& made) {
  fault_list faults;
  made = {};
  made.action_ = action;
  auto report = [&](const csv_field& field, errc code, std::string message) {
    add_fault(faults, {code,
                       std::string{file},
                       field.where.line,
                       field.where.column,
                       field.text,
                       std::move(message),
                       {}});
  };
  for (const auto& field : header.fields) {
    auto parsed = parse_column(action, field.text);
    if (!parsed) {
      report(field, parsed.error().code, field.text + ": " + parsed.error().context);
      continue;
    }
    auto is_same = [&](const column& other) {
      return other.what == parsed->what && other.key == parsed->key && other.what != role::ignored;
    };
    if (std::any_of(made.columns_.begin(), made.columns_.end(), is_same))
      report(field, errc::bad_syntax, "the column '" + field.text + "' stands twice");
    made.columns_.push_back(std::move(*parsed));
  }
  auto need = [&](role what, const char* name) {
    auto is_it = [&](const column& one) { return one.what == what; };
    if (std::none_of(made.columns_.begin(), made.columns_.end(), is_it))
      add_fault(faults, {errc::missing_field,
                         std::string{file},
                         header.line,
                         1,
                         {},
                         "the header has no column '" + std::string{name} + "'",
                         {}});
  };
  if (faults.empty() && action == bulk_action::create)
    need(role::type, "type");
  else if (faults.empty())
    need(role::id, "id");
  if (faults.empty() && action == bulk_action::emit)
    need(role::name, "name");
  return faults;
}

result<value> csv_columns::parse_value(kind of, std::string_view text) {
  std::int64_t number = 0;
  switch (of) {
  case kind::any:
    if (auto content = value_from_json(text); content || content.error().code != errc::bad_syntax)
      return content;
    return value{text};
  case kind::text:
    return value{text};
  case kind::integer:
    return read_number(text, number) ? result<value>{value{number}} : wrong(text, "a whole number");
  case kind::real:
    return real_value(text);
  case kind::boolean:
    if (text == "true" || text == "false")
      return value{text == "true"};
    return wrong(text, "true or false");
  case kind::bytes:
    if (auto bytes = from_base64(text))
      return value::of_bytes(std::as_bytes(std::span{*bytes}));
    return wrong(text, "base64 with padding");
  case kind::json:
    return value_from_json(text);
  }
  return value{text};
}

namespace {

result<void> take_name(std::string_view text, result<void> (*check)(std::string_view),
                       std::string& made) {
  made = text;
  return check(made);
}

result<void> take_number(std::string_view text, std::int64_t& made) {
  if (!read_number(text, made) || made < 0)
    return tl::unexpected<error>(wrong(text, "a whole number from 0").error());
  return {};
}

} // namespace

result<void> csv_columns::take(const column& which, const csv_field& field, row& made) const {
  switch (which.what) {
  case role::ignored:
    return {};
  case role::id:
    return take_name(field.text, check_id, made.id);
  case role::type:
    return take_name(field.text, check_type, made.type);
  case role::parent:
    return take_name(field.text, check_id, made.parent);
  case role::placement:
    return take_name(field.text, check_id, made.placement);
  case role::name:
    return take_name(field.text, check_key, made.name);
  case role::if_version:
    return take_number(field.text, made.if_version);
  case role::source_time:
    return take_number(field.text, made.source_time_us);
  case role::property:
    break;
  }
  if (!is_utf8(field.text))
    return fail(errc::bad_syntax, "the text is not UTF-8");
  auto content = parse_value(which.of, field.text);
  if (!content)
    return tl::unexpected<error>(std::move(content.error()));
  if (auto valid = check_content(*content); !valid)
    return valid;
  made.properties.push_back({which.key, std::move(*content)});
  return {};
}

fault_list csv_columns::read(const csv_record& record, std::string_view file,
                             bulk_content& made) const {
  fault_list faults;
  auto report = [&](text_place where, std::string at, errc code, std::string message) {
    add_fault(
        faults,
        {code, std::string{file}, where.line, where.column, std::move(at), std::move(message), {}});
  };
  if (record.fault != errc::none) {
    report(record.fault_place, {}, record.fault, record.fault_text);
    return faults;
  }
  if (record.fields.size() != columns_.size()) {
    report({record.line, 1}, {}, errc::bad_syntax,
           std::to_string(record.fields.size()) + " fields, the header has "
               + std::to_string(columns_.size()));
    return faults;
  }
  row read;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const auto& field = record.fields[i];
    if (field.text.empty())
      continue;
    if (auto taken = take(columns_[i], field, read); !taken)
      report(field.where, columns_[i].key, taken.error().code,
             (columns_[i].key.empty() ? "" : columns_[i].key + ": ") + taken.error().context);
  }
  // In the order of JSON's twins, so that both share the list of their keys.
  std::sort(read.properties.begin(), read.properties.end(),
            [](const property& left, const property& right) { return left.key < right.key; });
  auto need = [&](const std::string& content, const char* name) {
    if (content.empty() && faults.empty())
      report({record.line, 1}, {}, errc::missing_field, "'" + std::string{name} + "' is empty");
  };
  switch (action_) {
  case bulk_action::create:
    need(read.type, "type");
    if (!read.id.empty() && read.id == read.parent)
      report({record.line, 1}, {}, errc::hierarchy_cycle,
             "twin '" + read.id + "' is its own parent");
    made = new_twin{std::move(read.id), std::move(read.type), std::move(read.parent),
                    std::move(read.properties), std::move(read.placement)};
    break;
  case bulk_action::update: {
    need(read.id, "id");
    twin_update change;
    change.id = std::move(read.id);
    change.set = std::move(read.properties);
    change.if_version = static_cast<std::uint64_t>(read.if_version);
    change.source_time_us = read.source_time_us;
    made = std::move(change);
    break;
  }
  case bulk_action::emit:
    need(read.id, "id");
    need(read.name, "name");
    made = twin_emit{std::move(read.id), std::move(read.name), std::move(read.properties),
                     read.source_time_us};
    break;
  case bulk_action::remove:
    need(read.id, "id");
    made = std::move(read.id);
    break;
  }
  return faults;
}

} // namespace gemel
