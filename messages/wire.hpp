#pragma once

#include "messages/message.capnp.h"
#include "messages/value.hpp"

#include <capnp/any.h>

#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace gemel {

/// Text of a frame without a copy; lives as long as the frame.
inline std::string_view text_of(capnp::Text::Reader text) noexcept {
  return {text.begin(), text.size()};
}

/// A Cap'n Proto text that points to `text`, whose bytes need no zero behind them.
void set_text(capnp::Text::Builder target, std::string_view text);

/// Brings a struct of a frame into the cache.
template <class Reader>
void prefetch_struct(Reader of) noexcept {
  __builtin_prefetch(capnp::AnyStruct::Reader{of}.getDataSection().begin());
}

/// Brings the beginning of what a struct's first pointer leads to into the cache; the struct itself
/// should be there already. Source: Cap'n Proto's encoding specification: the low 32 bits of a list
/// or struct pointer are two bits of kind and the signed distance in words from its end.
template <class Reader>
void prefetch_first_pointer(Reader of) noexcept {
  auto data = capnp::AnyStruct::Reader{of}.getDataSection();
  std::int64_t pointer = 0;
  std::memcpy(&pointer, data.end(), sizeof pointer);
  const auto* target = data.end() + sizeof pointer
                       + (static_cast<std::int32_t>(pointer) >> 2) * std::int64_t{sizeof pointer};
  __builtin_prefetch(target);
  constexpr std::size_t cache_line = 64;
  __builtin_prefetch(target + cache_line);
}

/// Reads a checked wire value. Texts of up to 14 bytes and numbers need no heap.
value read_value(wire::Value::Reader wire_value);

/// Writes `content` into `target`; the key is left alone.
void write_value(wire::Value::Builder target, const value& content);

/// Spells each key or type once a message and gives it a number, in the order of first use.
class name_table {
public:
  /// The number of `name`. At most 65,536 names; GEMEL_CHECKs that.
  std::uint16_t intern(std::string_view name);

  std::span<const std::string> names() const noexcept { return names_; }

  /// Writes the table into a list made by `init(table.names().size())`.
  void write(capnp::List<capnp::Text>::Builder target) const;

private:
  std::vector<std::string> names_;
  // Made when there are too many names to look at each.
  std::unordered_map<std::string, std::uint16_t> index_;
};

} // namespace gemel
