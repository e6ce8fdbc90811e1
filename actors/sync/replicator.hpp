#pragma once

#include "actors/sync/conflict_policy.hpp"
#include "actors/sync/sync_link.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gemel {

/// What keeps the records of a node's replicas.
class replica_journal {
public:
  virtual ~replica_journal() = default;
  /// Takes what one step changed. @param of the shard, as that step left it.
  /// @returns its position, from 1; consecutive. It is safe when `replicator::safe` says so.
  virtual std::uint64_t append(const replica_head& head, std::span<const changed_entry> changes,
                               const shard_replica& of) = 0;
};

/// A conflict that waits for a decision.
struct open_conflict {
  /// The hash of the writes that it is of, so that it names exactly what was seen.
  std::uint64_t id = 0;
  std::uint16_t shard = 0;
  std::string twin{};
  std::string key{};
  sibling_set values{};
};

/// What a twin of a replica shows.
struct replicated_twin {
  bool alive = false;
  /// What the create said of it: a map.
  value life{};
  std::map<std::string, resolved_value> properties{};
};

/// A write of this node.
struct own_write {
  std::uint16_t shard = 0;
  std::string_view twin{};
  std::string_view key{};
  write_id write{};
};

/// A twin of the replicas, found once for several questions.
struct replica_twin {
  std::uint16_t shard = 0;
  std::string_view id{};
  /// Null: nothing is there of its shard.
  const shard_replica* replica = nullptr;
  shard_replica::found_twin at{};
};

/// What the replicas of a node need to be told once.
struct replicator_options {
  replica_identity identity{};
  sync_rules rules{};
  conflict_policies policies{};
  /// 64 random bits a call.
  std::function<std::uint64_t()> random{};
  /// Hands a frame to the way to a peer.
  std::function<void(std::uint32_t peer, frame)> send{};
  /// The peer whose clock counts if ours differs by more than the bound; nothing: ours.
  std::optional<std::uint32_t> time_reference{};
  /// Whether its writes are logged by `end_turn`, all of a shard as one record.
  bool in_turns = false;
  /// Told what a peer changed here; may be empty.
  std::function<void(std::span<const changed_entry>)> merged{};
  /// Told of every write of this node, before anybody else hears of it; may be empty.
  std::function<void(const own_write&)> wrote{};
};

/// All replicas of a node and its links: takes writes of this node, merges what peers send, keeps
/// both in the journal, and tells peers what is safe there. A core: no actor, no clock, no disk.
class replicator : private link_host {
public:
  replicator(replicator_options options, replica_journal& journal);

  // ---- start -----------------------------------------------------------------------------------

  /// Takes back all of a shard, before anything else; see `shard_replica::restore_all`.
  void restore(const replica_head& head, std::vector<shard_replica::numbered_entry> all);
  /// Takes back how far a peer's changes of a shard are part of it.
  void restore(const replica_head& position);
  /// A new peer, in the order of their numbers, at any time. @param node its name; empty: any.
  std::uint32_t add_peer(std::string node);
  /// Gives a peer up: nothing waits for it any more, nor holds marks of deletes for it. Its number
  /// is not used again. What it had taken and given stays true, so if it is added again it goes on
  /// where it says it is, and gets full copies of shards whose marks went meanwhile.
  void remove_peer(std::uint32_t peer);
  bool has_peer(std::uint32_t peer) const noexcept {
    return peer < links_.size() && links_[peer] != nullptr;
  }

  /// The peer is sent nothing of what is here.
  void receive_only(std::uint32_t peer) { links_[peer]->receive_only(); }

  // ---- writes of this node ---------------------------------------------------------------------

