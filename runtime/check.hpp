#pragma once

#include "messages/fault.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gemel {

/// The kinds of documents there are.
enum class document_kind {
  /// A node's config (TOML), `runtime/config.hpp`.
  node_config,
  /// Twins, one JSON object per line, `runtime/twin_document.hpp`.
  twin_lines,
  /// One twin, or a list of twins (JSON).
  twin_list,
  /// A workflow (JSON), `workflows/workflow.hpp`: an object with `steps`.
  workflow,
  /// An event rule (JSON), `workflows/rule.hpp`: an object with `rule`.
  rule,
};

/// Bytes of a document that is checked as a whole (256 MiB, some million twins); longer `.jsonl`
/// files are read line by line with `read_twin_line`.
inline constexpr std::size_t document_bytes_max = 256u << 20;

/// Which kind a document is: by the ending of its name (`.toml`, `.jsonl`, `.ndjson`, `.json`), and
/// where that says nothing, by how it begins. Nothing if it is none of them.
std::optional<document_kind> kind_of_document(std::string_view text, std::string_view file_name);

/// Everything that is wrong with a document, ordered by place; empty: it is right. Reads nothing
/// but its arguments. Of twins it also finds an id that stands twice; whether a parent exists is
/// known only to the node.
/// @returns errc::unsupported, once, for a document of no known kind.
fault_list check_document(std::string_view text, std::string_view file_name);

/// What is no fault of a document and still may keep a node from starting, in words without a
/// place: a property with a history in a config without a store, which `--data` may give. Of a
/// document with faults: nothing.
std::vector<std::string> notes_on_document(std::string_view text, std::string_view file_name);

} // namespace gemel
