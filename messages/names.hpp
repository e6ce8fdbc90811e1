#pragma once

#include <string_view>

#include "messages/error.hpp"

namespace gemel {

/// Whether `text` is well-formed UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF.
/// Source: Unicode 15, table 3-7.
bool is_utf8(std::string_view text) noexcept;

/// A twin id: 1 to `limits::id_bytes_max` bytes of UTF-8 without control characters and without `/`,
/// which separates the steps of a path.
/// @returns errc::bad_name with the reason.
result<void> check_id(std::string_view id);

/// A twin type: 1 to `limits::type_bytes_max` bytes of UTF-8 without control characters.
result<void> check_type(std::string_view type);

/// A property key: 1 to `limits::key_bytes_max` bytes of UTF-8 without control characters.
result<void> check_key(std::string_view key);

} // namespace gemel
