#pragma once

#include "messages/records.hpp"

#include <string>
#include <vector>

/// Twins as texts that bulk creates and updates read back: values keep their kinds.
namespace gemel {

/// A twin in one line of JSON, with its line feed: `id`, `type`, `parent` (null for a root),
/// `properties`.
std::string twin_line(const twin_record& twin);

/// The line of what a query selected: `id` and, as `properties`, the selected values.
std::string selected_line(const twin_record& twin);

/// Twins as CSV: `id`, `type`, `parent` and a column for each property. A text that would be read
/// as something else (`20.5`, `true`) is written as JSON, in quotes of its own; so are bytes, lists
/// and maps.
class csv_writer {
public:
  /// @param keys the properties, in the order of their columns.
  /// @param is_twin with `type` and `parent`.
  csv_writer(std::vector<std::string> keys, bool is_twin);

  std::string header() const;
  std::string row(const twin_record& twin) const;

private:
  std::vector<std::string> keys_;
  bool is_twin_;
};

/// How a value stands in a CSV field.
std::string csv_text(const value& content);

} // namespace gemel
