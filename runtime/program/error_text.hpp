#pragma once

#include "messages/error.hpp"
#include "messages/text.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace gemel {

/// An expression that was part of a request, to show it when it is refused.
struct asked_expression {
  /// The field as errors name it, such as `where` or `select[1]`.
  std::string field;
  std::string text;
};

/// The place that an error's context names, as in `where, line 1, column 5: ...`.
std::optional<text_place> place_in(std::string_view context);

/// `gemel: code: context` and a line feed, without control characters.
std::string error_line(const error& why);

/// The line of `text` that the place is in, and a caret below its column; two lines, indented.
std::string caret_lines(std::string_view text, text_place place);

} // namespace gemel
