#include "workflows/rule_import.hpp"

#include "workflows/object_reader.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <vector>

namespace gemel {

namespace {

using words = std::array<std::string_view, 3>;

constexpr words strategies = {"STRICT", "SKIP_TILL_NEXT", "SKIP_TILL_ANY"};
constexpr words links = {"next", "followed_by", "followed_by_any"};
constexpr words inners = {"consecutive", "relaxed", "combinations"};
constexpr std::array<std::string_view, 5> edge_types = {"STRICT", "SKIP_TILL_NEXT", "SKIP_TILL_ANY",
                                                        "NOT_NEXT", "NOT_FOLLOW"};
constexpr std::array<std::string_view, 5> properties = {"SINGLE", "LOOPING", "TIMES", "OPTIONAL",
                                                        "GREEDY"};
constexpr std::array<std::string_view, 5> skips = {
    "NO_SKIP", "SKIP_TO_NEXT", "SKIP_PAST_LAST_EVENT", "SKIP_TO_FIRST", "SKIP_TO_LAST"};
constexpr std::array<std::string_view, 5> units = {"MILLISECONDS", "SECONDS", "MINUTES", "HOURS",
                                                   "DAYS"};
constexpr std::array<std::int64_t, 5> unit_ms = {1, 1'000, 60'000, 3'600'000, 86'400'000};
constexpr std::array<std::string_view, 2> node_types = {"ATOMIC", "COMPOSITE"};
constexpr std::array<std::string_view, 2> window_types = {"FIRST_AND_LAST", "PREVIOUS_AND_CURRENT"};
constexpr std::size_t depth_max = 16;

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// `x == nil` is true there when x is missing. Puts IS NULL in the place of `==` at the end.
bool put_null_test(std::string& made) {
  auto end = made.find_last_not_of(' ');
  if (end == std::string::npos || end == 0 || made[end] != '=')
    return false;
  auto is_not = made[end - 1] == '!';
  if (!is_not && made[end - 1] != '=')
    return false;
  made.resize(end - 1);
  made += is_not ? "IS NOT NULL" : "IS NULL";
  return true;
}

// An Aviator expression as ours: texts in double quotes, `nil`, and `!=` and the like as they are.
std::string expression_of(std::string_view text) {
  std::string made;
  for (std::size_t i = 0; i < text.size();) {
    auto quote = text[i];
    if (quote == '\'' || quote == '"') {
      made += '\'';
      for (++i; i < text.size() && text[i] != quote; ++i)
        made += text[i] == '\'' ? std::string{"''"} : std::string(1, text[i]);
      made += '\'';
      ++i;
      continue;
    }
    auto end = i;
    while (end < text.size() && is_name(text[end]))
      ++end;
    auto word = text.substr(i, end - i);
    if (word == "nil" && put_null_test(made)) {
      i = end;
      continue;
    }
    made += word == "nil" ? "NULL" : word.empty() ? std::string(1, quote) : std::string{word};
    i = std::max(end, i + 1);
  }
  return made;
}

// Names there may be anything.
std::string name_of(std::string_view text) {
  std::string made;
  for (auto c : text.substr(0, 64))
    made += is_name(c) ? c : '_';
  if (made.empty() || (made[0] >= '0' && made[0] <= '9'))
    made.insert(0, "_");
  return made.substr(0, 64);
}

class importer {
public:
  explicit importer(fault_list& faults) : faults_{faults} {}

  value rule_of(const value& root, const std::string& name) {
    object_reader from{root, "", "a rule", faults_};
    auto own = from.text("name").value_or("rule");
    static_cast<void>(from.find("type"));
    static_cast<void>(from.find("version"));
    static_cast<void>(from.find("quantifier"));
    static_cast<void>(from.find("condition"));
    value_map made{{"rule", value{name.empty() ? own : name}}};
    value_map pattern{{"steps", steps_of(from)}};
    read_window(from, pattern);
    made.push_back({"pattern", value{std::move(pattern)}});
    read_skip(from, made);
    from.finish();
    return value{std::move(made)};
  }

private:
  struct node_state {
    const value* content = nullptr;
    std::size_t place = 0;
    std::string next{};
    std::string edge{}; // that leads to it
    bool is_target = false;
  };
  using node_map = std::map<std::string, node_state>;

  void refuse(const std::string& at, std::string what, std::string hint = {}) {
    add_fault(
        faults_,
        {.code = errc::unsupported, .at = at, .message = std::move(what), .hint = std::move(hint)});
  }

  node_map nodes_of(object_reader& from) {
    node_map made;
    const auto* nodes = from.list("nodes", object_reader::required);
    for (std::size_t i = 0; nodes != nullptr && i < nodes->as_list().size(); ++i) {
      const auto& one = nodes->as_list()[i];
      const auto* name = one.find("name");
      auto text = name != nullptr && name->is_text() ? std::string{name->as_text()} : "";
      auto is_new = made.emplace(text, node_state{&one, i, {}, {}, false}).second;
      if (!is_new || text.empty())
        from.report("nodes", errc::bad_value,
                    "node " + std::to_string(i) + " has no name of its own");
    }
    return made;
  }

