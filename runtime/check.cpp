#include "runtime/check.hpp"

#include "runtime/config.hpp"
#include "runtime/twin_document.hpp"
#include "workflows/functions.hpp"
#include "workflows/json_document.hpp"
#include "workflows/rule.hpp"
#include "workflows/workflow.hpp"

#include <algorithm>
#include <string>
#include <unordered_map>

namespace gemel {

namespace {

constexpr std::string_view kinds_hint =
    "known are a node's config (.toml), twins (.jsonl: one object per line; .json: one object or a "
    "list), workflows (.json with \"steps\") and event rules (.json with \"rule\")";

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

// A document of one object says by a key of its own what it is; twins have none of these.
document_kind kind_by_keys(std::string_view text) {
  auto content = value_from_json(text);
  if (content && content->find("steps") != nullptr)
    return document_kind::workflow;
  if (content && content->find("rule") != nullptr)
    return document_kind::rule;
  return document_kind::twin_list;
}

fault_list check_workflow(std::string_view text, std::string_view file_name) {
  static const auto functions = function_library::standard().names();
  auto read = workflow::parse(std::string{text}, std::string{file_name}, {&functions});
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

fault_list check_rule(std::string_view text, std::string_view file_name) {
  auto document = json_document::parse(std::string{text}, std::string{file_name});
  if (!document)
    return std::move(document.error());
  auto read = rule::read(*document);
  return read ? fault_list{} : std::move(read.error());
}

} // namespace

std::optional<document_kind> kind_of_document(std::string_view text, std::string_view file_name) {
  auto kind = kind_by_name(file_name);
  if (!kind)
    kind = kind_by_content(text);
  if (kind == document_kind::twin_list && text.size() <= json_document_bytes_max)
    return kind_by_keys(text);
  return kind;
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
  switch (*kind) {
  case document_kind::node_config:
    return check_config(text, file_name);
  case document_kind::workflow:
    return check_workflow(text, file_name);
  case document_kind::rule:
    return check_rule(text, file_name);
  case document_kind::twin_lines:
  case document_kind::twin_list:
    break;
  }
  return check_twins(text, file_name, *kind);
}

std::vector<std::string> notes_on_document(std::string_view text, std::string_view file_name) {
  if (kind_of_document(text, file_name) != document_kind::node_config)
    return {};
  auto config = parse_config(text, file_name);
  auto without_store = config ? history_without_store(*config) : std::string{};
  if (without_store.empty())
    return {};
  return {"'" + without_store
          + "' is true, and nothing is stored: set store.path, or start the "
            "node with --data FOLDER"};
}

} // namespace gemel
