#pragma once

#include "actors/ports.hpp"
#include "messages/durability.hpp"
#include "messages/event_batch.hpp"
#include "messages/records.hpp"
#include "messages/requests.hpp"
#include "registry/lifecycle.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gemel {

/// Number of a subscription at one node.
enum class subscription_id : std::uint64_t {};

/// Called with each batch of events, one call at a time for each subscription, from a thread of the
/// runtime. May block: it slows nobody but itself; once `limits.subscriber_backlog_max` events
/// wait, further ones are left out and counted in `event_batch::missed`.
using event_callback = std::function<void(const event_batch&)>;

/// What a program can ask of twins, the same for a node inside the process (`node`) and a running
/// one elsewhere (`client`). Every function may be called from any thread but those of a behaviour.
/// The waiting functions return when the answer is there: a write is applied then, and seen by
/// every read that is asked for later. errc::timed_out after `patience()`, errc::stopping or
/// errc::unreachable when the node goes away.
class twin_api {
public:
  virtual ~twin_api() = default;

  // ---- waiting ------------------------------------------------------------------------------

  /// Makes one twin. @returns its id; errc::twin_exists, twin_not_found (the parent), bad_name,
  /// bad_value, limit_reached.
  /// @param wanted what must be true before the answer; nothing: as the type or the node says.
  result<std::string> create(const new_twin& twin, std::optional<durability> wanted = {});

  /// Makes many twins, at most `limits::batch_entries_max`; each succeeds or fails for itself. An
  /// entry may name an earlier one as its parent.
  result<outcome> create(std::span<const new_twin> twins, std::optional<durability> wanted = {});

  /// Sets properties of one twin. @returns errc::twin_not_found, illegal_state, bad_value,
  /// limit_reached, twin_crashed, overloaded.
  result<void> update(std::string_view id, std::initializer_list<property_ref> set);
  result<void> update(const twin_update& change);

  /// Changes many twins, at most `limits::batch_entries_max`; each entry is applied whole or not at
  /// all, and independent of the others, unless `options.atomic`: then all are applied, or none and
  /// each has a failure (errc::not_applied where another entry is to blame). Who gets several twins
  /// in one call, or one twin, sees all of an atomic batch or nothing; a query and the events come
  /// twin by twin. errc::twin_busy when older batches were in the way again and again.
  result<outcome> update(std::span<const twin_update> changes, const update_options& options = {});

  /// The same, where entries that the node refused as `overloaded` are sent again, after the time
  /// it names, until `patience()` is over. Entries of one twin stay in their order.
  result<outcome> update_patiently(std::span<const twin_update> changes);

  /// @param id_or_path an id, or a path such as `/hall-3/line-1/press-7`.
  /// @returns errc::twin_not_found, also when the path's last id lies elsewhere.
  result<twin_record> get(std::string_view id_or_path);

  /// The twin that has this value of a unique property. @returns errc::twin_not_found.
  result<twin_record> get_by(const twin_alias& alias);

  /// Which twin types there are.
  result<std::vector<type_record>> types();
  /// The same, with the write that each property came from.
  result<twin_record> get_with_stamps(std::string_view id_or_path);

  /// Several twins, as they were at one moment as far as atomic batches go; those that are not
  /// there are in `missing`. @returns errc::twin_busy when such batches change them all the time,
  /// errc::limit_reached when they do not fit one answer.
  result<twin_page> get(std::span<const std::string> ids);

  /// One page of the twins that match, see query_request.
  result<twin_page> query(const query_request& asked);

  /// The same with the type and condition only, page after page, all of them.
  result<std::vector<twin_record>> query_all(query_request asked);

  /// How many match.
  result<std::uint64_t> count(query_request asked);

  /// Deletes a twin. @returns errc::twin_not_found, has_children.
  result<void> remove(std::string_view id, child_policy children = child_policy::refuse,
                      std::optional<durability> wanted = {});

  /// Moves a twin along the lifecycle table. @returns errc::illegal_state, twin_not_found; of
  /// `retire` errc::has_children too.
  result<void> move(std::string_view id, lifecycle_trigger trigger);

