#pragma once

#include "messages/fault.hpp"
#include "messages/limits.hpp"
#include "messages/text.hpp"
#include "runtime/bulk_item.hpp"

#include <cstddef>
#include <string_view>

/// Items of bulk runs as they stand in files. As JSON objects (RFC 8259), one per line:
///
///     create  a twin, see runtime/twin_document.hpp
///     update  {"id": "m1", "set": {"t": 20.5}, "unset": ["x"], "add": {"n": 1}, "replace": true,
///              "paths": [{"path": "limits.high", "set": 85}], "if_version": 3,
///              "if_absent": ["owner"], "if": "t < 20", "source_time_us": 1700000000000000}
///     delete  {"id": "m1"}, or only "m1"
///     emit    {"id": "m1", "name": "serviced", "payload": {"by": "A7"}, "source_time_us": ...}
///
/// Of an update only `id` is required; of an emit `id` and `name`. A twin's document serves as an
/// update of its `properties`, and as a delete of its id.
namespace gemel {

/// Bytes of one item in a file: as much as one frame may carry.
inline constexpr std::size_t bulk_record_bytes_max = limits::frame_bytes_max;

/// Reads one item. `where` is the place of the text's first byte in `file`.
/// @returns the faults, all of them; empty: `made` is set.
fault_list read_bulk_record(bulk_action action, std::string_view text, text_place where,
                            std::string_view file, bulk_content& made);

} // namespace gemel
