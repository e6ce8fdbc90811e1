#pragma once

#include "messages/error.hpp"
#include "messages/value.hpp"

#include <string_view>

namespace gemel {

/// Whether `text` is well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF.
/// Source: Unicode 15, table 3-7.
bool is_utf8(std::string_view text) noexcept;

/// A twin id: 1 to `limits::id_bytes_max` bytes of UTF-8 without control characters and without
/// `/`, which separates the steps of a path.
/// @returns errc::bad_name with the reason.
result<void> check_id(std::string_view id);

/// A twin type: 1 to `limits::type_bytes_max` bytes of UTF-8 without control characters.
result<void> check_type(std::string_view type);

/// A property key: 1 to `limits::key_bytes_max` bytes of UTF-8 without control characters.
result<void> check_key(std::string_view key);

/// What a property may hold: UTF-8 texts of at most `limits::text_bytes_max` bytes, lists and maps
/// within `limits::value_elements_max` and `limits::value_depth_max`, valid keys.
/// @returns errc::bad_value or errc::limit_reached with the reason.
result<void> check_content(const value& content);

} // namespace gemel
