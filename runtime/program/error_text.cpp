#include "runtime/program/error_text.hpp"

#include "runtime/program/display.hpp"

#include <charconv>

namespace gemel {

namespace {

constexpr std::string_view indent = "  ";

// Takes `word` and the number behind it off the front of `text`.
std::optional<std::size_t> take_number(std::string_view& text, std::string_view word) {
  if (!text.starts_with(word))
    return std::nullopt;
  text.remove_prefix(word.size());
  std::size_t number = 0;
  auto [stop, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc{} || number == 0)
    return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
  return number;
}

std::string_view line_of(std::string_view text, std::size_t number) {
  for (; number > 1; --number) {
    auto end = text.find('\n');
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return text.substr(0, text.find('\n'));
}

// The bytes before a column, counted in code points from 1.
std::size_t offset_of(std::string_view line, std::size_t column) {
  std::size_t offset = 0;
  for (; column > 1 && offset < line.size(); --column) {
    ++offset;
    while (offset < line.size() && (static_cast<unsigned char>(line[offset]) & 0xc0u) == 0x80u)
      ++offset;
  }
  return offset;
}

} // namespace

std::optional<text_place> place_in(std::string_view context) {
  auto begin = context.find("line ");
  if (begin == std::string_view::npos)
    return std::nullopt;
  auto rest = context.substr(begin);
  auto line = take_number(rest, "line ");
  auto column = line ? take_number(rest, ", column ") : std::nullopt;
  if (!column)
    return std::nullopt;
  return text_place{*line, *column};
}

std::string error_line(const error& why) {
  return "gemel: " + printable(to_string(why)) + '\n';
}

std::string caret_lines(std::string_view text, text_place place) {
  auto line = line_of(text, place.line);
  auto before = printable(line.substr(0, offset_of(line, place.column)));
  std::string made{indent};
  made += printable(line);
  made += '\n';
  made += indent;
  return made.append(display_width(before), ' ') + "^\n";
}

} // namespace gemel
