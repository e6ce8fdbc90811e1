#pragma once

#include "messages/error.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace gemel {

/// What a property can hold. The numbers are part of the wire format.
enum class value_kind : std::uint8_t {
  null = 0,
  boolean = 1,
  integer = 2,
  real = 3,
  text = 4,
  bytes = 5,
  list = 6,
  map = 7,
};

/// The kind as text: `null`, `bool`, `int`, `double`, `text`, `bytes`, `list`, `map`.
std::string_view to_string(value_kind kind) noexcept;

struct map_member;

/// One immutable property value in 16 bytes. Texts of up to 14 bytes lie inside it; longer texts,
/// bytes, lists and maps are shared, reference-counted and never change, so that a copy (the old
/// value of an event) costs one counter. Copies may be used from several threads at once.
class value {
public:
  /// Text bytes that need no heap.
  static constexpr std::size_t inline_text_max = 14;

  value() noexcept { std::memset(raw_, 0, sizeof raw_); }
  value(std::nullptr_t) noexcept : value() {}
  value(bool flag) noexcept : value() {
    raw_[0] = static_cast<unsigned char>(flag);
    tag(tag_boolean);
  }
  template <class Number>
  requires(std::is_integral_v<Number> && !std::is_same_v<Number, bool>) value(Number number)
  noexcept : value() {
    store(static_cast<std::int64_t>(number));
    tag(tag_integer);
  }
  value(double number) noexcept : value() {
    store(number);
    tag(tag_real);
  }
  /// UTF-8; the caller answers for it (doors check what comes from outside).
  value(std::string_view text);
  value(const char* text) : value(std::string_view{text}) {}
  value(const std::string& text) : value(std::string_view{text}) {}
  /// A list; the order is kept.
  explicit value(std::vector<value> elements);
  /// A map; members are sorted by key, of equal keys the last one stays.
  explicit value(std::vector<map_member> members);
  /// Bytes that are no text.
  static value of_bytes(std::span<const std::byte> bytes);

  value(const value& other) noexcept {
    std::memcpy(raw_, other.raw_, sizeof raw_);
    if (on_heap())
      retain();
  }
  value(value&& other) noexcept {
    std::memcpy(raw_, other.raw_, sizeof raw_);
    std::memset(other.raw_, 0, sizeof other.raw_);
  }
  value& operator=(const value& other) noexcept {
    value copy{other};
    swap(copy);
    return *this;
  }
  value& operator=(value&& other) noexcept {
    swap(other);
    return *this;
  }
  ~value() {
    if (on_heap())
      release();
  }

  void swap(value& other) noexcept {
    unsigned char aside[sizeof raw_];
    std::memcpy(aside, raw_, sizeof raw_);
    std::memcpy(raw_, other.raw_, sizeof raw_);
    std::memcpy(other.raw_, aside, sizeof raw_);
  }

  value_kind kind() const noexcept;
  bool is_null() const noexcept { return tag() == tag_null; }
  bool is_bool() const noexcept { return tag() == tag_boolean; }
  bool is_integer() const noexcept { return tag() == tag_integer; }
  bool is_real() const noexcept { return tag() == tag_real; }
  bool is_number() const noexcept { return is_integer() || is_real(); }
  bool is_text() const noexcept { return tag() == tag_inline_text || tag() == tag_heap_text; }
  bool is_bytes() const noexcept { return tag() == tag_bytes; }
  bool is_list() const noexcept { return tag() == tag_list; }
  bool is_map() const noexcept { return tag() == tag_map; }

