#include "runtime/detail/toml_scan.hpp"

#include <algorithm>

namespace gemel::detail {

namespace {

// Behind the text that begins with the quote at `at`; a text of one line ends with its line.
std::size_t behind_text(std::string_view text, std::size_t at) noexcept {
  const auto quote = text[at];
  const char three[] = {quote, quote, quote};
  const auto is_long = text.substr(at, 3) == std::string_view{three, 3};
  for (auto i = at + (is_long ? 3 : 1); i < text.size(); ++i) {
    if (text[i] == '\\' && quote == '"')
      ++i;
    else if (!is_long && text[i] == '\n')
      return i;
    else if (!is_long && text[i] == quote)
      return i + 1;
    else if (is_long && text.substr(i, 3) == std::string_view{three, 3}) {
      // Up to two quotes more belong to the text.
      auto end = i + 3;
      for (int more = 0; more < 2 && end < text.size() && text[end] == quote; ++more)
        ++end;
      return end;
    }
  }
  return text.size();
}

} // namespace

std::optional<std::size_t> stray_character(std::string_view text) noexcept {
  constexpr std::string_view mark = "\xEF\xBB\xBF";
  std::size_t at = text.starts_with(mark) ? mark.size() : 0;
  while (at < text.size()) {
    auto c = text[at];
    if (static_cast<unsigned char>(c) >= 0x80)
      return at;
    if (c == '"' || c == '\'')
      at = behind_text(text, at);
    else if (c == '#')
      at = std::min(text.find('\n', at), text.size());
    else
      ++at;
  }
  return std::nullopt;
}

} // namespace gemel::detail
