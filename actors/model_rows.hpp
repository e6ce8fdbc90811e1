#pragma once

#include "actors/twin.hpp"
#include "registry/alias_table.hpp"
#include "registry/model.hpp"
#include "registry/property_index.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gemel {

/// What one cell keeps because models ask for it: the indexes of its rows, and the node's aliases
/// of its twins. The cell calls it from each write; a type whose model declares neither costs one
/// look at a table. One thread at a time.
class model_rows {
public:
  /// What must be kept of the rows of one type.
  struct kept_type {
    struct indexed {
      key_id key;
      std::string name;
      property_index index;
    };
    std::vector<indexed> indexes;
    std::vector<key_id> unique;

    /// Null: not indexed.
    const property_index* find(std::string_view name) const noexcept;
    bool is_unique(key_id key) const noexcept;
  };

  /// All must live longer.
  model_rows(const model_table& models, alias_table& aliases, symbol_cache& keys)
      : models_{models}, aliases_{aliases}, keys_{keys} {}

  /// Must be called for a type before the first of its rows.
  void learn(type_id type, std::string_view name);

  /// Null: nothing is kept of this type.
  const kept_type* of(type_id type) const noexcept {
    auto number = static_cast<std::size_t>(type);
    return number < types_.size() ? types_[number].get() : nullptr;
  }

  // ---- indexes ----

  /// A row was filled, or is about to be emptied or changed in another way than by `change`.
  void add(const twin_row& row, std::uint32_t index);
  void remove(const twin_row& row, std::uint32_t index);

  /// One property is about to be changed. @param before, after null: the row has no such property.
  void change(const twin_row& row, std::uint32_t index, key_id key, const value* before,
              const value* after);

  // ---- aliases ----

  /// Claims the unique values of a new twin. @returns errc::alias_taken, and nothing is claimed.
  result<void> claim_all(const twin_row& row);

  /// Claims a value that the property is about to have.
  /// @returns errc::alias_taken naming the holder.
  result<void> claim(const twin_row& row, key_id key, const value& content);

  /// Ends an update, applied or undone: values that were claimed or replaced since the last call
  /// are given up unless the row has them.
  void settle(const twin_row& row);

  /// Gives all of them up: the twin is about to go.
  void release_all(const twin_row& row);

private:
  struct touched_value {
    key_id key;
    value content;
  };

  kept_type* of(const twin_row& row) const noexcept {
    auto number = static_cast<std::size_t>(row.layout->type());
    return number < types_.size() ? types_[number].get() : nullptr;
  }

  const model_table& models_;
  alias_table& aliases_;
  symbol_cache& keys_;
  // By type number; null: nothing is kept.
  std::vector<std::unique_ptr<kept_type>> types_;
  // Of the update under work.
  std::vector<touched_value> touched_;
};

} // namespace gemel
