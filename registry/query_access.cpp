#include "registry/query_access.hpp"

#include "messages/error.hpp"
#include "registry/detail/operand.hpp"
#include "registry/detail/syntax_tree.hpp"
#include "registry/query.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace gemel {

namespace {

using detail::node;
using detail::node_kind;
using comparison = value_condition::comparison;

static_assert(static_cast<int>(comparison::greater_equal)
              == static_cast<int>(detail::comparison_kind::greater_equal));

// `a op b` as `b op a`.
comparison turned(comparison how) noexcept {
  switch (how) {
  case comparison::less:
    return comparison::greater;
  case comparison::less_equal:
    return comparison::greater_equal;
  case comparison::greater:
    return comparison::less;
  case comparison::greater_equal:
    return comparison::less_equal;
  default:
    return how;
  }
}

// A range of no value: what compares with null is false.
bool has_order(const value& constant) noexcept {
  return constant.is_bool() || constant.is_number() || constant.is_text() || constant.is_bytes();
}

bool is_nan(const value& constant) {
  return constant.is_real() && std::isnan(constant.as_real());
}

std::optional<std::vector<key_range>> ranges_of(comparison how, const value& constant) {
  if (constant.is_null() || is_nan(constant))
    return std::vector<key_range>{};
  if (how == comparison::unequal)
    return std::nullopt;
  if (how == comparison::equal)
    return std::vector{key_range::point(constant)};
  if (!has_order(constant))
    return std::vector<key_range>{};
  switch (how) {
  case comparison::less:
    return std::vector{key_range{{}, constant, false, true, constant}};
  case comparison::less_equal:
    return std::vector{key_range{{}, constant, false, false, constant}};
  case comparison::greater:
    return std::vector{key_range{constant, {}, true, false, constant}};
  default:
    return std::vector{key_range{constant, {}, false, false, constant}};
  }
}

// The texts that begin with `prefix`: up to the first text that does not, by bytes.
key_range range_of_prefix(std::string_view prefix) {
  std::string high{prefix};
  while (!high.empty() && static_cast<unsigned char>(high.back()) == 0xff)
    high.pop_back();
  if (high.empty())
    return {{}, {}, false, false, value{""}};
  high.back() = static_cast<char>(static_cast<unsigned char>(high.back()) + 1);
  return {value{prefix}, value{high}, false, true, value{""}};
}

std::string_view literal_prefix(std::string_view pattern) {
  return pattern.substr(0, std::min(pattern.find_first_of("%_"), pattern.size()));
}

bool same_kind(const key_range& a, const key_range& b) {
  return a.kind_of.kind() == b.kind_of.kind() || (a.kind_of.is_number() && b.kind_of.is_number());
}

// What both ranges have; nothing: they have nothing in common.
std::optional<key_range> common(const key_range& a, const key_range& b) {
  if (!same_kind(a, b))
    return std::nullopt;
  auto made = a;
  if (!b.low.is_null()) {
    auto order = made.low.is_null() ? std::weak_ordering::less : compare_sort_keys(made.low, b.low);
    if (order < 0) {
      made.low = b.low;
      made.low_open = b.low_open;
    } else if (order == 0) {
      made.low_open = made.low_open || b.low_open;
    }
  }
  if (!b.high.is_null()) {
    auto order =
        made.high.is_null() ? std::weak_ordering::greater : compare_sort_keys(made.high, b.high);
    if (order > 0) {
      made.high = b.high;
      made.high_open = b.high_open;
    } else if (order == 0) {
      made.high_open = made.high_open || b.high_open;
    }
  }
  if (!made.low.is_null() && !made.high.is_null() && compare_sort_keys(made.low, made.high) > 0)
    return std::nullopt;
  return made;
}

class analysis {
public:
  analysis(const detail::syntax_tree& tree, query_access& made) : tree_{tree}, made_{made} {}

  void run() {
    made_.comparisons_only = true;
    if (tree_.root.kind == node_kind::logical_and)
      for (const auto& part : tree_.root.children)
        take(part);
    else
      take(tree_.root);
    for (const auto& each : made_.restrictions)
      made_.never = made_.never || each.ranges.empty();
  }

private:
  const reference& referred(const node& n) const { return tree_.references[n.reference]; }

  // A name alone, of a property or of metadata.
  bool is_name(const node& n) const {
    return n.kind == node_kind::reference && referred(n).kind == reference_kind::path
           && referred(n).scope.empty() && referred(n).path.empty();
  }
  bool is_property(const node& n) const {
    return is_name(n) && !is_twin_metadata(referred(n).root);
  }
  static bool is_constant(const node& n) { return n.kind == node_kind::constant; }

  void take(const node& part) {
    bool is_comparison = part.kind == node_kind::comparison && take_comparison(part);
    made_.comparisons_only = made_.comparisons_only && is_comparison;
    switch (part.kind) {
    case node_kind::reference:
      return take_test(referred(part));
    case node_kind::between:
      return take_between(part);
    case node_kind::in_list:
      return take_list(part);
    case node_kind::like:
      if (is_property(part.children[0]) && is_constant(part.children[1]))
        restrict_to_prefix(part.children[0], part.children[1].constant, true);
      return;
    case node_kind::call:
      if (part.function == detail::function_id::starts_with && is_property(part.children[0])
          && is_constant(part.children[1]))
        restrict_to_prefix(part.children[0], part.children[1].constant, false);
      return;
    default:
      return;
    }
  }

