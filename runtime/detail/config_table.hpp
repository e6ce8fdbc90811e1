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
    std::variant<std::string*, std::uint64_t*, std::uint32_t*, std::uint16_t*, bool*,
                 microseconds_slot, restart_strategy*, restart_kind*, log_level*>;

struct option {
  /// `section.name`.
  std::string_view key;
  /// Of integers, empty: a plain number; of texts, what they look like.
  std::string_view unit{};
  /// Of integers, and of durations in milliseconds.
  std::uint64_t min = 0;
  std::uint64_t max = 0;
  /// What it does, for people; lines are broken by the writer.
  std::string_view help{};
  option_slot (*slot)(node_config&);
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

/// What may stand as the first step of a key: the sections of the options, and `types`.
std::vector<std::string_view> section_names();

/// What a section is for.
std::string_view section_help(std::string_view section) noexcept;

/// What can be written, such as `integer, 1 to 64 cells`.
std::string form_of(const option& about);

/// The value that `config` has, as TOML.
std::string literal_of(const option& about, const node_config& config);

/// Why a value was not taken.
struct complaint {
  errc code = errc::none;
  std::string message;
  std::string hint;
};

/// Puts a value into `target`, or says why not; then `target` is as before.
std::optional<complaint> assign(const option& about, const toml_value& content,
                                node_config& target);

/// Whether only this machine can reach a node that listens there.
bool is_loopback(std::string_view address) noexcept;

} // namespace gemel::detail
