#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace gemel {

/// A place in a text, both counted from 1. Lines end with a line feed; a column is one code point
/// (every malformed byte counts as one).
struct text_place {
  std::size_t line = 1;
  std::size_t column = 1;

  friend bool operator==(const text_place&, const text_place&) = default;
};

/// Where the byte at `offset` of `text` stands; an offset beyond the end stands for the end.
text_place place_of(std::string_view text, std::size_t offset) noexcept;

/// `line 2, column 7`.
std::string to_string(text_place place);

/// The text of an error that begins with its place.
struct placed_text {
  text_place place{};
  std::string what{};
};

/// `line 2, column 7: what` taken apart; nothing if `text` does not begin with a place.
std::optional<placed_text> split_place(std::string_view text);

/// Appends the code point as UTF-8. `code` is at most 0x10ffff and no surrogate.
void append_utf8(std::string& out, char32_t code);

/// 16 hexadecimal digits, the way people are shown ids of 64 bits.
std::string to_hex(std::uint64_t number);

/// Bytes as base64 with padding (RFC 4648, section 4).
std::string to_base64(std::string_view bytes);

/// The bytes of a padded base64 text; nothing if it is malformed: wrong length, foreign character,
/// padding inside, bits set that the length does not need.
std::optional<std::string> from_base64(std::string_view text);

/// The candidate that a person most likely meant by `word`: fewest edits (insert, drop, replace,
/// swap of neighbours), case not counted, at most a third of its length and never more than 3.
/// Empty when none is near. Compares at most the first 64 bytes.
std::string_view nearest_word(std::string_view word, std::span<const std::string_view> candidates);

} // namespace gemel
