#pragma once

#include "messages/stamp.hpp"
#include "messages/value.hpp"
#include "messages/version_vector.hpp"

#include <boost/container/small_vector.hpp>

#include <algorithm>
#include <cstdint>
#include <string>

namespace gemel {

/// One value that a property holds on replicas. Mostly there is one; there are several while writes
/// stand beside each other that did not know of each other.
struct sibling {
  write_id write{};
  hybrid_time time{};
  /// The write that made the twin's life to which this value was written. When that life is
  /// deleted, the value goes with it.
  write_id life{};
  /// One more than the deepest value that it replaced.
  std::uint32_t depth = 1;
  value content{};

  friend bool operator==(const sibling&, const sibling&) = default;
};

/// Sorted by `write`; at most one of each writer, since a writer replaces what it sees.
/// Nearly always there is just one, so that one lies inside.
using sibling_set = boost::container::small_vector<sibling, 1>;

template <class Which>
void erase_if(sibling_set& from, Which&& which) {
  from.erase(std::remove_if(from.begin(), from.end(), which), from.end());
}

/// What one property of one twin holds, as replicas tell each other.
struct replicated_entry {
  std::string twin{};
  /// A property, or one of the keys below.
  std::string key{};
  /// None: the property is gone.
  sibling_set siblings{};

  friend bool operator==(const replicated_entry&, const replicated_entry&) = default;
};

/// Keys that no property can have, since they are control characters: what replicas agree upon
/// about a twin besides its properties.
namespace replica_keys {
/// That the twin is there: its value is a map of `type` and `placement`.
inline constexpr const char* life = "\x01";
/// The parent's id as text; null: a root.
inline constexpr const char* parent = "\x02";
/// The lifecycle state's number.
inline constexpr const char* lifecycle = "\x03";
/// The strategy that was set for this twin alone, as text, see `conflict_policies::own`.
inline constexpr const char* conflict = "\x04";
} // namespace replica_keys

} // namespace gemel
