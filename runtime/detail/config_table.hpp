#pragma once

#include "runtime/config.hpp"
#include "runtime/detail/toml_text.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// The table of all options of a node's config and what follows from it for one option.
namespace gemel::detail {

/// A duration kept in microseconds.
struct microseconds_slot {
  std::int64_t* count;
};

/// Where an option's value lies in a config; its type decides how a value is read and written.
using option_slot =
    std::variant<std::string*, std::vector<std::string>*, std::optional<double>*, std::uint64_t*,
                 std::uint32_t*, std::uint16_t*, bool*, microseconds_slot, restart_strategy*,
                 restart_kind*, property_kind*, log_level*, durability*, type_durability*,
                 export_format*>;

/// Where the options of all sections lie: of the node, of a supervision policy (the node's or a
/// type's), of one type and of one of its properties.
struct option_target {
  node_config& node;
  supervision_policy& policy;
  type_model& model;
  property_model& property;
};

/// Values for every option; at first the defaults.
struct option_values {
  node_config node{};
  type_model model{};
  property_model property{};

  option_target target() { return {node, node.supervision, model, property}; }
};

struct option {
  /// `section.name`; of types `types.name`, of their properties `properties.name`.
  std::string_view key;
  /// Of integers, empty: a plain number; of texts, what they look like.
  std::string_view unit{};
  /// Of integers, and of durations in milliseconds.
  std::uint64_t min = 0;
  std::uint64_t max = 0;
  /// What it does, for people; lines are broken by the writer.
  std::string_view help{};
  option_slot (*slot)(option_target);
  /// Of enumerations, by number.
  std::span<const std::string_view> choices{};
  /// Of texts: whether one is valid.
  result<void> (*check)(std::string_view) = nullptr;

  std::string_view section() const noexcept { return key.substr(0, key.find('.')); }
  std::string_view name() const noexcept { return key.substr(key.find('.') + 1); }
};

/// In the order of the sample.
std::span<const option> options() noexcept;

/// Null when there is none.
const option* find_option(std::string_view section, std::string_view name) noexcept;

/// What may stand as the first step of a key.
std::vector<std::string_view> section_names();

/// What a section is for.
std::string_view section_help(std::string_view section) noexcept;

/// What can be written, such as `integer, 1 to 64 cells`.
std::string form_of(const option& about);

/// The value in `values`, as TOML; empty: it has none, and is left out.
std::string literal_of(const option& about, option_target values);
std::string default_of(const option& about);

/// The key for people, such as `types.<type>.extends`.
std::string display_key(const option& about);

/// Why a value was not taken.
struct complaint {
  errc code = errc::none;
  std::string message;
  std::string hint;
};

/// Puts a value into `target`, or says why not; then `target` is as before.
std::optional<complaint> assign(const option& about, const toml_value& content,
                                option_target target);

/// Whether it may be an address or a host name. @returns errc::bad_value
result<void> check_address(std::string_view text);

/// Whether only this machine can reach a node that listens there.
bool is_loopback(std::string_view address) noexcept;

} // namespace gemel::detail
