#pragma once

#include "actors/sync/replica_keeper.hpp"
#include "runtime/adapters/rocks_database.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gemel {

/// The replicas of a node in the store's own database, as `replica_keeper` keeps them. What the
/// replicas took of the cells' log and how far that is are one write, as are what a peer changed
/// and the position in its changes. One thread at a time.
class rocks_replicas final : public replica_journal, private replica_pages {
public:
  /// @param in must outlive this.
  explicit rocks_replicas(rocks_database& in) : in_{in}, keeper_{*this} {}

  /// Gives all that is kept to replicas that have nothing yet.
  /// @returns errc::store_corrupt, errc::incompatible, errc::store_failed.
  result<void> load(replicator& into);
  /// Up to where the cells' log was taken; nothing: never.
  result<std::optional<log_position>> cursor() const;
  /// What was kept by `keep_pending`.
  result<std::string> pending() const;
  /// What was kept by `keep_links`; empty: nothing.
  result<std::string> links() const;
  /// Forgets everything: the node is not replicated any more.
  result<void> clear();

  // ---- what the next commit keeps ----

  std::uint64_t append(const replica_head& head, std::span<const changed_entry> changes,
                       const shard_replica& of) override;
  void keep_cursor(log_position at);
  void keep_pending(std::string_view bytes);
  void keep_links(std::string_view bytes);

  /// One write, all or nothing. @param sync also forced to the disk.
  /// @returns up to which `append` all is kept now; errc::store_full, errc::store_failed.
  result<std::uint64_t> commit(bool sync);

private:
  void put(std::string_view key, std::string_view bytes) override;
  void erase(std::string_view begin, std::string_view end) override;
  result<std::string> kept(const char* key) const;

  rocks_database& in_;
  replica_keeper keeper_;
  rocksdb::WriteBatch batch_;
  std::uint64_t appended_ = 0;
};

} // namespace gemel