  /// @returns errc::twin_exists
  result<void> create(std::uint16_t shard, std::string_view twin, value life, const moment& now);
  /// @param content nothing: the property goes.
  /// @returns errc::twin_not_found; errc::bad_value if the property's policy cannot take it.
  result<void> set(std::uint16_t shard, std::string_view twin, std::string_view key,
                   std::optional<value> content, const moment& now);
  result<void> set(const replica_twin& twin, std::string_view key, std::optional<value> content,
                   const moment& now);
  /// Sets a strategy for one twin alone, which replicates with it and goes with it; nothing: what
  /// the config says decides again.
  /// @returns errc::twin_not_found; what `conflict_policies::own` says.
  result<void> set_policy(std::uint16_t shard, std::string_view twin,
                          std::optional<std::string> strategy, const moment& now);
  /// @returns errc::twin_not_found
  result<void> remove(std::uint16_t shard, std::string_view twin, const moment& now);

  // ---- what is there ---------------------------------------------------------------------------

  replicated_twin read(std::uint16_t shard, std::string_view twin) const;
  /// One property as it shows; the twin must be alive.
  resolved_value read_property(const replica_twin& twin, std::string_view key) const;
  /// Whether a living twin shows just this; nothing: that the property is not there.
  bool shows(std::uint16_t shard, std::string_view twin, std::string_view key,
             const value* content) const;
  bool shows(const replica_twin& twin, std::string_view key, const value* content) const;
  /// For several questions about one twin; until one is deleted.
  replica_twin find(std::uint16_t shard, std::string_view twin) const;
  bool alive(const replica_twin& twin) const;
  /// Asks the processor for the memory of all that these twins hold, before they are asked for.
  void fetch(std::span<const replica_twin> twins) const;
  /// Of a twin's latest life; empty: it is not alive. A view of what is held.
  std::string_view type_of(std::uint16_t shard, std::string_view twin) const {
    const auto* held = replica(shard);
    return held != nullptr ? type_of(*held, twin) : std::string_view{};
  }
  /// The strategy that was set for the twin alone; empty: none.
  std::string own_policy(std::uint16_t shard, std::string_view twin) const;
  bool alive(std::uint16_t shard, std::string_view twin) const {
    const auto* held = replica(shard);
    return held != nullptr && held->alive(twin);
  }
  /// Those of which something is here.
  std::vector<std::uint16_t> shards() const override;
  std::vector<open_conflict> conflicts() const;
  /// Decides a conflict; it must still be of exactly the writes that its id names.
  /// @returns errc::precondition_failed with the present id if something was written since;
  ///          errc::twin_not_found.
  result<void> decide(std::uint16_t shard, std::string_view twin, std::string_view key,
                      std::uint64_t id, value content, const moment& now);
  const shard_replica* replica(std::uint16_t shard) const;
  /// Peers that hold all that is here of this shard now.
  std::size_t synced(std::uint16_t shard) const;
  /// Peers that are sent what is here.
  std::size_t receivers() const;
  /// The last change of the twin's shard, which all that is known of the twin is part of, its
  /// delete too; nothing: the twin is not replicated. A delete may be so old that its mark is
  /// forgotten, so in a shard with forgotten ones any twin could have been there.
  std::optional<change_number> last_change(std::uint16_t shard, std::string_view twin) const;
  /// Peers that hold all of this shard up to `change`.
  std::size_t holders(std::uint16_t shard, change_number change) const;
  /// How far a life of a peer is part of the shard here.
  change_number position(site_id peer, std::uint64_t incarnation, std::uint16_t shard) const {
    return applied(peer, incarnation, shard);
  }

  // ---- time, disk, links -----------------------------------------------------------------------

