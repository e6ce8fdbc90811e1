#include "runtime/program/display.hpp"

#include "messages/text.hpp"

#include <algorithm>
#include <array>

namespace gemel {

namespace {

constexpr char32_t replacement = 0xfffd;

struct code_range {
  char32_t first;
  char32_t last;
};

// Blocks of Unicode 15, EastAsianWidth.txt (W and F), with the emoji blocks; ascending.
constexpr std::array wide_ranges{
    code_range{0x1100, 0x115f},   code_range{0x231a, 0x231b},   code_range{0x2329, 0x232a},
    code_range{0x23e9, 0x23ec},   code_range{0x2614, 0x2615},   code_range{0x26a1, 0x26a1},
    code_range{0x2705, 0x2705},   code_range{0x274c, 0x274c},   code_range{0x2e80, 0x303e},
    code_range{0x3041, 0x33ff},   code_range{0x3400, 0x4dbf},   code_range{0x4e00, 0x9fff},
    code_range{0xa000, 0xa4cf},   code_range{0xa960, 0xa97f},   code_range{0xac00, 0xd7a3},
    code_range{0xf900, 0xfaff},   code_range{0xfe30, 0xfe6f},   code_range{0xff00, 0xff60},
    code_range{0xffe0, 0xffe6},   code_range{0x16fe0, 0x18cff}, code_range{0x1b000, 0x1b2ff},
    code_range{0x1f300, 0x1f64f}, code_range{0x1f680, 0x1f6ff}, code_range{0x1f900, 0x1f9ff},
    code_range{0x20000, 0x3fffd},
};

// Combining marks of the common blocks, joiners and variation selectors; ascending.
constexpr std::array narrow_ranges{
    code_range{0x0300, 0x036f}, code_range{0x0483, 0x0489},   code_range{0x0591, 0x05bd},
    code_range{0x064b, 0x065f}, code_range{0x0900, 0x0902},   code_range{0x0e34, 0x0e3a},
    code_range{0x0e47, 0x0e4e}, code_range{0x1ab0, 0x1aff},   code_range{0x1dc0, 0x1dff},
    code_range{0x200b, 0x200f}, code_range{0x202a, 0x202e},   code_range{0x2060, 0x2064},
    code_range{0x20d0, 0x20ff}, code_range{0xfe00, 0xfe0f},   code_range{0xfe20, 0xfe2f},
    code_range{0xfeff, 0xfeff}, code_range{0xe0100, 0xe01ef},
};

template <std::size_t Count>
bool is_in(const std::array<code_range, Count>& ranges, char32_t code) {
  auto found = std::lower_bound(ranges.begin(), ranges.end(), code,
                                [](const code_range& r, char32_t c) { return r.last < c; });
  return found != ranges.end() && found->first <= code;
}

std::size_t width_of(char32_t code) {
  if (code < 0x300)
    return 1;
  return is_in(narrow_ranges, code) ? 0 : is_in(wide_ranges, code) ? 2 : 1;
}

std::size_t bytes_of(unsigned char lead) {
  return lead < 0x80   ? 1
         : lead < 0xc2 ? 0
         : lead < 0xe0 ? 2
         : lead < 0xf0 ? 3
         : lead < 0xf5 ? 4
                       : 0;
}

// Takes one character off the front; a malformed byte is U+FFFD.
char32_t take(std::string_view& text) {
  auto lead = static_cast<unsigned char>(text.front());
  auto size = bytes_of(lead);
  bool is_whole = size != 0 && size <= text.size();
  char32_t code = size <= 1 ? lead : lead & (0x7fu >> size);
  for (std::size_t i = 1; is_whole && i < size; ++i) {
    auto next = static_cast<unsigned char>(text[i]);
    is_whole = (next & 0xc0u) == 0x80u;
    code = (code << 6) | (next & 0x3fu);
  }
  text.remove_prefix(is_whole ? size : 1);
  return is_whole ? code : replacement;
}

void append_escape(std::string& out, char32_t code) {
  constexpr std::string_view digits = "0123456789abcdef";
  switch (code) {
  case '\n':
    out += "\\n";
    break;
  case '\r':
    out += "\\r";
    break;
  case '\t':
    out += "\\t";
    break;
  default:
    out += "\\x";
    out += digits[code >> 4];
    out += digits[code & 0xf];
  }
}

// What a terminal obeys instead of showing it; the marks that turn the direction of text with it.
bool is_control(char32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0);
}

bool turns_direction(char32_t code) {
  return (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

} // namespace

std::size_t display_width(std::string_view text) noexcept {
  std::size_t columns = 0;
  while (!text.empty())
    columns += width_of(take(text));
  return columns;
}

std::string printable(std::string_view text) {
  std::string made;
  made.reserve(text.size());
  while (!text.empty()) {
    auto code = take(text);
    if (is_control(code))
      append_escape(made, code);
    else
      append_utf8(made, turns_direction(code) ? replacement : code);
  }
  return made;
}

std::string shortened(std::string_view text, std::size_t columns, bool is_utf8) {
  if (display_width(text) <= columns)
    return std::string{text};
  if (columns == 0)
    return {};
  std::size_t used = 1; // of the ellipsis
  auto rest = text;
  while (!rest.empty()) {
    auto after = rest;
    used += width_of(take(after));
    if (used > columns)
      break;
    rest = after;
  }
  return std::string{text.substr(0, text.size() - rest.size())} + (is_utf8 ? "…" : "~");
}

} // namespace gemel
