#include "workflows/condition_parts.hpp"

#include <algorithm>
#include <cmath>

namespace gemel {

namespace {

bool has_scope(const reference& one) {
  return !one.scope.empty();
}

bool reads_event_alone(const expression& code) {
  auto all = code.references();
  return std::none_of(all.begin(), all.end(), has_scope);
}

bool reads_bound_alone(const expression& code) {
  auto all = code.references();
  return !all.empty() && std::all_of(all.begin(), all.end(), has_scope);
}

} // namespace

condition_parts parts_of(const rule_expression& where, std::span<const std::string> stages,
                         const expression_options& options) {
  condition_parts made;
  std::string of_event;
  for (const auto& part : conjuncts_of(where.code().to_string(), options)) {
    auto code = expression::compile(part.text, options);
    if (!code)
      return {};
    if (reads_event_alone(*code)) {
      of_event += (of_event.empty() ? "(" : " AND (") + part.text + ")";
      continue;
    }
    auto left = expression::compile(part.left, options);
    auto right = expression::compile(part.right, options);
    if (made.event_side || !left || !right)
      continue;
    if (reads_bound_alone(*left))
      std::swap(left, right);
    if (!reads_event_alone(*left) || left->references().empty() || !reads_bound_alone(*right))
      continue;
    made.event_side.emplace(*left, stages);
    made.bound_side.emplace(*right, stages);
  }
  if (auto code = expression::compile(of_event, options); code && !of_event.empty())
    made.of_event.emplace(*code, stages);
  return made;
}

std::string equality_text(const value& of) {
  if (of.is_null())
    return {};
  constexpr double integers_end = 9223372036854775808.0; // 2^63
  if (of.is_real() && of.as_real() == std::floor(of.as_real()) && of.as_real() >= -integers_end
      && of.as_real() < integers_end)
    return to_json(value{static_cast<std::int64_t>(of.as_real())});
  return to_json(of);
}

} // namespace gemel
