#pragma once

#include "actors/sync/property_table.hpp"
#include "actors/sync/replica_record.hpp"
#include "actors/sync/shard_digest.hpp"
#include "actors/sync/sync_rules.hpp"
#include "messages/sibling.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gemel {

/// The changes of one shard after `from` up to and with `to`, as what the changed properties hold
/// now. Stands for exactly what `clock` covers.
struct shard_interval {
  change_number from = 0;
  change_number to = 0;
  /// Everything; what is not named is not there.
  bool full = false;
  version_vector clock{};
  std::vector<replicated_entry> entries{};
};

/// One node's copy of one shard: every property's concurrent values with their causality, the
/// shard's clock, and which property changed when. All values that no known write replaced are
/// kept, whatever the conflict policy: a policy decides what is shown, never what is stored, so
/// that equal clocks mean equal copies. No actor, no clock, no disk.
class shard_replica {
public:
  /// @param own whose writes those of this node are.
  shard_replica(writer_id own, const sync_rules& rules)
      : own_{own}, rules_{&rules}, table_{replica_keys::life} {}

  // ---- writes of this node (R1) ----------------------------------------------------------------

  /// Sets a property, or takes it away, and forgets all values of it that were seen. Of a property
  /// other than the life itself: belongs to the latest life of the twin, which must be there.
  /// @param content nothing: the property goes.
  write_id write(std::string_view twin, std::string_view key, std::optional<value> content,
                 hybrid_time time);
  /// Deletes all lives of a twin that are seen here, with all they hold.
  write_id remove(std::string_view twin, hybrid_time time);
  /// The id that the next write will have.
  write_id next_write() const { return {own_, clock_.of(own_) + 1}; }

  // ---- what is there ---------------------------------------------------------------------------

  /// A twin that is asked for several things, found once; until one is deleted or purged.
  using found_twin = property_table::row_number;
  found_twin find(std::string_view twin) const { return table_.row_of(twin); }
  /// Asks the processor for the memory of a twin, and then, when that is there, of what it holds:
  /// who knows the next twins lets it come while the first are at work.
  void fetch(found_twin twin) const { table_.fetch_row(twin); }
  void fetch_properties(found_twin twin) const { table_.fetch_properties(twin); }

  bool alive(found_twin twin) const { return !lives(twin).empty(); }
  bool alive(std::string_view twin) const { return alive(find(twin)); }
  const sibling_set& lives(found_twin twin) const { return held_at(table_.first_of(twin)); }
  /// What a property holds; none: it is not there.
  const sibling_set& of(found_twin twin, std::string_view key) const {
    return held_at(table_.find(twin, key));
  }
  const sibling_set& of(std::string_view twin, std::string_view key) const {
    return of(find(twin), key);
  }
  using property_visitor = std::function<void(std::string_view key, const sibling_set&)>;
  /// Every property of a twin that holds something, with the reserved keys.
  void each_property(std::string_view twin, const property_visitor& visit) const;
  void each_twin(const std::function<void(std::string_view twin)>& visit) const;
  /// Twins and properties that hold several values.
  const std::set<std::pair<std::string, std::string>>& contested() const { return contested_; }

  writer_id own() const noexcept { return own_; }
  const version_vector& clock() const noexcept { return clock_; }
  change_number last_change() const noexcept { return last_change_; }
  const shard_digest& digest() const noexcept { return digest_; }
  /// Changed properties, deleted ones with them, after `from`. Of many it is the most that it can
  /// be, since counting them takes long: one that changed again is counted each time.
  std::size_t changed_after(change_number from) const noexcept;

  // ---- exchange (R2, R4, R5, R7) ---------------------------------------------------------------

  /// What changed after `from`, without what came from `to` and is unchanged since. Full when
  /// deletes after `from` are forgotten.
  shard_interval cut(change_number from, change_source to) const;

  /// Takes in what a peer holds. The caller has checked that no change before it is missing.
  /// @param told up to which of our changes the peer has everything: what it sends is only not sent
  ///        back to it if it had all that we knew of that property before.
  /// @returns errc::limit_reached if the clock would have more writers than allowed; nothing
  ///          changed then.
  result<void> merge(const shard_interval& theirs, change_source from, change_number told = 0);

  /// Takes in what a peer of equal clock holds where the digests differ: of one write the content
  /// with the greater hash, and every value that one of both has.
  void repair(const std::vector<replicated_entry>& theirs);

  /// Forgets marks of deletes up to `upto` (R8).
  void purge(change_number upto);
  std::size_t delete_marks() const noexcept { return delete_marks_.size(); }

  // ---- the disk --------------------------------------------------------------------------------

  /// The properties that changed since this was last called, as they are; for the log. Views, until
  /// the next change.
  std::vector<changed_entry> take_changes();
  /// When the property changed last; 0: nothing is here of it.
  change_number changed(std::string_view twin, std::string_view key) const;
  /// One property, with when it changed.
  using numbered_entry = std::pair<change_number, replicated_entry>;
  /// All that is here, in pages of some twins each: a twin stays on its page.
  std::uint32_t pages() const noexcept;
  std::vector<changed_entry> page(std::uint32_t number) const;
  /// Takes all of a shard back at once, into a replica that has nothing yet. @param all in the
  /// order of their changes, none twice and none after the last.
  void restore_all(std::vector<numbered_entry> all, const version_vector& clock,
                   change_number last_change, change_number forgotten);
  /// Deletes up to this change may have no mark any more: who knows less gets a full copy.
  change_number forgotten() const noexcept { return forgotten_; }

private:
  struct teller {
    change_source source;
    change_number told;
    bool news; // it knows of writes that we do not
  };
  using place = property_table::place;

  const sibling_set& held_at(place at) const;
  void change(place at, sibling_set siblings, change_source source);
  void mark(place at, change_source source);
  void unmark(place at);
  void merge_one(std::string_view twin, std::string_view key, const sibling_set& theirs,
                 const version_vector& context, const teller& from);
  void merge_absent(const shard_interval& theirs, const teller& from);
  sibling_set merged(const sibling_set& ours, const sibling_set& theirs,
                     const version_vector& context) const;
  void fetch(std::span<const replicated_entry> entries) const;
  void drop_dead_lives(std::string_view twin);
  void drop_dead_values(std::span<const replicated_entry> of_one_twin);
  void log_is_up_to_date();
  void forget_twin(std::string_view twin);
  void erase(place at);
  replicated_entry entry_at(place at) const;
  changed_entry view_at(place at) const;
  write_id latest_life(found_twin twin) const;

  writer_id own_;
  const sync_rules* rules_;
  version_vector clock_;
  change_number last_change_ = 0;
  change_number forgotten_ = 0;
  property_table table_;
  std::set<std::pair<change_number, place>> delete_marks_; // of properties that are gone
  std::set<std::pair<std::string, std::string>> contested_;
  std::vector<place> unlogged_; // in the order of their first change
  shard_digest digest_;
};

} // namespace gemel
