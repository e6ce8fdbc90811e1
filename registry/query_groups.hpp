#pragma once

#include "messages/error.hpp"
#include "messages/records.hpp"
#include "messages/value.hpp"
#include "registry/exact_sum.hpp"
#include "registry/expression.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

/// Groups of a query: the rows that match, by the values of some expressions, with count, sum, avg,
/// min and max of others.
namespace gemel {

enum class group_function : std::uint8_t { count, sum, avg, min, max };

/// One aggregate, such as `avg(temperature)`. Without an expression: `count()`, of all rows.
struct group_aggregate {
  group_function function = group_function::count;
  std::optional<expression> of{};
  /// Index of `of` among the expressions of the plan.
  std::size_t column = 0;
};

/// Groups and aggregates, compiled. Immutable; any thread may use it.
class group_plan {
public:
  /// @param group_by an expression each; may be empty: one group of all rows.
  /// @param aggregates `count()` or `count|sum|avg|min|max(expression)` each.
  /// @returns errc::bad_syntax with the field and place; errc::limit_reached for more than
  ///          `limits::group_columns_max` of either.
  static result<group_plan> make(std::span<const std::string> group_by,
                                 std::span<const std::string> aggregates);

  /// All expressions that a row is to be asked for: first those of the groups, then those of the
  /// aggregates.
  std::span<const expression> columns() const noexcept { return columns_; }
  std::size_t key_count() const noexcept { return key_count_; }
  std::span<const group_aggregate> aggregates() const noexcept { return aggregates_; }

private:
  std::size_t key_count_ = 0;
  std::vector<expression> columns_;
  std::vector<group_aggregate> aggregates_;
};

/// The groups of the rows of one cell, or of all. One thread at a time.
class group_table {
public:
  /// `plan` must live longer.
  explicit group_table(const group_plan& plan) : plan_{&plan} {}

  /// Takes one row in. @param columns one value for each of the plan's expressions.
  /// @returns errc::limit_reached when it would be one group more than `limits::groups_max`.
  result<void> add(std::span<const value> columns);

  /// Takes the groups of another cell in. @returns as `add`.
  result<void> merge(const group_table& other);

  std::size_t size() const noexcept { return groups_.size(); }

  /// The groups by their keys, in the order of `compare_sort_keys`. Of a plan without groups: one,
  /// even if there was no row. `count` counts values that are not null; `sum` and `avg` take
  /// numbers alone, `min` and `max` anything with an order; without such a value they are null, but
  /// a sum is 0.
  std::vector<group_record> records() const;

private:
  __extension__ using wide = __int128;

  struct state {
    std::uint64_t count = 0;
    std::uint64_t numbers = 0;
    // Of integers; more than 2^63 of them are needed to leave it.
    wide whole = 0;
    bool is_whole = true;
    exact_sum sum{};
    value least{};
    value greatest{};
  };
  struct before {
    bool operator()(const std::vector<value>& a, const std::vector<value>& b) const;
  };
  using states = std::vector<state>;

  result<states*> at(std::vector<value> key);
  void add(state& to, group_function function, const value& content) const;
  static void merge(state& to, const state& from);
  static value result_of(group_function function, const state& from);

  const group_plan* plan_;
  std::map<std::vector<value>, states, before> groups_;
};

} // namespace gemel
