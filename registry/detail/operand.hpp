#pragma once

#include "messages/value.hpp"
#include "registry/detail/syntax_tree.hpp"

#include <compare>
#include <cstdint>
#include <forward_list>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace gemel::detail {

/// Compares by exact numeric value: no integer is rounded. Unordered when `b` is a NaN.
inline std::partial_ordering compare(std::int64_t a, double b) noexcept {
  constexpr double bound = 9223372036854775808.0; // 2^63
  if (b >= bound)
    return std::partial_ordering::less;
  if (b < -bound)
    return std::partial_ordering::greater;
  if (b != b)
    return std::partial_ordering::unordered;
  auto whole = static_cast<std::int64_t>(b);
  if (a != whole)
    return a < whole ? std::partial_ordering::less : std::partial_ordering::greater;
  return 0.0 <=> b - static_cast<double>(whole);
}

/// Both must be numbers.
std::partial_ordering compare_numbers(const value& a, const value& b);

/// A value while it is worked on. Texts, bytes, lists and maps lie elsewhere: in what is bound, in
/// the program's constants, or in the `scratch`.
struct operand {
  enum class tag : std::uint8_t { missing, null, boolean, integer, real, text, compound };

  struct chars_place {
    const char* chars;
    std::size_t size;
  };

  tag kind;
  union {
    bool flag;
    std::int64_t whole;
    double real;
    chars_place text;
    const value* compound; // bytes, list or map
  };

  static operand of_missing() noexcept { return make(tag::missing); }
  static operand of(bool flag) noexcept {
    auto made = make(tag::boolean);
    made.flag = flag;
    return made;
  }
  static operand of(std::int64_t whole) noexcept {
    auto made = make(tag::integer);
    made.whole = whole;
    return made;
  }
  static operand of(double real) noexcept {
    auto made = make(tag::real);
    made.real = real;
    return made;
  }
  static operand of(std::string_view text) noexcept {
    auto made = make(tag::text);
    made.text = {text.data(), text.size()};
    return made;
  }
  /// Null is missing. Holds on to `*bound` where it must.
  static operand of(const value* bound);

  bool is_true() const noexcept { return kind == tag::boolean && flag; }
  bool is_number() const noexcept { return kind == tag::integer || kind == tag::real; }
  bool is_text() const noexcept { return kind == tag::text; }
  bool is_absent() const noexcept { return kind <= tag::null; }
  bool is_list() const noexcept { return kind == tag::compound && compound->is_list(); }
  std::string_view chars() const noexcept { return {text.chars, text.size}; }
  double number() const noexcept {
    return kind == tag::integer ? static_cast<double>(whole) : real;
  }

  value to_value() const;

private:
  static operand make(tag kind) noexcept {
    operand made;
    made.kind = kind;
    return made;
  }
};

inline operand operand::of(const value* bound) {
  if (bound == nullptr)
    return of_missing();
  if (bound->is_real())
    return of(bound->as_real());
  if (bound->is_integer())
    return of(bound->as_integer());
  if (bound->is_text())
    return of(bound->as_text());
  if (bound->is_bool())
    return of(bound->as_bool());
  if (bound->is_null())
    return make(tag::null);
  auto made = make(tag::compound);
  made.compound = bound;
  return made;
}

/// Room for texts that a function makes; the first ones need no heap.
class scratch {
public:
  scratch() noexcept {}
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;

  /// `size` bytes that live as long as this.
  std::span<char> take(std::size_t size);

private:
  char small_[64];
  std::size_t used_ = 0;
  std::forward_list<std::string> more_;
};

/// The rules of comparison of expression.hpp.
bool compare(comparison_kind comparison, const operand& a, const operand& b);

/// What a numeric order says to a comparison; nothing is unordered but a NaN.
inline bool holds(comparison_kind comparison, std::partial_ordering order) noexcept {
  switch (comparison) {
  case comparison_kind::equal:
    return order == 0;
  case comparison_kind::unequal:
    return order != 0;
  case comparison_kind::less:
    return order < 0;
  case comparison_kind::less_equal:
    return order <= 0;
  case comparison_kind::greater:
    return order > 0;
  case comparison_kind::greater_equal:
    return order >= 0;
  }
  return false;
}

operand calculate(arithmetic_kind arithmetic, const operand& a, const operand& b) noexcept;
operand negate(const operand& a) noexcept;

/// Whether `list` is a list with an element equal to `wanted`.
bool has_element(const operand& list, const operand& wanted);

bool is_like(const operand& text, const operand& pattern) noexcept;

/// Calls `function` with as many arguments as it takes.
operand call(function_id function, const operand* arguments, scratch& room);

} // namespace gemel::detail
