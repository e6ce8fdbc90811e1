#pragma once

#include "messages/limits.hpp"
#include "registry/detail/operand.hpp"
#include "registry/detail/syntax_tree.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace gemel::detail {

enum class opcode : std::uint8_t {
  push_constant,              // a: constant
  push_reference,             // a: reference
  compare_reference_constant, // a: reference, b: constant; `comparison`
  compare,                    // `comparison`
  jump_if_false,              // a: instruction; leaves `false`, else drops the operand
  jump_if_true,               // a: instruction; leaves `true`, else drops the operand
  to_bool,
  logical_not,
  is_null,
  match_element, // drops the element; if it equals the needle below, that is `true` and jumps to a
  no_match,      // the needle becomes `false`
  in_path,
  like,
  between,
  arithmetic, // `arithmetic`
  negate,
  call,            // `function`; a: number of arguments
  jump_if_present, // a: instruction; jumps over the fallback, else drops the operand
};

struct instruction {
  opcode code;
  comparison_kind comparison = comparison_kind::equal;
  arithmetic_kind arithmetic = arithmetic_kind::add;
  function_id function = function_id::abs;
  std::uint32_t a = 0;
  std::uint32_t b = 0;
};

/// Operands that a program may hold at once: a node needs at most three places (BETWEEN) while it
/// waits for the next one below it.
inline constexpr std::size_t operands_max = 3 * limits::expression_depth_max + 1;

/// A tree as a flat list of instructions for a machine with a stack.
struct program {
  std::vector<instruction> code;
  std::vector<value> constants;
  std::vector<reference> references;
  std::string text; // normalised
  /// The whole program once more if it is `reference op constant`, or an AND of such, all with
  /// plain references; else empty. All of them must hold.
  std::vector<instruction> conjuncts;
};

/// Lowers the tree. Recursion is bounded by the depth of the tree.
program make_program(syntax_tree tree);

/// Whether the result is true; does not need a stack when there are `conjuncts`.
bool test(const program& what, std::span<const value* const> bound);

/// The result lives as long as `bound`, `what` and `room`.
operand run(const program& what, std::span<const value* const> bound, scratch& room);

} // namespace gemel::detail
