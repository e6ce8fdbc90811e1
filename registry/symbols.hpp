#pragma once

#include "messages/error.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

namespace gemel {

/// An interned property key of one node. Numbers are given once and never reused.
enum class key_id : std::uint32_t {};
/// An interned twin type of one node.
enum class type_id : std::uint32_t {};

/// Texts and their numbers, of one node. Every function may be called from any thread; the texts
/// live as long as the table.
class symbol_table {
public:
  /// @param count_max how many different texts are taken; the bound against endless new keys.
  explicit symbol_table(std::uint32_t count_max) : count_max_{count_max} {}

  /// The number of `text`, a new one if it has none.
  /// @returns errc::limit_reached when the table is full.
  result<std::uint32_t> intern(std::string_view text);

  std::optional<std::uint32_t> find(std::string_view text) const;

  /// The text of a number that this table gave.
  std::string_view text(std::uint32_t number) const;

  std::size_t size() const;

private:
  std::uint32_t count_max_;
  mutable std::shared_mutex mutex_;
  std::deque<std::string> texts_;
  boost::unordered_flat_map<std::string_view, std::uint32_t> numbers_;
};

/// Both tables of a node.
struct symbols {
  symbol_table keys{1'000'000};
  symbol_table types{65'535};

  std::string_view text(key_id key) const { return keys.text(static_cast<std::uint32_t>(key)); }
  std::string_view text(type_id type) const { return types.text(static_cast<std::uint32_t>(type)); }
};

/// One thread's memory of a shared symbol table, so that the common case takes no lock.
class symbol_cache {
public:
  explicit symbol_cache(symbol_table& shared) : shared_{shared} {}

  result<std::uint32_t> intern(std::string_view text);

  /// Nothing when no thread has interned `text` yet.
  std::optional<std::uint32_t> find(std::string_view text);

  /// The text of a number that the table gave; a `key_id` or `type_id`.
  template <class Id>
  std::string_view text(Id id) {
    auto number = static_cast<std::uint32_t>(id);
    if (number >= texts_.size() || texts_[number].empty()) [[unlikely]]
      learn(number);
    return texts_[number];
  }

private:
  void learn(std::uint32_t number);

  symbol_table& shared_;
  boost::unordered_flat_map<std::string_view, std::uint32_t> known_;
  // By number; empty: not asked for yet.
  std::vector<std::string_view> texts_;
};

} // namespace gemel
