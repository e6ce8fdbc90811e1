#include "registry/detail/program.hpp"

#include <algorithm>
#include <array>

namespace gemel::detail {

namespace {

class emitter {
public:
  explicit emitter(program& made) : made_(made) {}

  void emit(const node& what) {
    switch (what.kind) {
    case node_kind::constant:
      return push({.code = opcode::push_constant, .a = add_constant(what.constant)}, 1);
    case node_kind::reference:
      return push({.code = opcode::push_reference, .a = index(what.reference)}, 1);
    case node_kind::logical_or:
      return emit_joined(what.children, opcode::jump_if_true);
    case node_kind::logical_and:
      return emit_joined(what.children, opcode::jump_if_false);
    case node_kind::comparison:
      return emit_comparison(what);
    case node_kind::in_list:
      return emit_in_list(what.children);
    case node_kind::fallback:
      return emit_fallback(what.children);
    default:
      emit_all(what.children);
      return emit_plain(what);
    }
  }

private:
  static std::uint32_t index(std::size_t position) { return static_cast<std::uint32_t>(position); }

  // `change`: how many operands more there are behind it.
  void push(instruction next, int change) {
    made_.code.push_back(next);
    operands_ += change;
    GEMEL_CHECK(operands_ >= 1);
    GEMEL_CHECK(static_cast<std::size_t>(operands_) <= operands_max);
  }

  std::uint32_t add_constant(const value& constant) {
    made_.constants.push_back(constant);
    return index(made_.constants.size() - 1);
  }

  void emit_all(std::span<const node> nodes) {
    for (const auto& each : nodes)
      emit(each);
  }

  // Lets the jump at `from` go to what is emitted next.
  void land(std::size_t from) { made_.code[from].a = index(made_.code.size()); }

  std::size_t emit_jump(opcode code, int change) {
    push({.code = code}, change);
    return made_.code.size() - 1;
  }

  // A jump leaves its operand, falling through drops it.
  void emit_joined(std::span<const node> children, opcode jump) {
    std::vector<std::size_t> jumps;
    for (const auto& child : children.first(children.size() - 1)) {
      emit(child);
      made_.code.push_back({.code = jump});
      jumps.push_back(made_.code.size() - 1);
      --operands_;
    }
    emit(children.back());
    push({.code = opcode::to_bool}, 0);
    for (auto from : jumps)
      land(from);
  }

  void emit_comparison(const node& what) {
    const auto& left = what.children[0];
    const auto& right = what.children[1];
    if (left.kind == node_kind::reference && right.kind == node_kind::constant) {
      return push({.code = opcode::compare_reference_constant,
                   .comparison = what.comparison,
                   .a = index(left.reference),
                   .b = add_constant(right.constant)},
                  1);
    }
    emit_all(what.children);
    push({.code = opcode::compare, .comparison = what.comparison}, -1);
  }

  void emit_in_list(std::span<const node> children) {
    std::vector<std::size_t> jumps;
    emit(children.front());
    for (const auto& element : children.subspan(1)) {
      emit(element);
      jumps.push_back(emit_jump(opcode::match_element, -1));
    }
    push({.code = opcode::no_match}, 0);
    for (auto from : jumps)
      land(from);
  }

  void emit_fallback(std::span<const node> children) {
    emit(children[0]);
    made_.code.push_back({.code = opcode::jump_if_present});
    auto from = made_.code.size() - 1;
    --operands_;
    emit(children[1]);
    land(from);
  }

  void emit_plain(const node& what) {
    switch (what.kind) {
    case node_kind::logical_not:
      return push({.code = opcode::logical_not}, 0);
    case node_kind::is_null:
      return push({.code = opcode::is_null}, 0);
    case node_kind::in_path:
      return push({.code = opcode::in_path}, -1);
    case node_kind::like:
      return push({.code = opcode::like}, -1);
    case node_kind::between:
      return push({.code = opcode::between}, -2);
    case node_kind::arithmetic:
      return push({.code = opcode::arithmetic, .arithmetic = what.arithmetic}, -1);
    case node_kind::negation:
      return push({.code = opcode::negate}, 0);
    default:
      GEMEL_CHECK(what.kind == node_kind::call);
      return push(
          {.code = opcode::call, .function = what.function, .a = index(what.children.size())},
          1 - static_cast<int>(what.children.size()));
    }
  }

