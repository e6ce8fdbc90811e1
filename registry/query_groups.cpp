#include "registry/query_groups.hpp"

#include "messages/limits.hpp"
#include "messages/text.hpp"
#include "registry/query.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace gemel {

namespace {

constexpr std::array<std::pair<std::string_view, group_function>, 5> function_names = {{
    {"count", group_function::count},
    {"sum", group_function::sum},
    {"avg", group_function::avg},
    {"min", group_function::min},
    {"max", group_function::max},
}};

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos)
    return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::string lowered(std::string_view text) {
  std::string made{text};
  for (auto& c : made)
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return made;
}

struct call_text {
  group_function function;
  std::string_view argument;
};

result<call_text> split_call(const std::string& field, std::string_view text) {
  auto whole = trimmed(text);
  auto open = whole.find('(');
  auto name = lowered(trimmed(whole.substr(0, open)));
  auto known = std::find_if(function_names.begin(), function_names.end(),
                            [&](const auto& each) { return each.first == name; });
  if (open == std::string_view::npos || known == function_names.end() || !whole.ends_with(')'))
    return fail(errc::bad_syntax, field
                                      + ", line 1, column 1: expected count(), or count, sum, "
                                        "avg, min or max of an expression in parentheses");
  call_text made{known->second, trimmed(whole.substr(open + 1, whole.size() - open - 2))};
  if (made.argument.empty() && made.function != group_function::count)
    return fail(errc::bad_syntax, field + ", line 1, column " + std::to_string(open + 2)
                                      + ": expected an expression; count() alone has none");
  return made;
}

result<expression> compile(const std::string& field, std::string_view text) {
  auto made = expression::compile(text);
  if (!made)
    return fail(made.error().code, field + ", " + made.error().context);
  return made;
}

result<void> check_count(std::string_view field, std::size_t count) {
  if (count <= limits::group_columns_max)
    return {};
  return fail(errc::limit_reached,
              std::string{field} + " has " + std::to_string(count) + " expressions, at most "
                  + std::to_string(limits::group_columns_max) + " are allowed");
}

bool has_order(const value& content) noexcept {
  return content.is_number() || content.is_text() || content.is_bool() || content.is_bytes();
}

bool is_nan(const value& content) {
  return content.is_real() && std::isnan(content.as_real());
}

} // namespace

result<group_plan> group_plan::make(std::span<const std::string> group_by,
                                    std::span<const std::string> aggregates) {
  if (auto fine = check_count("group_by", group_by.size()); !fine)
    return tl::unexpected<error>(std::move(fine.error()));
  if (auto fine = check_count("aggregates", aggregates.size()); !fine)
    return tl::unexpected<error>(std::move(fine.error()));
  group_plan made;
  made.key_count_ = group_by.size();
  for (std::size_t i = 0; i < group_by.size(); ++i) {
    auto compiled = compile("group_by[" + std::to_string(i) + "]", group_by[i]);
    if (!compiled)
      return tl::unexpected<error>(std::move(compiled.error()));
    made.columns_.push_back(std::move(*compiled));
  }
  for (std::size_t i = 0; i < aggregates.size(); ++i) {
    auto field = "aggregates[" + std::to_string(i) + "]";
    auto call = split_call(field, aggregates[i]);
    if (!call)
      return tl::unexpected<error>(std::move(call.error()));
    auto& one = made.aggregates_.emplace_back();
    one.function = call->function;
    if (call->argument.empty())
      continue;
    auto compiled = compile(field, call->argument);
    if (!compiled)
      return tl::unexpected<error>(std::move(compiled.error()));
    one.column = made.columns_.size();
    one.of = *compiled;
    made.columns_.push_back(std::move(*compiled));
  }
  return made;
}

bool group_table::before::operator()(const std::vector<value>& a,
                                     const std::vector<value>& b) const {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (auto order = compare_sort_keys(a[i], b[i]); order != 0)
      return order < 0;
    // Lists and maps have no order of their own; their texts tell them apart.
    if (a[i].is_list() || a[i].is_map())
      if (auto left = to_json(a[i]), right = to_json(b[i]); left != right)
        return left < right;
  }
  return false;
}

