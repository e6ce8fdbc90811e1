#pragma once

#include "messages/fault.hpp"
#include "messages/text.hpp"
#include "messages/value.hpp"

#include <cstddef>
#include <string>
#include <string_view>

namespace gemel {

/// Bytes of one workflow or rule document; a larger one is some other file.
inline constexpr std::size_t json_document_bytes_max = 1u << 20;

/// A JSON document from outside, read whole. Keeps its text, so that whoever finds a fault in the
/// content names it by its JSON pointer alone and the line and column are found then.
class json_document {
public:
  /// @param file stands in the faults; may be empty.
  /// @returns all faults at once: errc::bad_syntax with line and column for what is no JSON and for
  ///          keys that stand twice, errc::limit_reached above `json_document_bytes_max` and the
  ///          bounds of values.
  static tl::expected<json_document, fault_list> parse(std::string text, std::string file);

  const value& root() const noexcept { return root_; }
  const std::string& text() const noexcept { return text_; }
  const std::string& file() const noexcept { return file_; }

  /// Where the value that `pointer` (RFC 6901) names begins; where a step leads nowhere, the last
  /// value on the way.
  text_place place_of(std::string_view pointer) const;

  /// Gives each fault that has a pointer but no place its file, line and column, and orders them.
  void place(fault_list& faults) const;

private:
  json_document(std::string text, std::string file, value root)
      : text_{std::move(text)}, file_{std::move(file)}, root_{std::move(root)} {}

  std::string text_;
  std::string file_;
  value root_;
};

} // namespace gemel
