#pragma once

#include "messages/text.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Where things stand in a JSON text: for faults, which name a place that a read value has lost.
namespace gemel {

/// Finds the bounds of values in a JSON text without reading them; in a malformed text it stops
/// somewhere, but never beyond the end.
class json_scanner {
public:
  explicit json_scanner(std::string_view text, std::size_t offset = 0) : text_{text}, at_{offset} {}

  std::size_t offset() const noexcept { return at_; }
  bool done() const noexcept { return at_ >= text_.size(); }
  char peek() const noexcept { return done() ? '\0' : text_[at_]; }

  void skip_space() noexcept;

  /// Takes `c` if it is next, blanks before it left out.
  bool accept(char c) noexcept;

  /// The next value as it stands, blanks before it left out.
  std::string_view value_text() noexcept;

private:
  void skip_string() noexcept;
  void skip_brackets() noexcept;

  std::string_view text_;
  std::size_t at_;
};

/// A member of an object as it stands.
struct json_member {
  std::string key{};
  std::size_t key_offset = 0;
  std::size_t value_offset = 0;
};

/// The members of the object at `offset` of a text that is known to be JSON, in their order, also
/// those whose key stands twice; none if it is no object.
std::vector<json_member> json_members(std::string_view text, std::size_t offset);

/// `/` and `key` with `~` and `/` escaped (RFC 6901).
std::string json_pointer_step(std::string_view key);

/// The offset of the value that `pointer` names in a text that is known to be JSON; where a step
/// leads nowhere, that of the last value on the way.
std::size_t json_offset_of(std::string_view text, std::string_view pointer);

} // namespace gemel
