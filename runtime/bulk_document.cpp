#include "runtime/bulk_document.hpp"

#include "messages/json_scan.hpp"
#include "messages/names.hpp"
#include "runtime/twin_document.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <span>

namespace gemel {

namespace {

using words = std::span<const std::string_view>;

constexpr std::array<std::string_view, 10> update_fields{
    "id",    "set",        "unset",     "add", "replace",
    "paths", "if_version", "if_absent", "if",  "source_time_us"};
constexpr std::array<std::string_view, 4> emit_fields{"id", "name", "payload", "source_time_us"};
// Of a twin's document, not read in an update.
constexpr std::array<std::string_view, 10> twin_fields{
    "type",  "parent",     "placement",    "path",    "version",
    "state", "updated_at", "has_children", "rollups", "stamps"};

bool has(words among, std::string_view word) noexcept {
  return std::find(among.begin(), among.end(), word) != among.end();
}

std::string joined(words all) {
  std::string made;
  for (auto word : all)
    made += (made.empty() ? "" : ", ") + std::string{word};
  return made;
}

std::string kind_of(const value& content) {
  return std::string{to_string(content.kind())};
}

// Reads one object, member by member, noting faults with their places.
class object_reader {
public:
  object_reader(std::string_view text, text_place where, std::string_view file)
      : text_{text}, where_{where}, file_{file} {}

  // The object; nothing when it is none, which is noted.
  std::optional<value> open(bool text_too) {
    json_scanner scanner{text_};
    scanner.skip_space();
    begin_ = scanner.offset();
    auto content = value_from_json(text_);
    if (!content) {
      auto split = split_place(content.error().context);
      add(split ? split->place : text_place{}, {}, content.error().code,
          split ? split->what : content.error().context, {});
      return std::nullopt;
    }
    if (scanner.peek() == '{' || (text_too && content->is_text()))
      return std::move(*content);
    report(begin_, {}, errc::bad_value, "expected an object, not " + kind_of(*content),
           R"(such as {"id": "m1"})");
    return std::nullopt;
  }

  std::vector<json_member> members() {
    auto all = json_members(text_, begin_);
    no_key_twice(all, {});
    return all;
  }

  void report(std::size_t offset, std::string at, errc code, std::string message,
              std::string hint = {}) {
    add(place_of(text_, offset), std::move(at), code, std::move(message), std::move(hint));
  }
  void report(const json_member& member, const error& why) {
    report(member.value_offset, json_pointer_step(member.key), why.code, why.context);
  }
  void wrong_kind(const json_member& member, const value& content, const std::string& wanted) {
    report(member.value_offset, json_pointer_step(member.key), errc::bad_value,
           "'" + member.key + "' must be " + wanted + ", not " + kind_of(content));
  }
  void unknown(const json_member& member, words fields) {
    auto near = nearest_word(member.key, fields);
    report(member.key_offset, json_pointer_step(member.key), errc::unknown_key,
           "unknown field '" + member.key + "'",
           near.empty() ? "the fields are " + joined(fields)
                        : "did you mean '" + std::string{near} + "'?");
  }
  void missing(const std::string& field) {
    report(begin_, {}, errc::missing_field, "'" + field + "' is missing");
  }

  void read_id(const json_member& member, const value& content, std::string& made) {
    if (!content.is_text())
      return wrong_kind(member, content, "a text");
    made = content.as_text();
    if (auto valid = check_id(made); !valid)
      report(member, valid.error());
  }
  void read_name(const json_member& member, const value& content, std::string& made) {
    if (!content.is_text())
      return wrong_kind(member, content, "a text");
    made = content.as_text();
    if (auto valid = check_key(made); !valid)
      report(member, valid.error());
  }
  void read_number(const json_member& member, const value& content, std::int64_t& made) {
    if (!content.is_integer() || content.as_integer() < 0)
      return wrong_kind(member, content, "a whole number from 0");
    made = content.as_integer();
  }
  void read_flag(const json_member& member, const value& content, bool& made) {
    if (!content.is_bool())
      return wrong_kind(member, content, "true or false");
    made = content.as_bool();
  }
  void read_properties(const json_member& member, const value& content, properties& made) {
    if (!content.is_map())
      return wrong_kind(member, content, "an object");
    auto inner = json_members(text_, member.value_offset);
    if (!inner.empty() && inner.front().key == "$map")
      inner = json_members(text_, inner.front().value_offset);
    no_key_twice(inner, json_pointer_step(member.key));
    for (const auto& each : inner)
      if (auto valid = check_key(each.key); !valid)
        report(each.key_offset, json_pointer_step(member.key) + json_pointer_step(each.key),
               valid.error().code, valid.error().context);
    for (const auto& each : content.as_map())
      made.push_back({each.key, each.content});
  }
  void read_keys(const json_member& member, const value& content, std::vector<std::string>& made) {
    if (!content.is_list())
      return wrong_kind(member, content, "a list of property names");
    for (const auto& each : content.as_list()) {
      if (!each.is_text())
        return wrong_kind(member, each, "a list of property names");
      made.emplace_back(each.as_text());
      if (auto valid = check_key(made.back()); !valid)
        report(member, valid.error());
    }
  }
  void read_paths(const json_member& member, const value& content, std::vector<path_change>& made) {
    bool is_right = content.is_list();
    if (is_right)
      for (const auto& each : content.as_list())
        is_right = is_right && read_path(each, made.emplace_back());
    if (!is_right)
      report(member.value_offset, json_pointer_step(member.key), errc::bad_value,
             "'paths' must be a list of changes",
             R"(such as {"path": "limits.high", "set": 85}, or with unset, add or append)");
  }

