#pragma once

#include "actors/log_record.hpp"
#include "actors/sync/news_list.hpp"
#include "actors/sync/replicated_tree.hpp"
#include "actors/sync/replicator.hpp"
#include "messages/records.hpp"
#include "registry/lifecycle.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gemel {

/// What the cells are to be told so that they show what the replicas hold.
struct replica_pushes {
  /// Parents before their children.
  std::vector<new_twin> creates{};
  std::vector<twin_update> updates{};
  /// Twins whose children become roots.
  std::vector<std::string> removes{};
  /// Twin and parent; an empty one: a root.
  std::vector<std::pair<std::string, std::string>> moves{};
  std::vector<std::pair<std::string, lifecycle_trigger>> steps{};

  bool empty() const noexcept {
    return creates.empty() && updates.empty() && removes.empty() && moves.empty() && steps.empty();
  }
};

/// Between the cells of a node and its replicas. Both are written: the cells by everybody, the
/// replicas by peers. What the cells' log says becomes writes of this node; what peers wrote
/// becomes pushes to the cells, like any other request. The log shows pushes again, mixed with
/// writes of others; they are known by being told beforehand what is to come. What the cells show
/// then and the replicas do not hold is pushed again, so that both agree in the end, whatever
/// overtakes what.
///
/// One round: `news`; look `to_look_at`, and take the log up to then; `next`, keep `pending_bytes`
/// with the replicas, carry the pushes out, take the log up to what they wrote, `pushed`. Peers may
/// be heard all the time. A core: no actor, no clock, no disk.
class replica_bridge {
public:
  /// @param types of the twins that this node gives away and takes; empty: of all.
  replica_bridge(replicator& replicas, std::set<std::string, std::less<>> types)
      : replicas_{replicas}, types_{std::move(types)} {}

  /// Takes events of the cells' log in, in the log's order.
  void take(std::span<const stored_event> events, const moment& read_at);
  /// Takes in a twin as it is, of a node that begins to be replicated.
  void import(const twin_record& twin, const moment& now);
  /// Sets a strategy for one twin alone. @returns as `replicator::set_policy`.
  result<void> set_policy(std::string_view twin, std::optional<std::string> strategy,
                          const moment& now);
  /// These entries of a shard came from a peer.
  void merged(std::span<const changed_entry> changes);
  /// What replicas hold after a start: who is whose child, and which twin's type is replicated.
  void restored();

  bool has_news() const noexcept { return !news_.empty(); }
  std::size_t news_count() const noexcept { return news_.size(); }
  /// Twins that may have to be pushed, at most `count`; then call `next` with them.
  std::vector<std::string> news(std::size_t count) { return news_.next(count); }
  /// Of these the ones of which more than some properties may differ. The others are pushed as
  /// replicas hold them, whatever the cells show: what the cells wrote meanwhile comes by the log,
  /// is the later write, and is pushed again.
  std::vector<std::string> to_look_at(const std::vector<std::string>& twins) const;
  /// What is to be pushed for these twins. They are no news any more.
  /// @param shown those to be looked at that the cells have, as they are.
  replica_pushes next(const std::vector<std::string>& twins, const std::vector<twin_record>& shown);
  /// What the log may show of the pushes under way, for a start after a crash.
  std::string pending_bytes() const;
  /// Takes that back. @returns errc::store_corrupt.
  result<void> restore_pending(std::string_view bytes);
  bool has_pending() const noexcept { return !pending_.empty(); }
  /// The pushes are done, and the log was taken in behind them.
  void pushed();
  /// A push failed, and may succeed later: it is news again.
  void failed(std::string_view twin);
  /// After a crash: nobody knows which of the pushes under way took effect.
  void retry();
  /// After a start: what peers wrote last may not have been pushed.
  void everything_is_news();

  /// Counted: writes of this node, and pushes to the cells.
  std::uint64_t writes() const noexcept { return writes_; }
  std::uint64_t pushes() const noexcept { return pushes_; }
  /// Writes of this node that its replicas cannot take, such as a text in a sum.
  std::uint64_t refused() const noexcept { return refused_; }

private:
  struct push {
    bool creates = false;
    bool removes = false;
    std::vector<property> set{};
    std::vector<std::string> unset{};
    std::optional<std::string> parent{};
    std::optional<lifecycle_state> lifecycle{};
  };

  using key_set = std::set<std::string, std::less<>>;
  using keys = news_list::keys;

  bool replicates(std::string_view type) const { return types_.empty() || types_.contains(type); }
  const push* pending(std::string_view twin) const;
  bool is_push(const push* ours, const stored_change& change) const;
  shown_place place_of(std::string_view twin) const;
  std::string parent_of(std::string_view twin) const;
  void took_create(const stored_event& event, const moment& now);
  void took_changes(const stored_event& event, const moment& now);
  void took_remove(const stored_event& event, const moment& now);
  void took_move(const stored_event& event, const moment& now);
  void took_lifecycle(const stored_event& event, const moment& now);
  void take(const stored_event& event, const moment& read_at);
  template <class Ids>
  void fetch(const Ids& ids) const;
  void write(std::string_view twin, std::string_view key, std::optional<value> content,
             const moment& now);
  void write(const replica_twin& twin, std::string_view key, std::optional<value> content,
             const moment& now);
  void note(std::string_view twin, std::string_view key);
  void note_missing(const stored_event& created);
  void note_contested(std::string_view twin);
  void note_child(const std::string& child, const std::string& parent);
  void note_children(std::string_view parent);
  void note_line(std::string_view twin);
  using absent_twin = std::pair<std::string, replicated_twin>;
  void push_blindly(const std::string& twin, const keys& changed, replica_pushes& into);
  void push_seen(const std::string& twin, const keys& changed, const twin_record* shown,
                 std::vector<absent_twin>& absent, replica_pushes& into);
  void push_set(twin_update wanted, replica_pushes& into);
  void push_creates(const std::vector<absent_twin>& absent, replica_pushes& into);
  void push_changes(const twin_record& shown, const replicated_twin& held, const keys& changed,
                    replica_pushes& into);
  void push_place(const twin_record& shown, replica_pushes& into);
  void push_lifecycle(const twin_record& shown, const replicated_twin& held, replica_pushes& into);

  replicator& replicas_;
  std::set<std::string, std::less<>> types_;
  // Of each twin the keys, also reserved ones, that the cells may not show as replicas hold them.
  news_list news_;
  boost::unordered_flat_map<std::string, push, text_hash, std::equal_to<>> pending_;
  // By the parent that was written, whether it is there or not.
  std::map<std::string, key_set, std::less<>> children_;
  std::map<std::string, std::string, std::less<>> parents_;
  std::uint64_t writes_ = 0;
  std::uint64_t pushes_ = 0;
  std::uint64_t refused_ = 0;
};

/// The shard of replicas that a twin belongs to, the same on every node: by its own id, since its
/// place among the cells may change.
std::uint16_t replica_shard_of(std::string_view twin) noexcept;

} // namespace gemel