  // Whether it is one of a property with a constant.
  bool take_comparison(const node& part) {
    const auto* left = &part.children[0];
    const auto* right = &part.children[1];
    auto how = static_cast<comparison>(part.comparison);
    if (is_constant(*left)) {
      std::swap(left, right);
      how = turned(how);
    }
    if (!is_name(*left) || !is_constant(*right))
      return false;
    if (!is_property(*left)) {
      take_metadata(referred(*left).root, how, right->constant);
      return false;
    }
    made_.comparisons.emplace_back(referred(*left).root, how, right->constant);
    if (auto ranges = ranges_of(how, right->constant))
      restrict(*left, std::move(*ranges));
    return true;
  }

  void take_metadata(const std::string& name, comparison how, const value& constant) {
    if (how != comparison::equal || !constant.is_text())
      return;
    auto* place = name == "twin_id"     ? &made_.id
                  : name == "parent_id" ? &made_.parent
                  : name == "twin_type" ? &made_.type
                                        : nullptr;
    if (place == nullptr)
      return;
    made_.never = made_.never || (*place && **place != constant.as_text());
    *place = constant.as_text();
  }

  void take_test(const reference& what) {
    if (what.kind == reference_kind::model_test)
      made_.models.push_back(what.root);
    else if (what.kind == reference_kind::capability_test)
      made_.capabilities.push_back(what.root);
  }

  void take_between(const node& part) {
    const auto& [of, low, high] = std::tie(part.children[0], part.children[1], part.children[2]);
    if (!is_property(of))
      return;
    if (is_constant(low))
      restrict(of, *ranges_of(comparison::greater_equal, low.constant));
    if (is_constant(high))
      restrict(of, *ranges_of(comparison::less_equal, high.constant));
  }

  void take_list(const node& part) {
    if (!is_property(part.children[0]))
      return;
    std::vector<key_range> points;
    for (std::size_t i = 1; i < part.children.size(); ++i) {
      if (!is_constant(part.children[i]))
        return;
      auto ranges = ranges_of(comparison::equal, part.children[i].constant);
      points.insert(points.end(), ranges->begin(), ranges->end());
    }
    auto key = [](const key_range& r) { return sort_key(&r.low); };
    std::sort(points.begin(), points.end(),
              [&](const auto& a, const auto& b) { return compare_sort_keys(key(a), key(b)) < 0; });
    points.erase(std::unique(points.begin(), points.end(),
                             [&](const auto& a, const auto& b) {
                               return compare_sort_keys(key(a), key(b)) == 0;
                             }),
                 points.end());
    restrict(part.children[0], std::move(points));
  }

  void restrict_to_prefix(const node& of, const value& constant, bool is_pattern) {
    if (!constant.is_text())
      return restrict(of, {});
    auto prefix = is_pattern ? literal_prefix(constant.as_text()) : constant.as_text();
    restrict(of, {range_of_prefix(prefix)});
  }

  // Several conditions on one property are one.
  void restrict(const node& of, std::vector<key_range> to) {
    const auto& property = referred(of).root;
    auto& all = made_.restrictions;
    auto known = std::find_if(all.begin(), all.end(),
                              [&](const auto& each) { return each.property == property; });
    if (known == all.end()) {
      all.push_back({property, std::move(to), {}});
      return;
    }
    std::vector<key_range> both;
    for (const auto& a : known->ranges)
      for (const auto& b : to)
        if (auto part = common(a, b))
          both.push_back(std::move(*part));
    known->ranges = std::move(both);
  }

  const detail::syntax_tree& tree_;
  query_access& made_;
};

} // namespace

bool is_twin_metadata(std::string_view name) noexcept {
  constexpr std::array<std::string_view, 7> names = {"twin_id",      "twin_type",      "parent_id",
                                                     "twin_version", "twin_lifecycle", "updated_at",
                                                     "rollup"};
  return std::find(names.begin(), names.end(), name) != names.end();
}

value_condition::value_condition(std::string property, comparison how, value constant)
    : property_{std::move(property)}, how_{how}, constant_{std::move(constant)} {
  constexpr std::int64_t exact_max = std::int64_t{1} << 53;
  if (constant_.is_real()
      || (constant_.is_integer() && std::abs(constant_.as_integer() / 2) < exact_max / 2)) {
    is_number_ = true;
    number_ = *constant_.number();
  }
}

bool value_condition::holds_slowly(const value* content) const {
  return detail::compare(static_cast<detail::comparison_kind>(how_), detail::operand::of(content),
                         detail::operand::of(&constant_));
}

query_access query_access::of(const expression& where) {
  query_access made;
  // What was compiled compiles again: the normalised text has the same bounds.
  auto tree = detail::parse_expression(where.to_string(), {});
  GEMEL_CHECK(tree.has_value());
  analysis{*tree, made}.run();
  return made;
}

std::optional<std::string> plain_property(const expression& what) {
  auto tree = detail::parse_expression(what.to_string(), {});
  GEMEL_CHECK(tree.has_value());
  if (tree->root.kind != node_kind::reference)
    return std::nullopt;
  const auto& found = tree->references[tree->root.reference];
  if (found.kind != reference_kind::path || !found.scope.empty() || !found.path.empty()
      || is_twin_metadata(found.root))
    return std::nullopt;
  return found.root;
}

} // namespace gemel