  fault_list& faults() noexcept { return faults_; }

private:
  static bool read_path(const value& content, path_change& made) {
    const auto* path = content.find("path");
    if (path == nullptr || !path->is_text() || content.as_map().size() != 2)
      return false;
    made.path = path->as_text();
    constexpr std::array<std::string_view, 4> actions{"set", "unset", "add", "append"};
    for (std::size_t i = 0; i < actions.size(); ++i)
      if (const auto* found = content.find(actions[i])) {
        made.what = static_cast<path_change::action>(i);
        made.content = *found;
        return true;
      }
    return false;
  }

  void no_key_twice(const std::vector<json_member>& all, const std::string& above) {
    std::set<std::string_view> seen;
    for (const auto& member : all)
      if (!seen.insert(member.key).second)
        report(member.key_offset, above + json_pointer_step(member.key), errc::bad_syntax,
               "'" + member.key + "' stands twice", "keep one of them");
  }

  void add(text_place place, std::string at, errc code, std::string message, std::string hint) {
    if (place.line == 1)
      place.column += where_.column - 1;
    place.line += where_.line - 1;
    add_fault(faults_, {code, std::string{file_}, place.line, place.column, std::move(at),
                        std::move(message), std::move(hint)});
  }

  std::string_view text_;
  text_place where_;
  std::string_view file_;
  std::size_t begin_ = 0;
  fault_list faults_;
};

void read_update_member(object_reader& from, const json_member& member, const value& content,
                        twin_update& made) {
  std::int64_t number = 0;
  if (member.key == "id") {
    from.read_id(member, content, made.id);
  } else if (member.key == "set" || member.key == "properties") {
    from.read_properties(member, content, made.set);
  } else if (member.key == "add") {
    from.read_properties(member, content, made.add);
  } else if (member.key == "unset") {
    from.read_keys(member, content, made.unset);
  } else if (member.key == "if_absent") {
    from.read_keys(member, content, made.if_absent);
  } else if (member.key == "replace") {
    from.read_flag(member, content, made.replace);
  } else if (member.key == "paths") {
    from.read_paths(member, content, made.paths);
  } else if (member.key == "if_version") {
    from.read_number(member, content, number);
    made.if_version = static_cast<std::uint64_t>(number);
  } else if (member.key == "source_time_us") {
    from.read_number(member, content, made.source_time_us);
  } else if (member.key == "if") {
    if (content.is_text())
      made.condition = content.as_text();
    else
      from.wrong_kind(member, content, "a text");
  } else if (!has(twin_fields, member.key)) {
    from.unknown(member, update_fields);
  }
}

void read_update(object_reader& from, bulk_content& made) {
  auto object = from.open(false);
  if (!object)
    return;
  twin_update change;
  for (const auto& member : from.members())
    if (const auto* content = object->find(member.key))
      read_update_member(from, member, *content, change);
  if (object->find("id") == nullptr)
    from.missing("id");
  made = std::move(change);
}

void read_emit(object_reader& from, bulk_content& made) {
  auto object = from.open(false);
  if (!object)
    return;
  twin_emit event;
  for (const auto& member : from.members()) {
    const auto* content = object->find(member.key);
    if (content == nullptr)
      continue;
    if (member.key == "id")
      from.read_id(member, *content, event.id);
    else if (member.key == "name")
      from.read_name(member, *content, event.name);
    else if (member.key == "payload")
      from.read_properties(member, *content, event.payload);
    else if (member.key == "source_time_us")
      from.read_number(member, *content, event.source_time_us);
    else
      from.unknown(member, emit_fields);
  }
  for (const auto* field : {"id", "name"})
    if (object->find(field) == nullptr)
      from.missing(field);
  made = std::move(event);
}

void read_remove(object_reader& from, bulk_content& made) {
  auto content = from.open(true);
  if (!content)
    return;
  std::string id;
  if (content->is_text()) {
    id = content->as_text();
    if (auto valid = check_id(id); !valid)
      from.report(0, {}, valid.error().code, valid.error().context);
  } else {
    for (const auto& member : from.members())
      if (member.key == "id" && content->find("id") != nullptr)
        from.read_id(member, *content->find("id"), id);
    if (content->find("id") == nullptr)
      from.missing("id");
  }
  made = std::move(id);
}

fault_list read_create(std::string_view text, text_place where, std::string_view file,
                       bulk_content& made) {
  auto faults = read_twin_line(text, where.line, file,
                               [&](new_twin twin, text_place) { made = std::move(twin); });
  for (auto& found : faults)
    if (found.line == where.line)
      found.column += where.column - 1;
  return faults;
}

} // namespace

fault_list read_bulk_record(bulk_action action, std::string_view text, text_place where,
                            std::string_view file, bulk_content& made) {
  if (action == bulk_action::create)
    return read_create(text, where, file, made);
  object_reader from{text, where, file};
  if (action == bulk_action::update)
    read_update(from, made);
  else if (action == bulk_action::emit)
    read_emit(from, made);
  else
    read_remove(from, made);
  return std::move(from.faults());
}

} // namespace gemel
