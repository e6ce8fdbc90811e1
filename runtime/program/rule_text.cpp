#include "runtime/program/rule_text.hpp"

#include "messages/duration.hpp"
#include "runtime/program/display.hpp"
#include "runtime/program/json_text.hpp"
#include "runtime/program/units.hpp"

#include <algorithm>

namespace gemel {

namespace {

std::string when(std::int64_t at_ms) {
  return time_text(at_ms * 1'000);
}

// Where a group begins, or may end or go on: it lets others look.
bool is_pure_choice(const automaton_state& state) {
  return state.role == state_role::normal && !state.edges.empty()
         && std::all_of(state.edges.begin(), state.edges.end(), [](const automaton_edge& edge) {
              return edge.kind == edge_kind::proceed && edge.tests.empty();
            });
}

// Names a state: its stage, with a number where a stage has several.
std::string name_of(const rule& what, const automaton& states, std::uint32_t index) {
  const auto& state = states.states()[index];
  if (state.role == state_role::final)
    return "MATCH";
  auto is_choice = is_pure_choice(state);
  auto name = is_choice ? "choice" : what.pattern().stages[state.stage].name;
  if (state.role == state_role::stop)
    return "END (" + name + " happened)";
  std::size_t place = 1;
  std::size_t count = 0;
  // States are made from the last to the first.
  for (std::uint32_t i = 0; i < states.states().size(); ++i) {
    const auto& other = states.states()[i];
    auto is_other =
        is_choice ? !is_pure_choice(other)
                  : is_pure_choice(other) || other.stage != state.stage || other.role != state.role;
    if (is_other)
      continue;
    ++count;
    place += i > index ? 1 : 0;
  }
  return count > 1 ? name + "#" + std::to_string(place) : name;
}

// How the event must stand to an earlier one in causality; empty: it need not.
std::string relation_text(const rule& what, const pattern_stage& stage) {
  const auto& other = what.pattern().stages[stage.relative_to].name;
  switch (stage.relation) {
  case event_relation::happened_before:
    return " and " + other + " happened before it";
  case event_relation::concurrent:
    return " and " + other + " is concurrent with it";
  case event_relation::caused_by:
    return " and " + other + " caused it";
  default:
    return {};
  }
}

std::string test_text(const rule& what, const edge_test& test) {
  const auto& stage = what.pattern().stages[test.stage];
  const auto& code = test.is_until ? stage.until : stage.where;
  auto text = stage.name;
  if (code)
    text = code->code().to_string();
  else if (!test.is_until)
    text = "any event";
  auto add = [&](const char* field, const std::vector<std::string>& words) {
    std::string list;
    for (const auto& word : words)
      list += (list.empty() ? "" : ", ") + word;
    if (!words.empty() && !test.is_until)
      text += std::string{" and "} + field + " in (" + list + ")";
  };
  add("twin_type", stage.twin_types);
  add("event", stage.events);
  if (!test.is_until)
    text += relation_text(what, stage);
  return test.negated ? "not (" + text + ")" : text;
}

std::string edge_text(const rule& what, const automaton& states, std::uint32_t from,
                      const automaton_edge& edge, bool is_utf8) {
  constexpr const char* kinds[] = {"take", "pass over", "or at once"};
  std::string text = kinds[static_cast<std::size_t>(edge.kind)];
  std::string tests;
  for (const auto& test : edge.tests)
    tests += (tests.empty() ? "" : " and ") + test_text(what, test);
  if (!tests.empty())
    text += " if " + tests;
  else if (edge.kind == edge_kind::ignore)
    text += " anything";
  return text + (is_utf8 ? " ─▶ " : " -> ")
         + (edge.target == from ? "stay" : name_of(what, states, edge.target));
}

std::string state_text(const rule& what, const automaton& states, std::uint32_t index,
                       bool is_utf8) {
  const auto& state = states.states()[index];
  auto text = (is_utf8 ? "● " : "* ") + name_of(what, states, index);
  if (index == states.start())
    text += " (start)";
  const auto& stage = what.pattern().stages[state.stage];
  if (state.role == state_role::pending)
    text += " (when "
            + (stage.is_timed() ? format_duration(stage.within_prev) : std::string{"its time"})
            + " ended undisturbed: " + name_of(what, states, state.then) + ")";
  else if (stage.within_prev.count() > 0)
    text += " within " + format_duration(stage.within_prev) + " of the event before";
  text += "\n";
  for (std::size_t i = 0; i < state.edges.size(); ++i) {
    auto is_last = i + 1 == state.edges.size();
    text += is_utf8 ? (is_last ? "└─ " : "├─ ") : (is_last ? "`- " : "|- ");
    text += edge_text(what, states, index, state.edges[i], is_utf8) + "\n";
  }
  return text;
}

// One line for each event, in the order in which they were taken.
std::string events_text(const rule& of, const found_match& match) {
  std::vector<const event_chain::link*> links;
  for (const auto* at = match.bound.last(); at != nullptr; at = at->before)
    links.push_back(at);
  std::string text;
  for (auto at = links.rbegin(); at != links.rend(); ++at) {
    const auto& event = *(*at)->event;
    auto line = of.pattern().stages[(*at)->stage].name + "  " + when(event.time_ms()) + "  "
                + (event.twin_id.is_null() ? "-" : to_string(event.twin_id)) + " "
                + to_string(event.event)
                + (event.properties.is_null() ? "" : " " + to_json(event.properties));
    text += "  " + printable(line) + "\n";
  }
  return text;
}

json_object head_json(const rule& of, const char* kind, const found_match& what) {
  json_object made;
  made.add(kind, value{of.name()});
  made.add("at", value{when(what.at)});
  made.add("key", what.key);
  if (!of.window())
    made.add("events", of.bound_events(what.bound));
  return made;
}

std::string window_text(const window_spec& what, bool is_utf8) {
  constexpr const char* kinds[] = {"tumbling", "hopping", "sliding",
                                   "session",  "count",   "count sliding"};
  auto text = "\n" + std::string{is_utf8 ? "● " : "* "} + kinds[static_cast<std::size_t>(what.kind)]
              + " window";
  auto add = [&](const char* name, std::chrono::milliseconds time) {
    if (time.count() > 0)
      text += std::string{", "} + name + " " + format_duration(time);
  };
  add("size", what.size);
  add("slide", what.slide);
  add("gap", what.gap);
  if (what.events > 0)
    text += ", of " + std::to_string(what.events) + " events";
  if (what.events_slide > 0)
    text += ", every " + std::to_string(what.events_slide);
  add("corrected for", what.allowed_lateness);
  for (const auto& one : what.group_by)
    text += "\n   by " + one.code().to_string();
  for (const auto& one : what.sides)
    text += "\n   joins " + one.name + (one.optional ? " (if there is any)" : "")
            + (one.where ? ": " + one.where->code().to_string() : "");
  for (const auto& one : what.aggregates)
    text += "\n   " + one.name + (one.of ? " of " + one.of->code().to_string() : "");
  if (what.having)
    text += "\n   told if " + what.having->code().to_string();
  return text + "\n";
}

} // namespace

std::string placed_rule_text(const value& answer) {
  auto text = "rule " + printable(to_string(*answer.find("rule"))) + ", version "
              + to_string(*answer.find("version")) + ", is at work";
  const auto* kept = answer.find("kept");
  return text + (kept != nullptr && *kept == value{true} ? "; open runs were kept\n" : "\n");
}

std::string rule_list_text(const value& rules, table_form form) {
  std::vector<std::vector<table_cell>> rows;
  for (const auto& one : rules.as_list()) {
    auto text = [&](const char* key) { return printable(to_string(*one.find(key))); };
    rows.push_back(
        {{text("rule")}, {text("version"), true}, {text("file")}, {text("description")}});
  }
  return table{{{"RULE"}, {"VERSION"}, {"FILE", true}, {"DESCRIPTION", true}}, form}.draw(rows);
}

std::string rule_numbers_text(const value& rules) {
  std::string text;
  for (const auto& one : rules.as_list()) {
    text += "rule " + printable(to_string(*one.find("rule"))) + "\n";
    for (const auto& member : one.as_map()) {
      if (member.key == "rule" || member.content.is_null())
        continue;
      auto content = member.content.is_map() ? to_json(member.content) : to_string(member.content);
      text += "  " + member.key
              + std::string(18 - std::min<std::size_t>(17, member.key.size()), ' ')
              + printable(content) + "\n";
    }
  }
  return text.empty() ? "no rules\n" : text;
}

std::string explain_text(const rule& what, bool is_utf8) {
  if (what.window())
    return "rule " + what.name() + ", version " + std::to_string(what.version()) + "\n"
           + (what.description().empty() ? "" : printable(what.description()) + "\n")
           + window_text(*what.window(), is_utf8);
  automaton states{what.pattern()};
  auto text = "rule " + what.name() + ", version " + std::to_string(what.version()) + "\n";
  if (!what.description().empty())
    text += printable(what.description()) + "\n";
  if (what.pattern().within.count() > 0)
    text += "the whole within " + format_duration(what.pattern().within) + "\n";
  for (auto stage : what.pattern().lead) {
    const auto& absent = what.pattern().stages[stage];
    text += "first " + format_duration(absent.within_prev) + " without " + absent.name
            + (absent.where ? ": " + absent.where->code().to_string() : "") + "\n";
  }
  std::vector<bool> is_reached(states.states().size(), false);
  std::vector<std::uint32_t> open{states.start()};
  while (!open.empty()) {
    auto index = open.back();
    open.pop_back();
    if (is_reached[index])
      continue;
    is_reached[index] = true;
    for (const auto& edge : states.states()[index].edges)
      open.push_back(edge.target);
    if (states.states()[index].role == state_role::pending)
      open.push_back(states.states()[index].then);
  }
  for (auto i = static_cast<std::uint32_t>(states.states().size()); i-- > 0;) {
    auto role = states.states()[i].role;
    if (is_reached[i] && role != state_role::final && role != state_role::stop)
      text += "\n" + state_text(what, states, i, is_utf8);
  }
  return text;
}

std::string match_text(const rule& of, const found_match& match) {
  auto is_correction = match.content.find("correction") != nullptr;
  auto text = std::string{is_correction ? "correction"
                          : of.window() ? "window"
                                        : "match"}
              + " at " + when(match.at) + " of " + printable(to_string(match.key)) + "\n"
              + (of.window() ? std::string{} : events_text(of, match));
  if (!of.select().empty() || of.window())
    text += "  select " + printable(to_json(of.selected(match))) + "\n";
  for (const auto& one : of.actions_for(match))
    text += "  action " + printable(to_json(one.content)) + "\n";
  return text;
}

std::string timeout_text(const rule& of, const found_match& ended) {
  return "timeout at " + when(ended.at) + " of " + printable(to_string(ended.key)) + "\n"
         + events_text(of, ended);
}

std::string match_json(const rule& of, const found_match& match) {
  auto made = head_json(of, "match", match);
  made.add("select", of.selected(match));
  json_list actions;
  for (const auto& one : of.actions_for(match))
    actions.add_json(to_json(one.content));
  return made.add_json("actions", actions.text()).text();
}

std::string timeout_json(const rule& of, const found_match& ended) {
  return head_json(of, "timeout", ended).text();
}

} // namespace gemel
