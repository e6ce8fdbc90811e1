#pragma once

#include "actors/restart_budget.hpp"
#include "registry/supervision_policy.hpp"

#include <concepts>
#include <cstdint>
#include <optional>
#include <string_view>

/// What a hierarchy actor does when one of its children ends: Erlang/OTP's rules (`supervisor.erl`)
/// as pure functions. `decide` judges in O(1); `carry_out` walks only the children it concerns and
/// tells its caller, one action at a time, what to do to them. Neither allocates for siblings.
///
/// Where gemel differs from OTP:
/// - A twin is data: a restarted child keeps its properties as they were before the message that
///   killed it. That message is recorded, not replayed.
/// - A supervisor that gives up counts as a crash of the parent twin, whatever the parent's kind;
/// in
///   OTP it exits with `shutdown`, which would not restart a transient parent.
namespace gemel {

/// What becomes of a child that ended, and whom else it concerns.
struct verdict {
  enum class kind : std::uint8_t {
    /// A temporary child: it is no longer a child.
    forget,
    /// A transient child that ended as it should: it stays a child that is not running. When a
    /// sibling's crash restarts it by `one_for_all` or `rest_for_one`, it runs again.
    retain,
    /// It is restarted, and its siblings as `scope` says.
    restart,
    /// More restarts than the policy allows: all children are stopped, the supervisor ends, and the
    /// supervisor's own parent treats that as a crash of this parent. Where there is none the
    /// subtree is `faulted`. Nothing is forgotten, so that `start_all` can start them anew.
    escalate,
  };

  kind what = kind::restart;
  /// Only of `restart`: the child alone, all children, or it and those started later.
  restart_strategy scope = restart_strategy::one_for_one;

  friend bool operator==(const verdict&, const verdict&) = default;
};

/// Judges the end of one child of kind `child` at `now_us` (microseconds, never going back) and
/// takes a restart from `budget` if one is needed. A child whose restart failed has crashed again:
/// call `decide` anew with `exit_kind::crash`, by a message to oneself and not in a loop, so that a
/// stop can come between.
[[nodiscard]] verdict decide(const supervision_policy& policy, restart_budget& budget,
                             restart_kind child, exit_kind how, std::int64_t now_us);

/// One thing to do to one child.
enum class supervision_action : std::uint8_t {
  /// End it with `exit_kind::shutdown`; it runs now. Its end is not to be judged again.
  stop,
  /// Start it; it does not run now.
  restart,
  /// It is no longer a child; it does not run now. The caller may take it out of the list at once,
  /// or leave it there: a temporary child that does not run is only started by `start_all`.
  forget,
};

std::string_view to_string(supervision_action action) noexcept;
std::string_view to_string(verdict::kind what) noexcept;

/// The ordered list of one parent's children, the first started first. `child` is a cheap value
/// that names one of them (an index, a row, a pointer) and stays valid until that child is
/// forgotten. All functions O(1).
template <class List>
concept supervised_children = requires(const List& list, typename List::child who) {
  { list.first() } -> std::same_as<std::optional<typename List::child>>;
  { list.last() } -> std::same_as<std::optional<typename List::child>>;
  { list.before(who) } -> std::same_as<std::optional<typename List::child>>;
  { list.after(who) } -> std::same_as<std::optional<typename List::child>>;
  { list.kind(who) } -> std::same_as<restart_kind>;
  { list.running(who) } -> std::same_as<bool>;
};

/// Does one `supervision_action` to one child. False: the child did not start; only `restart` may
/// answer that.
template <class Act, class List>
concept supervision_actor = requires(Act& act, supervision_action what, typename List::child who) {
  { act(what, who) } -> std::same_as<bool>;
};

/// Stops the running children of the list's right end up to and including `until` (empty: all),
/// right to left; with `forget_temporary`, forgets the temporary ones among them.
template <supervised_children List, supervision_actor<List> Act>
void stop_right_to_left(const List& list, std::optional<typename List::child> until,
                        bool forget_temporary, Act& act) {
  for (auto at = list.last(); at;) {
    auto who = *at;
    at = who == until ? std::nullopt : list.before(who);
    if (!list.running(who))
      continue;
    bool forget = forget_temporary && list.kind(who) == restart_kind::temporary;
    act(supervision_action::stop, who);
    if (forget)
      act(supervision_action::forget, who);
  }
}

/// Starts those that do not run from `from` to the list's right end, left to right; the temporary
/// ones only `with_temporary`.
/// @returns the child that did not start; those after it are not started then. Empty: all run.
template <supervised_children List, supervision_actor<List> Act>
[[nodiscard]] std::optional<typename List::child>
start_left_to_right(const List& list, std::optional<typename List::child> from, bool with_temporary,
                    Act& act) {
  for (auto at = from; at; at = list.after(*at)) {
    bool wanted = with_temporary || list.kind(*at) != restart_kind::temporary;
    if (wanted && !list.running(*at) && !act(supervision_action::restart, *at))
      return at;
  }
  return std::nullopt;
}

/// Starts all children, as when their supervisor starts (anew): left to right, of every kind.
/// @returns as `start_left_to_right`.
template <supervised_children List, supervision_actor<List> Act>
[[nodiscard]] std::optional<typename List::child> start_all(const List& list, Act&& act) {
  return start_left_to_right(list, list.first(), true, act);
}

/// Stops all children, as when their supervisor is stopped: right to left. Forgets none.
template <supervised_children List, supervision_actor<List> Act>
void stop_all(const List& list, Act&& act) {
  stop_right_to_left(list, {}, false, act);
}

/// Does what `decided` says about `ended`, which no longer runs: stops right to left, forgetting
/// the temporary ones, then restarts left to right. `list` must show at once what `act` did.
/// O(1) for `one_for_one`, else O(children concerned).
/// @returns the child that did not start, see `decide`; those after it are not started then. Empty:
///          all is done.
template <supervised_children List, supervision_actor<List> Act>
[[nodiscard]] std::optional<typename List::child> carry_out(verdict decided, const List& list,
                                                            typename List::child ended, Act&& act) {
  GEMEL_CHECK(!list.running(ended));
  using enum restart_strategy;
  switch (decided.what) {
  case verdict::kind::retain:
    return std::nullopt;
  case verdict::kind::forget:
    act(supervision_action::forget, ended);
    return std::nullopt;
  case verdict::kind::escalate:
    stop_all(list, act);
    return std::nullopt;
  case verdict::kind::restart:
    break;
  }
  if (decided.scope == one_for_one)
    return act(supervision_action::restart, ended) ? std::nullopt : std::optional{ended};
  auto until = decided.scope == one_for_all ? std::nullopt : std::optional{ended};
  stop_right_to_left(list, until, true, act);
  return start_left_to_right(list, until ? until : list.first(), false, act);
}

} // namespace gemel
