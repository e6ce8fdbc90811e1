#include "messages/text.hpp"

#include "messages/error.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace gemel {

namespace {

constexpr std::string_view base64_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// The six bits of a base64 digit, 64 for every other character.
unsigned base64_bits(char digit) noexcept {
  return static_cast<unsigned>(std::min<std::size_t>(base64_digits.find(digit), 64));
}

char lower_ascii(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

constexpr std::size_t compared_max = 64;

// Optimal string alignment distance (Damerau-Levenshtein without repeated edits of one place).
std::size_t edits(std::string_view a, std::string_view b) {
  std::array<std::array<std::size_t, compared_max + 1>, 3> rows{};
  for (std::size_t j = 0; j <= b.size(); ++j)
    rows[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    auto& row = rows[i % 3];
    const auto& above = rows[(i + 2) % 3];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      auto same = lower_ascii(a[i - 1]) == lower_ascii(b[j - 1]);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (same ? 0u : 1u)});
      if (i > 1 && j > 1 && lower_ascii(a[i - 1]) == lower_ascii(b[j - 2])
          && lower_ascii(a[i - 2]) == lower_ascii(b[j - 1]))
        row[j] = std::min(row[j], rows[(i + 1) % 3][j - 2] + 1);
    }
  }
  return rows[a.size() % 3][b.size()];
}

} // namespace

std::string to_hex(std::uint64_t number) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string made(2 * sizeof number, '0');
  for (auto at = made.rbegin(); at != made.rend(); ++at, number >>= 4)
    *at = digits[number & 15];
  return made;
}

text_place place_of(std::string_view text, std::size_t offset) noexcept {
  text_place place;
  for (auto c : text.substr(0, offset)) {
    if (c == '\n') {
      ++place.line;
      place.column = 1;
    } else if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) {
      ++place.column;
    }
  }
  return place;
}

std::string to_string(text_place place) {
  return "line " + std::to_string(place.line) + ", column " + std::to_string(place.column);
}

std::optional<placed_text> split_place(std::string_view text) {
  placed_text split;
  auto number = [&](std::string_view before, std::size_t& made) {
    if (!text.starts_with(before))
      return false;
    text.remove_prefix(before.size());
    auto [stop, ec] = std::from_chars(text.data(), text.data() + text.size(), made);
    text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
    return ec == std::errc{};
  };
  if (!number("line ", split.place.line) || !number(", column ", split.place.column)
      || !text.starts_with(": "))
    return std::nullopt;
  split.what = text.substr(2);
  return split;
}

void append_utf8(std::string& out, char32_t code) {
  GEMEL_CHECK(code <= 0x10ffff);
  GEMEL_CHECK(code < 0xd800 || code > 0xdfff);
  auto tail = [&](unsigned shift) { out += static_cast<char>(0x80 | ((code >> shift) & 0x3f)); };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | (code >> 6));
    tail(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | (code >> 12));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xf0 | (code >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

std::string to_base64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    auto byte = [&](std::size_t j) {
      return j < bytes.size() ? static_cast<unsigned char>(bytes[j]) : 0u;
    };
    auto bits = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    text += base64_digits[bits >> 18];
    text += base64_digits[bits >> 12 & 63];
    text += i + 1 < bytes.size() ? base64_digits[bits >> 6 & 63] : '=';
    text += i + 2 < bytes.size() ? base64_digits[bits & 63] : '=';
  }
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0)
    return std::nullopt;
  std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  text.remove_suffix(padding);
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  unsigned bits = 0;
  unsigned held = 0; // bits that no byte has taken yet, fewer than 8
  for (auto c : text) {
    auto digit = base64_bits(c);
    if (digit == 64)
      return std::nullopt;
    bits = (bits << 6 | digit) & 0xfff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      bytes += static_cast<char>(bits >> held & 0xff);
    }
  }
  if ((bits & ((1u << held) - 1)) != 0)
    return std::nullopt;
  return bytes;
}

std::string_view nearest_word(std::string_view word, std::span<const std::string_view> candidates) {
  word = word.substr(0, compared_max);
  std::string_view best;
  std::size_t best_edits = 4;
  for (auto candidate : candidates) {
    auto shortened = candidate.substr(0, compared_max);
    auto allowed = std::min<std::size_t>(3, std::max<std::size_t>(1, candidate.size() / 3));
    auto count = edits(word, shortened);
    if (count <= allowed && count < best_edits) {
      best = candidate;
      best_edits = count;
    }
  }
  return best;
}

} // namespace gemel
