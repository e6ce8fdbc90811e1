#pragma once

#include "actors/twin.hpp"
#include "messages/records.hpp"
#include "registry/symbols.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gemel {

/// What one update comes to for its twin, before anything is changed: values to set and properties
/// to remove. Reads the row, changes nothing, and gives no new key a number: a refused update
/// leaves no trace. One update at a time; `start` begins the next.
class update_draft {
public:
  struct setting {
    key_id key;
    value content;
  };

  /// A property key, maybe one that no twin has yet.
  struct key_ref {
    /// `unknown` when `name` has no number yet.
    key_id key;
    std::string_view name;
  };
  static constexpr key_id unknown{UINT32_MAX};
  /// Whether the key of a setting stands for a name without a number.
  static bool is_new(key_id key) noexcept;

  void start() noexcept {
    set_.clear();
    unset_.clear();
    new_names_.clear();
  }

  // ---- what an update says; no key twice ----------------------------------------------------

  /// A value for a key that has a number.
  value& set(key_id key, value&& content) {
    set_.push_back({key, std::move(content)});
    return set_.back().content;
  }
  /// The same for a key that may have none. @param name is copied if it has none.
  value& set(const key_ref& key, value&& content);
  void unset(key_id key) { unset_.push_back(key); }

  // ---- what builds on that and on the row ---------------------------------------------------

  /// Properties that are not set so far go. Before `add` and `change`.
  void replace(const twin_row& row);

  /// @returns errc::bad_value, limit_reached of `add_numbers`, with the key.
  result<void> add(const twin_row& row, const key_ref& key, const value& amount);

  /// @param keys only asked, not added to.
  /// @returns the faults of `parse_value_path` and `change_inside`.
  result<void> change(const twin_row& row, symbol_cache& keys, std::string_view path,
                      path_change::action what, const value& content);

  // ---- the result ---------------------------------------------------------------------------

  std::span<setting> settings() noexcept { return set_; }
  std::span<const setting> settings() const noexcept { return set_; }
  std::span<const key_id> removals() const noexcept { return unset_; }
  /// The key's text. @param keys its cell's.
  std::string_view name_of(const setting& of, symbol_cache& keys) const;

  /// How many properties the twin would have.
  std::size_t size_after(const twin_row& row) const;

  bool names_new_keys() const noexcept { return !new_names_.empty(); }

  /// Gives every new key its number. @returns errc::limit_reached when the table is full.
  result<void> name_keys(symbol_cache& keys);

private:
  setting* find(const key_ref& key);
  const value* current(const twin_row& row, const key_ref& key);
  void put(const key_ref& key, value&& content);
  void drop(const key_ref& key);

  std::vector<setting> set_;
  std::vector<key_id> unset_;
  std::vector<std::string> new_names_;
};

} // namespace gemel
