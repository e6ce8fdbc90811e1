#pragma once

#include "registry/symbols.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace gemel {

/// Which property lies in which slot of a twin's row. Twins of one type that got the same keys in
/// the same order share one shape, so that a row holds values and stamps only. Source: the "maps"
/// of Self (Chambers, Ungar, Lee 1989), known as hidden classes.
class shape {
public:
  static constexpr std::uint32_t no_slot = UINT32_MAX;

  type_id type() const noexcept { return type_; }
  std::size_t size() const noexcept { return keys_.size(); }
  /// By slot.
  std::span<const key_id> keys() const noexcept { return keys_; }

  /// The slot of `key`, or `no_slot`.
  std::uint32_t find(key_id key) const noexcept {
    if (keys_.size() > linear_max)
      return find_indexed(key);
    for (std::uint32_t i = 0; i < keys_.size(); ++i)
      if (keys_[i] == key)
        return i;
    return no_slot;
  }

private:
  friend class shape_table;
  static constexpr std::size_t linear_max = 12;

  std::uint32_t find_indexed(key_id key) const noexcept;

  type_id type_{};
  std::vector<key_id> keys_;
  boost::unordered_flat_map<std::uint32_t, std::uint32_t> index_;
  boost::unordered_flat_map<std::uint32_t, std::unique_ptr<shape>> next_;
};

/// All shapes of one cell. Shapes live as long as the table. One thread at a time.
class shape_table {
public:
  /// The shape of a twin of `type` without properties.
  const shape* empty(type_id type);

  /// `from` with one key more, which it must not have yet; the new slot is the last one.
  const shape* with(const shape* from, key_id key);

  /// `from` without the key in `slot`; later slots move down by one.
  const shape* without(const shape* from, std::uint32_t slot);

private:
  boost::unordered_flat_map<std::uint32_t, std::unique_ptr<shape>> roots_;
};

} // namespace gemel
