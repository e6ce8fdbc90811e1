#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace gemel::detail {

/// The offset of the first byte beyond ASCII that stands in neither a text nor a comment, where
/// TOML 1.0 has none; of a malformed document, the first one before anything else is wrong. A byte
/// order mark at the beginning is none. Nothing: there is no such byte.
std::optional<std::size_t> stray_character(std::string_view text) noexcept;

} // namespace gemel::detail
