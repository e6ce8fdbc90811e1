#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace gemel {

/// What a link is in, for people.
enum class link_state : std::uint8_t {
  /// Nobody there; tried again later.
  down,
  /// Waiting for the peer's hello.
  greeting,
  up,
  /// Up, but silent for longer than `suspect_after`.
  suspect,
  /// The peer belongs to another cluster, speaks another protocol, or is not who it says.
  refused,
};

std::string_view to_string(link_state state) noexcept;

/// What is known of a link, for people and metrics.
struct link_status {
  link_state state = link_state::down;
  std::string peer{};
  /// Why it is refused, or which clock is wrong; empty: all is well.
  std::string trouble{};
  std::uint64_t sent_bytes = 0;
  std::uint64_t sent_entries = 0;
  std::uint64_t received_bytes = 0;
  std::uint64_t received_entries = 0;
  std::uint64_t resent_parts = 0;
  std::uint64_t refused_messages = 0;
  std::uint64_t full_copies = 0;
  std::uint64_t digest_alarms = 0;
  /// Shards that hold the same here and there, and show something else: the nodes' strategies or
  /// merge functions differ.
  std::uint64_t shown_alarms = 0;
  std::uint64_t sessions = 0;
  /// Changed properties that the peer has not acknowledged.
  std::uint64_t backlog = 0;
  std::uint64_t bytes_under_way = 0;
  std::uint64_t parts_under_way = 0;
  std::uint64_t credit = 0;
  /// How far the peer's clock is ahead of ours, and the round trip, microseconds.
  std::int64_t offset_us = 0;
  std::int64_t round_trip_us = 0;
  /// Since the last word of the peer, milliseconds.
  std::int64_t silent_ms = 0;
};

} // namespace gemel
