#pragma once

#include "actors/rule_coordinator.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gemel {

/// One thing that changes the rules of a node, or what they have in memory. All that happened to
/// them, in order, gives the same matches again.
struct rule_record {
  enum class kind : std::uint8_t { events, tick, put, remove };
  kind what = kind::events;
  /// When it came in, see `rule_coordinator::take`.
  std::int64_t now_ms = 0;
  /// Those that some rule looks at.
  std::vector<observed_event> events{};
  /// Of `put` the document; of `remove` the rule's name.
  std::string text{};
  /// Of `put`: the file that it was read from; empty: none.
  std::string file{};
};

/// The record as bytes of the log, with a checksum.
std::string pack(const rule_record& what);

/// @returns errc::store_corrupt, errc::incompatible for a newer format.
result<rule_record> unpack_rule_record(std::string_view bytes);

} // namespace gemel
