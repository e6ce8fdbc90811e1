#pragma once

#include "actors/store_port.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// How the store's keys and its own facts are spelt. Part of the format. Numbers in keys are big
/// endian, so that keys sort as the numbers do.
namespace gemel::store {

/// The layout of the whole store; a folder of a newer one is refused.
inline constexpr std::uint32_t format = 1;

/// Column families: log position -> stream and record; shard, snapshot number, id -> twin; shard,
/// id -> position and twin; name -> fact; series blocks; what replicas hold.
inline constexpr std::string_view log_family = "log";
inline constexpr std::string_view state_family = "state";
inline constexpr std::string_view passive_family = "passive";
inline constexpr std::string_view meta_family = "meta";
inline constexpr std::string_view history_family = "hist";
inline constexpr std::string_view replica_family = "sync";

/// The store's own facts begin so.
inline constexpr std::string_view own_prefix = "store/";
inline constexpr std::string_view format_key = "store/format";
inline constexpr std::string_view identity_key = "store/identity";
inline constexpr std::string_view trimmed_key = "store/trimmed";
inline constexpr std::string_view snapshot_prefix = "store/snapshot/";
inline constexpr std::string_view holder_prefix = "store/holder/";

std::string log_key(log_position position);
std::optional<log_position> parse_log_key(std::string_view key);

/// Begins every key of a shard's twins in snapshot `number`.
std::string state_prefix(shard_id shard, std::uint32_t number);
std::string passive_prefix(shard_id shard);
/// The least key that is larger than all that begin with `prefix`.
std::string prefix_end(std::string prefix);

/// What the store knows of one shard's snapshot.
struct snapshot_record {
  std::uint32_t number = 0;
  log_position position{};
  std::uint64_t twins = 0;
  /// Over all ids and states, by id.
  std::uint64_t digest = 0;

  friend bool operator==(const snapshot_record&, const snapshot_record&) = default;
};

std::string snapshot_key(shard_id shard);
std::optional<shard_id> parse_snapshot_key(std::string_view key);
std::string pack_snapshot(const snapshot_record& made);
result<snapshot_record> unpack_snapshot(std::string_view bytes);

/// Takes one more twin into a snapshot's digest (XXH3).
std::uint64_t digest_with(std::uint64_t digest, std::string_view id, std::string_view twin);

/// Who writes here. A peer that knew another incarnation starts from the beginning.
struct identity {
  /// Random, made with the store; a restored copy keeps it.
  std::string id{};
  /// The node that wrote here last.
  std::string node{};
  /// Raised whenever something that was acknowledged may be gone: restore, repair, and the loss of
  /// power without an orderly end.
  std::uint64_t incarnation = 1;
  /// The machine's boot in which it was opened last; empty: not known.
  std::string boot{};

  friend bool operator==(const identity&, const identity&) = default;
};

std::string pack_identity(const identity& made);
result<identity> unpack_identity(std::string_view bytes);

std::string pack_position(log_position position);
result<log_position> unpack_position(std::string_view bytes);

} // namespace gemel::store
