#pragma once

#include "messages/value.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace gemel {

/// A part of the order of `compare_sort_keys` that lies inside one kind (all numbers are one).
struct key_range {
  /// Of the same kind as the range; null: from the kind's first value on, up to its last.
  value low{};
  value high{};
  /// Whether the bound itself is left out.
  bool low_open = false;
  bool high_open = false;
  /// Any value of the kind, when both bounds are null; null itself: rows without a value.
  value kind_of{};

  /// Exactly one value.
  static key_range point(value at);
};

/// The rows of one type in one cell by the value of one property: the order that queries by it use.
/// Every row of the type is in it, those without the property under null; so its size is the number
/// of rows. Keys are cut as `sort_key` does, so what a range gives must be tested against the whole
/// value. A B-tree: some 32 bytes for each row. One thread at a time.
class property_index {
public:
  property_index();
  ~property_index();
  property_index(property_index&&) noexcept;
  property_index& operator=(property_index&&) noexcept;

  /// @param content null: the row has no such property. No row twice.
  void insert(const value* content, std::uint32_t row);
  /// GEMEL_CHECKs that the row was there under this content.
  void erase(const value* content, std::uint32_t row);

  std::size_t size() const noexcept;

  /// Appends the rows of the range in its order, at most `count_max`. @returns how many.
  std::size_t find(const key_range& in, std::size_t count_max,
                   std::vector<std::uint32_t>& rows) const;

  /// A row with its key, as cut by `sort_key`.
  struct entry {
    value key;
    std::uint32_t row;
  };

  /// Where a walk begins: at the rows of `key` or behind them.
  struct start {
    value key;
    bool behind = false;
  };

  /// Appends rows in the order of the whole index, or the other way round, from `from` on, or from
  /// the end of the order if that is null; at least `count_min` rows if there are so many, and then
  /// all further ones with the key of the last. At most `count_max`.
  /// @returns whether that bound ended it.
  bool walk(const start* from, bool descending, std::size_t count_min, std::size_t count_max,
            std::vector<entry>& rows) const;

private:
  struct tree;
  std::unique_ptr<tree> tree_;
};

} // namespace gemel