  void read_edges(object_reader& from, node_map& nodes) {
    const auto* edges = from.list("edges");
    for (std::size_t i = 0; edges != nullptr && i < edges->as_list().size(); ++i) {
      auto at = from.at("edges") + "/" + std::to_string(i);
      object_reader edge{edges->as_list()[i], at, "an edge", faults_};
      auto source = edge.text("source", object_reader::required);
      auto target = edge.text("target", object_reader::required);
      auto type = edge.choice("type", edge_types, object_reader::required);
      edge.finish();
      if (!source || !target || !type)
        continue;
      auto begin = nodes.find(*source);
      auto end = nodes.find(*target);
      if (begin == nodes.end() || end == nodes.end()) {
        edge.report(begin == nodes.end() ? "source" : "target", errc::bad_value, "no such node");
      } else if (!begin->second.next.empty() || end->second.is_target) {
        edge.report({}, errc::bad_value, "a node has more than one way in or out");
      } else {
        begin->second.next = *target;
        end->second.edge = edge_types[*type];
        end->second.is_target = true;
      }
    }
  }

  value steps_of(object_reader& from) {
    auto nodes = nodes_of(from);
    read_edges(from, nodes);
    if (++depth_ > depth_max)
      from.report({}, errc::limit_reached, "graphs are nested too deep");
    value_list steps;
    auto first = std::find_if(nodes.begin(), nodes.end(),
                              [](const auto& one) { return !one.second.is_target; });
    for (auto at = first; at != nodes.end() && depth_ <= depth_max;) {
      steps.push_back(step_of(at->first, at->second, from.at("nodes"), steps.empty()));
      at = at->second.next.empty() ? nodes.end() : nodes.find(at->second.next);
    }
    --depth_;
    if (steps.size() != nodes.size() && faults_.empty())
      from.report("edges", errc::bad_value, "the nodes are not one chain");
    return value{std::move(steps)};
  }

  value step_of(const std::string& name, const node_state& node, const std::string& nodes,
                bool is_first) {
    object_reader from{*node.content, nodes + "/" + std::to_string(node.place), "a node", faults_};
    static_cast<void>(from.text("name"));
    auto is_group = from.choice("type", node_types).value_or(0) == 1;
    auto is_absent = node.edge.starts_with("NOT_");
    value_map made;
    made.push_back({is_group ? "group" : is_absent ? "absent" : "name", value{name_of(name)}});
    if (is_group)
      made.push_back({"steps", steps_of(from)});
    for (auto field : {"window", "afterMatchStrategy", "version"})
      if (const auto* found = from.find(field);
          found != nullptr && !found->is_null() && is_group && std::string_view{field} == "window")
        refuse(from.at(field), "a window of a part of the pattern");
    if (!is_first)
      made.push_back({"link", value{link_of(node.edge)}});
    if (const auto* condition = from.find("condition"); condition && !condition->is_null()) {
      if (is_group)
        refuse(from.at("condition"), "a condition of a group", "give it to its nodes");
      else if (auto where = condition_of(*condition, from.at("condition")); !where.empty())
        made.push_back({"where", value{where}});
    }
    read_quantifier(from, made, is_absent);
    from.finish();
    return value{std::move(made)};
  }

  static std::string link_of(const std::string& edge) {
    if (edge.starts_with("NOT_"))
      return edge == "NOT_NEXT" ? "not_next" : "not_followed_by";
    auto known = std::find(strategies.begin(), strategies.end(), edge);
    return std::string{links[static_cast<std::size_t>(known - strategies.begin())]};
  }

  std::string condition_of(const value& content, const std::string& at) {
    object_reader from{content, at, "a condition", faults_};
    auto type = from.text("type", object_reader::required).value_or("AVIATOR");
    const auto* nested = from.find("nestedConditions");
    const auto* class_name = from.find("className");
    if (nested != nullptr && nested->is_list()) {
      static_cast<void>(from.find("subClass"));
      auto kind = class_name != nullptr && class_name->is_text()
                      ? std::string{class_name->as_text()}
                      : type;
      from.finish();
      return nested_condition(*nested, kind, at);
    }
    if (type == "AVIATOR") {
      auto text = from.text("expression", object_reader::required).value_or("");
      from.finish();
      return expression_of(text);
    }
    refuse(from.at("type"), "a condition of the type " + type,
           "write it as an expression of the type AVIATOR");
    return {};
  }

  // `RichOrCondition`, `AND` and the like.
  std::string nested_condition(const value& nested, const std::string& kind,
                               const std::string& at) {
    auto has = [&](const char* one, const char* other) {
      return kind.find(one) != std::string::npos || kind.find(other) != std::string::npos;
    };
    auto is_not = has("Not", "NOT");
    auto is_or = has("Or", "OR");
    if (!is_not && !is_or && !has("And", "AND"))
      refuse(at, "a condition of the kind " + kind);
    std::string made;
    for (std::size_t i = 0; i < nested.as_list().size(); ++i) {
      auto one = condition_of(nested.as_list()[i], at + "/nestedConditions/" + std::to_string(i));
      made += (made.empty() ? "" : is_or ? " OR " : " AND ") + std::string{"("} + one + ")";
    }
    return is_not ? "NOT (" + made + ")" : made;
  }

