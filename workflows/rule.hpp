#pragma once

#include "messages/fault.hpp"
#include "workflows/json_document.hpp"
#include "workflows/output_gate.hpp"
#include "workflows/pattern_matcher.hpp"
#include "workflows/window.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gemel {

inline constexpr std::size_t rule_stages_max = pattern_stages_max;
/// A stage of `times: [n, m]` has as many states.
inline constexpr std::uint32_t stage_times_max = 1'000;

enum class event_clock : std::uint8_t { event, arrival };

/// How a rule takes time.
struct rule_time {
  event_clock clock = event_clock::event;
  /// Whether the document says anything of time. A node takes the events of a rule that does not as
  /// they arrive.
  bool is_given = false;
  /// How much later than a younger event of its source one may come.
  std::chrono::milliseconds lateness{0};
  bool report_late = true;
  /// A source without events for so long does not hold up the others; 0: it always does.
  std::chrono::milliseconds idle{0};
};

enum class action_kind : std::uint8_t {
  emit,
  update_twin,
  start_workflow,
  log,
  send_command,
  signal_workflow,
  publish,
  webhook,
};

std::string_view to_string(action_kind kind) noexcept;

/// `count` of them in each `every`; what is more is left out.
struct action_limit {
  std::uint32_t count = 1;
  std::chrono::milliseconds every{1};
};

struct rule_action {
  action_kind kind = action_kind::emit;
  template_value content{};
  /// What stands beside it: `twin` and `payload` of emit, `input` of start_workflow, `payload` of
  /// publish and webhook.
  std::vector<std::pair<std::string, template_value>> more{};
  std::optional<action_limit> limit{};
};

/// A rendered action, as `{"emit": ..., "payload": ...}`.
struct wanted_action {
  action_kind kind = action_kind::emit;
  value content{};
  std::optional<action_limit> limit{};
};

struct selected_field {
  std::string name{};
  rule_expression what;
};

/// One event rule: a document (`gemel check` finds what is wrong with it), read and compiled.
class rule {
public:
  /// @returns all faults; what the language has and this build cannot carry out yet is
  ///          errc::unsupported.
  static tl::expected<rule, fault_list> read(const json_document& document);
  /// The same of a document that is not parsed yet. @param file for the places of faults.
  static tl::expected<rule, fault_list> read(std::string text, const std::string& file);

  /// What the rule is made of besides its version, description and actions: rules with the same
  /// text find the same, so that the state of one serves the other.
  const std::string& meaning() const noexcept { return meaning_; }
  /// The document as it was read.
  const value& document() const noexcept { return document_; }
  /// Empty: all.
  const std::vector<std::string>& twin_types() const noexcept { return twin_types_; }
  const std::vector<std::string>& events() const noexcept { return events_; }

  const std::string& name() const noexcept { return name_; }
  std::uint32_t version() const noexcept { return version_; }
  const std::string& description() const noexcept { return description_; }
  const gemel::pattern& pattern() const noexcept { return pattern_; }
  /// In the place of the pattern; nothing: there is one.
  const std::optional<window_spec>& window() const noexcept { return window_; }
  const match_limits& limits() const noexcept { return limits_; }
  const rule_time& time() const noexcept { return time_; }
  const output_spec& output() const noexcept { return output_; }
  bool report_timeouts() const noexcept { return report_timeouts_; }
  /// Whether late events are given to it, too.
  bool corrects_windows() const noexcept {
    return window_ && window_->allowed_lateness.count() > 0;
  }
  /// Whether something happens when time alone passes.
  bool needs_time() const noexcept;
  const std::vector<selected_field>& select() const noexcept { return select_; }
  const std::vector<rule_action>& actions() const noexcept { return actions_; }

  /// Whose watermark the event moves, by `time.source`. @param given where the rule does not say.
  std::string source_of(const rule_event& event, const std::string& given) const;
  /// Whether a step asks what happened before what.
  bool needs_stamps() const noexcept;

  /// Whether the rule looks at the event at all.
  bool concerns(const rule_event& event) const;

  /// What the event is partitioned by: a value, a list of them, or null for all together.
  value key_of(const rule_event& event) const;

  /// What `select` makes of a match; all that the stages bound if there is none.
  value selected(const found_match& match) const;

  /// The events by stage: a map of lists, oldest first.
  value bound_events(const event_chain& bound) const;

  /// The actions with their templates filled in.
  std::vector<wanted_action> actions_for(const found_match& match) const;

private:
  friend class rule_reader;
  value selected_of_window(const found_match& match) const;
  rule() = default;

  value document_;
  std::string meaning_;
  std::string name_;
  std::uint32_t version_ = 1;
  std::string description_;
  std::vector<std::string> twin_types_;
  std::vector<std::string> events_;
  std::vector<rule_expression> partition_;
  bool is_partition_list_ = false;
  std::optional<rule_expression> source_;
  rule_time time_;
  gemel::pattern pattern_;
  std::optional<window_spec> window_;
  std::vector<std::string> stage_names_;
  match_limits limits_;
  output_spec output_;
  bool report_timeouts_ = false;
  std::vector<selected_field> select_;
  std::vector<rule_action> actions_;
};

} // namespace gemel
