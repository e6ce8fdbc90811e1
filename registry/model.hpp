#pragma once

#include "messages/error.hpp"
#include "messages/value.hpp"
#include "registry/supervision_policy.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Twin types as models: what a type's twins have and can do. Models are declared in the config and
/// fixed when a node starts; a type without a model takes anything.
namespace gemel {

/// What a property's values must be.
enum class property_kind : std::uint8_t {
  any = 0,
  boolean,
  integer,
  /// An integer or a double.
  number,
  text,
  bytes,
  list,
  map,
};

/// By number.
inline constexpr std::array<std::string_view, 8> property_kind_names = {
    "any", "boolean", "integer", "number", "text", "bytes", "list", "map"};

/// The name as configs write it, such as `number`; `any` for numbers that are none.
std::string_view to_string(property_kind kind) noexcept;

/// @returns errc::bad_value with the names that would be right.
result<property_kind> property_kind_from_string(std::string_view text);

/// One declared property.
struct property_model {
  std::string key{};
  property_kind kind = property_kind::any;
  /// For people and for export, such as `degC`.
  std::string unit{};
  /// Of numbers: the least and the greatest that is accepted.
  std::optional<double> min{};
  std::optional<double> max{};
  /// Queries by it need no scan.
  bool indexed = false;
  /// No two live twins of a node have the same value; a twin can be found by it. Texts and integers
  /// only.
  bool unique = false;
  /// Every value that is accepted is kept with its time.
  bool history = false;
  /// How concurrent writes of several nodes become one value, see `policy_from_string`; empty: as
  /// the type says.
  std::string conflict{};
  /// For how long, microseconds; 0: as its type says.
  std::int64_t history_keep_us = 0;

  friend bool operator==(const property_model&, const property_model&) = default;
};

/// As in messages/durability.hpp; `node`: what the node says.
enum class type_durability : std::uint8_t { node, memory, process, disk };

/// One twin type, with all that it inherits.
struct type_model {
  std::string name{};
  /// The model it extends; empty: none.
  std::string extends{};
  /// What its twins can do, such as `cooling`; with the inherited ones.
  std::vector<std::string> capabilities{};
  /// By key, with the inherited ones; the nearest declaration counts.
  std::vector<property_model> properties{};
  /// Refuse properties that are not declared.
  bool closed = false;
  /// Without data for this long an active twin becomes stale, microseconds; 0: never.
  std::int64_t stale_after_us = 0;
  /// A twin that nobody used for this long leaves memory, if there is a store, microseconds; 0:
  /// only if there are too many, see `store_link::active_max`.
  std::int64_t passive_after_us = 0;
  /// How long the values of its properties are kept that have a history, microseconds; 0: as the
  /// node says.
  std::int64_t history_keep_us = 0;
  /// What must be true before a write to its twins is answered, if the request asks for nothing.
  type_durability durable = type_durability::node;
  /// Of its properties that say nothing themselves; empty: as the node says.
  std::string conflict{};
  /// Properties of the twins below that parents of this type keep roll-ups of.
  std::vector<std::string> rollups{};

  /// Null: not declared.
  const property_model* find(std::string_view key) const noexcept;

  friend bool operator==(const type_model&, const type_model&) = default;
};

/// All models of a node. Immutable once made; any thread may read it.
class model_table {
public:
  model_table() = default;

  /// Resolves inheritance.
  /// @param declared each with its own declarations only, no name twice.
  /// @returns errc::unknown_key for a model that is extended and not declared; errc::bad_value for
  ///          a circle, or for a property that contradicts itself (unique of a kind that cannot be,
  ///          min above max); the context names the model and the property.
  static result<model_table> make(std::vector<type_model> declared);

  /// Null: the type has no model.
  const type_model* find(std::string_view type) const noexcept;

  /// Whether `type` is `model` or extends it, however indirectly. A type without a model is itself.
  bool is_a(std::string_view type, std::string_view model) const noexcept;

  /// Whether twins of `type` can do that.
  bool has_capability(std::string_view type, std::string_view capability) const noexcept;

  /// Whether a twin can be found by this property.
  /// @returns errc::unknown_key with the properties by which it can, if no type declares it unique.
  result<void> check_alias(std::string_view property) const;

  /// By name.
  const std::map<std::string, type_model, std::less<>>& all() const noexcept { return models_; }

private:
  std::map<std::string, type_model, std::less<>> models_;
};

/// Whether the declaration contradicts itself: a range of something that is no number or whose
/// least is above its greatest, unique of a kind that cannot be.
/// @returns errc::bad_value with the reason, without the property's name.
result<void> check_declaration(const property_model& property);

/// Whether `content` may be the value of the property.
/// @returns errc::bad_value naming the property, what is wrong, and what is expected.
result<void> check(const property_model& property, const value& content);

} // namespace gemel