  void read_quantifier(object_reader& node, value_map& made, bool is_absent) {
    const auto* content = node.find("quantifier");
    if (content == nullptr || content->is_null())
      return;
    object_reader from{*content, node.at("quantifier"), "a quantifier", faults_};
    auto inner = from.choice("consumingStrategy", strategies);
    static_cast<void>(from.find("innerConsumingStrategy"));
    std::set<std::string> found;
    for (const auto& one : from.texts("properties").value_or(std::vector<std::string>{})) {
      if (std::find(properties.begin(), properties.end(), one) == properties.end())
        from.report("properties", errc::bad_value, "no property '" + one + "'");
      found.insert(one);
    }
    read_times(from, found, made, inner);
    if (const auto* until = from.find("untilCondition"); until != nullptr && !until->is_null())
      if (auto text = condition_of(*until, from.at("untilCondition")); !text.empty())
        made.push_back({"until", value{text}});
    if (!is_absent && found.contains("OPTIONAL"))
      made.push_back({"optional", value{true}});
    if (!is_absent && found.contains("GREEDY"))
      made.push_back({"greedy", value{true}});
    from.finish();
  }

  void read_times(object_reader& from, const std::set<std::string>& found, value_map& made,
                  std::optional<std::size_t> inner) {
    std::int64_t least = 1;
    std::int64_t most = 1;
    if (const auto* times = from.find("times"); times != nullptr && !times->is_null()) {
      object_reader bounds{*times, from.at("times"), "'times'", faults_};
      least = bounds.integer("from", 0, 1'000).value_or(1);
      most = bounds.integer("to", 1, 1'000).value_or(std::max<std::int64_t>(least, 1));
      if (const auto* time = bounds.find("windowTime"); time != nullptr && !time->is_null())
        refuse(bounds.at("windowTime"), "a window of a loop", "use the pattern's window");
      bounds.finish();
    }
    auto loops = found.contains("LOOPING");
    if (!loops && !found.contains("TIMES"))
      return;
    made.push_back({"times", value{value_list{value{least}, loops ? value{} : value{most}}}});
    if (inner)
      made.push_back({"inner", value{std::string{inners[*inner]}}});
  }

  void read_window(object_reader& head, value_map& pattern) {
    const auto* content = head.find("window");
    if (content == nullptr || content->is_null())
      return;
    object_reader from{*content, "/window", "a window", faults_};
    auto type = from.choice("type", window_types).value_or(0);
    if (const auto* time = from.object("time", object_reader::required)) {
      object_reader fields{*time, "/window/time", "a time", faults_};
      auto unit = fields.choice("unit", units, object_reader::required).value_or(0);
      auto size = fields.integer("size", 1, 1'000'000'000, object_reader::required).value_or(1);
      fields.finish();
      if (type == 0)
        pattern.push_back({"within", value{size * unit_ms[unit]}});
      else
        add_pauses(pattern, size * unit_ms[unit]);
    }
    from.finish();
  }

  // The time from each event to the next.
  static void add_pauses(value_map& pattern, std::int64_t pause_ms) {
    value_list steps;
    for (const auto& step : pattern[0].content.as_list()) {
      value_map made{step.as_map().begin(), step.as_map().end()};
      if (!steps.empty() && step.find("name") != nullptr)
        made.push_back({"within_prev", value{pause_ms}});
      steps.push_back(value{std::move(made)});
    }
    pattern[0].content = value{std::move(steps)};
  }

  void read_skip(object_reader& head, value_map& made) {
    const auto* content = head.find("afterMatchStrategy");
    if (content == nullptr || content->is_null())
      return;
    object_reader from{*content, "/afterMatchStrategy", "'afterMatchStrategy'", faults_};
    auto type = from.choice("type", skips, object_reader::required).value_or(0);
    const auto* step = from.find("patternName");
    from.finish();
    auto name = step != nullptr && step->is_text() ? name_of(step->as_text()) : std::string{};
    constexpr std::array<std::string_view, 3> plain = {"none", "to_next", "past_last"};
    auto skip = type < 3 ? value{std::string{plain[type]}}
                         : value{value_map{{type == 3 ? "to_first" : "to_last", value{name}}}};
    made.push_back({"after_match", value{value_map{{"skip", skip}}}});
  }

  fault_list& faults_;
  std::size_t depth_ = 0;
};

} // namespace

tl::expected<value, fault_list> import_flink_rule(const json_document& from,
                                                  const std::string& name) {
  fault_list faults;
  auto made = importer{faults}.rule_of(from.root(), name);
  if (faults.empty())
    return made;
  from.place(faults);
  return tl::unexpected<fault_list>(std::move(faults));
}

} // namespace gemel
