#pragma once

#include "actors/binder.hpp"
#include "registry/expression.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

namespace gemel {

/// The conditions of updates that one cell saw last, compiled and bound: writers send the same few
/// texts again and again. Forgets all of them when there are too many.
class condition_cache {
public:
  static constexpr std::size_t conditions_max = 256;

  explicit condition_cache(symbol_cache& keys) : keys_{keys} {}

  /// Whether the condition `text` holds for `row`.
  /// @returns errc::bad_syntax and the like from `expression::compile`.
  result<bool> holds(std::string_view text, const twin_row& row, const twin_metadata& about);

private:
  struct compiled {
    expression condition;
    twin_binder binder;
  };
  using table = std::unordered_map<std::string, std::unique_ptr<compiled>>;

  result<compiled*> find(std::string_view text);

  symbol_cache& keys_;
  table conditions_;
  // The one used last; writers come in batches of one condition.
  const table::value_type* last_ = nullptr;
};

} // namespace gemel
