#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace gemel {

/// A twin id in 24 bytes, as a million rows keep it: up to 23 bytes of text lie inside, a UUID in
/// its canonical lower-case form is packed into 16 bytes, longer texts have a heap block of their
/// own. Immutable.
class compact_id {
public:
  static constexpr std::size_t inline_max = 23;
  static constexpr std::size_t uuid_text_size = 36;

  compact_id() noexcept { std::memset(raw_, 0, sizeof raw_); }
  explicit compact_id(std::string_view text);
  compact_id(compact_id&& other) noexcept {
    std::memcpy(raw_, other.raw_, sizeof raw_);
    std::memset(other.raw_, 0, sizeof other.raw_);
  }
  compact_id(const compact_id& other);
  compact_id& operator=(compact_id other) noexcept {
    std::swap(raw_, other.raw_);
    return *this;
  }
  ~compact_id();

  bool empty() const noexcept { return raw_[last] == 0; }

  /// Room for the text of an id that is not stored as such.
  using text_buffer = std::array<char, uuid_text_size>;

  /// The text; lives as long as this id and `buffer`.
  std::string_view text(text_buffer& buffer) const noexcept;

  std::string str() const;

  friend bool operator==(const compact_id& id, std::string_view text) noexcept;

  /// Bytes on the heap.
  std::size_t heap_bytes() const noexcept;

private:
  // The last byte: 0 empty, 1 to 23 length of the inline text, else one of these.
  static constexpr std::size_t last = 23;
  static constexpr unsigned char is_uuid = 254;
  static constexpr unsigned char is_heap = 255;

  struct heap_text {
    char* chars;
    std::size_t size;
  };
  heap_text heap() const noexcept {
    heap_text h;
    std::memcpy(&h, raw_, sizeof h);
    return h;
  }

  alignas(8) unsigned char raw_[24];
};

static_assert(sizeof(compact_id) == 24);

/// A random (version 4) UUID made of 128 random bits, in canonical lower-case text (RFC 9562).
std::string make_uuid(std::uint64_t high, std::uint64_t low);

} // namespace gemel
