#include "registry/detail/operand.hpp"

#include <algorithm>
#include <cmath>

namespace gemel::detail {

namespace {

using tag = operand::tag;

bool continues_character(char c) noexcept {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

std::partial_ordering compare_numbers(const operand& a, const operand& b) noexcept {
  if (a.kind == tag::integer)
    return b.kind == tag::integer ? std::partial_ordering{a.whole <=> b.whole}
                                  : compare(a.whole, b.real);
  return b.kind == tag::real ? a.real <=> b.real : 0 <=> compare(b.whole, a.real);
}

// Lists and maps have no order, bytes have.
bool compare_compounds(comparison_kind comparison, const value& a, const value& b) {
  if (a.is_bytes() && b.is_bytes()) {
    auto x = a.as_bytes();
    auto y = b.as_bytes();
    return holds(comparison,
                 std::lexicographical_compare_three_way(x.begin(), x.end(), y.begin(), y.end()));
  }
  return (comparison == comparison_kind::equal && a == b)
         || (comparison == comparison_kind::unequal && !(a == b));
}

// Unordered: of kinds that do not compare.
std::partial_ordering order_of(const operand& a, const operand& b) {
  if (a.is_number() && b.is_number())
    return compare_numbers(a, b);
  if (a.kind != b.kind)
    return std::partial_ordering::unordered;
  switch (a.kind) {
  case tag::text:
    return a.chars() <=> b.chars(); // byte order of UTF-8 is the order of code points
  case tag::boolean:
    return a.flag <=> b.flag;
  default:
    return std::partial_ordering::unordered;
  }
}

operand calculate_wholes(arithmetic_kind arithmetic, std::int64_t a, std::int64_t b,
                         bool& fits) noexcept {
  std::int64_t whole = 0;
  switch (arithmetic) {
  case arithmetic_kind::add:
    fits = !__builtin_add_overflow(a, b, &whole);
    break;
  case arithmetic_kind::subtract:
    fits = !__builtin_sub_overflow(a, b, &whole);
    break;
  case arithmetic_kind::multiply:
    fits = !__builtin_mul_overflow(a, b, &whole);
    break;
  case arithmetic_kind::divide:
    // The only quotient that does not fit is that of the least integer by -1.
    if (b == -1)
      fits = !__builtin_sub_overflow(std::int64_t{0}, a, &whole);
    else if ((fits = a % b == 0))
      whole = a / b;
    break;
  case arithmetic_kind::remainder:
    whole = b == -1 ? 0 : a % b;
    break;
  }
  return operand::of(whole);
}

operand calculate_reals(arithmetic_kind arithmetic, double a, double b) noexcept {
  switch (arithmetic) {
  case arithmetic_kind::add:
    return operand::of(a + b);
  case arithmetic_kind::subtract:
    return operand::of(a - b);
  case arithmetic_kind::multiply:
    return operand::of(a * b);
  case arithmetic_kind::divide:
    return operand::of(a / b);
  case arithmetic_kind::remainder:
    return operand::of(std::fmod(a, b));
  }
  return operand::of_missing();
}

operand call_number(function_id function, const operand& a) noexcept {
  if (!a.is_number())
    return operand::of_missing();
  if (function == function_id::sqrt)
    return a.number() < 0 ? operand::of_missing() : operand::of(std::sqrt(a.number()));
  if (a.kind == tag::integer)
    return function == function_id::abs && a.whole < 0 ? negate(a) : a;
  switch (function) {
  case function_id::abs:
    return operand::of(std::fabs(a.real));
  case function_id::round:
    return operand::of(std::round(a.real));
  case function_id::floor:
    return operand::of(std::floor(a.real));
  default:
    return operand::of(std::ceil(a.real));
  }
}

bool call_search(function_id function, const operand& a, const operand& b) {
  if (function == function_id::contains && a.is_list())
    return has_element(a, b);
  if (!a.is_text() || !b.is_text())
    return false;
  if (function == function_id::starts_with)
    return a.chars().starts_with(b.chars());
  if (function == function_id::ends_with)
    return a.chars().ends_with(b.chars());
  return a.chars().find(b.chars()) != std::string_view::npos;
}

operand call_case(const operand& a, char first, int distance, scratch& room) {
  if (!a.is_text())
    return operand::of_missing();
  auto made = room.take(a.text.size);
  std::transform(a.chars().begin(), a.chars().end(), made.begin(), [&](char c) {
    return c >= first && c < first + 26 ? static_cast<char>(c + distance) : c;
  });
  return operand::of(std::string_view{made.data(), made.size()});
}

operand length(const operand& a) {
  auto whole = [](std::size_t count) { return operand::of(static_cast<std::int64_t>(count)); };
  if (a.is_text())
    return whole(a.text.size
                 - static_cast<std::size_t>(
                     std::count_if(a.chars().begin(), a.chars().end(), continues_character)));
  if (a.kind != tag::compound)
    return operand::of_missing();
  if (a.compound->is_bytes())
    return whole(a.compound->as_bytes().size());
  return whole(a.is_list() ? a.compound->as_list().size() : a.compound->as_map().size());
}

// The text behind its first character.
std::string_view behind_character(std::string_view text) noexcept {
  std::size_t length = 1;
  while (length < text.size() && continues_character(text[length]))
    ++length;
  return text.substr(length);
}

} // namespace

std::partial_ordering compare_numbers(const value& a, const value& b) {
  return compare_numbers(operand::of(&a), operand::of(&b));
}

value operand::to_value() const {
  switch (kind) {
  case tag::boolean:
    return flag;
  case tag::integer:
    return whole;
  case tag::real:
    return real;
  case tag::text:
    return chars();
  case tag::compound:
    return *compound;
  default:
    return {};
  }
}

std::span<char> scratch::take(std::size_t size) {
  if (size <= sizeof small_ - used_) {
    auto* begin = small_ + used_;
    used_ += size;
    return {begin, size};
  }
  return more_.emplace_front(size, '\0');
}

bool compare(comparison_kind comparison, const operand& a, const operand& b) {
  if (a.is_absent() || b.is_absent())
    return false;
  if (a.kind == tag::compound && b.kind == tag::compound)
    return compare_compounds(comparison, *a.compound, *b.compound);
  return holds(comparison, order_of(a, b));
}

operand calculate(arithmetic_kind arithmetic, const operand& a, const operand& b) noexcept {
  if (!a.is_number() || !b.is_number())
    return operand::of_missing();
  if (arithmetic >= arithmetic_kind::divide && b.number() == 0)
    return operand::of_missing();
  if (a.kind == tag::integer && b.kind == tag::integer) {
    auto fits = true;
    auto whole = calculate_wholes(arithmetic, a.whole, b.whole, fits);
    if (fits)
      return whole;
  }
  return calculate_reals(arithmetic, a.number(), b.number());
}

operand negate(const operand& a) noexcept {
  if (a.kind == tag::real)
    return operand::of(-a.real);
  return calculate(arithmetic_kind::subtract, operand::of(std::int64_t{0}), a);
}

bool has_element(const operand& list, const operand& wanted) {
  if (!list.is_list())
    return false;
  auto elements = list.compound->as_list();
  return std::any_of(elements.begin(), elements.end(), [&](const value& element) {
    return compare(comparison_kind::equal, operand::of(&element), wanted);
  });
}

// Greedy with one point to come back to: after a `%`, all earlier ones are settled.
bool is_like(const operand& text_operand, const operand& pattern_operand) noexcept {
  if (!text_operand.is_text() || !pattern_operand.is_text())
    return false;
  auto text = text_operand.chars();
  auto pattern = pattern_operand.chars();
  std::optional<std::string_view> pattern_back; // behind the last `%`
  std::string_view text_back;                   // what it has not taken yet
  while (!text.empty() || !pattern.empty()) {
    if (!pattern.empty() && pattern.front() == '%') {
      pattern.remove_prefix(1);
      pattern_back = pattern;
      text_back = text;
    } else if (!pattern.empty() && !text.empty() && pattern.front() == '_') {
      pattern.remove_prefix(1);
      text = behind_character(text);
    } else if (!pattern.empty() && !text.empty() && pattern.front() == text.front()) {
      pattern.remove_prefix(1);
      text.remove_prefix(1);
    } else {
      if (!pattern_back || text_back.empty())
        return false;
      text_back = behind_character(text_back);
      text = text_back;
      pattern = *pattern_back;
    }
  }
  return true;
}

operand call(function_id function, const operand* arguments, scratch& room) {
  const auto& a = arguments[0];
  switch (function) {
  case function_id::starts_with:
  case function_id::ends_with:
  case function_id::contains:
    return operand::of(call_search(function, a, arguments[1]));
  case function_id::lower:
    return call_case(a, 'A', 'a' - 'A', room);
  case function_id::upper:
    return call_case(a, 'a', 'A' - 'a', room);
  case function_id::length:
    return length(a);
  case function_id::is_defined:
    return operand::of(a.kind != tag::missing);
  case function_id::is_number:
    return operand::of(a.is_number());
  case function_id::is_text:
    return operand::of(a.is_text());
  case function_id::is_bool:
    return operand::of(a.kind == tag::boolean);
  default:
    return call_number(function, a);
  }
}

} // namespace gemel::detail
