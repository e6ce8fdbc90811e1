#include "workflows/rule.hpp"

#include <algorithm>
#include <deque>

namespace gemel {

namespace {

bool contains(const std::vector<std::string>& words, const value& word) {
  return words.empty()
         || (word.is_text()
             && std::find(words.begin(), words.end(), word.as_text()) != words.end());
}

} // namespace

std::string_view to_string(action_kind kind) noexcept {
  switch (kind) {
  case action_kind::emit:
    return "emit";
  case action_kind::update_twin:
    return "update_twin";
  case action_kind::start_workflow:
    return "start_workflow";
  case action_kind::log:
    return "log";
  case action_kind::send_command:
    return "send_command";
  case action_kind::signal_workflow:
    return "signal_workflow";
  case action_kind::publish:
    return "publish";
  case action_kind::webhook:
    return "webhook";
  }
  return "unknown";
}

bool rule::concerns(const rule_event& event) const {
  return contains(twin_types_, event.twin_type) && contains(events_, event.event);
}

bool rule::needs_time() const noexcept {
  return window_ || time_.is_given || pattern_.within.count() > 0 || output_.needs_time()
         || std::any_of(pattern_.stages.begin(), pattern_.stages.end(),
                        [](const pattern_stage& one) { return one.within_prev.count() > 0; });
}

std::string rule::source_of(const rule_event& event, const std::string& given) const {
  return source_ ? to_json(source_->evaluate(&event, {})) : given;
}

bool rule::needs_stamps() const noexcept {
  return std::any_of(pattern_.stages.begin(), pattern_.stages.end(), [](const auto& one) {
    return one.relation == event_relation::happened_before
           || one.relation == event_relation::concurrent;
  });
}

value rule::key_of(const rule_event& event) const {
  if (partition_.empty())
    return {};
  if (!is_partition_list_)
    return partition_[0].evaluate(&event, {});
  value_list made;
  for (const auto& one : partition_)
    made.push_back(one.evaluate(&event, {}));
  return value{std::move(made)};
}

value rule::bound_events(const event_chain& bound) const {
  std::vector<value_list> by_stage(stage_names_.size());
  for (const auto* at = bound.last(); at != nullptr; at = at->before)
    by_stage[at->stage].push_back(to_value(*at->event));
  value_map made;
  for (std::size_t i = 0; i < by_stage.size(); ++i) {
    std::reverse(by_stage[i].begin(), by_stage[i].end());
    if (!by_stage[i].empty())
      made.push_back({stage_names_[i], value{std::move(by_stage[i])}});
  }
  return value{std::move(made)};
}

value rule::selected_of_window(const found_match& match) const {
  if (select_.empty())
    return match.content;
  value_map made;
  for (const auto& field : select_) {
    std::vector<const value*> bound;
    std::deque<value> rooms;
    for (const auto& one : field.what.code().references())
      bound.push_back(one.scope.empty() ? match.content.find(one.root)
                                        : resolve_stage(one, 0, match.bound, rooms.emplace_back()));
    made.push_back({field.name, field.what.code().evaluate(bound)});
  }
  return value{std::move(made)};
}

value rule::selected(const found_match& match) const {
  const auto& bound = match.bound;
  if (!match.content.is_null())
    return selected_of_window(match);
  if (select_.empty())
    return bound_events(bound);
  value_map made;
  for (const auto& field : select_)
    made.push_back({field.name, field.what.evaluate(nullptr, bound)});
  return value{std::move(made)};
}

std::vector<wanted_action> rule::actions_for(const found_match& match) const {
  auto whole = selected(match);
  value rule_name{name_};
  std::deque<value> rooms; // Addresses stay.
  auto resolve = [&](const reference& what) -> const value* {
    if (!what.scope.empty()) {
      auto stage = std::find(stage_names_.begin(), stage_names_.end(), what.scope);
      return resolve_stage(what, static_cast<std::uint32_t>(stage - stage_names_.begin()),
                           match.bound, rooms.emplace_back());
    }
    if (what.root == "match")
      return &whole;
    if (what.root == "rule")
      return &rule_name;
    return what.root == "key" ? &match.key : whole.find(what.root);
  };
  std::vector<wanted_action> made;
  for (const auto& one : actions_) {
    value_map content{{std::string{to_string(one.kind)}, one.content.render(resolve)}};
    for (const auto& [name, what] : one.more)
      content.push_back({name, what.render(resolve)});
    made.push_back({one.kind, value{std::move(content)}, one.limit});
  }
  return made;
}

} // namespace gemel
