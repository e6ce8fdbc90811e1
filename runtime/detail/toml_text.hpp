#pragma once

#include "messages/fault.hpp"
#include "messages/text.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// The only file pair that knows the TOML library.
namespace gemel::detail {

/// A table; its members are entries of their own.
struct toml_table {};
/// A value of a kind that no option has, by its name for people, such as `a list`.
struct toml_other {
  std::string_view name;
};

/// A list of texts, maybe empty.
using toml_texts = std::vector<std::string>;

using toml_value =
    std::variant<toml_table, toml_other, std::string, std::int64_t, double, bool, toml_texts>;

/// The kind of a value for people: `a text`, `an integer`, `a section`...
std::string_view kind_name(const toml_value& content) noexcept;

/// One key of a document with its value.
struct toml_entry {
  /// From the root, 1 to 5 steps; what lies deeper is left out, its table being wrong already.
  std::vector<std::string> path;
  toml_value content;
  text_place key_place;
  text_place value_place;
};

struct toml_text {
  /// A table stands before its members. Incomplete when there are faults.
  std::vector<toml_entry> entries;
  /// Everything that is not TOML.
  fault_list faults;
};

/// Reads a document. After a fault that is confined to its line (a broken value, a key that stands
/// twice) it goes on behind it, so that all faults of a document come at once.
toml_text read_toml(std::string_view text, std::string_view file);

/// Reads what can stand behind `key = `, and nothing else; nothing if it is not TOML.
std::optional<toml_value> read_toml_value(std::string_view text);

} // namespace gemel::detail
