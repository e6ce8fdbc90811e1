#pragma once

#include "actors/ports.hpp"
#include "actors/sync/replica_record.hpp"
#include "actors/sync/shard_replica.hpp"
#include "messages/frame.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace gemel {

/// Who a node is among its peers.
struct replica_identity {
  std::string cluster{};
  /// Its name in the configuration; its site is the hash of it.
  std::string node{};
  /// Whose writes those of this node are, in this life of its data.
  writer_id writer{};
  /// Which life of its data this is; another after a loss, a restored backup, a repair.
  std::uint64_t incarnation = 0;

  site_id site() const noexcept { return site_of(writer); }
};

/// What a link needs from the replicas of its node.
class link_host {
public:
  virtual ~link_host() = default;

  virtual const replica_identity& identity() const = 0;
  /// Null: nothing is there of this shard yet.
  virtual shard_replica* find_shard(std::uint16_t shard) = 0;
  virtual std::vector<std::uint16_t> shards() const = 0;
  /// Up to which change of the shard everything is safe on the disk.
  virtual change_number safe_change(std::uint16_t shard) const = 0;
  /// How far the peer's changes are part of ours: applied, and safe on the disk.
  virtual change_number applied(site_id peer, std::uint64_t incarnation,
                                std::uint16_t shard) const = 0;
  virtual change_number safe_applied(site_id peer, std::uint64_t incarnation,
                                     std::uint16_t shard) const = 0;
  /// Merges, logs, and moves the position. @returns what `shard_replica::merge` says.
  virtual result<void> apply(std::uint16_t shard, const shard_interval& theirs,
                             const peer_position& position, change_source from,
                             change_number told) = 0;
  /// The hash of what is shown where values stand beside each other, but for contents that join; 0:
  /// nowhere.
  virtual std::uint64_t shown_digest(std::uint16_t shard) const = 0;
  virtual void repair(std::uint16_t shard, const std::vector<replicated_entry>& theirs) = 0;
  /// The same number for the same life of the same peer.
  virtual change_source source_of(site_id peer, std::uint64_t incarnation) = 0;
  /// The greatest time that a peer's stamp may have now.
  virtual hybrid_time time_max(const moment& now) const = 0;
  virtual std::uint64_t random() = 0;
  virtual void send(std::uint32_t peer, frame made) = 0;
};

} // namespace gemel
