#include "messages/names.hpp"

#include "messages/limits.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

namespace gemel {

namespace {

bool is_control(char c) noexcept {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

// Bytes of the well-formed character at the start of `text`, 0 if there is none (table 3-7).
std::size_t utf8_length(std::string_view text) noexcept {
  auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  auto tail = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xbf) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  unsigned first = byte(0);
  if (first < 0x80)
    return 1;
  if (first >= 0xc2 && first <= 0xdf)
    return tail(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    unsigned low = first == 0xe0 ? 0xa0 : 0x80;
    unsigned high = first == 0xed ? 0x9f : 0xbf;
    return tail(1, low, high) && tail(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    unsigned low = first == 0xf0 ? 0x90 : 0x80;
    unsigned high = first == 0xf4 ? 0x8f : 0xbf;
    return tail(1, low, high) && tail(2) && tail(3) ? 4 : 0;
  }
  return 0;
}

// Eight bytes at once. Source: S. Anderson, "Bit Twiddling Hacks", tests for a zero byte and for a
// byte below n in a word.
constexpr std::uint64_t ones = 0x0101'0101'0101'0101U;
constexpr std::uint64_t highs = ones * 0x80;

std::uint64_t word_at(const char* bytes) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

bool any_below(std::uint64_t word, std::uint64_t n) noexcept {
  return ((word - ones * n) & ~word & highs) != 0;
}

bool any_equal(std::uint64_t word, unsigned char c) noexcept {
  return any_below(word ^ (ones * c), 1);
}

// Bytes below 0x80 at the start of `text`, counted by the eight as long as there are eight.
std::size_t ascii_length(std::string_view text) noexcept {
  std::size_t i = 0;
  while (i + 8 <= text.size() && (word_at(text.data() + i) & highs) == 0)
    i += 8;
  while (i < text.size() && static_cast<unsigned char>(text[i]) < 0x80)
    ++i;
  return i;
}

// Whether all of `name` is printable ASCII: what nearly every name is, and never wrong.
bool is_printable_ascii(std::string_view name) noexcept {
  std::size_t i = 0;
  for (; i + 8 <= name.size(); i += 8) {
    auto word = word_at(name.data() + i);
    if ((word & highs) != 0 || any_below(word, 0x20) || any_equal(word, 0x7f))
      return false;
  }
  return std::all_of(name.begin() + static_cast<std::ptrdiff_t>(i), name.end(),
                     [](char c) { return c >= 0x20 && c < 0x7f; });
}

result<void> check_name(std::string_view name, std::size_t bytes_max, const char* what) {
  if (name.empty())
    return fail(errc::bad_name, std::string{what} + " is empty");
  if (name.size() > bytes_max)
    return fail(errc::bad_name, std::string{what} + " has " + std::to_string(name.size())
                                    + " bytes, at most " + std::to_string(bytes_max)
                                    + " are allowed");
  if (is_printable_ascii(name))
    return {};
  if (std::any_of(name.begin(), name.end(), is_control))
    return fail(errc::bad_name, std::string{what} + " holds a control character");
  if (!is_utf8(name))
    return fail(errc::bad_name, std::string{what} + " is not UTF-8");
  return {};
}

} // namespace

bool is_utf8(std::string_view text) noexcept {
  text.remove_prefix(ascii_length(text));
  while (!text.empty()) {
    auto length = utf8_length(text);
    if (length == 0)
      return false;
    text.remove_prefix(length);
    text.remove_prefix(ascii_length(text));
  }
  return true;
}

result<void> check_id(std::string_view id) {
  // Only an id that is short and UTF-8 may be repeated in the answer.
  auto named = check_name(id, limits::id_bytes_max, "twin id");
  if (named && id.find('/') != std::string_view::npos)
    return fail(errc::bad_name, "twin id '" + std::string{id} + "' holds a '/'");
  return named;
}

result<void> check_type(std::string_view type) {
  return check_name(type, limits::type_bytes_max, "twin type");
}

result<void> check_key(std::string_view key) {
  return check_name(key, limits::key_bytes_max, "property key");
}

namespace {

result<void> check_nested(const value& content, std::size_t depth) {
  if (depth > limits::value_depth_max && (content.is_list() || content.is_map()))
    return fail(errc::limit_reached,
                "values nest deeper than " + std::to_string(limits::value_depth_max));
  auto too_many = [](std::size_t count) {
    return fail(errc::limit_reached, std::to_string(count) + " elements, at most "
                                         + std::to_string(limits::value_elements_max)
                                         + " are allowed");
  };
  if (content.is_text() && content.as_text().size() > limits::text_bytes_max)
    return fail(errc::limit_reached, "a text of " + std::to_string(content.as_text().size())
                                         + " bytes, at most "
                                         + std::to_string(limits::text_bytes_max) + " are allowed");
  if (content.is_text() && !is_utf8(content.as_text()))
    return fail(errc::bad_value, "a text that is not UTF-8");
  if (content.is_bytes() && content.as_bytes().size() > limits::text_bytes_max)
    return fail(errc::limit_reached, "too many bytes");
  if (content.is_list()) {
    if (content.as_list().size() > limits::value_elements_max)
      return too_many(content.as_list().size());
    for (const auto& element : content.as_list())
      if (auto fine = check_nested(element, depth + 1); !fine)
        return fine;
  }
  if (content.is_map()) {
    if (content.as_map().size() > limits::value_elements_max)
      return too_many(content.as_map().size());
    for (const auto& member : content.as_map()) {
      if (!is_utf8(member.key) || member.key.size() > limits::key_bytes_max)
        return fail(errc::bad_value, "a map key that is too long or not UTF-8");
      if (auto fine = check_nested(member.content, depth + 1); !fine)
        return fine;
    }
  }
  return {};
}

} // namespace

result<void> check_content(const value& content) {
  return check_nested(content, 1);
}

} // namespace gemel
