#pragma once

#include "actors/sync/replicator.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gemel {

/// Where replicas are kept: bytes by key, in the order of the keys. Whoever calls decides what is
/// written at once.
class replica_pages {
public:
  virtual ~replica_pages() = default;
  virtual void put(std::string_view key, std::string_view bytes) = 0;
  /// All keys from `begin` on, without `end`.
  virtual void erase(std::string_view begin, std::string_view end) = 0;
};

/// How replicas are kept so that neither a change nor a start costs much: of each shard a log of
/// what steps changed, and pages of what its twins hold. Whenever a log has grown, some pages are
/// written anew, about as many bytes as it grew; once all pages are younger than a record, it goes.
/// So what is kept stays below some three times what the replicas hold, and no step waits for the
/// whole of a shard. A page may lag behind: of each property the latest change counts. A core.
class replica_keeper {
public:
  /// @param cycle_bytes_min a shard's log is left alone below this.
  explicit replica_keeper(replica_pages& to, std::size_t cycle_bytes_min = 256u << 10)
      : to_{&to}, cycle_bytes_min_{cycle_bytes_min} {}

  /// Takes what a step changed. @param of the shard, as that step left it.
  void append(const replica_head& head, std::span<const changed_entry> changes,
              const shard_replica& of);

private:
  friend class replica_loader;
  using peer_life = std::pair<site_id, std::uint64_t>;
  struct shard_state {
    std::uint64_t next_record = 1;
    std::uint64_t generation = 1; // of its pages: another one in each life of the process
    std::uint32_t next_page = 0;
    std::uint64_t cycle_first = 0; // records below it go when the cycle ends; 0: there is none
    bool is_first_cycle = true;
    std::int64_t debt = 0;     // bytes that pages are behind the log
    std::size_t log_bytes = 0; // since the last cycle began
    std::map<peer_life, change_number> positions;
  };

  void make_pages(std::uint16_t number, shard_state& state, const shard_replica& of);
  void end_cycle(std::uint16_t number, shard_state& state, const shard_replica& of);

  replica_pages* to_;
  std::size_t cycle_bytes_min_;
  std::map<std::uint16_t, shard_state> shards_;
};

/// Takes back what a keeper kept, into replicas that have nothing yet, and the keeper goes on from
/// there. Whatever the bytes: what cannot be right is refused with its place.
class replica_loader {
public:
  replica_loader(replica_keeper& keeper, replicator& into) : keeper_{keeper}, into_{into} {}

  /// Everything that is kept, in the order of its keys.
  /// @returns errc::store_corrupt; errc::incompatible for another format.
  result<void> take(std::string_view key, std::string_view bytes);
  /// That was all.
  result<void> finish();

private:
  using numbered_entry = shard_replica::numbered_entry;
  result<void> take_record(replica_keeper::shard_state& state, std::uint64_t number,
                           replica_record record, std::size_t bytes);
  result<void> finish_shard();
  result<std::vector<numbered_entry>> latest();

  replica_keeper& keeper_;
  replicator& into_;
  std::uint16_t shard_ = 0;
  bool has_shard_ = false;
  bool has_head_ = false;
  replica_record head_{};
  std::uint64_t last_record_ = 0;
  change_number last_change_ = 0; // of that
  std::vector<numbered_entry> found_;
};

} // namespace gemel
