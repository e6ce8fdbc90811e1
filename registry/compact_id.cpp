#include "registry/compact_id.hpp"

namespace gemel {

namespace {

constexpr char hex_digits[] = "0123456789abcdef";

constexpr bool is_dash_place(std::size_t i) noexcept {
  return i == 8 || i == 13 || i == 18 || i == 23;
}

constexpr int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  return -1;
}

// Packs a canonical lower-case UUID; false if `text` is none.
bool pack_uuid(std::string_view text, unsigned char* bytes) noexcept {
  if (text.size() != compact_id::uuid_text_size)
    return false;
  std::size_t nibble = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (is_dash_place(i)) {
      if (text[i] != '-')
        return false;
      continue;
    }
    int digit = hex_value(text[i]);
    if (digit < 0)
      return false;
    auto& byte = bytes[nibble / 2];
    byte = static_cast<unsigned char>(nibble % 2 == 0 ? digit << 4 : byte | digit);
    ++nibble;
  }
  return true;
}

void print_uuid(const unsigned char* bytes, char* text) noexcept {
  std::size_t nibble = 0;
  for (std::size_t i = 0; i < compact_id::uuid_text_size; ++i) {
    if (is_dash_place(i)) {
      text[i] = '-';
      continue;
    }
    auto byte = bytes[nibble / 2];
    text[i] = hex_digits[nibble % 2 == 0 ? byte >> 4 : byte & 15];
    ++nibble;
  }
}

} // namespace

compact_id::compact_id(std::string_view text) : compact_id() {
  if (text.size() <= inline_max) {
    if (!text.empty())
      std::memcpy(raw_, text.data(), text.size());
    raw_[last] = static_cast<unsigned char>(text.size());
  } else if (pack_uuid(text, raw_)) {
    raw_[last] = is_uuid;
  } else {
    heap_text h{new char[text.size()], text.size()};
    std::memcpy(h.chars, text.data(), text.size());
    std::memset(raw_, 0, sizeof raw_);
    std::memcpy(raw_, &h, sizeof h);
    raw_[last] = is_heap;
  }
}

compact_id::compact_id(const compact_id& other) : compact_id() {
  if (other.raw_[last] == is_heap)
    *this = compact_id{std::string_view{other.heap().chars, other.heap().size}};
  else
    std::memcpy(raw_, other.raw_, sizeof raw_);
}

compact_id::~compact_id() {
  if (raw_[last] == is_heap)
    delete[] heap().chars;
}

std::string_view compact_id::text(text_buffer& buffer) const noexcept {
  switch (raw_[last]) {
  case is_uuid:
    print_uuid(raw_, buffer.data());
    return {buffer.data(), buffer.size()};
  case is_heap:
    return {heap().chars, heap().size};
  default:
    return {reinterpret_cast<const char*>(raw_), raw_[last]};
  }
}

std::string compact_id::str() const {
  text_buffer buffer;
  return std::string{text(buffer)};
}

bool operator==(const compact_id& id, std::string_view text) noexcept {
  auto kind = id.raw_[compact_id::last];
  if (kind <= compact_id::inline_max)
    return kind == text.size() && std::memcmp(id.raw_, text.data(), text.size()) == 0;
  compact_id::text_buffer buffer;
  return id.text(buffer) == text;
}

std::size_t compact_id::heap_bytes() const noexcept {
  return raw_[last] == is_heap ? heap().size : 0;
}

std::string make_uuid(std::uint64_t high, std::uint64_t low) {
  unsigned char bytes[16];
  for (int i = 0; i < 8; ++i) {
    bytes[i] = static_cast<unsigned char>(high >> (56 - 8 * i));
    bytes[8 + i] = static_cast<unsigned char>(low >> (56 - 8 * i));
  }
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3f) | 0x80);
  std::string text(compact_id::uuid_text_size, '\0');
  print_uuid(bytes, text.data());
  return text;
}

} // namespace gemel
