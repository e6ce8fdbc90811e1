#pragma once

#include "actors/twin.hpp"
#include "registry/expression.hpp"
#include "registry/model.hpp"
#include "registry/rollup.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace gemel {

/// What an expression may ask of a twin beyond its properties.
struct twin_metadata {
  std::string_view type;
  std::string_view parent;
  /// What its type keeps roll-ups of; null: nothing.
  const std::vector<key_id>* rollups = nullptr;
  /// What is known of the twins below it; null: nothing.
  const rollup_list* below = nullptr;
  /// What its type is and can do; null: nothing is declared.
  const model_table* models = nullptr;
};

/// Binds the references of one expression to the rows of one cell. Names that are no properties:
/// `twin_id`, `twin_type`, `parent_id`, `twin_version`, `twin_lifecycle` (its name),
/// `updated_at` (microseconds since 1970 UTC) and `rollup` (a map by property of maps with `count`,
/// `sum`, `avg`, `min`, `max`); they win over properties of the same name. Not thread-safe; the
/// slots found are remembered for as long as rows have one shape.
class twin_binder {
public:
  twin_binder(const expression& of, symbol_cache& keys);

  /// The values for `row`; they live until the next call or change of the row.
  std::span<const value* const> bind(const twin_row& row, const twin_metadata& about);

private:
  enum class source : std::uint8_t {
    property,
    id,
    type,
    parent,
    version,
    lifecycle,
    updated_at,
    rollup,
    model,
    capability,
    nowhere,
  };
  struct binding {
    source from = source::nowhere;
    std::string name;
    key_id key{};
    bool interned = false;
    std::uint32_t slot = shape::no_slot;
    value made;
  };

  void find_slots(const shape* layout, const twin_metadata& about);
  value rollups(const twin_metadata& about) const;
  value metadata(const binding& b, const twin_row& row, const twin_metadata& about) const;

  symbol_cache& keys_;
  std::vector<binding> bindings_;
  std::vector<const value*> bound_;
  const shape* found_for_ = nullptr;
};

} // namespace gemel