  program& made_;
  int operands_ = 0;
};

const value* resolve(const program& what, std::span<const value* const> bound, std::uint32_t i) {
  const auto& read = what.references[i];
  if (read.path.empty() || read.kind != reference_kind::path) [[likely]]
    return bound[i];
  return follow(bound[i], read.path);
}

bool compare_values(comparison_kind comparison, const value* a, const value& b) {
  if (a != nullptr && a->is_real() && b.is_real())
    return holds(comparison, a->as_real() <=> b.as_real());
  return compare(comparison, operand::of(a), operand::of(&b));
}

bool is_between(const operand* three) {
  return compare(comparison_kind::greater_equal, three[0], three[1])
         && compare(comparison_kind::less_equal, three[0], three[2]);
}

// Empty unless each instruction but the jumps and the last `to_bool` is such a comparison. An OR
// has jumps of another kind.
std::vector<instruction> conjuncts_of(const program& made) {
  std::vector<instruction> found;
  for (const auto& each : made.code) {
    if (each.code == opcode::jump_if_false || each.code == opcode::to_bool)
      continue;
    if (each.code != opcode::compare_reference_constant || !made.references[each.a].path.empty())
      return {};
    found.push_back(each);
  }
  return found;
}

// Whether the jump is taken. One that is leaves its operand (for AND and OR as a bool), one that is
// not drops it; the element of an IN is dropped in any case.
bool jumps(const instruction& now, operand*& top) {
  auto taken = false;
  switch (now.code) {
  case opcode::match_element:
    --top;
    if (compare(comparison_kind::equal, top[0], top[1])) {
      *top = operand::of(true);
      return true;
    }
    return false;
  case opcode::jump_if_present:
    taken = !top->is_absent();
    break;
  default:
    taken = top->is_true() == (now.code == opcode::jump_if_true);
    if (taken)
      *top = operand::of(now.code == opcode::jump_if_true);
  }
  if (!taken)
    --top;
  return taken;
}

// Takes the operands of `now` and leaves its result in the place of the first; returns that place.
operand* apply(const instruction& now, operand* top, scratch& room) {
  switch (now.code) {
  case opcode::compare:
    --top;
    *top = operand::of(compare(now.comparison, top[0], top[1]));
    break;
  case opcode::to_bool:
    *top = operand::of(top->is_true());
    break;
  case opcode::logical_not:
    *top = operand::of(!top->is_true());
    break;
  case opcode::is_null:
    *top = operand::of(top->is_absent());
    break;
  case opcode::no_match:
    *top = operand::of(false);
    break;
  case opcode::in_path:
    --top;
    *top = operand::of(has_element(top[1], top[0]));
    break;
  case opcode::like:
    --top;
    *top = operand::of(is_like(top[0], top[1]));
    break;
  case opcode::between:
    top -= 2;
    *top = operand::of(is_between(top));
    break;
  case opcode::arithmetic:
    --top;
    *top = calculate(now.arithmetic, top[0], top[1]);
    break;
  case opcode::negate:
    *top = negate(*top);
    break;
  default:
    GEMEL_CHECK(now.code == opcode::call);
    top -= now.a - 1;
    *top = call(now.function, top, room);
  }
  return top;
}

} // namespace

program make_program(syntax_tree tree) {
  program made;
  made.text = print_expression(tree);
  made.references = std::move(tree.references);
  emitter{made}.emit(tree.root);
  made.conjuncts = conjuncts_of(made);
  return made;
}

bool test(const program& what, std::span<const value* const> bound) {
  if (what.conjuncts.empty()) {
    scratch room;
    return run(what, bound, room).is_true();
  }
  for (const auto& each : what.conjuncts)
    if (!compare_values(each.comparison, bound[each.a], what.constants[each.b]))
      return false;
  return true;
}

operand run(const program& what, std::span<const value* const> bound, scratch& room) {
  std::array<operand, operands_max + 1> operands; // left as it is: clearing it would cost the most
  auto* top = operands.data();                    // the last operand; the first place stays free
  const auto* first = what.code.data();
  const auto* end = first + what.code.size();
  for (const auto* next = first; next != end;) {
    const auto& now = *next++;
    switch (now.code) {
    case opcode::push_constant:
      *++top = operand::of(&what.constants[now.a]);
      break;
    case opcode::push_reference:
      *++top = operand::of(resolve(what, bound, now.a));
      break;
    case opcode::compare_reference_constant:
      *++top = operand::of(
          compare_values(now.comparison, resolve(what, bound, now.a), what.constants[now.b]));
      break;
    case opcode::jump_if_false:
    case opcode::jump_if_true:
    case opcode::jump_if_present:
    case opcode::match_element:
      if (jumps(now, top))
        next = first + now.a;
      break;
    default:
      top = apply(now, top, room);
    }
  }
  return *top;
}

} // namespace gemel::detail
