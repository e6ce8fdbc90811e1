#pragma once

#include "messages/error.hpp"
#include "messages/sibling.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

/// What a property shows while concurrent writes stand beside each other. Causal order decides
/// first, always: a policy only ever sees writes that did not know of each other. It is a pure
/// function of them, so that every replica shows the same without a word about it.
namespace gemel {

/// How concurrent writes become one value. The numbers are part of the wire format.
enum class conflict_strategy : std::uint8_t {
  /// The latest by hybrid time, then by writer.
  last_write_wins = 0,
  /// The one that stands on the most writes, then the latest.
  version_based = 1,
  /// The one of a named site (the latest of several), else the latest.
  authority = 2,
  /// The greatest or least number; what is no number counts only if there is none.
  merge_max = 3,
  merge_min = 4,
  /// Each site writes its own share; the property shows the sum of all shares.
  merge_sum = 5,
  /// Each write counts by how much it changed what it saw. Source: PN-counter, Shapiro et al., "A
  /// comprehensive study of convergent and commutative replicated data types", 2011.
  merge_counter = 6,
  /// A list as a set: an element is in if it was added and not removed by a write that saw that
  /// addition. Source: Bieniusa et al., "An optimized conflict-free replicated set", 2012.
  merge_set = 7,
  /// A map whose members are decided each for itself, the latest write of a member wins.
  merge_map = 8,
  /// What a function of the embedding program makes of them, see `merge_function`; the latest, as
  /// an open conflict, if the function refuses them.
  merge_function = 9,
  /// All stay until somebody decides; until then the latest is shown, marked as in conflict.
  manual = 10,
};

std::string_view to_string(conflict_strategy strategy) noexcept;
/// @returns errc::bad_value with the names there are.
result<conflict_strategy> strategy_from_string(std::string_view name);

/// A function that merges what concurrent writes hold, oldest first, at least two that differ.
/// Every node calls it for itself whenever it looks, on the thread of its replicas, so it must be
///
///   - a pure function: no clock, no randomness, nothing kept from call to call;
///   - commutative, associative and idempotent (`check_merge_laws`), since what it made may be
///     written and then be one of the values of the next call;
///   - the same at all nodes under the same name. Peers notice by their digests if it is not;
///   - quick, and without exceptions.
///
/// @returns the value to show; an error if it cannot merge these: they stay an open conflict.
using merge_function = std::function<result<value>(const std::vector<value>&)>;
using merge_functions = std::map<std::string, merge_function, std::less<>>;

struct conflict_policy {
  conflict_strategy strategy = conflict_strategy::last_write_wins;
  /// Of `authority`: whose writes win.
  site_id site{};
  /// Of `merge_function`: its name, and what it is; null: it is not known here.
  std::string function{};
  std::shared_ptr<const merge_function> merge{};

  friend bool operator==(const conflict_policy&, const conflict_policy&) = default;
};

/// How a policy is written: a strategy, `authority:NODE` or `function:NAME`. Which functions there
/// are `conflict_policies::bind` knows.
/// @returns errc::bad_value with what there is.
result<conflict_policy> policy_from_string(std::string_view text);

/// The site of a node's name, the same everywhere; never 0.
site_id site_of_name(std::string_view node) noexcept;

/// What a property shows.
struct resolved_value {
  /// False: the property is not there; nothing else is set then.
  bool present = false;
  value content{};
  hybrid_time time{};
  /// Of `manual`, and where a function refuses: writes differ and wait for a decision.
  bool undecided = false;
};

/// Whether what is kept is not what is shown: sums, counters, sets and maps.
constexpr bool is_merged(conflict_strategy strategy) noexcept {
  return strategy == conflict_strategy::merge_sum || strategy == conflict_strategy::merge_counter
         || strategy == conflict_strategy::merge_set || strategy == conflict_strategy::merge_map;
}

/// What `siblings` show under `policy`.
resolved_value resolve(const conflict_policy& policy, const sibling_set& siblings);

/// What is to be kept when somebody writes `wanted` and sees `seen`: mostly `wanted` itself; of
/// sums, counters, sets and maps what merges with writes that nobody here knows yet.
/// @returns errc::bad_value if the strategy cannot take such a value.
result<value> content_to_keep(const conflict_policy& policy, const sibling_set& seen, write_id own,
                              hybrid_time now, const value& wanted);

/// Which policy decides: that of the twin's property, of the twin, of the type's property, of the
/// type, of the property anywhere, else the node's.
class conflict_policies {
public:
  /// Functions that policies may name; before any policy is bound.
  void set_functions(merge_functions functions);
  /// Gives a policy that names a function that function; others stay as they are.
  /// @returns errc::bad_value with the names there are.
  result<conflict_policy> bind(conflict_policy policy) const;

  void set_default(conflict_policy policy) { fallback_ = std::move(policy); }
  void set_type(std::string type, conflict_policy policy);
  void set_twin(std::string twin, conflict_policy policy);
  /// @param type empty: of any type.
  void set_property(std::string type, std::string key, conflict_policy policy);
  void set_twin_property(std::string twin, std::string key, conflict_policy policy);

  const conflict_policy& of(std::string_view twin, std::string_view type,
                            std::string_view key) const;
  /// Whether a twin's type makes a difference.
  bool ask_for_type() const noexcept { return !types_.empty() || !properties_.empty(); }

  /// Reads a strategy that somebody sets for one twin, which then replicates with it.
  /// @returns what `policy_from_string` and `bind` say; errc::bad_value for strategies that keep
  /// more than is
  ///          shown, since values of other kinds could not be written any more.
  result<conflict_policy> own(std::string_view text) const;
  /// What decides a property of a twin with a strategy of its own. Properties that keep more than
  /// is shown (`is_merged`), and what is about the twin itself, stay as configured; so does all
  /// that a strategy of a newer node names that is not known here.
  /// @param configured what `of` says.
  conflict_policy with_own(const conflict_policy& configured, std::string_view key,
                           const value& text) const;

private:
  using by_name = std::map<std::string, conflict_policy, std::less<>>;
  using by_pair = std::map<std::pair<std::string, std::string>, conflict_policy>;

  std::map<std::string, std::shared_ptr<const merge_function>, std::less<>> functions_;
  conflict_policy fallback_;
  by_name types_;
  by_name twins_;
  by_pair properties_;
  by_pair twin_properties_;
};

/// Holds `merge` against the laws that make it safe to run at any time: the order of the writes
/// does not matter, a result merged again with what went in is itself, nested merges agree.
/// @param random 64 random bits a call.
/// @returns errc::bad_value naming the first law that some of `cases` random cases break.
result<void> check_merge_laws(const merge_function& merge,
                              const std::function<std::uint64_t()>& random,
                              std::uint32_t cases = 1'000);

} // namespace gemel
