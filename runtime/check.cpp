#include "runtime/check.hpp"

#include "runtime/config.hpp"
#include "runtime/twin_document.hpp"

#include <algorithm>
#include <string>
#include <unordered_map>

namespace gemel {

namespace {

constexpr std::string_view kinds_hint =
    "known are a node's config (.toml) and twins (.jsonl: one object per line; .json: one object "
    "or a list)";

std::optional<document_kind> kind_by_name(std::string_view file_name) {
  if (file_name.ends_with(".toml"))
    return document_kind::node_config;
  if (file_name.ends_with(".jsonl") || file_name.ends_with(".ndjson"))
    return document_kind::twin_lines;
  if (file_name.ends_with(".json"))
    return document_kind::twin_list;
  return std::nullopt;
}

// The text from its first character that is no blank.
std::string_view without_blanks(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
}

// Whether a second object follows in the text.
bool has_second_object(std::string_view text) {
  auto line_end = text.find('\n');
  return line_end != std::string_view::npos
         && without_blanks(text.substr(line_end)).starts_with('{');
}

// A config begins with a comment or a `[section]`, a list of twins with `[{`.
std::optional<document_kind> kind_by_content(std::string_view text) {
  text = without_blanks(text);
  if (text.starts_with('{'))
    return has_second_object(text) ? document_kind::twin_lines : document_kind::twin_list;
  if (text.starts_with('#'))
    return document_kind::node_config;
  if (!text.starts_with('['))
    return std::nullopt;
  auto inside = without_blanks(text.substr(1));
  return inside.starts_with('{') || inside.starts_with(']') ? document_kind::twin_list
                                                            : document_kind::node_config;
}

fault_list check_config(std::string_view text, std::string_view file_name) {
  auto read = parse_config(text, file_name);
  return read ? fault_list{} : std::move(read.error());
}

fault_list check_twins(std::string_view text, std::string_view file_name, document_kind kind) {
  std::unordered_map<std::string, text_place> places; // of each id
  fault_list repeated;
  auto look = [&](const new_twin& twin, text_place where) {
    if (twin.id.empty())
      return;
    auto [first, added] = places.emplace(twin.id, where);
    if (!added) {
      add_fault(repeated, {errc::twin_exists,
                           std::string{file_name},
                           where.line,
                           where.column,
                           {},
                           "twin '" + twin.id + "' stands twice",
                           "first in " + to_string(first->second)});
    }
  };
  auto faults = kind == document_kind::twin_lines ? read_twin_lines(text, file_name, look)
                                                  : read_twin_document(text, file_name, look);
  for (auto& found : repeated)
    add_fault(faults, std::move(found));
  sort_faults(faults);
  return faults;
}

} // namespace

std::optional<document_kind> kind_of_document(std::string_view text, std::string_view file_name) {
  auto kind = kind_by_name(file_name);
  return kind ? kind : kind_by_content(text);
}

fault_list check_document(std::string_view text, std::string_view file_name) {
  auto kind = kind_of_document(text, file_name);
  if (!kind) {
    return {{errc::unsupported,
             std::string{file_name},
             0,
             0,
             {},
             "this is no document of a known kind",
             std::string{kinds_hint}}};
  }
  if (text.size() > document_bytes_max) {
    return {{errc::limit_reached,
             std::string{file_name},
             0,
             0,
             {},
             "a document of " + std::to_string(text.size()) + " bytes",
             "at most " + std::to_string(document_bytes_max) + " bytes are checked at once"}};
  }
  return *kind == document_kind::node_config ? check_config(text, file_name)
                                             : check_twins(text, file_name, *kind);
}

} // namespace gemel