  /// Gives a twin another parent, with all below it; empty: it becomes a root. No reader sees it
  /// twice or not at all, and what waits for it goes along. @returns errc::hierarchy_cycle,
  /// limit_reached, illegal_state, twin_not_found; twin_busy: try again; unsupported: it has
  /// children, and the new place would be by another placement key.
  result<void> move(std::string_view id, std::string_view parent);

  /// Takes a twin out of use for good; with `cascade` all below it too, with `orphan` its children
  /// become roots first. @returns errc::has_children, illegal_state, twin_not_found.
  result<void> retire(std::string_view id, child_policy children = child_policy::refuse,
                      std::optional<durability> wanted = {});

  /// Asks a twin's behaviour to do something. @returns its answer; errc::unknown_command with those
  /// it has, command_failed with its words, twin_crashed, timed_out (see `twin_command`),
  /// illegal_state when its behaviour does not run, twin_not_found, overloaded.
  result<value> command(const twin_command& asked);

  /// Has something happen to a twin that changes no property: subscribers see an event of kind
  /// `emitted`, its behaviour's `on_event` is called. @returns errc::twin_not_found, illegal_state
  /// (it is retired), twin_crashed, bad_name, bad_value.
  result<void> emit(const twin_emit& happened, std::string_view cause = {});
  /// The same with many twins, at most `limits::batch_entries_max`, each for itself.
  result<outcome> emit(std::span<const twin_emit> events, std::string_view cause = {});

  result<stats_record> stats();

  /// Asks a coordinator of the node, such as `rules`, to do something.
  /// @returns its answer; errc::unsupported if the node has no such service.
  result<value> call(const service_call& asked);

  /// Of `wait_synced`: every peer that is sent what is here.
  static constexpr std::uint32_t all_peers = UINT32_MAX;

  /// Waits until `peers` of the node's peers have, safe on their disks, all that was acknowledged
  /// of these twins when this is called: what `synced(n)` means. @returns how many have it;
  /// errc::timed_out after `patience()`, with how many it were then: it is written here in any
  /// case; errc::bad_value if the node has not so many peers, or a twin is not replicated;
  /// errc::unsupported if it has none.
  result<std::uint32_t> wait_synced(std::span<const std::string> twins, std::uint32_t peers);

  /// Sets how writes of several nodes that did not know of each other become one value in this
  /// twin: a strategy as of `sync.conflict`, above what its type says but for properties that are
  /// `sum`, `counter`, `set` or `map`. Kept, and the same on all linked nodes; it goes with the
  /// twin. Empty: what the config says decides again.
  /// @returns errc::twin_not_found if the twin is not replicated; errc::bad_value for another word,
  ///          or those four; errc::unsupported if the node has no peers.
  result<void> set_conflict_policy(const std::string& twin, const std::string& strategy);
  /// The strategy that was set for this twin alone; empty: none. @returns as above.
  result<std::string> conflict_policy_of(const std::string& twin);

  // ---- events -------------------------------------------------------------------------------

  /// Calls `callback` for every event from now on that `asked` describes.
  virtual result<subscription_id> subscribe(const subscription_request& asked,
                                            event_callback callback) = 0;

  /// No call of the callback begins after this returns... but one may be under way.
  virtual result<void> unsubscribe(subscription_id which) = 0;

  // ---- not waiting --------------------------------------------------------------------------

  /// Sends any request but a subscription; `reply` is called once, from any thread, maybe before
  /// this returns, and must not block.
  virtual void request(frame asked, reply_function reply) = 0;

  /// How long the waiting functions wait; 30 s unless set.
  std::chrono::milliseconds patience() const noexcept { return patience_; }
  void patience(std::chrono::milliseconds wait) noexcept { patience_ = wait; }

protected:
  frame ask(frame asked);

private:
  result<twin_record> get_one(std::string_view id_or_path, bool with_stamps);

  std::chrono::milliseconds patience_ = std::chrono::seconds{30};
};

} // namespace gemel
