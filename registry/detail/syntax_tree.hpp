#pragma once

#include "messages/value.hpp"
#include "registry/expression.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gemel::detail {

enum class node_kind : std::uint8_t {
  constant,
  reference,
  logical_or,  // two or more children, none of them an `or`
  logical_and, // two or more children, none of them an `and`
  logical_not,
  comparison,
  is_null,
  in_list, // the needle, then the elements
  in_path, // the needle, then the list
  like,
  between, // the value, the lower bound, the upper bound
  arithmetic,
  negation,
  call,
  fallback, // an aggregate, then what stands in for it
};

enum class comparison_kind : std::uint8_t {
  equal,
  unequal,
  less,
  less_equal,
  greater,
  greater_equal
};

enum class arithmetic_kind : std::uint8_t { add, subtract, multiply, divide, remainder };

enum class function_id : std::uint8_t {
  abs,
  round,
  floor,
  ceil,
  sqrt,
  starts_with,
  ends_with,
  contains,
  lower,
  upper,
  length,
  is_defined,
  is_number,
  is_text,
  is_bool,
};

/// An ordinary function of the language.
struct function_entry {
  std::string_view name;
  function_id id;
  std::size_t arguments;
};

inline constexpr function_entry functions[] = {
    {"abs", function_id::abs, 1},
    {"round", function_id::round, 1},
    {"floor", function_id::floor, 1},
    {"ceil", function_id::ceil, 1},
    {"sqrt", function_id::sqrt, 1},
    {"starts_with", function_id::starts_with, 2},
    {"ends_with", function_id::ends_with, 2},
    {"contains", function_id::contains, 2},
    {"lower", function_id::lower, 1},
    {"upper", function_id::upper, 1},
    {"length", function_id::length, 1},
    {"is_defined", function_id::is_defined, 1},
    {"is_number", function_id::is_number, 1},
    {"is_text", function_id::is_text, 1},
    {"is_bool", function_id::is_bool, 1},
};

inline constexpr std::string_view keywords[] = {"and", "or",   "not",     "in",   "like",
                                                "is",  "null", "between", "true", "false"};

/// One node of the tree; which members count depends on `kind`.
struct node {
  node_kind kind = node_kind::constant;
  comparison_kind comparison = comparison_kind::equal;
  arithmetic_kind arithmetic = arithmetic_kind::add;
  function_id function = function_id::abs;
  std::size_t depth = 1;     // nodes on the longest way down, at most expression_depth_max
  std::size_t reference = 0; // index into `syntax_tree::references`
  value constant;
  std::vector<node> children;
};

struct syntax_tree {
  node root;
  std::vector<reference> references; // distinct, by first appearance
};

/// Whether the two texts are the same but for the case of ASCII letters.
bool same_word(std::string_view a, std::string_view b) noexcept;

/// Whether `word` is a keyword, in any case.
bool is_keyword(std::string_view word) noexcept;

/// May begin, or go on in, a name without quotes.
bool begins_name(char c) noexcept;
bool continues_name(char c) noexcept;

/// Reads `text`, which is UTF-8 of at most `expression_bytes_max` bytes.
result<syntax_tree> parse_expression(std::string_view text, const expression_options& options);

/// The normalised text.
std::string print_expression(const syntax_tree& tree);

} // namespace gemel::detail
