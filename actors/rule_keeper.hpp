#pragma once

#include "actors/log_record.hpp"
#include "actors/rule_effects.hpp"
#include "actors/rule_journal.hpp"
#include "actors/store_port.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

namespace gemel {

/// Keeps the rules of a node, and all they have in memory, over crashes. Each thing that happens to
/// them is a record of the log before it is carried out; now and then a checkpoint says what came
/// of all records up to one. A start reads the checkpoint and carries out the records behind it,
/// which finds what was found before. Actions that were carried out stand in facts, see
/// `done_fact`. For one thread at a time.
class rule_keeper {
public:
  /// Under this name it holds the log back.
  static constexpr const char* holder = "rules";
  /// Bytes of records between two checkpoints, about.
  static constexpr std::uint64_t records_bytes_max = std::uint64_t{64} << 20;
  /// Between two checkpoints at least; longer for much state, see `state_bytes_per_s`.
  static constexpr std::int64_t pause_ms = 10'000;
  /// Checkpoints write no more than this, but for `records_bytes_max`.
  static constexpr std::int64_t state_bytes_per_s = std::int64_t{10} << 20;
  /// A change of a twin reaches rules sooner than this behind what the last ones took, and their
  /// own lag.
  static constexpr std::int64_t in_flight_ms = 5'000;

  /// What a checkpoint holds.
  struct content {
    /// As of `rule_coordinator::save`; empty: there are no rules, and nothing is kept any more.
    std::string rules{};
    /// Of all partitions.
    std::vector<saved_rule> states{};
    /// Begun before, and not ended.
    std::vector<rule_effect> effects{};
  };

  explicit rule_keeper(store_port& store) : store_{store} {}

  // ---- at the start, in this order ----------------------------------------------------------

  /// The last checkpoint. @returns errc::store_corrupt, errc::incompatible.
  result<content> open(std::int64_t now_ms);

  using record_sink = std::function<result<void>(log_position, const rule_record&)>;
  /// Hands the records behind the checkpoint to `each`, in order.
  /// @returns errc::store_corrupt; what `each` returned.
  result<void> replay(const record_sink& each);

  using event_sink = std::function<result<void>(log_position, const stored_event&)>;
  /// Hands changes of twins that are in the log, and in no record of rules, to `each`: those on
  /// their way when the process ended. To be called when new ones reach the caller already, who
  /// may so see some twice; see `was_read`.
  result<void> read_unseen(const event_sink& each);

  /// Whether the event was handed out by `read_unseen`; asked once for each.
  bool was_read(std::string_view event_id);

  /// Keys of actions that are done, by facts and by what they led to.
  std::unordered_set<std::string> done() const;

  // ---- later --------------------------------------------------------------------------------

  /// Logs a record, before it is carried out. @returns its position; errc::store_failed.
  result<log_position> note(const rule_record& what);

  /// Notes that these actions are done.
  void note_done(const std::vector<std::string>& actions);

  /// Time passes. @param lag_ms how old events are when rules see them.
  void pass(std::int64_t now_ms, std::int64_t lag_ms);

  bool is_checkpoint_due(std::int64_t now_ms) const;
  /// The state is now being taken: it holds all records so far.
  void begin_checkpoint(std::int64_t now_ms);
  /// @param forgotten actions that are done and that no record behind the checkpoint leads to.
  /// @returns errc::store_failed, errc::overloaded: the one before counts yet.
  result<void> finish_checkpoint(const content& made, const std::vector<std::string>& forgotten);

  /// Actions that were done before this start, to be forgotten with its first checkpoint.
  std::vector<std::string> take_old_facts() { return std::exchange(old_facts_, {}); }

  std::uint64_t records() const noexcept { return records_; }
  std::uint64_t checkpoints() const noexcept { return checkpoints_; }

private:
  struct head {
    std::uint64_t epoch = 0;
    log_position position{};
    std::uint64_t chunks = 0;
  };

  result<void> write(head next, const std::string& bytes, std::vector<meta_change> more);
  result<std::string> read_state() const;
  result<void> read_held();
  void tell_held();
  result<void> begin_from_nothing();
  result<void> end();
  void note_read(const rule_record& what);
  result<void> take_unseen(log_position at, std::string_view record, const event_sink& each);

  store_port& store_;
  head head_;
  // From here on the log may hold what rules have not seen.
  log_position held_{};
  bool is_active_ = false;
  std::optional<head> under_way_;
  log_position last_{};
  std::uint64_t bytes_since_ = 0;
  std::uint64_t state_bytes_ = 0;
  std::int64_t written_ms_ = 0;
  std::int64_t begun_ms_ = 0;
  // When the log had come how far, for some seconds; oldest first.
  std::deque<std::pair<std::int64_t, log_position>> reached_;
  std::int64_t held_told_ms_ = 0;
  std::vector<std::string> old_facts_;
  std::unordered_set<std::string> done_; // by what they led to
  // By hashes of their ids.
  std::unordered_set<std::uint64_t> noted_;
  std::unordered_set<std::uint64_t> read_;
  std::uint64_t records_ = 0;
  std::uint64_t checkpoints_ = 0;
};

} // namespace gemel
