#pragma once

#include "messages/fault.hpp"
#include "messages/limits.hpp"
#include "messages/records.hpp"
#include "messages/text.hpp"

#include <cstddef>
#include <functional>
#include <string_view>

/// Twins as they stand in files: JSON objects (RFC 8259) of these fields and no others,
///
///     {"id": "m1", "type": "machine", "parent": "hall-1", "properties": {"temperature": 20.5}}
///
/// one per line (`.jsonl`), or one object or a list of them (`.json`). Only `type` is required;
/// without `id` the node makes one, and a `parent` of null is none. `placement` is a fifth field,
/// for twins that shall share a shard. What a node tells of a twin besides (`path`, `version`,
/// `state`, `updated_at`, `has_children`, `rollups`, `stamps`) may stand there too, and is not
/// read. Values are written as `value_from_json` reads them.
namespace gemel {

/// Bytes of one line of a `.jsonl` file: as much as one frame may carry.
inline constexpr std::size_t twin_line_bytes_max = limits::frame_bytes_max;

/// Takes a twin that is right, and where it begins.
using twin_sink = std::function<void(new_twin twin, text_place where)>;

/// Reads one line of a `.jsonl` file, for files that are read line by line.
/// @param line without its line feed; one of blanks only is left out.
/// @param number of the line, counted from 1, for the faults.
/// @returns the faults, all of them; empty: `sink` was called, once unless the line was blank.
fault_list read_twin_line(std::string_view line, std::size_t number, std::string_view file,
                          const twin_sink& sink);

/// Reads all lines of a `.jsonl` text; a line with faults does not stop it.
/// @returns the faults, at most `faults_max`. `sink` has been called for every line without.
fault_list read_twin_lines(std::string_view text, std::string_view file, const twin_sink& sink);

/// Reads a `.json` text: one object, or a list of any length. After a twin with faults it goes on
/// with the next one if it can tell where that begins.
/// @returns the faults, at most `faults_max`; of a list their pointers begin with the position.
fault_list read_twin_document(std::string_view text, std::string_view file, const twin_sink& sink);

} // namespace gemel
