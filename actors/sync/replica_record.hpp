#pragma once

#include "messages/error.hpp"
#include "messages/packed.hpp"
#include "messages/sibling.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gemel {

/// How far a peer's changes of one shard are part of ours.
struct peer_position {
  site_id site{};
  std::uint64_t incarnation = 0;
  /// The peer's change number; 0: the record has no position.
  std::uint64_t received = 0;
};

/// One property as a replica holds it, and when it changed by the replica's count, from 1. A view.
struct changed_entry {
  std::string_view twin{};
  std::string_view key{};
  std::span<const sibling> siblings{};
  std::uint64_t number = 0;
};

/// Of which shard a record is, and how far that was then.
struct replica_head {
  std::uint16_t shard = 0;
  std::uint64_t last_change = 0;
  /// See `shard_replica::forgotten`.
  std::uint64_t forgotten = 0;
  peer_position position{};
  version_vector clock{};
};

/// What one step changed in one shard, as a store keeps it: data, clock and the position in the
/// peer's changes at once, or nothing of it. A byte 'S', a byte of format version, the fields, a
/// checksum of 4 bytes.
struct replica_record : replica_head {
  std::vector<replicated_entry> entries{};
  /// When each of them changed; at most `last_change`.
  std::vector<std::uint64_t> numbers{};
};

std::string pack_record(const replica_head& head, std::span<const changed_entry> entries);
std::string pack_record(const replica_record& record);

/// @returns errc::store_corrupt with the place; errc::incompatible for a newer format.
result<replica_record> unpack_record(std::string_view bytes);

} // namespace gemel
