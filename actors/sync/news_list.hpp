#pragma once

#include "messages/packed.hpp"

#include <boost/container/small_vector.hpp>
#include <boost/unordered/unordered_flat_map.hpp>

#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gemel {

/// Which keys of which twins somebody must look at, each twin once, first come first served: one
/// that comes again and again keeps no other waiting.
class news_list {
public:
  using keys = boost::container::small_vector<std::string, 4>;

  void note(std::string_view twin, std::string_view key);
  /// The next twins, at most `count`; each must be taken then, by its name.
  std::vector<std::string> next(std::size_t count);
  /// Its keys, which are no news any more; nothing: it is not noted.
  std::optional<keys> take(std::string_view twin);
  /// Null: it is not noted.
  const keys* find(std::string_view twin) const;

  bool contains(std::string_view twin) const { return noted_.contains(twin); }
  bool empty() const noexcept { return noted_.empty(); }
  std::size_t size() const noexcept { return noted_.size(); }

private:
  boost::unordered_flat_map<std::string, keys, text_hash, std::equal_to<>> noted_;
  std::deque<std::string> queue_; // may name twins that were taken meanwhile
};

} // namespace gemel
