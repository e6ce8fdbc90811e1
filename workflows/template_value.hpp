#pragma once

#include "messages/fault.hpp"
#include "messages/value.hpp"
#include "registry/expression.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace gemel {

/// Finds what a reference stands for; null when it is missing. Must live until `render` returns.
using reference_resolver = std::function<const value*(const reference&)>;

/// What `of` evaluates to when its references are resolved by `resolve`.
value evaluate(const expression& of, const reference_resolver& resolve);
bool is_true(const expression& of, const reference_resolver& resolve);

/// A JSON value whose texts may hold expressions: `"${ steps.collect.result.avg }"`. A text that is
/// one expression becomes its value, of whatever kind, null when it is missing; expressions inside
/// a longer text become text there (nothing when missing). `$${` stands for `${`.
class template_value {
public:
  /// A constant null.
  template_value() = default;

  /// Compiles `source` and all below it. Faults are added with `pointer` and the step below it.
  static template_value compile(const value& source, const expression_options& options,
                                const std::string& pointer, fault_list& faults);

  /// Holds no expression: `render` needs no resolver.
  bool is_constant() const noexcept { return node_ == nullptr || node_->constant; }

  value render(const reference_resolver& resolve) const;

  /// Calls `each` for every reference of every expression, with the pointer where it stands.
  void for_each_reference(
      const std::function<void(const reference&, const std::string& pointer)>& each) const;

private:
  struct part {
    // A literal, or an expression.
    std::string text{};
    std::optional<expression> code{};
  };
  struct node {
    bool constant = true;
    value literal{};
    std::string pointer{};
    // Of a text with expressions.
    std::vector<part> parts{};
    // Of a list or map with expressions below.
    std::vector<std::string> keys{};
    std::vector<std::unique_ptr<node>> elements{};
    bool is_map = false;
  };

  static std::unique_ptr<node> compile_node(const value& source, const expression_options& options,
                                            const std::string& pointer, fault_list& faults);
  static void compile_text(node& into, std::string_view text, const expression_options& options,
                           fault_list& faults);
  static value render_node(const node& of, const reference_resolver& resolve);
  static value render_text(const node& of, const reference_resolver& resolve);
  static void visit(const node& of,
                    const std::function<void(const reference&, const std::string&)>& each);

  std::shared_ptr<const node> node_;
};

} // namespace gemel
