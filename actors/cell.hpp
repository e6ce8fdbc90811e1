#pragma once

#include "actors/batch.hpp"
#include "actors/behavior.hpp"
#include "actors/behavior_effects.hpp"
#include "actors/cell_counters.hpp"
#include "actors/cell_inbox.hpp"
#include "actors/cell_journal.hpp"
#include "actors/command_reply.hpp"
#include "actors/condition_cache.hpp"
#include "actors/deferred_commands.hpp"
#include "actors/held_rows.hpp"
#include "actors/hierarchy.hpp"
#include "actors/idle_sweep.hpp"
#include "actors/lane.hpp"
#include "actors/model_checks.hpp"
#include "actors/model_rows.hpp"
#include "actors/ports.hpp"
#include "actors/residency.hpp"
#include "actors/timing_wheel.hpp"
#include "actors/transaction.hpp"
#include "actors/twin.hpp"
#include "actors/twin_state.hpp"
#include "actors/update_draft.hpp"
#include "messages/histogram.hpp"
#include "registry/alias_table.hpp"
#include "registry/directory.hpp"
#include "registry/lifecycle.hpp"
#include "registry/model.hpp"
#include "registry/row_list.hpp"
#include "registry/shape.hpp"

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace gemel {

/// Bounds of one cell that a node may lower; see messages/limits.hpp.
struct cell_limits {
  std::uint64_t twins_max = limits::rows_max;
  std::uint32_t children_max = limits::children_max;
  std::uint32_t depth_max = limits::hierarchy_depth_max;
  std::uint32_t properties_max = limits::properties_max;
  std::size_t parked_creates_max = limits::parked_creates_max;
  /// Events on the lane before it is flushed; it is flushed at the end of each turn in any case.
  std::uint32_t lane_events_max = 1'024;
  std::size_t deferred_commands_max = limits::deferred_commands_max;
  std::size_t works_max = limits::cell_works_max;
  /// Of a command that names none.
  std::chrono::milliseconds command_timeout = std::chrono::seconds{5};
};

/// How the children of a parent type are supervised.
struct supervision_table {
  supervision_policy fallback;
  std::unordered_map<std::string, supervision_policy> by_type;

  const supervision_policy& of(std::string_view parent_type) const;
};

class cell;

/// What all cells of a node share. Outlives them.
struct cell_environment {
  gemel::symbols& symbols;
  gemel::directory& directory;
  address_port& addresses;
  const behavior_table& behaviors;
  const supervision_table& supervision;
  const model_table& models;
  alias_table& aliases;
  std::uint32_t cells;
  cell_limits limits;
  /// Sends a control message to a cell of this node.
  std::function<void(cell_id, frame)> send;
  /// Runs a job in a cell of this node, ahead of its data.
  std::function<void(cell_id, std::function<void(cell&, const moment&)>)> run_in{};
  /// Puts work into a cell's queue, in order with the control messages; any thread.
  std::function<void(cell_id, work)> post{};
  /// Sends a frame of emitted events to where their twins are; nobody waits for an answer.
  std::function<void(const frame&)> emit{};
  /// Null: there is nobody to do long work.
  work_port* works = nullptr;
  /// Null: nothing is stored.
  store_link* stored = nullptr;
};

struct travelling_twin;

/// The actor that runs the twins of many shards: the only writer of their rows, of their hierarchy
/// groups and of their subscriptions. This is its core: no actor, no clock, no lock. One thread at
/// a time calls it; `now` is the turn's time.
class cell {
public:
  cell(cell_id self, const cell_environment& world);
  ~cell();
  cell(const cell&) = delete;
  cell& operator=(const cell&) = delete;

  cell_id id() const noexcept { return self_; }

  /// Does one work item. @returns entries handled, for the turn's budget. If it throws, a
  /// `batch_part` begins with the entry that threw.
  std::size_t run(work& item, const moment& now);

  /// Brings what `run` will touch of a twin into the cache: its row, and some items later, when the
  /// row is there, its slots. `index` may be any number.
  void fetch_row(std::uint32_t index) const noexcept;
  void fetch_slots(std::uint32_t index) const noexcept;

  /// Ends the turn: gives the lane's events to the subscribers that they are for.
  void end_turn(const moment& now) { lane_.end_turn(now); }

  /// Behind it: hands over to the store what the turn changed, and lets out what waited for that.
  void seal_turn(const moment& now);
  /// Hands over what was logged so far, and lets go what waits for that to leave the cell.
  void release_messages();

  /// Work that had waited for a claim on a row, which is decided now; to be run before anything
  /// else. @returns false if there is none; true, maybe with nothing appended, if there may be
  /// more.
  bool take_resumed(std::vector<work>& into);

  // ---- timers and answers that come later (cell_behave.cpp) ----------------------------------

  /// Fires the timers that are due. @returns false if more are due.
  bool run_timers(const moment& now);
  /// When a turn is needed although nothing comes, `moment::steady_ns`.
  std::optional<std::int64_t> next_due() const;

  /// The answer to a command that was deferred; ignored when it is late.
  void finish_command(std::uint64_t number, const result<value>& answer);

  /// Answers every command that waits, and all that would wait from now on: the node stops.
  void end_commands(const error& why);

  struct finished_work {
    std::uint32_t row;
    // Of the behaviour that asked for it.
    std::uint64_t instance;
    work_continuation then;
    result<value> made;
    std::string cause;
  };
  /// Long work is done. @param counted it is one of the works under way.
  void finish_work(const finished_work& done, bool counted, const moment& now);

  // ---- claims on rows (cell_hold.cpp) -------------------------------------------------------

  /// `by` has a claim on the row from now on; nobody may have one yet.
  void hold(std::uint32_t index, row_claim_ptr by);
  /// Carries the claim on the row out if it is decided.
  void settle(std::uint32_t index, const moment& now);
  void settle_all(const moment& now);
  /// Ends an atomic batch here: it is decided.
  void finish_atomic(const batch_ptr& of, const moment& now);
  /// Of a committed one.
  void apply_plan(std::uint32_t index, transaction::plan& what, std::string_view cause,
                  const moment& now);
  void log_commit(std::uint32_t index, std::uint64_t number) { commits_.add(index, number); }
  /// Whether a commit over several cells that came after `since` may show in the row already.
  bool may_be_torn(std::uint32_t index, std::uint64_t since) const;
  const held_rows& held() const noexcept { return held_; }
  held_rows& held() noexcept { return held_; }

  /// Takes back what `flush` threw at: the subscribers of those events hear that they missed them.
  void drop_lane() noexcept { lane_.drop(); }

  /// Behind `flush`: sends what is new in the roll-ups of this cell's groups up the tree.
  void send_rollups();

  // ---- what jobs use ------------------------------------------------------------------------

  struct scan_request {
    /// Empty: any type.
    std::string type;
    /// Empty: not asked for.
    std::string parent;
    bool roots_only = false;
  };

  /// Calls `each` for every live twin of this cell that `asked` names.
  void scan(const scan_request& asked, const std::function<void(std::uint32_t row)>& each);

  const twin_row& row(std::uint32_t index) const { return row_at(index); }
  twin_metadata about(const twin_row& row) const;
  symbol_cache& keys() noexcept { return keys_; }

  // ---- what queries use ----

  const model_table& models() const noexcept { return world_.models; }
  /// Types that this cell had twins of.
  std::vector<type_id> types() const;
  std::string_view type_name(type_id type) const { return types_.text(type); }
  /// GEMEL_CHECKs that the cell had twins of it.
  row_list& rows_of(type_id type);
  const model_rows::kept_type* kept_of(type_id type) const noexcept { return kept_.of(type); }
  bool has_behavior(type_id type) const;
  /// The row of a twin of this cell.
  std::optional<std::uint32_t> row_of(std::string_view id) const;
  /// Appends the rows of a parent's children that live here, in the order they were made.
  void children_of(std::string_view parent, std::vector<std::uint32_t>& rows) const;
  /// The path of the parent of a group.
  std::string_view path_above(std::uint32_t group) const { return groups_[group]->path; }

  /// The row's twin with all its properties.
  /// @param with_stamps which write each of them came from, too.
  twin_record record(std::uint32_t index, bool with_stamps = false) const;
  /// Of the row's twin its id, type, version and those of these properties that it has.
  twin_record record_only(std::uint32_t index, std::span<const std::string> keys) const;

  /// What the twin's type asks to know of all twins below it.
  std::vector<rollup_record> rollups(const twin_row& row) const;

  /// One of a subscription's twins: its place in the request's ids, and its row.
  struct watched_row {
    std::uint32_t index;
    std::uint32_t row;
  };

  /// Adds a subscription; `rows` are those of its twins that were seen here.
  void subscribe(const subscription_ptr& asked, const std::vector<watched_row>& rows);
  void unsubscribe(std::uint64_t number) { lane_.unsubscribe(number); }

  // ---- twins out of memory (cell_passive.cpp) -----------------------------------------------

  /// Has the twin's values in memory, and marks it as used.
  /// @returns errc::store_corrupt, errc::io_failed: nothing changed.
  result<void> wake(std::uint32_t index);

  /// The values of a twin, also of a passive one, for as long as this lives; it stays what it is.
  class glimpse {
  public:
    glimpse(const cell& of, std::uint32_t index);
    ~glimpse();
    glimpse(const glimpse&) = delete;
    glimpse& operator=(const glimpse&) = delete;
    /// If not, the row's values must not be looked at.
    const result<void>& found() const noexcept { return found_; }
    /// Throws if they were not found.
    void expect() const;

  private:
    const cell& of_;
    std::uint32_t index_;
    bool is_mine_ = false;
    result<void> found_{};
  };

  const residency& residents() const noexcept { return residents_; }
  bool has_passive() const noexcept { return residents_.active() < live_rows_; }
  /// At start, of what `restore` made: the store's snapshot has the twin as it is.
  void restored_from_store(std::uint32_t index);
  /// At start, between parts of the log: gives the store whom there is no room for.
  /// @returns whether some are on their way; `restored_left` must follow when the store has them.
  bool send_out_restored();
  void restored_left();

  // ---- the store (cell_store.cpp, cell_restore.cpp) ------------------------------------------

  /// Null: nothing is stored.
  cell_journal* journal() noexcept { return journal_.get(); }

  /// One property's change that a log or a snapshot holds.
  struct restored_change {
    std::string_view key;
    /// Null: the property is gone.
    const value* content;
    stamp at;
    std::int64_t source_time_us;
  };

  /// At start, before any turn: makes a twin as it was stored, which nobody sees until `list_all`.
  /// @returns its row; errc::limit_reached.
  result<std::uint32_t> restore(shard_id shard, std::string_view id, const stored_twin& stored);
  /// Takes a restored twin away again.
  void discard(std::uint32_t index);
  void restore_changes(std::uint32_t index, std::span<const restored_change> changes,
                       std::uint64_t version, hybrid_time at);
  void restore_lifecycle(std::uint32_t index, lifecycle_state to);
  void restore_place(std::uint32_t index, shard_id shard, std::string_view parent, stamp at);
  /// As it would be stored now.
  stored_twin stored(std::uint32_t index) const;
  /// Puts restored twins below their parents. @returns those whose parent is not there: they are
  /// roots now.
  std::size_t restore_groups();
  std::size_t group_count() const noexcept { return groups_.size(); }
  /// The parent of a restored group.
  const std::string& parent_of(std::uint32_t group) const { return groups_[group]->parent; }
  bool is_open(std::uint32_t group) const {
    return groups_[group]->now == hierarchy_group::state::open;
  }
  /// What a group of children of this row needs to know.
  frame describe_for_group(std::uint32_t index);
  /// @param is_retired so is the parent.
  void open_restored(std::uint32_t group, const frame& parent, bool is_retired, const moment& now);
  /// Last: restored twins are to be seen, and no dot of the life before is given again.
  void list_all(const moment& now);
  /// In its first turn: starts behaviours and timers of restored twins.
  void wake_restored(const moment& now);
  /// Carries out a share of an atomic batch that the life before did not come to.
  void redo(std::uint32_t index, transaction::plan& what, const moment& now);

  // ---- what moves to other parents use, while all cells stand still (cell_move.cpp) ---------

  /// Where the children of some parent live.
  struct target {
    cell_id cell{};
    std::uint16_t shard = 0;
    bool pinned = false;
    std::uint32_t group = twin_row::none;
  };

  const cell_limits& bounds() const noexcept { return world_.limits; }
  /// Whether the twin may leave its parent now; errc::twin_busy: later.
  result<void> check_leave(std::uint32_t index) const;
  /// Whether it may get children now.
  result<void> check_parent(std::uint32_t index) const;
  /// Whether its children are where they will be looked for when it is at `to`.
  result<void> check_placement(std::uint32_t index, const target& to) const;
  target target_below(std::uint32_t index) const;
  /// The group of a parent's children here, `none` if there is none.
  std::uint32_t group_of(const std::string& parent) const;
  /// Makes the group of the parent whose row is in `above`.
  std::uint32_t make_open_group(const std::string& parent, cell& above, std::uint32_t row);
  result<void> admit_moved(std::uint32_t group, bool from_elsewhere) const;
  /// Drops a group again that nobody joined.
  void drop_new_group(std::uint32_t group) {
    if (groups_[group]->count == 0 && groups_[group]->parked.empty())
      drop_group(group);
  }
  void has_children(std::uint32_t index) { row_at(index).set(twin_row::has_group); }
  /// Tells the group of the twin's children where in the tree their parent is now.
  void tell_moved(std::uint32_t index);
  /// Gives a twin of this cell another parent here; no group: it becomes a root and stays.
  void relink(std::uint32_t index, const std::optional<target>& to, const moment& now);
  travelling_twin take_out(std::uint32_t index, const moment& now);
  std::uint32_t put_in(travelling_twin&& coming, const target& to, const moment& now);
  /// Answers when what was moved here is as durable as it must be.
  void answer_move(reply_function reply, frame content) {
    answer(std::move(reply), std::move(content));
  }

  const cell_counters& counters() const noexcept { return counters_; }
  cell_counters& counters() noexcept { return counters_; }

  /// Updates were applied `took` after they had come in.
  void record_latency(std::chrono::nanoseconds took, std::uint64_t updates) noexcept {
    update_latency_.record(took, updates);
  }
  /// From coming in at ingress to applied.
  const histogram& update_latency() const noexcept { return update_latency_; }
  std::uint64_t twins() const noexcept { return live_rows_; }
  std::uint64_t groups() const noexcept { return group_of_parent_.size(); }

  /// Whether `row` holds the twin `id`.
  bool holds(std::uint32_t row, std::string_view id) const;

private:
  // What the supervision core sees of a group's children.
  class sibling_list;

  struct type_entry {
    row_list rows;
    // Null: its twins have no behaviour.
    const behavior_type* behaves = nullptr;
    // Without data for so long its twins are stale; 0: never. If not 0, each of `rows` has a place
    // in `data_timers`.
    std::int64_t stale_after_ns = 0;
    std::vector<timing_wheel::timer> data_timers;
    // Of those that leave memory when nobody used them for a while.
    idle_sweep idle{};
  };
  struct running_behavior {
    std::unique_ptr<behavior> what;
    // No other behaviour of this cell ever has this number.
    std::uint64_t instance;
    // Pieces of long work that it waits for.
    std::uint32_t works = 0;
  };
  struct tick_state {
    timing_wheel::timer timer;
    std::int64_t due_ns;
    std::int64_t period_ns;
  };
  // What a timer is for; the upper bits of its payload.
  enum class timer_kind : std::uint64_t { tick, deadline, stale };
  static constexpr unsigned timer_kind_shift = 62;
  static constexpr std::uint64_t timer_of(timer_kind what, std::uint64_t whom) noexcept {
    return static_cast<std::uint64_t>(what) << timer_kind_shift | whom;
  }
  // The unit of `twin_row::seen`, and how many of them there are.
  static constexpr unsigned seen_shift = 28;
  static constexpr std::int64_t seen_units = std::int64_t{1} << 24;
  // A delete, or retirement, that waits for what becomes of the children.
  struct removal {
    std::uint32_t row;
    batch_ptr of;
    std::uint32_t index;
    // The group whose cascade this delete is part of, else `none`.
    std::uint32_t cascade_of;
    // It is to be retired only, and whether its children are too.
    bool retires = false;
    bool retires_children = false;
  };
  class behavior_context;

  static constexpr std::uint32_t rows_per_chunk = 1'024;

  // ---- rows (cell_rows.cpp) ----
  twin_row& row_at(std::uint32_t index) const {
    return chunks_[index / rows_per_chunk][index % rows_per_chunk];
  }
  std::uint32_t take_row();
  void free_row(std::uint32_t index);
  void set_layout(twin_row& row, const shape* layout);
  void move_slots(twin_row& row, const shape* layout, bool timed);
  type_entry& type_at(type_id type);
  std::uint32_t index_of(const twin_row& row);
  void set_shard(std::uint32_t index, std::uint16_t shard);
  void keep_change(const twin_row& row, key_id key, const value* before, const value* after);
  void list_row(std::uint32_t index);
  void unlist_row(std::uint32_t index);

  // ---- twins out of memory (cell_passive.cpp) ----
  result<void> load_values(std::uint32_t index) const;
  void drop_values(std::uint32_t index) const;
  void wake_surely(std::uint32_t index);
  bool values_matter(std::uint32_t index);
  void leave(std::uint32_t index);
  bool may_leave(std::uint32_t index) const;
  residency::verdict judge(std::uint32_t index);
  void send_out(const moment& now);
  void send_out_idle(type_id of, const moment& now);
  // Twins that were given to the store together, and what it said.
  struct departure {
    std::vector<std::uint32_t> rows{};
    std::uint64_t number = 0;
    bool stored = false;
  };
  struct departures;
  using departure_sink = std::function<void(departure)>;
  departure_sink tell_queue() const;
  void depart(const std::vector<std::uint32_t>& chosen, departure_sink tell);
  std::optional<std::int64_t> idle_due() const;
  void finish(const departure& of);

  // ---- create (cell_create.cpp) ----
  std::size_t run_create(batch_part& part, const moment& now);
  // How many creates ahead memory is asked for.
  static constexpr std::size_t creates_ahead = 4;
  void fetch_place(const batch& of, const route& where) const noexcept;
  result<void> create_or_park(const batch_ptr& of, const route& where, const moment& now,
                              bool& parked);
  bool place_row(std::uint32_t index, std::uint32_t group, const route& where);
  result<void> create_in(std::uint32_t group, const batch_ptr& of, const route& where,
                         const moment& now);
  result<type_id> resolve_type(std::string_view type);
  result<void> fill(twin_row& row, std::string_view id, type_id type, wire::Create::Reader made,
                    const moment& now);
  result<void> admit(std::uint32_t group) const;

  // ---- update (cell_update.cpp) ----
  std::size_t run_update(batch_part& part, const moment& now);
  void refuse(const batch_part& part, error why);
  void fetch_ahead(const batch_part& part, capnp::List<wire::Update>::Reader updates,
                   std::uint32_t i) const;
  result<void> apply(std::uint32_t index, wire::UpdateBatch::Reader batch,
                     wire::Update::Reader update, const moment& now);
  result<void> prepare(const twin_row& row, wire::Update::Reader update);
  result<void> check_update(const twin_row& row, wire::Update::Reader update);
  result<void> change(std::uint32_t index, wire::Update::Reader update, const moment& now);
  result<void> check_draft(const twin_row& row);
  result<void> claim_values(const twin_row& row);
  result<void> refuse_unique(const twin_row& row) const;
  result<void> check_models(type_id type);
  result<void> check_conditions(const twin_row& row, wire::MoreOfUpdate::Reader more);
  key_id number_of(std::uint16_t frame_key) const noexcept;
  result<update_draft::key_ref> look_up(std::uint16_t frame_key);
  void use_keys(capnp::List<capnp::Text>::Reader keys);
  result<void> take_values(const twin_row& row, wire::Update::Reader update);
  result<void> take_more(const twin_row& row, wire::MoreOfUpdate::Reader more);
  void set_property(twin_row& row, key_id key, value&& content, hybrid_time at);
  void set_source_time(twin_row& row, std::uint32_t slot);
  void unset_property(twin_row& row, key_id key);
  void conclude(std::uint32_t index, std::uint32_t changes_begin, bool awoken, const moment& now);
  dot next_dot(const twin_row& row);
  void save(const twin_row& row);
  void restore(twin_row& row);
  dot last_dot(const twin_row& row) const;
  std::size_t run_addressed(addressed_message& message, const moment& now);
  // Whether the twin that a message was sent to is still the one in the row.
  bool is_at(std::uint32_t index, const twin_address* to) const;

  // ---- atomic batches (cell_atomic.cpp) ----
  std::size_t run_atomic(batch_part& part, const moment& now);
  bool wait_for_older(const batch_part& part, const moment& now);
  void prepare_share(batch_part& part, const moment& now);
  result<transaction::plan> plan_update(std::uint32_t index, wire::Update::Reader update,
                                        transaction& of, const moment& now);
  result<transaction::plan> rehearse(std::uint32_t index, wire::Update::Reader update,
                                     transaction& of, const moment& now);

  // ---- claims on rows (cell_hold.cpp) ----
  bool is_held(std::uint32_t index, const moment& now);
  bool put_aside(const batch_part& part, std::uint32_t i, const moment& now);
  bool put_aside(addressed_message& message, const moment& now);
  bool reclaim(std::uint32_t index, const moment& now);

  // ---- read (cell_read.cpp) ----
  std::string path_of(const twin_row& row) const;

  // ---- lifecycle and delete (cell_remove.cpp) ----
  std::size_t run_lifecycle(batch_part& part, const moment& now);
  result<void> move(std::uint32_t index, lifecycle_trigger trigger, const moment& now);
  result<void> check_move(const twin_row& row, lifecycle_trigger trigger) const;
  static error is_going(const twin_row& row);
  void set_lifecycle(std::uint32_t index, lifecycle_state to, const moment& now);
  std::optional<result<void>> retire(const removal& wanted, child_policy children,
                                     const moment& now);
  void retire_now(std::uint32_t index, const moment& now);
  void finish_retirement(const removal& of, const error& why, const moment& now);
  void send_close(const removal& wanted, child_policy children);
  std::size_t run_remove(batch_part& part, const moment& now);
  // Empty: under way, the answer comes later.
  std::optional<result<void>> remove(const removal& wanted, child_policy children,
                                     const moment& now);
  void remove_now(std::uint32_t index, const moment& now);
  void finish_removal(std::uint64_t operation, const error& why, const moment& now);
  void end_removal(const removal& of, const error& why, const moment& now);

  // ---- hierarchy (cell_hierarchy.cpp) ----
  void run_control(const frame& message, const moment& now);
  std::uint32_t open_group(std::string_view parent, cell_id parent_cell, std::uint64_t create);
  std::uint32_t make_group(std::string_view parent, std::uint64_t create);
  void forget_below(std::uint32_t index);
  void place(std::uint32_t index, const target& to);
  void note_moved(std::uint32_t index, std::uint16_t from, const moment& now);
  void enter_in_directory(std::uint32_t index);
  bool go_after(const frame& message);
  void expect_twin(const hierarchy_group& group, const batch& of, const route& where);
  void answer_open(const frame& message);
  void write_opened(wire::Opened::Builder to, const twin_row& row) const;
  void settle_expected(const batch& of, const route& where);
  void group_opened(wire::Control::Reader control, const moment& now);
  void group_close(wire::Control::Reader control, const moment& now);
  void orphan_children(std::uint32_t group, const moment& now);
  void cascade_children(std::uint32_t group, const moment& now);
  void group_retire(wire::Control::Reader control, const moment& now);
  void retire_ended(std::uint32_t group);
  void group_moved(std::uint32_t group, wire::Opened::Reader to);
  std::uint16_t depth_of(const twin_row& row) const;
  void drop_group_if_empty(std::uint32_t group, const moment& now);
  void drop_group(std::uint32_t group);
  void link_child(std::uint32_t group, std::uint32_t index);
  void unlink_child(std::uint32_t index);
  cell_id group_cell(std::string_view parent, const twin_row& row) const;
  void tell_group(std::uint32_t index, void (*say)(wire::Control::Builder));

  // ---- roll-ups (cell_rollup.cpp) ----
  std::vector<key_id> rollups_asked(const twin_row& row) const;
  const std::vector<key_id>* rollups_of(type_id type) const;
  void learn_rollups(type_id type);
  void write_rollups(wire::Opened::Builder to, const twin_row& row) const;
  void ask_rollups(std::uint32_t group, capnp::List<std::uint32_t>::Reader asked);
  void ask_rollups(std::uint32_t group, std::vector<key_id> keys);
  void drop_rollup(hierarchy_group& g);
  void list_rollup(std::uint32_t group);
  const rollup_list* below(const twin_row& row) const;
  void count_child(std::uint32_t index, bool enters);
  // Must be called before a property of a row is changed; null: it is not there.
  void count_change(const twin_row& row, key_id key, const value* before, const value* after) {
    if (rolled_groups_ > 0 && row.group != twin_row::none) [[unlikely]]
      count_change_in_group(row, key, before, after);
  }
  void count_change_in_group(const twin_row& row, key_id key, const value* before,
                             const value* after);
  void set_below(const twin_row& row, rollup_list fresh);
  void take_rollups(cell_id from, std::vector<rollup_delivery>&& deliveries);
  void send_rollup_again(const std::string& parent);
  void send_rollup(std::uint32_t group, std::map<cell_id, std::vector<rollup_delivery>>& out,
                   std::vector<std::uint32_t>& later);

  // ---- supervision (cell_supervise.cpp) ----
  void start_behavior(std::uint32_t index, const moment& now);
  bool try_start(std::uint32_t index, const moment& now, std::string& why);
  void stop_behavior(std::uint32_t index, const std::string& why = "its behaviour ended");
  void crashed(std::uint32_t index, exit_kind how, const std::string& why, const moment& now);
  void supervise(std::uint32_t index, exit_kind how, const moment& now);
  void supervise_root(std::uint32_t index, exit_kind how, const moment& now);
  bool supervise_child(std::uint32_t index, exit_kind how, const moment& now);
  void escalate(std::uint32_t group, const moment& now);
  frame group_failed(const hierarchy_group& group) const;
  static bool rests(const twin_row& row) noexcept;
  bool restart(std::uint32_t index, const moment& now);
  void give_up(std::uint32_t index, const moment& now);
  void group_restart(std::uint32_t group, const moment& now);
  void group_stop(std::uint32_t group);
  void group_give_up(std::uint32_t group, const moment& now);
  void join_group(std::uint32_t index, const moment& now);

  // ---- behaviours and timers (cell_behave.cpp) ----
  template <class Call>
  result<value> behave(std::uint32_t index, bool is_command, const moment& now, Call call);
  void take_effect(std::uint32_t index, hybrid_time at, std::uint32_t changes_begin,
                   behavior_effects& effects, const moment& now);
  void take_effects(std::uint32_t index, behavior_effects& effects, std::optional<dot> led_by,
                    const moment& now);
  void emit(std::uint32_t index, std::string name, std::vector<std::pair<key_id, value>> payload,
            std::int64_t source_time_us, const moment& now);
  std::size_t run_emit(batch_part& part, const moment& now);
  std::size_t run_addressed_emit(addressed_message& message, const moment& now);
  result<void> take_event(std::uint32_t index, wire::EmitBatch::Reader batch,
                          wire::Emit::Reader happened, const moment& now);
  result<void> check_event(const twin_row& row, std::string_view name,
                           wire::Emit::Reader happened) const;
  result<void> happen(std::uint32_t index, std::string name, const named_values& payload,
                      std::vector<std::pair<key_id, value>> numbered, std::int64_t source_time_us,
                      const moment& now);
  result<const behavior_command*> find_command(std::uint32_t index, std::string_view name);
  void run_command(std::uint32_t index, addressed_message& message, const moment& now);
  void end_command(const deferred_commands::entry& waiting, const result<value>& answer);
  void drop_commands(std::uint64_t instance, const std::string& why);
  void start_work(std::uint32_t index, behavior_effects::work_order&& order, const moment& now);
  void set_tick(std::uint32_t index, std::chrono::milliseconds period, const moment& now);
  void tick(std::uint32_t index, const moment& now);
  static std::uint32_t seen_at(const moment& now) noexcept;
  static std::int64_t data_age_ns(const twin_row& row, const type_entry& type, const moment& now);
  void watch_for_data(std::uint32_t index, const moment& now);
  void look_for_data(std::uint32_t index, const moment& now);

  // ---- the store (cell_store.cpp) ----
  void close(const batch_ptr& of, std::uint32_t applied) {
    if (journal_ == nullptr) [[likely]]
      return of->close_part(applied);
    journal_->hold(of, applied);
  }
  void answer(reply_function reply, frame content) {
    if (journal_ == nullptr)
      return reply(std::move(content));
    journal_->hold(std::move(reply), std::move(content));
  }
  void send(cell_id to, frame message) {
    if (journal_ == nullptr)
      return world_.send(to, std::move(message));
    journal_->send(to, std::move(message));
  }
  void start_changes() noexcept {
    changed_ = 0;
    if (journal_ != nullptr)
      journal_->start();
  }
  bool is_refused(work& item);
  void log_update(std::uint32_t index);
  void log_event(event_kind kind, std::uint32_t index, dot id, const moment& now);
  void write_snapshots();
  std::optional<std::vector<std::uint32_t>> rows_of_shard(std::uint16_t shard) const;
  stored_twin head_of(std::uint32_t index, stamp created) const;
  bool cut_snapshot(std::uint16_t shard, const std::vector<std::uint32_t>& rows);
  std::string pack_row(std::uint32_t index, stamp created) const;
  void observe(const twin_row& row, stamp at);
  std::uint32_t number_of_parent(std::string_view id);
  std::string_view restored_parent(std::uint32_t index) const;

  // ---- lane ----
  lane_subject subject(std::uint32_t index) const;
  void note(event_kind kind, std::uint32_t index, const moment& now, std::string detail = {});
  void note_update(std::uint32_t index, std::uint32_t changes_begin, std::int64_t source_time_us,
                   const moment& now);

  cell_id self_;
  const cell_environment& world_;
  mutable symbol_cache keys_;
  mutable symbol_cache types_;
  model_rows kept_;
  shape_table shapes_;
  hybrid_clock clock_;
  // The last dot's counter of each of our shards, by shard / cells.
  std::vector<std::uint64_t> shard_counters_;

  std::vector<std::unique_ptr<twin_row[]>> chunks_;
  std::vector<std::uint32_t> free_rows_;
  std::uint32_t row_count_ = 0;
  // The shard of each row once more, since looking for a shard's rows goes over all of them.
  std::vector<std::uint16_t> row_shards_;
  std::uint64_t live_rows_ = 0;
  boost::unordered_flat_map<std::uint32_t, type_entry> type_entries_;
  // Those whose `idle` is on.
  std::vector<type_id> idle_types_;
  // The way in for work and answers from outside.
  std::shared_ptr<cell_outlet> outlet_;
  boost::unordered_flat_map<std::uint32_t, running_behavior> behaviors_;
  std::uint64_t last_instance_ = 0;
  // New twins whose behaviour never started well.
  boost::unordered_flat_set<std::uint32_t> never_started_;
  timing_wheel timers_;
  boost::unordered_flat_map<std::uint32_t, tick_state> ticks_;
  deferred_commands deferred_;
  bool ending_ = false;
  // Pieces of long work under way.
  std::size_t works_ = 0;
  // Of twins that are faulted because of their parent: what they were before, if not active.
  boost::unordered_flat_map<std::uint32_t, lifecycle_state> before_fault_;
  boost::unordered_flat_map<std::uint32_t, restart_budget> root_budgets_;

  std::vector<std::unique_ptr<hierarchy_group>> groups_;
  std::vector<std::uint32_t> free_groups_;
  std::unordered_map<std::string, std::uint32_t> group_of_parent_;
  // Groups that keep roll-ups.
  std::size_t rolled_groups_ = 0;
  // By type, for those whose model asks for any.
  boost::unordered_flat_map<std::uint32_t, std::vector<key_id>> type_rollups_;
  // What is known of all twins below a row.
  boost::unordered_flat_map<const twin_row*, rollup_list> below_;
  // Groups that have something new to tell, and parents whose groups keep no roll-ups any more.
  std::vector<std::uint32_t> new_rollups_;
  std::vector<std::string> ended_rollups_;
  // Cells that have not taken yet what they were sent.
  std::set<cell_id> rollups_under_way_;
  std::size_t parked_creates_ = 0;
  // Twins whose own creates are parked here, with the `open` messages that ask for them already: in
  // one batch a child may be as early as its parent, which waits for the grandparent's cell. By id
  // and number of the create; an `open` waits for twins of its own create only.
  struct expected_twin {
    std::size_t creates = 0;
    // It waits for no later create. So no circle of creates can wait for each other: along a chain
    // of waits the numbers never rise, and inside one create parents stand before their children.
    bool ordered = true;
    std::vector<frame> opens{};
  };
  std::map<std::pair<std::string, std::uint64_t>, expected_twin> expected_;
  // The id of the event that led to the work in hand; empty: not known.
  std::string_view cause_;
  // Sets it for as long as it lives.
  class cause_scope {
  public:
    cause_scope(cell& of, std::string_view cause) noexcept : of_{of}, before_{of.cause_} {
      of.cause_ = cause;
    }
    ~cause_scope() { of_.cause_ = before_; }
    cause_scope(const cause_scope&) = delete;
    cause_scope& operator=(const cause_scope&) = delete;

  private:
    cell& of_;
    std::string_view before_;
  };

  held_rows held_{limits::held_work_max};
  commit_log commits_;

  std::uint64_t next_operation_ = 1;
  std::unordered_map<std::uint64_t, removal> removals_;

  // Scratch of the frame under work: the key number of each of its keys, found when first used.
  capnp::List<capnp::Text>::Reader frame_keys_;
  std::vector<std::uint32_t> key_numbers_;
  // The key that stood at this place of a frame the last time: frames of one sender name the same
  // keys in the same order.
  struct known_key {
    std::string_view text{};
    std::uint32_t number = 0;
  };
  std::array<known_key, 8> last_keys_{};

  condition_cache conditions_{keys_};
  model_checks model_checks_{world_.models, types_};

  // Scratch of the update under work.
  update_draft draft_;
  std::int64_t source_time_us_ = 0;
  bool keep_changes_ = false;
  std::uint32_t changed_ = 0;
  struct saved_row {
    const shape* layout = nullptr;
    std::vector<property_slot> slots;
    // Empty: the row has none.
    std::vector<std::int64_t> source_times;
    std::uint64_t version = 0;
    hybrid_time updated{};
    lifecycle_state lifecycle{};
  };
  saved_row saved_;

  // Null: nothing is stored.
  std::unique_ptr<cell_journal> journal_;
  std::uint16_t writer_ = 0;
  // The batch under work says what replicas hold.
  bool of_replica_ = false;
  residency residents_;
  // Which departure a row that is `leaving` is part of; there may be more rows than are leaving
  // yet.
  boost::unordered_flat_map<std::uint32_t, std::uint64_t> leaving_;
  std::uint64_t last_departure_ = 0;
  // At start: of whom the store told; null otherwise.
  std::shared_ptr<departures> restored_departures_;
  // Of restored twins, by row, until they are below their parents.
  struct restored_place {
    // In `restored_parents_`; 0: it is a root.
    std::uint32_t parent = 0;
    stamp created{};
  };
  std::vector<restored_place> restored_;
  // Each once, since most have many children; the first is empty.
  std::vector<std::string> restored_parents_;
  boost::unordered_flat_map<std::string, std::uint32_t> parent_numbers_;

  cell_counters counters_;
  histogram update_latency_;
  lane lane_;
};

/// A twin between two cells: all that belongs to it.
struct travelling_twin {
  twin_row row;
  /// Of `row.slots`.
  std::vector<key_id> keys{};
  std::unique_ptr<behavior> behaves{};
  /// Of its behaviour; 0: none.
  std::int64_t tick_due_ns = 0;
  std::int64_t tick_period_ns = 0;
  bool never_started = false;
  rollup_list below{};
  /// That ask for it by its id.
  std::vector<subscription_ptr> readers{};
};

} // namespace gemel
