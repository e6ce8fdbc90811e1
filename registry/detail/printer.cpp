#include "registry/detail/syntax_tree.hpp"

#include <algorithm>

namespace gemel::detail {

namespace {

// How tightly a node binds, as in the grammar of expression.hpp.
enum class rank : std::uint8_t { any, conjunction, negation, test, sum, product, unary, primary };

rank rank_of(const node& what) noexcept;

// `x NOT IN (...)`, `x NOT LIKE y`, `x NOT BETWEEN y AND z`, `x IS NOT NULL` are negations that are
// written as one test.
bool is_negated_test(const node& what) noexcept {
  if (what.kind != node_kind::logical_not)
    return false;
  switch (what.children.front().kind) {
  case node_kind::is_null:
  case node_kind::in_list:
  case node_kind::in_path:
  case node_kind::like:
  case node_kind::between:
    return true;
  default:
    return false;
  }
}

rank rank_of(const node& what) noexcept {
  switch (what.kind) {
  case node_kind::logical_or:
    return rank::any;
  case node_kind::logical_and:
    return rank::conjunction;
  case node_kind::logical_not:
    return is_negated_test(what) ? rank::test : rank::negation;
  case node_kind::comparison:
  case node_kind::is_null:
  case node_kind::in_list:
  case node_kind::in_path:
  case node_kind::like:
  case node_kind::between:
    return rank::test;
  case node_kind::arithmetic:
    return what.arithmetic <= arithmetic_kind::subtract ? rank::sum : rank::product;
  case node_kind::negation:
    return rank::unary;
  default:
    return rank::primary;
  }
}

constexpr std::string_view comparison_symbols[] = {" = ", " != ", " < ", " <= ", " > ", " >= "};
constexpr std::string_view arithmetic_symbols[] = {" + ", " - ", " * ", " / ", " % "};

std::string quoted(std::string_view content, char quote) {
  std::string text(1, quote);
  for (auto c : content)
    text.append(c == quote ? 2 : 1, c);
  return text += quote;
}

class printer {
public:
  explicit printer(std::span<const reference> references) : references_(references) {}

  // In parentheses if `what` binds less tightly than `least`.
  void print(const node& what, rank least) {
    auto enclosed = rank_of(what) < least;
    if (enclosed)
      out_ += '(';
    print_bare(what);
    if (enclosed)
      out_ += ')';
  }

  std::string take() { return std::move(out_); }

private:
  void print_bare(const node& what) {
    switch (what.kind) {
    case node_kind::constant:
      return print_constant(what.constant);
    case node_kind::reference:
      out_ += to_string(references_[what.reference]);
      return;
    case node_kind::logical_or:
      return print_all(what.children, " OR ", rank::conjunction);
    case node_kind::logical_and:
      return print_all(what.children, " AND ", rank::negation);
    case node_kind::logical_not:
      return print_not(what);
    case node_kind::comparison:
      return print_all(what.children, comparison_symbols[static_cast<std::size_t>(what.comparison)],
                       rank::sum);
    case node_kind::arithmetic:
      return print_arithmetic(what);
    case node_kind::negation:
      out_ += '-';
      return print(what.children.front(), rank::unary);
    case node_kind::call:
      return print_call(what);
    case node_kind::fallback:
      return print_fallback(what);
    default:
      return print_test(what, "");
    }
  }

  void print_all(std::span<const node> children, std::string_view between, rank least) {
    for (const auto& child : children) {
      if (&child != children.data())
        out_ += between;
      print(child, least);
    }
  }

  void print_constant(const value& constant) {
    if (constant.is_text())
      out_ += quoted(constant.as_text(), '\'');
    else if (constant.is_null() || constant.is_bool())
      out_ += constant.is_null() ? "NULL" : constant.as_bool() ? "TRUE" : "FALSE";
    else
      append_json(out_, constant);
  }

  void print_not(const node& what) {
    if (is_negated_test(what))
      return print_test(what.children.front(), "NOT ");
    out_ += "NOT ";
    print(what.children.front(), rank::negation);
  }

  // The tests that have a NOT in their middle.
  void print_test(const node& what, std::string_view negation) {
    std::span<const node> children{what.children};
    print(children.front(), rank::sum);
    out_ += what.kind == node_kind::is_null ? " IS " : " ";
    out_ += negation;
    switch (what.kind) {
    case node_kind::is_null:
      out_ += "NULL";
      return;
    case node_kind::in_list:
      out_ += "IN (";
      print_all(children.subspan(1), ", ", rank::sum);
      out_ += ')';
      return;
    case node_kind::in_path:
      out_ += "IN ";
      return print(children[1], rank::primary);
    case node_kind::like:
      out_ += "LIKE ";
      return print(children[1], rank::sum);
    default:
      out_ += "BETWEEN ";
      return print_all(children.subspan(1), " AND ", rank::sum);
    }
  }

  void print_arithmetic(const node& what) {
    auto own = rank_of(what);
    print(what.children[0], own);
    out_ += arithmetic_symbols[static_cast<std::size_t>(what.arithmetic)];
    print(what.children[1], own == rank::sum ? rank::product : rank::unary);
  }

  void print_call(const node& what) {
    auto entry = std::find_if(std::begin(functions), std::end(functions),
                              [&](const auto& f) { return f.id == what.function; });
    out_ += entry->name;
    out_ += '(';
    print_all(what.children, ", ", rank::any);
    out_ += ')';
  }

  void print_fallback(const node& what) {
    print(what.children[0], rank::any);
    out_.back() = ','; // in place of the closing parenthesis
    out_ += ' ';
    print(what.children[1], rank::any);
    out_ += ')';
  }

  std::span<const reference> references_;
  std::string out_;
};

void append_name(std::string& out, const std::string& name) {
  auto plain = begins_name(name.front()) && std::all_of(name.begin(), name.end(), continues_name)
               && !is_keyword(name);
  out += plain ? name : quoted(name, '"');
}

void append_step(std::string& out, const path_step& step) {
  if (const auto* index = std::get_if<std::size_t>(&step)) {
    out += '[' + std::to_string(*index) + ']';
    return;
  }
  if (!out.empty())
    out += '.';
  append_name(out, std::get<std::string>(step));
}

} // namespace

std::string print_expression(const syntax_tree& tree) {
  printer out{tree.references};
  out.print(tree.root, rank::any);
  return out.take();
}

} // namespace gemel::detail

namespace gemel {

std::string_view to_string(aggregate_function function) noexcept {
  constexpr std::string_view names[] = {"",    "first", "last", "prev", "count",
                                        "sum", "avg",   "min",  "max"};
  return names[static_cast<std::size_t>(function)];
}

std::string to_string(const reference& what) {
  if (what.kind == reference_kind::model_test)
    return "is_of_model(" + detail::quoted(what.root, '\'') + ")";
  if (what.kind == reference_kind::capability_test)
    return "has_capability(" + detail::quoted(what.root, '\'') + ")";
  std::string path;
  for (const auto& name : {what.scope, what.root})
    if (!name.empty())
      detail::append_step(path, path_step{name});
  for (const auto& step : what.path)
    detail::append_step(path, step);
  if (what.kind == reference_kind::change_test)
    return "changed(" + path + ")";
  if (what.kind == reference_kind::aggregate)
    return std::string{to_string(what.function)} + "(" + path + ")";
  return path;
}

} // namespace gemel
