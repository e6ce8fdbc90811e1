#include "runtime/twin_export.hpp"

#include "runtime/csv.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace gemel {

namespace {

// Columns with a meaning of their own, see runtime/csv_columns.hpp.
constexpr std::array<std::string_view, 11> columns{
    "id",   "type",    "parent", "placement",  "if_version",  "source_time_us",
    "path", "version", "state",  "updated_at", "has_children"};

void append_properties(std::string& out, const properties& all) {
  out += "\"properties\":{";
  for (const auto& one : all) {
    if (&one != all.data())
      out += ',';
    append_json_text(out, one.key);
    out += ':';
    append_json(out, one.content);
  }
  out += "}}\n";
}

std::string column_name(const std::string& key) {
  bool is_taken = std::find(columns.begin(), columns.end(), key) != columns.end();
  bool has_colon = key.find(':') != std::string::npos;
  return (is_taken || key.starts_with('.') ? "." : "") + key + (has_colon ? ":json" : "");
}

} // namespace

std::string twin_line(const twin_record& twin) {
  std::string made{"{\"id\":"};
  append_json_text(made, twin.id);
  made += ",\"type\":";
  append_json_text(made, twin.type);
  made += ",\"parent\":";
  if (twin.parent.empty())
    made += "null";
  else
    append_json_text(made, twin.parent);
  made += ',';
  append_properties(made, twin.properties);
  return made;
}

std::string selected_line(const twin_record& twin) {
  std::string made{"{\"id\":"};
  append_json_text(made, twin.id);
  made += ',';
  append_properties(made, twin.properties);
  return made;
}

std::string csv_text(const value& content) {
  if (!content.is_text())
    return to_json(content);
  auto text = content.as_text();
  // Empty is absent; what is JSON, or begins as JSON beyond a limit, would be read as that.
  auto read = value_from_json(text);
  bool is_plain = !text.empty() && !read && read.error().code == errc::bad_syntax;
  return is_plain ? std::string{text} : to_json(content);
}

csv_writer::csv_writer(std::vector<std::string> keys, bool is_twin)
    : keys_{std::move(keys)}, is_twin_{is_twin} {
}

std::string csv_writer::header() const {
  std::string made{is_twin_ ? "id,type,parent" : "id"};
  for (const auto& key : keys_) {
    made += ',';
    append_csv_field(made, column_name(key));
  }
  return made + "\r\n";
}

std::string csv_writer::row(const twin_record& twin) const {
  std::string made;
  append_csv_field(made, twin.id);
  if (is_twin_) {
    made += ',';
    append_csv_field(made, twin.type);
    made += ',';
    append_csv_field(made, twin.parent);
  }
  for (const auto& key : keys_) {
    made += ',';
    const auto* found = twin.find(key);
    if (found == nullptr || (found->is_null() && !is_twin_))
      continue; // a selected value that the twin does not have
    bool is_json = key.find(':') != std::string::npos; // the column says so
    append_csv_field(made, is_json ? to_json(*found) : csv_text(*found));
  }
  return made + "\r\n";
}

} // namespace gemel
