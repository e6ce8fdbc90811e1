#pragma once

#include "messages/message.capnp.h"
#include "messages/value.hpp"

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
