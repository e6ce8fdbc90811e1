#include "runtime/twin_document.hpp"

#include "messages/json_scan.hpp"
#include "messages/limits.hpp"
#include "messages/names.hpp"
#include "messages/value.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace gemel {

namespace {

constexpr std::array<std::string_view, 5> fields{"id", "type", "parent", "properties", "placement"};

// What a node tells of a twin besides. They may stand there, so that what was exported can be
// imported, and say nothing.
constexpr std::array<std::string_view, 7> told{"path",         "version", "state", "updated_at",
                                               "has_children", "rollups", "stamps"};

bool is_told(std::string_view key) noexcept {
  return std::find(told.begin(), told.end(), key) != told.end();
}

std::string kind_of(const value& content) {
  return std::string{to_string(content.kind())};
}

// A place in a text whose first line is line `line` of its file.
text_place shifted(text_place place, std::size_t line) {
  return {place.line + line - 1, place.column};
}

// Reads the twin that stands in text[offset, offset + size). Places are those of `text`.
class twin_reader {
public:
  twin_reader(std::string_view text, std::size_t line, std::string_view file, fault_list& faults)
      : text_(text), line_(line), file_(file), faults_(faults) {}

  // Nothing when a fault was found.
  std::optional<new_twin> read(std::size_t offset, std::size_t size, std::string pointer) {
    pointer_ = std::move(pointer);
    wrong_ = false;
    auto content = value_from_json(text_.substr(offset, size));
    if (!content)
      return refuse_syntax(offset, content.error());
    if (json_scanner{text_, offset}.peek() != '{') {
      report(offset, {}, errc::bad_value, "a twin is an object, not " + kind_of(*content), form);
      return std::nullopt;
    }
    new_twin made;
    read_members(offset, *content, made);
    return wrong_ ? std::nullopt : std::optional{std::move(made)};
  }

  void report(std::size_t offset, std::string_view at, errc code, std::string message,
              std::string hint = {}) {
    report_at(shifted(place_of(text_, offset), line_), at, code, std::move(message),
              std::move(hint));
  }

private:
  static constexpr const char* form =
      R"(such as {"id": "m1", "type": "machine", "parent": "hall-1", "properties": {}})";

  void report_at(text_place place, std::string_view at, errc code, std::string message,
                 std::string hint) {
    wrong_ = true;
    add_fault(faults_, {code, file_, place.line, place.column, pointer_ + std::string{at},
                        std::move(message), std::move(hint)});
  }

  // The place in the value's text becomes one in the whole text.
  std::nullopt_t refuse_syntax(std::size_t offset, const error& why) {
    auto start = place_of(text_, offset);
    auto split = split_place(why.context);
    if (!split)
      split = {{}, why.context};
    auto place = split->place;
    place.column += place.line == 1 ? start.column - 1 : 0;
    place.line += start.line - 1;
    report_at(shifted(place, line_), {}, why.code, split->what, {});
    return std::nullopt;
  }

  void read_members(std::size_t offset, const value& content, new_twin& made) {
    auto members = json_members(text_, offset);
    check_keys(members, {});
    for (const auto& member : members) {
      if (is_told(member.key))
        continue;
      if (std::find(fields.begin(), fields.end(), member.key) == fields.end())
        report_unknown(member);
      else if (const auto* found = content.find(member.key))
        read_field(member, *found, made);
    }
    auto typed = std::any_of(members.begin(), members.end(),
                             [](const auto& member) { return member.key == "type"; });
    if (!typed)
      report(offset, {}, errc::missing_field, "'type' is missing", form);
    if (!made.id.empty() && made.id == made.parent)
      report(offset, "/parent", errc::hierarchy_cycle, "twin '" + made.id + "' is its own parent",
             "the id of another twin");
  }

  // No key stands twice.
  void check_keys(const std::vector<json_member>& members, std::string_view above) {
    std::set<std::string_view> seen;
    for (const auto& member : members)
      if (!seen.insert(member.key).second)
        report(member.key_offset, std::string{above} + json_pointer_step(member.key),
               errc::bad_syntax, "'" + member.key + "' stands twice", "keep one of them");
  }

  void report_unknown(const json_member& member) {
    auto near = nearest_word(member.key, fields);
    auto hint = near.empty() ? "the fields are id, type, parent, properties and placement"
                             : "did you mean '" + std::string{near} + "'?";
    report(member.key_offset, json_pointer_step(member.key), errc::unknown_key,
           "unknown field '" + member.key + "'", hint);
  }

  void read_field(const json_member& member, const value& content, new_twin& made) {
    if (member.key == "properties")
      read_properties(member, content, made);
    else if (member.key == "id")
      read_name(member, content, check_id, made.id);
    else if (member.key == "type")
      read_name(member, content, check_type, made.type);
    else if (member.key == "parent")
      read_name(member, content, check_id, made.parent);
    else
      read_name(member, content, check_id, made.placement);
  }

  void read_name(const json_member& member, const value& content,
                 result<void> (*check)(std::string_view), std::string& made) {
    auto at = json_pointer_step(member.key);
    if (content.is_null() && member.key == "parent")
      return; // as the node tells of a root
    if (!content.is_text()) {
      report(member.value_offset, at, errc::bad_value,
             "'" + member.key + "' must be a text, not " + kind_of(content),
             member.key == "type" ? "" : "leave it out if there is none");
      return;
    }
    made = content.as_text();
    if (auto valid = check(made); !valid)
      report(member.value_offset, at, valid.error().code, valid.error().context);
  }

