#pragma once

#include <cstddef>
#include <string>
#include <string_view>

/// Text on a terminal.
namespace gemel {

/// Columns that `text` takes: two for East Asian wide characters and most emoji, none for combining
/// marks, one for everything else. `text` is without control characters.
std::size_t display_width(std::string_view text) noexcept;

/// The text without anything that could move the cursor or change colours: control characters
/// become `\n`, `\t` or `\x1b` and their like, malformed bytes U+FFFD.
std::string printable(std::string_view text);

/// The text if it takes at most `columns`, else as much as fits with an ellipsis behind it: `…`, or
/// `~` where that cannot be shown.
std::string shortened(std::string_view text, std::size_t columns, bool is_utf8);

} // namespace gemel
