#pragma once

#include "registry/expression.hpp"
#include "registry/property_index.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gemel {

/// `property op constant`, evaluated without the machine of expressions. Means the same.
class value_condition {
public:
  enum class comparison : std::uint8_t { equal, unequal, less, less_equal, greater, greater_equal };

  value_condition(std::string property, comparison how, value constant);

  const std::string& property() const noexcept { return property_; }

  /// @param content null: the twin has no such property.
  bool holds(const value* content) const {
    if (content != nullptr && is_number_ && content->is_real()) [[likely]]
      return holds(content->as_real());
    return holds_slowly(content);
  }

private:
  bool holds(double number) const noexcept {
    switch (how_) {
    case comparison::equal:
      return number == number_;
    case comparison::unequal:
      return number != number_;
    case comparison::less:
      return number < number_;
    case comparison::less_equal:
      return number <= number_;
    case comparison::greater:
      return number > number_;
    case comparison::greater_equal:
      return number >= number_;
    }
    return false;
  }
  bool holds_slowly(const value* content) const;

  std::string property_;
  comparison how_;
  value constant_;
  // The constant is a number that a double has exactly.
  bool is_number_ = false;
  double number_ = 0;
};

/// Values of one property outside of which the whole condition is false.
struct property_restriction {
  std::string property{};
  /// Disjoint.
  std::vector<key_range> ranges{};
  /// As it is written.
  std::string text{};
};

/// What can be known of the rows that match a condition without looking at them: the conjunctions
/// of its top level. Every row that matches fulfils all of it; rows that do are tested by the whole
/// condition all the same, unless `comparisons_only`.
struct query_access {
  std::vector<property_restriction> restrictions{};
  /// From `twin_id = '...'`, `parent_id = '...'`, `twin_type = '...'`.
  std::optional<std::string> id{};
  std::optional<std::string> parent{};
  std::optional<std::string> type{};
  /// From `is_of_model` and `has_capability`; all must hold.
  std::vector<std::string> models{};
  std::vector<std::string> capabilities{};
  /// Those conjunctions that are comparisons of a property with a constant.
  std::vector<value_condition> comparisons{};
  /// There is nothing else: the condition is those comparisons.
  bool comparisons_only = false;
  /// No row can match: such as `twin_id = 'a' AND twin_id = 'b'`.
  bool never = false;

  static query_access of(const expression& where);
};

/// The property that an expression is, if it is nothing but one.
std::optional<std::string> plain_property(const expression& what);

/// Whether the name is one that expressions over twins have besides properties, such as `twin_id`.
bool is_twin_metadata(std::string_view name) noexcept;

} // namespace gemel