  void read_properties(const json_member& member, const value& content, new_twin& made) {
    if (!content.is_map()) {
      report(member.value_offset, "/properties", errc::bad_value,
             "'properties' must be an object, not " + kind_of(content),
             R"(such as {"temperature": 20.5})");
      return;
    }
    if (content.as_map().size() > limits::properties_max)
      report(member.value_offset, "/properties", errc::limit_reached,
             std::to_string(content.as_map().size()) + " properties",
             "at most " + std::to_string(limits::properties_max) + " are allowed");
    check_property_keys(member.value_offset);
    for (const auto& each : content.as_map())
      made.properties.push_back({each.key, each.content});
  }

  void check_property_keys(std::size_t offset) {
    auto members = json_members(text_, offset);
    // {"$map": {...}} stands for the inner object, see value_json.cpp.
    if (!members.empty() && members.front().key == "$map")
      members = json_members(text_, members.front().value_offset);
    check_keys(members, "/properties");
    for (const auto& each : members)
      if (auto valid = check_key(each.key); !valid)
        report(each.key_offset, "/properties" + json_pointer_step(each.key), valid.error().code,
               valid.error().context);
  }

  std::string_view text_;
  std::size_t line_;
  std::string file_;
  fault_list& faults_;
  std::string pointer_;
  bool wrong_ = false;
};

// Reads the twins of a list one after the other.
class list_reader {
public:
  list_reader(std::string_view text, std::string_view file, const twin_sink& sink)
      : text_(text), file_(file), scanner_(text), reader_(text, 1, file, faults_), sink_(sink) {}

  fault_list read() {
    scanner_.accept('[');
    if (!scanner_.accept(']')) {
      std::size_t index = 0;
      do {
        if (!read_element(index++))
          return std::move(faults_);
      } while (scanner_.accept(','));
      if (!scanner_.accept(']'))
        expected("expected ',' or ']' after a twin");
    }
    scanner_.skip_space();
    if (faults_.empty() && !scanner_.done())
      expected("expected the end of the document after the list");
    return std::move(faults_);
  }

private:
  // False when there is no telling where the next one begins.
  bool read_element(std::size_t index) {
    scanner_.skip_space();
    auto offset = scanner_.offset();
    auto size = scanner_.value_text().size();
    if (size == 0) {
      expected("expected a twin");
      return false;
    }
    if (auto made = reader_.read(offset, size, "/" + std::to_string(index)))
      sink_(std::move(*made), place_at(offset));
    return faults_.size() < faults_max;
  }

  // Goes on from the last place, so that a long list costs one pass.
  text_place place_at(std::size_t offset) {
    auto step = place_of(text_.substr(last_offset_), offset - last_offset_);
    auto column = step.line == 1 ? last_.column + step.column - 1 : step.column;
    last_ = {last_.line + step.line - 1, column};
    last_offset_ = offset;
    return last_;
  }

  void expected(const std::string& what) {
    scanner_.skip_space();
    auto place = place_of(text_, scanner_.offset());
    add_fault(faults_, {errc::bad_syntax,
                        std::string{file_},
                        place.line,
                        place.column,
                        {},
                        what + (scanner_.done() ? ", found the end of the text" : ""),
                        {}});
  }

  std::string_view text_;
  std::string_view file_;
  fault_list faults_;
  json_scanner scanner_;
  twin_reader reader_;
  const twin_sink& sink_;
  text_place last_;
  std::size_t last_offset_ = 0;
};

fault too_long(std::string_view file, std::size_t number, std::size_t bytes) {
  return {errc::limit_reached,
          std::string{file},
          number,
          1,
          {},
          "a line of " + std::to_string(bytes) + " bytes",
          "at most " + std::to_string(twin_line_bytes_max) + " bytes are allowed"};
}

} // namespace

fault_list read_twin_line(std::string_view line, std::size_t number, std::string_view file,
                          const twin_sink& sink) {
  if (line.size() > twin_line_bytes_max)
    return {too_long(file, number, line.size())};
  json_scanner scanner{line};
  scanner.skip_space();
  if (scanner.done())
    return {};
  fault_list faults;
  twin_reader reader{line, number, file, faults};
  auto offset = scanner.offset();
  if (auto made = reader.read(offset, line.size() - offset, {}))
    sink(std::move(*made), {number, place_of(line, offset).column});
  return faults;
}

fault_list read_twin_lines(std::string_view text, std::string_view file, const twin_sink& sink) {
  fault_list faults;
  for (std::size_t number = 1; !text.empty() && faults.size() < faults_max; ++number) {
    auto end = std::min(text.find('\n'), text.size());
    for (auto& found : read_twin_line(text.substr(0, end), number, file, sink))
      add_fault(faults, std::move(found));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return faults;
}

fault_list read_twin_document(std::string_view text, std::string_view file, const twin_sink& sink) {
  json_scanner scanner{text};
  scanner.skip_space();
  if (scanner.peek() == '[')
    return list_reader{text, file, sink}.read();
  fault_list faults;
  auto offset = scanner.offset();
  twin_reader reader{text, 1, file, faults};
  if (auto made = reader.read(offset, text.size() - offset, {}))
    sink(std::move(*made), place_of(text, offset));
  return faults;
}

} // namespace gemel