result<group_table::states*> group_table::at(std::vector<value> key) {
  auto i = groups_.find(key);
  if (i == groups_.end()) {
    if (groups_.size() >= limits::groups_max)
      return fail(errc::limit_reached, "more than " + std::to_string(limits::groups_max)
                                           + " groups; group by something coarser, or ask for "
                                             "fewer twins");
    i = groups_.emplace(std::move(key), states(plan_->aggregates().size())).first;
  }
  return &i->second;
}

void group_table::add(state& to, group_function function, const value& content) const {
  if (content.is_null())
    return;
  ++to.count;
  bool sums = function == group_function::sum || function == group_function::avg;
  if (sums && content.is_number()) {
    ++to.numbers;
    if (content.is_integer())
      to.sum.add(content.as_integer());
    else
      to.sum.add(content.as_real());
    to.is_whole = to.is_whole && content.is_integer();
    to.whole += content.is_integer() ? content.as_integer() : 0;
  }
  if (sums || !has_order(content) || is_nan(content))
    return;
  if (function == group_function::min
      && (to.least.is_null() || compare_sort_keys(content, to.least) < 0))
    to.least = content;
  if (function == group_function::max
      && (to.greatest.is_null() || compare_sort_keys(content, to.greatest) > 0))
    to.greatest = content;
}

result<void> group_table::add(std::span<const value> columns) {
  GEMEL_CHECK(columns.size() == plan_->columns().size());
  auto keys = columns.first(plan_->key_count());
  auto found = at({keys.begin(), keys.end()});
  if (!found)
    return tl::unexpected<error>(std::move(found.error()));
  for (std::size_t i = 0; i < plan_->aggregates().size(); ++i) {
    const auto& each = plan_->aggregates()[i];
    auto& to = (**found)[i];
    if (each.of)
      add(to, each.function, columns[each.column]);
    else
      ++to.count;
  }
  return {};
}

void group_table::merge(state& to, const state& from) {
  to.count += from.count;
  to.numbers += from.numbers;
  to.is_whole = to.is_whole && from.is_whole;
  to.whole += from.whole;
  to.sum.merge(from.sum);
  if (!from.least.is_null() && (to.least.is_null() || compare_sort_keys(from.least, to.least) < 0))
    to.least = from.least;
  if (!from.greatest.is_null()
      && (to.greatest.is_null() || compare_sort_keys(from.greatest, to.greatest) > 0))
    to.greatest = from.greatest;
}

result<void> group_table::merge(const group_table& other) {
  for (const auto& [key, from] : other.groups_) {
    auto found = at(key);
    if (!found)
      return tl::unexpected<error>(std::move(found.error()));
    for (std::size_t i = 0; i < from.size(); ++i)
      merge((**found)[i], from[i]);
  }
  return {};
}

value group_table::result_of(group_function function, const state& from) {
  switch (function) {
  case group_function::count:
    return from.count;
  case group_function::sum:
    return from.is_whole && from.whole >= INT64_MIN && from.whole <= INT64_MAX
               ? value{static_cast<std::int64_t>(from.whole)}
               : value{from.sum.round()};
  case group_function::avg:
    return from.numbers == 0 ? value{}
                             : value{from.sum.round() / static_cast<double>(from.numbers)};
  case group_function::min:
    return from.least;
  case group_function::max:
    return from.greatest;
  }
  return {};
}

std::vector<group_record> group_table::records() const {
  std::vector<group_record> made;
  auto record = [&](const std::vector<value>& key, const states& from) {
    auto& one = made.emplace_back();
    one.keys = key;
    for (std::size_t i = 0; i < from.size(); ++i)
      one.values.push_back(result_of(plan_->aggregates()[i].function, from[i]));
  };
  for (const auto& [key, from] : groups_)
    record(key, from);
  if (groups_.empty() && plan_->key_count() == 0)
    record({}, states(plan_->aggregates().size()));
  return made;
}

} // namespace gemel
