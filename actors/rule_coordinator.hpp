#pragma once

#include "actors/rule_cause.hpp"
#include "actors/rule_partition.hpp"
#include "actors/store_port.hpp"
#include "workflows/event_order.hpp"

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace gemel {

/// One event of a twin as rules see it.
struct observed_event {
  /// Its time is that of the device if it said so, else that of the node.
  rule_event_ptr event{};
  std::int64_t written_us = 0;
  /// Of an event that was read from the log after a crash: where it stands there. Rules that came
  /// later are not given it.
  log_position logged_at{};
  /// The key of the rules' action that caused it, see `action_in`; empty: none did.
  std::string action{};
};

/// Which rules a node has, which of them an event concerns, and in which partition its key lies.
/// What is to be done goes into the partitions' lists, which the owner takes. Pure; the owner sees
/// to it that one thread calls at a time.
class rule_coordinator {
public:
  struct options {
    std::size_t partitions = 1;
    /// Rules of a node.
    std::size_t rules_max = 100'000;
    /// By how much events of different cells may change order on their way; event time waits for
    /// so long besides the rule's own lateness.
    std::int64_t settle_ms = 100;
    /// Events that rules emit may lead to further ones so many times.
    std::uint32_t depth_max = 8;
  };

  /// A rule as it is at work.
  struct live_rule {
    std::uint64_t number = 0;
    std::shared_ptr<const rule> document{};
    /// The file it was read from; empty: none.
    std::string file{};
    event_order order;
    std::uint64_t events = 0;
    /// In the last whole second, or longer where there was no tick.
    std::uint64_t events_per_s = 0;
    std::uint64_t events_before = 0; // when that second began
    std::int64_t counted_ms = 0;
    std::uint64_t late = 0;
    /// Events not looked at, since too many rules had led to them.
    std::uint64_t loops = 0;
    std::int64_t told_ms = 0;
    /// Where the log of a node with a store says that it came, or was replaced.
    log_position put_at{};
  };

  /// A stored rule that this version of the language refuses. It is kept for a version that takes
  /// it, until it is removed or replaced; what it had in memory is gone.
  struct refused_rule {
    std::string text{};
    std::string file{};
    /// Its first fault.
    std::string why{};
    log_position put_at{};
  };

  explicit rule_coordinator(options wanted);

  /// @returns errc::bad_value if there is a rule of this name; errc::limit_reached.
  result<void> add(std::shared_ptr<const rule> document, std::string file = {});

  /// What `add` and `replace` would refuse; nothing changes.
  result<void> check(const rule& document, bool is_new) const;

  /// Takes the place of the rule of this name, or adds it.
  /// @returns whether open runs were kept; errc::limit_reached.
  result<bool> replace(std::shared_ptr<const rule> document, std::string file = {});

  /// @returns errc::unknown_key, with the nearest name.
  result<void> remove(std::string_view name);

  /// Takes a rule of the store. @returns false if it is refused, and kept as that.
  bool take_stored(std::string text, std::string file, log_position at) {
    return put_stored(std::move(text), std::move(file), at) != nullptr;
  }
  const std::map<std::string, refused_rule, std::less<>>& refused() const noexcept {
    return refused_;
  }

  /// @returns null if there is none.
  const live_rule* find(std::string_view name) const;
  const std::map<std::string, live_rule, std::less<>>& rules() const noexcept { return rules_; }
  error unknown(std::string_view name) const;

  /// Whether any rule may look at such an event; cheap.
  bool concerns(std::string_view event, std::string_view twin_type) const;

  /// Whether any rule asks what happened before what.
  bool needs_stamps() const noexcept { return stamped_ > 0; }

  /// @param now_ms when it came in; milliseconds since 1970 UTC, does not go back.
  void take(const observed_event& seen, std::int64_t now_ms);

  /// Time passes without events.
  void tick(std::int64_t now_ms);
  /// Whether `tick` would tell any rule the time.
  bool is_tick_due(std::int64_t now_ms) const;

  /// Notes where the log says that the rule came.
  void placed(std::string_view name, log_position at);

  /// The rules, what waits for its order, and their times; not what partitions have.
  void save(state_writer& into) const;
  /// Of a coordinator without rules: takes them over. What partitions have is theirs to restore.
  /// @returns errc::store_corrupt.
  result<void> restore(state_reader& from);

  /// In which partition a key of the rule lies. @param key as JSON.
  std::size_t place_of(const rule& of, const std::string& key) const;

  /// The greatest time that was told.
  std::int64_t now_ms() const noexcept { return now_ms_; }

  /// What partition `index` has to do since it was last asked.
  std::vector<rule_task> take_tasks(std::size_t index);

private:
  struct name_hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };
  using rule_list = std::vector<live_rule*>;

  void put(live_rule& one);
  void index(live_rule& one);
  void unindex(const live_rule& one);
  std::span<live_rule* const> listed(std::string_view event, std::string_view twin_type) const;
  void look(live_rule& one, const observed_event& seen, rule_event_ptr& arrived,
            std::int64_t now_ms);
  void send(const live_rule& one, const rule_event_ptr& event, std::int64_t written_us);
  static void count_rate(live_rule& one, std::int64_t now_ms);
  bool is_due(const live_rule& one, std::int64_t now_ms) const;
  live_rule* put_stored(std::string text, std::string file, log_position at);
  void refuse(std::string text, std::string file, std::string why, log_position at);
  void restore_rule(state_reader& from);
  void tell_time(const live_rule& one, std::int64_t now_ms);

  options options_;
  std::map<std::string, live_rule, std::less<>> rules_;
  std::map<std::string, refused_rule, std::less<>> refused_;
  // By event and twin type, `*` for any, with a zero byte between them.
  std::unordered_map<std::string, rule_list, name_hash, std::equal_to<>> index_;
  std::vector<std::vector<rule_task>> tasks_;
  std::uint64_t rules_made_ = 0;
  std::size_t stamped_ = 0; // rules that need stamps
  std::int64_t now_ms_ = 0;
};

} // namespace gemel
