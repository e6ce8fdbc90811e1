#include "messages/text.hpp"
#include "workflows/detail/rule_reader.hpp"

#include <algorithm>
#include <array>

// The part of a rule's document below `pattern`.
namespace gemel {

namespace {

constexpr std::array<std::string_view, 5> present_links = {"next", "followed_by", "followed_by_any",
                                                           "not_next", "not_followed_by"};
constexpr std::array<std::string_view, 3> inner_words = {"consecutive", "relaxed", "combinations"};
constexpr std::array<std::string_view, 4> relation_words = {"time", "happened_before", "concurrent",
                                                            "caused_by"};
constexpr std::array<std::string_view, 3> group_words = {"group", "and", "or"};
// Their orders are tried one by one.
constexpr std::size_t all_parts_max = 5;

// The list of steps in a group of any kind; null: it is none, or has none.
const value* steps_of(const value& step) {
  auto is_group = step.find("group") != nullptr;
  auto is_choice = step.find("and") != nullptr || step.find("or") != nullptr;
  const auto* found = is_group ? step.find("steps") : is_choice ? step.find("parts") : nullptr;
  return found != nullptr && found->is_list() ? found : nullptr;
}

bool is_group_step(const value& step) {
  return step.find("group") != nullptr || step.find("and") != nullptr || step.find("or") != nullptr;
}

bool is_stage_name(std::string_view name) {
  auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  return !name.empty() && name.size() <= 64 && !(name[0] >= '0' && name[0] <= '9')
         && std::all_of(name.begin(), name.end(), fits);
}

// Copies of a list of nodes in every order, the later ones linked by `inner`.
std::vector<pattern_node> in_all_orders(const node_list& parts, contiguity inner) {
  std::vector<std::size_t> order(parts.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    order[i] = i;
  node_list made;
  do {
    pattern_node one{.kind = node_kind::sequence};
    for (auto i : order) {
      one.parts.push_back(parts[i]);
      one.parts.back().link = inner;
    }
    made.push_back(std::move(one));
  } while (std::next_permutation(order.begin(), order.end()));
  return made;
}

// States that a node is made of, about.
std::size_t weight_of(const pattern_node& node, const std::vector<pattern_stage>& stages) {
  if (node.kind == node_kind::stage) {
    const auto& stage = stages[node.stage];
    return std::size_t{2} * stage.times_max.value_or(stage.times_min + 1);
  }
  std::size_t sum = 1;
  for (const auto& part : node.parts)
    sum = std::min(sum + weight_of(part, stages), 2 * pattern_states_max);
  return std::min<std::size_t>(sum * node.times_max.value_or(node.times_min + 1),
                               2 * pattern_states_max);
}

} // namespace

void rule_reader::learn_name(const value& step, const std::string& pointer) {
  const auto* name = step.find("name");
  auto is_absent = name == nullptr;
  if (is_absent)
    name = step.find("absent");
  auto text = name != nullptr && name->is_text() ? std::string{name->as_text()} : std::string{};
  auto& names = made_.stage_names_;
  if (!text.empty() && std::find(names.begin(), names.end(), text) != names.end())
    add_fault(faults_, {.code = errc::bad_value,
                        .at = pointer + (is_absent ? "/absent" : "/name"),
                        .message = "there is a step '" + text + "' already",
                        .hint = "give each step a name of its own",
                        .name = "duplicate_step"});
  names.push_back(text);
  if (!is_absent && is_stage_name(text))
    scopes_.push_back(text);
}

// In the order in which they are read.
void rule_reader::learn_names(const value& steps, const std::string& pointer) {
  for (std::size_t i = 0; i < steps.as_list().size(); ++i) {
    const auto& step = steps.as_list()[i];
    auto at = pointer + "/" + std::to_string(i);
    if (!is_group_step(step))
      learn_name(step, at);
    else if (const auto* inner = steps_of(step))
      learn_names(*inner, at + (step.find("group") != nullptr ? "/steps" : "/parts"));
  }
}

void rule_reader::read_pattern(object_reader& head) {
  if (head.has("window"))
    return read_window(head);
  const auto* content = head.object("pattern", object_reader::required);
  if (content == nullptr)
    return;
  object_reader from{*content, "/pattern", "a pattern", faults_};
  const auto* steps = from.list("steps", object_reader::required);
  auto& pattern = made_.pattern_;
  pattern.within = from.duration("within").value_or(pattern.within);
  if (from.has("within") && pattern.within.count() == 0)
    from.report("within", errc::bad_value, "'within' is 0", "at least 1ms");
  from.finish();
  if (steps == nullptr)
    return;
  learn_names(*steps, "/pattern/steps");
  auto count = made_.stage_names_.size();
  if (steps->as_list().empty())
    return from.report("steps", errc::bad_value, "there are no steps", {}, "no_steps");
  if (count > rule_stages_max)
    return from.report("steps", errc::limit_reached, std::to_string(count) + " steps",
                       "at most " + std::to_string(rule_stages_max));
  pattern.stages.resize(count);
  pattern.steps = read_steps(*steps, "/pattern/steps", false);
  if (faults_.empty())
    check_pattern(from);
}

node_list rule_reader::read_steps(const value& steps, const std::string& pointer, bool is_group) {
  node_list made;
  for (std::size_t i = 0; i < steps.as_list().size(); ++i)
    if (auto one =
            read_step(steps.as_list()[i], pointer + "/" + std::to_string(i), i == 0, !is_group))
      made.push_back(std::move(*one));
  check_absences(made, pointer, is_group);
  return made;
}

std::optional<pattern_node> rule_reader::read_step(const value& content, const std::string& pointer,
                                                   bool is_first, bool is_top) {
  object_reader from{content, pointer, "a step", faults_};
  if (!from.is_object())
    return std::nullopt;
  std::optional<pattern_node> made;
  for (auto kind : group_words)
    if (!made && from.has(kind))
      made = read_group(from, kind, is_first, is_top);
  if (!made)
    made = read_stage(from, is_first, is_top);
  from.finish();
  return made;
}

pattern_node rule_reader::read_group(object_reader& from, std::string_view kind, bool is_first,
                                     bool is_top) {
  pattern_node made{.kind = kind == "group" ? node_kind::sequence : node_kind::choice};
  if (!is_stage_name(from.text(kind, object_reader::required).value_or("x")))
    from.report(kind, errc::bad_name, "that is no name of a group",
                "letters, digits and '_', at most 64, no digit first");
  for (auto other : group_words)
    if (other != kind && from.has(other))
      from.report(other, errc::bad_value, "a step is one of 'group', 'and' and 'or'");
  if (auto inner = from.choice("inner", inner_words))
    made.inner = static_cast<contiguity>(*inner);
  read_rounds(from, made, is_first, is_top);
  read_parts(from, kind, made);
  if (kind == "and") {
    if (made.parts.size() > all_parts_max)
      from.report("parts", errc::limit_reached,
                  std::to_string(made.parts.size()) + " parts of 'and'", "at most 5");
    else
      made.parts = in_all_orders(made.parts, made.inner);
  }
  return made;
}

void rule_reader::read_rounds(object_reader& from, pattern_node& made, bool is_first, bool is_top) {
  auto link = from.choice("link", words{present_links}.first(3));
  if (link)
    made.link = static_cast<contiguity>(*link);
  if (is_first && link)
    from.report("link", errc::bad_value, "nothing comes before it", "leave it out");
  made.link = read_every(from, made.link, is_first, is_top);
  made.optional = from.boolean("optional").value_or(false);
  read_times(from, made.times_min, made.times_max, made.optional);
}

void rule_reader::read_parts(object_reader& from, std::string_view kind, pattern_node& into) {
  auto is_sequence = kind == "group";
  auto key = is_sequence ? "steps" : "parts";
  const auto* parts = from.list(key, object_reader::required);
  if (parts == nullptr)
    return;
  auto least = is_sequence ? std::size_t{1} : std::size_t{2};
  if (parts->as_list().size() < least)
    from.report(key, errc::bad_value, "'" + std::string{key} + "' has too few steps",
                "at least " + std::to_string(least));
  if (is_sequence) {
    into.parts = read_steps(*parts, from.at(key), true);
  } else {
    for (std::size_t i = 0; i < parts->as_list().size(); ++i)
      if (auto one =
              read_step(parts->as_list()[i], from.at(key) + "/" + std::to_string(i), true, false))
        into.parts.push_back(std::move(*one));
  }
  check_group(from, into, key);
}

bool rule_reader::may_be_empty(const pattern_node& node) const {
  if (node.kind == node_kind::stage)
    return made_.pattern_.stages[node.stage].optional || made_.pattern_.stages[node.stage].absent;
  auto is_empty = [this](const pattern_node& part) { return may_be_empty(part); };
  return node.optional || std::all_of(node.parts.begin(), node.parts.end(), is_empty);
}

bool rule_reader::ends_greedy(const pattern_node& node) const {
  if (node.kind == node_kind::stage)
    return made_.pattern_.stages[node.stage].greedy;
  return !node.parts.empty() && ends_greedy(node.parts.back());
}

void rule_reader::check_group(object_reader& from, const pattern_node& made, std::string_view key) {
  const auto& stages = made_.pattern_.stages;
  auto refuse = [&](std::string what, std::string hint) {
    from.report(key, errc::bad_value, std::move(what), std::move(hint));
  };
  auto is_choice = made.kind == node_kind::choice;
  for (const auto& part : made.parts) {
    if (is_choice && part.kind == node_kind::stage && stages[part.stage].absent)
      refuse("a part cannot be an absence", "put it behind, or into a group");
    else if (is_choice && may_be_empty(part))
      refuse("a part cannot be optional", "make the whole optional");
    if (is_choice && ends_greedy(part))
      refuse("a part cannot be greedy", {});
  }
  if (made.parts.empty() || is_choice)
    return;
  if (std::all_of(made.parts.begin(), made.parts.end(),
                  [this](const pattern_node& part) { return may_be_empty(part); }))
    refuse("a group needs a step that is not optional", "make the group optional instead");
  if (ends_greedy(made.parts.back()))
    refuse("the last step of a group cannot be greedy", {});
}

pattern_node rule_reader::read_stage(object_reader& from, bool is_first, bool is_top) {
  auto index = next_stage_++;
  auto& stage = made_.pattern_.stages[index];
  stage.absent = from.has("absent");
  if (stage.absent && from.has("name"))
    from.report("name", errc::bad_value, "a step has a 'name' or is 'absent', not both");
  auto key = stage.absent ? "absent" : "name";
  stage.name = from.text(key, object_reader::required).value_or("");
  if (!stage.name.empty() && !is_stage_name(stage.name))
    from.report(key, errc::bad_name, "'" + stage.name + "' is no name of a step",
                "letters, digits and '_', at most 64, no digit first");
  read_link(from, stage);
  if (const auto* filter = from.object("from")) {
    object_reader fields{*filter, from.at("from"), "'from'", faults_};
    stage.twin_types = list_or_none(fields.texts("twin_types"));
    stage.events = list_or_none(fields.texts("events"));
    fields.finish();
  }
  stage.where = compiled(from, "where", index + 1);
  if (stage.where)
    stage.parts = parts_of(*stage.where, made_.stage_names_, scopes());
  read_order(from, stage, index);
  if (stage.absent) {
    stage.within_prev = from.duration("for").value_or(stage.within_prev);
  } else {
    stage.link = read_every(from, stage.link, is_first, is_top);
    stage.optional = from.boolean("optional").value_or(false);
    stage.within_prev = from.duration("within_prev").value_or(stage.within_prev);
    read_times(from, stage.times_min, stage.times_max, stage.optional);
    read_loop(from, stage, index);
    check_stage(from, stage);
  }
  if (is_first && !stage.absent && (from.has("link") || from.has("within_prev")))
    from.report(from.has("link") ? "link" : "within_prev", errc::bad_value,
                is_top ? "the first step has none before it"
                       : "the first step of a group is linked as the group is",
                "leave it out");
  return {.stage = index, .link = stage.link};
}

void rule_reader::read_link(object_reader& from, pattern_stage& stage) {
  auto all = words{present_links};
  auto allowed = stage.absent ? all.subspan(3) : all.first(3);
  auto link = from.choice("link", allowed);
  if (!link)
    return; // Relaxed: `followed_by` or `not_followed_by`.
  stage.link = static_cast<contiguity>(*link);
}

// `every`: each event that fits goes on with a run of its own.
contiguity rule_reader::read_every(object_reader& from, contiguity link, bool is_first,
                                   bool is_top) {
  if (!from.boolean("every").value_or(false))
    return link;
  if (from.has("link"))
    from.report("every", errc::bad_value, "a step has 'link' or 'every', not both",
                "'every' is the link 'followed_by_any'");
  if (is_first && is_top)
    made_.pattern_.restart = restart_mode::each;
  return contiguity::any;
}

void rule_reader::read_times(object_reader& from, std::uint32_t& least_times,
                             std::optional<std::uint32_t>& most_times, bool& optional) {
  const auto* times = from.find("times");
  if (times == nullptr)
    return;
  auto is_count = [](const value& one) {
    return one.is_integer() && one.as_integer() >= 0 && one.as_integer() <= stage_times_max;
  };
  auto is_pair = times->is_list() && times->as_list().size() == 2;
  const auto& least = is_pair ? times->as_list()[0] : *times;
  const auto& most = is_pair ? times->as_list()[1] : *times;
  auto is_fine =
      is_count(least) && (is_count(most) || (is_pair && most.is_null()))
      && (most.is_null() || (most.as_integer() >= 1 && most.as_integer() >= least.as_integer()));
  if (!is_fine)
    return from.report("times", errc::bad_value, "'times' is " + to_json(*times),
                       "a count such as 3, or [least, most] such as [2, 5] or [1, null]; at most "
                           + std::to_string(stage_times_max));
  optional = optional || least.as_integer() == 0;
  least_times = static_cast<std::uint32_t>(std::max<std::int64_t>(1, least.as_integer()));
  most_times.reset();
  if (!most.is_null())
    most_times = static_cast<std::uint32_t>(most.as_integer());
}

void rule_reader::read_loop(object_reader& from, pattern_stage& stage, std::uint32_t index) {
  if (auto inner = from.choice("inner", inner_words))
    stage.inner = static_cast<contiguity>(*inner);
  stage.greedy = from.boolean("greedy").value_or(false);
  stage.until = compiled(from, "until", index + 1);
}

void rule_reader::relate(object_reader& from, std::string_view key, pattern_stage& stage,
                         std::uint32_t index) {
  auto name = from.text(key, object_reader::required);
  if (!name)
    return;
  const auto& names = made_.stage_names_;
  auto place =
      static_cast<std::size_t>(std::find(names.begin(), names.end(), *name) - names.begin());
  auto is_bound = std::find(scopes_.begin(), scopes_.end(), *name) != scopes_.end();
  std::vector<std::string_view> known{scopes_.begin(), scopes_.end()};
  auto near = nearest_word(*name, known);
  if (!is_bound)
    from.report(key, errc::bad_value, "there is no step '" + *name + "' that binds events",
                near.empty() ? "" : "did you mean '" + std::string{near} + "'?", "unknown_step");
  else if (place >= index)
    from.report(key, errc::bad_value, "'" + *name + "' comes only later",
                "name a step before this one", "unresolved_reference");
  else
    stage.relative_to = static_cast<std::uint32_t>(place);
}

void rule_reader::read_order(object_reader& from, pattern_stage& stage, std::uint32_t index) {
  if (from.has("order") && from.has("caused_by"))
    return from.report("caused_by", errc::bad_value, "a step has 'order' or 'caused_by', not both");
  if (from.has("caused_by")) {
    stage.relation = event_relation::caused_by;
    return relate(from, "caused_by", stage, index);
  }
  const auto* content = from.object("order");
  if (content == nullptr)
    return;
  object_reader order{*content, from.at("order"), "'order'", faults_};
  relate(order, "relative_to", stage, index);
  stage.relation = static_cast<event_relation>(
      order.choice("relation", relation_words, object_reader::required).value_or(0));
  order.finish();
}

void rule_reader::check_stage(object_reader& from, const pattern_stage& stage) {
  if (stage.is_single() && from.has("inner"))
    from.report("inner", errc::bad_value, "'inner' says nothing of a single event",
                "add 'times' or leave it out");
  if (made_.pattern_.longest && stage.greedy)
    from.report("greedy", errc::bad_value, "where 'loops' is 'longest' all loops are greedy",
                "leave it out");
  if (stage.is_single() && stage.greedy)
    from.report("greedy", errc::bad_value, "a single event cannot be greedy",
                "add 'times' or leave it out");
  if (from.has("until") && !stage.loops())
    from.report("until", errc::bad_value, "'until' ends only what has no bound",
                "write 'times': [" + std::to_string(stage.times_min) + ", null]");
}

// Absences at the start become the pattern's `lead`.
void rule_reader::check_absences(node_list& nodes, const std::string& pointer, bool is_group) {
  auto& pattern = made_.pattern_;
  auto is_absence = [&](const pattern_node& node) {
    return node.kind == node_kind::stage && pattern.stages[node.stage].absent;
  };
  auto report = [&](std::size_t i, errc code, std::string what, std::string hint) {
    add_fault(faults_, {.code = code,
                        .at = pointer + "/" + std::to_string(i),
                        .message = std::move(what),
                        .hint = std::move(hint)});
  };
  std::size_t begin = 0;
  while (begin < nodes.size() && is_absence(nodes[begin]))
    ++begin;
  if (begin == nodes.size() && !nodes.empty())
    return report(0, errc::bad_value, "nothing but absences", "add a step that happens");
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (!is_absence(nodes[i]))
      continue;
    const auto& stage = pattern.stages[nodes[i].stage];
    auto is_strict = stage.link == contiguity::strict;
    auto is_last = i + 1 == nodes.size();
    if (is_strict && stage.is_timed())
      report(i, errc::bad_value, "'for' says nothing of the very next event",
             "use 'not_followed_by'");
    else if (is_group && (i < begin || is_last))
      report(i, errc::bad_value, "a group cannot begin or end with an absence",
             "put it before or behind the group");
    else if (i < begin && (is_strict || !stage.is_timed()))
      report(i, errc::missing_field, "an absence at the start needs a time", "add 'for'");
    else if (is_last && !is_strict && pattern.within.count() == 0 && !stage.is_timed())
      report(i, errc::missing_field, "an absence at the end needs a time",
             "add 'for' here, or 'within' to the pattern");
  }
  if (is_group)
    return;
  for (std::size_t i = 0; i < begin; ++i)
    pattern.lead.push_back(nodes[i].stage);
  nodes.erase(nodes.begin(), nodes.begin() + static_cast<std::ptrdiff_t>(begin));
}

// Whether what ends with it may go on for ever.
bool rule_reader::is_open_at_end(const pattern_node& node) const {
  if (node.kind != node_kind::stage) {
    auto goes_on = node.optional || node.times_max != node.times_min;
    return (goes_on && node.inner != contiguity::strict)
           || (node.kind == node_kind::sequence ? is_open_at_end(node.parts.back())
                                                : is_open_at_end(node.parts.front()));
  }
  const auto& stage = made_.pattern_.stages[node.stage];
  if (stage.absent)
    return false;
  auto is_strict =
      stage.is_single() ? stage.link == contiguity::strict : stage.inner == contiguity::strict;
  auto goes_on = stage.optional || stage.times_max != stage.times_min;
  return goes_on && !is_strict && !stage.until;
}

void rule_reader::check_pattern(object_reader& from) {
  const auto& pattern = made_.pattern_;
  std::size_t weight = 1;
  for (const auto& node : pattern.steps)
    weight += weight_of(node, pattern.stages);
  if (weight > pattern_states_max)
    from.report("steps", errc::limit_reached, "the pattern has too many states",
                "fewer repetitions of groups");
  if (pattern.longest && pattern.within.count() == 0 && is_open_at_end(pattern.steps.back()))
    from.report({}, errc::missing_field, "the longest match of what ends so is never known",
                "add 'within', or 'inner': \"consecutive\" to the last step");
}

} // namespace gemel
