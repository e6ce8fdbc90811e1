#pragma once

#include "messages/lifecycle_state.hpp"
#include "messages/packed.hpp"
#include "messages/stamp.hpp"
#include "messages/value.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// One twin as a snapshot keeps it, apart from its id, which is the record's key: a byte of format
/// version, the fields, the properties sorted by key, a checksum of 4 bytes.
namespace gemel {

/// Stands for every explicit placement key: a row knows its shard, and that it follows one.
inline constexpr std::string_view pinned_placement = "+";

/// One property as it is.
struct stored_property {
  std::string key{};
  value content{};
  stamp at{};
  /// When the device measured it, microseconds since 1970 UTC; 0: not given.
  std::int64_t source_time_us = 0;

  friend bool operator==(const stored_property&, const stored_property&) = default;
};

/// Everything of a twin that outlives the process. What its cell rebuilds (children's groups,
/// roll-ups, indexes, budgets of restarts) is not in it.
struct stored_twin {
  std::string type{};
  /// Empty: a root.
  std::string parent{};
  /// `pinned_placement` if its root has an explicit placement key; empty: it has none.
  std::string placement{};
  lifecycle_state lifecycle = lifecycle_state::provisioned;
  std::uint64_t version = 0;
  /// Orders it among its siblings, by time and dot: the write that made it, or, with time 0, its
  /// place among all children that its parent had when they were written.
  stamp created{};
  hybrid_time updated{};
  /// Of the last update that gave one, microseconds since 1970 UTC; 0: none did.
  std::int64_t source_time_us = 0;
  /// Sorted by key; no key twice.
  std::vector<stored_property> properties{};

  friend bool operator==(const stored_twin&, const stored_twin&) = default;
};

/// Writes one twin without making a `stored_twin` first: head, then each property in the order of
/// their keys, then `end`.
class twin_state_writer {
public:
  /// Begins a record in `out`, which is appended to. The head's own properties are not looked at.
  /// @param properties how many follow.
  twin_state_writer(byte_writer& out, const stored_twin& head, std::size_t properties);
  void property(std::string_view key, const value& content, stamp at,
                std::int64_t source_time_us = 0);
  /// GEMEL_CHECKs that all properties were given.
  void end();

private:
  byte_writer& out_;
  std::size_t begin_;
  std::size_t left_;
  std::uint64_t time_;
  std::uint64_t counter_;
  std::int64_t source_time_us_;
};

/// The twin's bytes.
std::string pack_twin(const stored_twin& twin);

/// Reads what `pack_twin` made, whatever the bytes.
/// @returns errc::store_corrupt with the place; errc::incompatible for a newer format.
result<stored_twin> unpack_twin(std::string_view bytes);

/// A twin of which `head` has all but the properties, and `stored` the properties: both packed. If
/// `stored` is of a later version, so is what is made.
result<std::string> complete_twin(std::string_view head, std::string_view stored);

} // namespace gemel