  /// Logs what was written since the last turn; `safe` and `tick` tell peers of it.
  void end_turn();
  /// All records up to `position` are safe.
  void safe(std::uint64_t position, const moment& now);
  /// Sends what the calls since the last one led to: writes, what peers said, what is safe.
  void tick(const moment& now);
  std::int64_t next_due() const;
  /// Whether it is time to try to reach the peer; true once for each attempt.
  bool take_attempt(std::uint32_t peer, const moment& now) {
    return has_peer(peer) && links_[peer]->take_attempt(now);
  }
  // What the way says of a peer that was removed meanwhile is not heard.
  void connected(std::uint32_t peer, const moment& now) {
    if (has_peer(peer))
      links_[peer]->connected(now);
  }
  void disconnected(std::uint32_t peer, const moment& now) {
    if (has_peer(peer))
      links_[peer]->disconnected(now);
  }
  void receive(std::uint32_t peer, const frame& arrived, const moment& now);
  /// Of a peer that is there.
  const sync_link& link(std::uint32_t peer) const { return *links_[peer]; }
  /// Numbers that were given, those of removed peers too.
  std::size_t peers() const noexcept { return links_.size(); }
  /// Marks of deletes, as they were when they were last collected.
  struct mark_counts {
    std::uint64_t kept = 0;
    std::uint64_t collected = 0;
  };
  mark_counts marks() const noexcept { return marks_; }
  /// Writes that were made again since a clock of ours had been far ahead.
  std::uint64_t rewritten() const noexcept { return rewritten_; }

private:
  struct shard_state {
    std::unique_ptr<shard_replica> replica;
    change_number safe = 0;
  };
  struct unsafe_step {
    std::uint64_t journal;
    std::uint16_t shard;
    change_number change;
    peer_position position;
  };
  struct positions {
    change_number applied = 0;
    change_number safe = 0;
  };
  using peer_life = std::pair<site_id, std::uint64_t>;

  // link_host.
  const replica_identity& identity() const override { return options_.identity; }
  shard_replica* find_shard(std::uint16_t shard) override;
  change_number safe_change(std::uint16_t shard) const override;
  change_number applied(site_id peer, std::uint64_t incarnation,
                        std::uint16_t shard) const override;
  change_number safe_applied(site_id peer, std::uint64_t incarnation,
                             std::uint16_t shard) const override;
  result<void> apply(std::uint16_t shard, const shard_interval& theirs,
                     const peer_position& position, change_source from,
                     change_number told) override;
  std::uint64_t shown_digest(std::uint16_t shard) const override;
  void repair(std::uint16_t shard, const std::vector<replicated_entry>& theirs) override;
  change_source source_of(site_id peer, std::uint64_t incarnation) override;
  hybrid_time time_max(const moment& now) const override;
  std::uint64_t random() override { return options_.random(); }
  void send(std::uint32_t peer, frame made) override { options_.send(peer, std::move(made)); }

  shard_state& shard_at(std::uint16_t shard);
  const positions* find_positions(site_id peer, std::uint64_t incarnation,
                                  std::uint16_t shard) const;
  void log(std::uint16_t shard, const peer_position& position, bool is_remote = false);
  void log_write(std::uint16_t shard);
  void log_record(const replica_head& head, std::span<const changed_entry> changes);
  void tell(std::uint16_t shard, bool urgent, const moment& now);
  void tell_news(const moment& now);
  void wrote(std::uint16_t shard, std::string_view twin, std::string_view key, write_id write);
  hybrid_time stamp(const moment& now);
  std::int64_t right_ms(const moment& now) const;
  void leave_the_future(const moment& now);
  void observe_present(const shard_replica& replica, hybrid_time most);
  void rewrite(std::uint16_t shard, shard_replica& replica, const moment& now);
  void purge();
  std::string_view type_of(const shard_replica& replica, std::string_view twin) const;
  conflict_policy policy_of(const shard_replica& replica, std::string_view twin,
                            std::string_view type, std::string_view key) const;
  conflict_policy policy_of(const shard_replica& replica, std::string_view twin,
                            std::string_view key) const;

  replicator_options options_;
  replica_journal* journal_;
  hybrid_clock clock_;
  std::vector<shard_state> shards_; // by number; those of which nothing is here have no replica
  std::vector<std::unique_ptr<sync_link>> links_; // null: removed
  std::deque<unsafe_step> unsafe_;                // in the journal's order
  std::map<std::pair<peer_life, std::uint16_t>, positions> positions_;
  std::map<peer_life, change_source> sources_;
  std::set<std::uint16_t> written_; // shards with writes of this turn
  std::set<std::uint16_t> news_;    // shards that links must hear of after a merge
  std::int64_t last_purge_ = 0;
  mark_counts marks_{};
  std::uint64_t rewritten_ = 0;
};

/// Names the writes of a conflict.
std::uint64_t conflict_id(const sibling_set& values);

} // namespace gemel