  /// The content; GEMEL_CHECKs that the kind is right.
  bool as_bool() const {
    GEMEL_CHECK(is_bool());
    return raw_[0] != 0;
  }
  std::int64_t as_integer() const {
    GEMEL_CHECK(is_integer());
    return load<std::int64_t>();
  }
  double as_real() const {
    GEMEL_CHECK(is_real());
    return load<double>();
  }
  /// Lives as long as this value (short texts lie inside it).
  std::string_view as_text() const {
    if (tag() == tag_inline_text)
      return {reinterpret_cast<const char*>(raw_), raw_[14]};
    GEMEL_CHECK(tag() == tag_heap_text);
    return heap_chars();
  }
  std::span<const std::byte> as_bytes() const;
  std::span<const value> as_list() const;
  /// Sorted by key.
  std::span<const map_member> as_map() const;

  /// An integer or real as double; nothing for every other kind.
  std::optional<double> number() const noexcept {
    if (is_real())
      return load<double>();
    if (is_integer())
      return static_cast<double>(load<std::int64_t>());
    return std::nullopt;
  }

  /// The member of a map, or null when this is no map or has no such member. Lives as long as this.
  const value* find(std::string_view key) const noexcept;

  /// Bytes on the heap that this value holds, shared ones counted fully.
  std::size_t heap_bytes() const noexcept { return on_heap() ? bytes_on_heap() : 0; }

  /// Identical: same kind and same content; a NaN is identical to itself, 1 is not 1.0.
  friend bool operator==(const value& left, const value& right) noexcept;

private:
  // The tag lies in the last byte; heap tags are the largest, so that one compare finds them.
  static constexpr unsigned char tag_null = 0;
  static constexpr unsigned char tag_boolean = 1;
  static constexpr unsigned char tag_integer = 2;
  static constexpr unsigned char tag_real = 3;
  static constexpr unsigned char tag_inline_text = 4;
  static constexpr unsigned char tag_heap_text = 5;
  static constexpr unsigned char tag_bytes = 6;
  static constexpr unsigned char tag_list = 7;
  static constexpr unsigned char tag_map = 8;

  struct chars_block;
  struct list_block;
  struct map_block;
  using refs = std::atomic<std::uint32_t>;

  unsigned char tag() const noexcept { return raw_[15]; }
  void tag(unsigned char t) noexcept { raw_[15] = t; }
  bool on_heap() const noexcept { return tag() >= tag_heap_text; }
  std::size_t bytes_on_heap() const noexcept;
  template <class T>
  T load() const noexcept {
    T content;
    std::memcpy(&content, raw_, sizeof(T)); // NOLINT(bugprone-sizeof-expression): of a pointer
    return content;
  }
  template <class T>
  void store(T content) noexcept {
    std::memcpy(raw_, &content, sizeof(T)); // NOLINT(bugprone-sizeof-expression): of a pointer
  }
  void set_chars(std::string_view chars, unsigned char t);
  std::string_view heap_chars() const noexcept;
  void retain() const noexcept;
  void release() noexcept;

  alignas(8) unsigned char raw_[16];
};

static_assert(sizeof(value) == 16);

/// One member of a map value.
struct map_member {
  std::string key;
  value content;

  friend bool operator==(const map_member&, const map_member&) = default;
};

using value_list = std::vector<value>;
using value_map = std::vector<map_member>;

/// The value as compact JSON: bytes as `{"$bytes": "<base64>"}`, a NaN or infinity as
/// `{"$double": "nan" | "inf" | "-inf"}`, since JSON has neither; `value_from_json` reads both
/// back.
std::string to_json(const value& content);

/// Appends what `to_json` makes; for building larger texts without copies.
void append_json(std::string& text, const value& content);

/// Appends `text` as a JSON string with its quotes.
void append_json_text(std::string& out, std::string_view text);

/// Reads one JSON document as a value. Integers that fit 64 bits signed become integers, all other
/// numbers reals.
/// @returns errc::bad_syntax with line and column; errc::limit_reached beyond `value_depth_max`,
///          `value_elements_max`, `text_bytes_max` or `key_bytes_max`.
result<value> value_from_json(std::string_view text);

/// The value for people: texts without quotes, all else as JSON.
std::string to_string(const value& content);

} // namespace gemel
