#include "messages/names.hpp"

#include <algorithm>
#include <string>

#include "messages/limits.hpp"

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

bool is_plain_ascii(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

result<void> check_name(std::string_view name, std::size_t bytes_max, const char* what) {
  if (name.empty())
    return fail(errc::bad_name, std::string{what} + " is empty");
  if (name.size() > bytes_max)
    return fail(errc::bad_name, std::string{what} + " has " + std::to_string(name.size())
                                  + " bytes, at most " + std::to_string(bytes_max)
                                  + " are allowed");
  if (std::any_of(name.begin(), name.end(), is_control))
    return fail(errc::bad_name, std::string{what} + " holds a control character");
  if (!is_utf8(name))
    return fail(errc::bad_name, std::string{what} + " is not UTF-8");
  return {};
}

} // namespace

bool is_utf8(std::string_view text) noexcept {
  if (is_plain_ascii(text))
    return true;
  while (!text.empty()) {
    auto length = utf8_length(text);
    if (length == 0)
      return false;
    text.remove_prefix(length);
  }
  return true;
}

result<void> check_id(std::string_view id) {
  if (id.find('/') != std::string_view::npos)
    return fail(errc::bad_name, "twin id '" + std::string{id} + "' holds a '/'");
  return check_name(id, limits::id_bytes_max, "twin id");
}

result<void> check_type(std::string_view type) {
  return check_name(type, limits::type_bytes_max, "twin type");
}

result<void> check_key(std::string_view key) {
  return check_name(key, limits::key_bytes_max, "property key");
}

} // namespace gemel
