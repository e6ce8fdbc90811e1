#pragma once

#include "messages/error.hpp"
#include "messages/value.hpp"
#include "registry/model.hpp"
#include "registry/symbols.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstdint>
#include <string_view>

namespace gemel {

/// What the models of twin types allow, looked up by the numbers that one cell works with. A model
/// is found once for each type, a declaration once for each key.
class model_checks {
public:
  /// @param models must outlive this.
  model_checks(const model_table& models, symbol_cache& types)
      : models_{models}, types_{types}, empty_{models.all().empty()} {}

  /// No type has a model.
  bool empty() const noexcept { return empty_; }

  /// Whether a twin of `type` may have `content` as its property `key`, named `name`. The key may
  /// be one that has no number yet, see update_draft.hpp.
  /// @returns errc::bad_value with the property and what is expected; errc::bad_name for one that
  ///          a closed model does not declare.
  result<void> check(type_id type, key_id key, std::string_view name, const value& content);

private:
  struct known_type {
    const type_model* model = nullptr;
    // Null: not declared.
    boost::unordered_flat_map<std::uint32_t, const property_model*> declared{};
  };

  const property_model* find(known_type& type, key_id key, std::string_view name);

  const model_table& models_;
  symbol_cache& types_;
  bool empty_;
  boost::unordered_flat_map<std::uint32_t, known_type> known_;
};

} // namespace gemel
