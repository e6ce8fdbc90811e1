#include "workflows/workflow.hpp"

#include "messages/names.hpp"
#include "messages/text.hpp"
#include "workflows/json_document.hpp"
#include "workflows/object_reader.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <set>

namespace gemel {

namespace {

constexpr std::array<std::string_view, 11> kind_names = {
    "compute",    "sync",     "aggregate", "update", "query", "wait",
    "wait_event", "workflow", "emit",      "set",    "switch"};
constexpr std::array<std::string_view, 6> trigger_names = {
    "all_success", "all_completed", "all_done", "one_success", "one_failed", "none_failed"};
constexpr std::array<std::string_view, 9> aggregate_names = {
    "collect_property", "count", "sum", "avg", "min", "max", "stddev", "percentile", "group_by"};
constexpr std::array<std::string_view, 2> on_error_names = {"fail_fast", "continue"};

constexpr double backoff_max = 1'000;
constexpr std::string_view id_form = "letters, digits, '_' and '-', at most 128";

const expression_options& run_scopes() {
  static const expression_options options{.scopes = {"steps", "vars", "input", "twins"}};
  return options;
}

bool is_step_id(std::string_view id) {
  auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'
           || c == '-';
  };
  return !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), fits);
}

} // namespace

std::string_view to_string(step_kind kind) noexcept {
  return kind_names[static_cast<std::size_t>(kind)];
}

bool error_filter::matches(std::string_view name) const noexcept {
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& one) { return one == "*" || one == name; });
}

std::optional<std::uint32_t> workflow::find(std::string_view id) const noexcept {
  auto found = std::find_if(steps_.begin(), steps_.end(),
                            [&](const workflow_step& step) { return step.id == id; });
  if (found == steps_.end())
    return std::nullopt;
  return static_cast<std::uint32_t>(found - steps_.begin());
}

/// Reads one document. The ids of all steps are known before any step is read, so that every
/// reference to a step is checked where it stands.
class workflow_reader {
public:
  workflow_reader(const json_document& document, const workflow_names& known)
      : document_{document}, known_{known} {}

  tl::expected<workflow, fault_list> read();

private:
  // What one level of the document's `defaults` gives its steps.
  struct step_defaults {
    std::chrono::milliseconds timeout{0};
    std::vector<retry_rule> retry{};
  };

  void read_head(object_reader& head);
  void read_triggers(object_reader& head);
  void read_trigger(object_reader& from);
  void read_defaults(object_reader& head);
  void read_steps(object_reader& head);
  void learn_ids(const value& steps);
  workflow_step read_step(const value& content, std::uint32_t index);
  void read_step_body(object_reader& from, workflow_step& step);
  void read_function(object_reader& from, workflow_step& step);
  void read_twins(object_reader& from, workflow_step& step, object_reader::need how);
  void read_switch(object_reader& from, workflow_step& step);
  void read_common(object_reader& from, workflow_step& step);
  std::vector<retry_rule> read_retry(object_reader& from, std::string_view key);
  retry_rule read_retry_rule(const value& content, std::string pointer);
  void read_catches(object_reader& from, workflow_step& step);
  void read_place(object_reader& from, workflow_step& step);
  void read_failures(object_reader& from, workflow_step& step);
  error_filter read_errors(object_reader& from, object_reader::need how);
  void read_dependencies(object_reader& head);
  void add_dependencies(std::uint32_t step, const value& list, const std::string& pointer);
  std::optional<std::uint32_t> step_of(object_reader& from, std::string_view key,
                                       object_reader::need how);
  std::optional<std::uint32_t> step_named(std::string_view id, const std::string& pointer);
  template_value render(object_reader& from, std::string_view key);
  template_value render_map(object_reader& from, std::string_view key);
  void check_ids(object_reader& from);
  void check_condition(object_reader& from);
  void check_aggregate(object_reader& from, const workflow_step& step);
  void check_replicas(object_reader& from);

  void mark_on_demand();
  void plan();
  void report_cycle(const std::vector<std::uint32_t>& left);
  void check_references();
  void check_reference(std::uint32_t step, const reference& what, const std::string& pointer);
  void check_catches();
  std::vector<bool> ancestors_of(std::uint32_t step) const;
  void report(std::string at, errc code, std::string message, std::string hint,
              std::string_view name);

  static std::string pointer_of(std::uint32_t step) { return "/steps/" + std::to_string(step); }

  const json_document& document_;
  const workflow_names& known_;
  fault_list faults_;
  workflow made_;
  step_defaults defaults_;
  std::map<std::string, std::uint32_t, std::less<>> ids_;
  std::vector<std::string_view> id_list_;
  // Nothing was wrong before references were looked at.
  bool is_sound_ = false;
  // Of the step whose references are checked.
  std::optional<std::vector<bool>> ancestors_;
  // Steps whose document has `depends_on`.
  std::set<std::uint32_t> own_dependencies_;
};

void workflow_reader::report(std::string at, errc code, std::string message, std::string hint,
                             std::string_view name) {
  add_fault(faults_, {.code = code,
                      .at = std::move(at),
                      .message = std::move(message),
                      .hint = std::move(hint),
                      .name = name});
}

tl::expected<workflow, fault_list> workflow_reader::read() {
  object_reader head{document_.root(), "", "a workflow", faults_};
  read_head(head);
  read_defaults(head);
  read_steps(head);
  read_dependencies(head);
  head.finish();
  mark_on_demand();
  plan();
  is_sound_ = faults_.empty();
  check_references();
  if (is_sound_)
    check_catches();
  if (!faults_.empty()) {
    document_.place(faults_);
    return tl::unexpected<fault_list>(std::move(faults_));
  }
  made_.text_ = document_.text();
  return std::move(made_);
}

void workflow_reader::read_head(object_reader& head) {
  if (auto name = head.text("workflow")) {
    if (!is_step_id(*name))
      head.report("workflow", errc::bad_name, "'" + *name + "' is no name", std::string{id_form});
    made_.name_ = *name;
  }
  made_.version_ = static_cast<std::uint32_t>(
      head.integer("version", 1, std::numeric_limits<std::uint32_t>::max()).value_or(1));
  if (auto id = head.text("id")) {
    if (auto fine = check_id(*id); !fine)
      head.report("id", fine.error().code, fine.error().context);
    made_.id_ = *id;
  }
  if (const auto* schema = head.object("input_schema"))
    made_.input_schema_ = *schema;
  read_triggers(head);
  if (const auto* input = head.object("input"))
    made_.input_ = *input;
  if (const auto* vars = head.object("vars"))
    made_.vars_ = *vars;
  made_.timeout_ = head.duration("timeout").value_or(made_.timeout_);
  made_.max_parallel_ = static_cast<std::uint32_t>(
      head.integer("max_parallel", 1, parallel_max).value_or(made_.max_parallel_));
  made_.on_error_ = static_cast<on_error_rule>(head.choice("on_error", on_error_names).value_or(0));
}

void workflow_reader::read_triggers(object_reader& head) {
  const auto* list = head.list("triggers");
  if (list != nullptr && made_.name_.empty())
    head.report("triggers", errc::bad_value, "only a workflow with a name can start by itself",
                "give the document a 'workflow' name");
  for (std::size_t i = 0; list != nullptr && i < list->as_list().size(); ++i) {
    object_reader from{list->as_list()[i], "/triggers/" + std::to_string(i), "a trigger", faults_};
    read_trigger(from);
    from.finish();
  }
}

void workflow_reader::read_trigger(object_reader& from) {
  workflow_trigger made;
  auto every = from.duration("every");
  auto cron = from.text("cron");
  auto on = from.text("on");
  if (!from.is_object())
    return;
  if (from.has("every") + from.has("cron") + from.has("on") != 1)
    return from.report({}, errc::bad_value, "one of 'every', 'cron' and 'on' is needed");
  if (every) {
    constexpr std::chrono::milliseconds least{100};
    made.every = *every;
    if (made.every < least)
      from.report("every", errc::bad_value, "it is too often", "at least 100ms");
  } else if (cron) {
    made.what = workflow_trigger::kind::cron;
    auto schedule = cron_schedule::parse(*cron);
    if (schedule)
      made.schedule = *schedule;
    else
      from.report("cron", schedule.error().code, schedule.error().context);
  } else if (on) {
    made.what = workflow_trigger::kind::event;
    made.on = *on;
    made.type = from.text("type").value_or("");
    made.where = from.compiled("where", {.scopes = {"old"}});
  }
  made_.triggers_.push_back(std::move(made));
}

void workflow_reader::read_defaults(object_reader& head) {
  const auto* content = head.object("defaults");
  if (content == nullptr)
    return;
  object_reader from{*content, "/defaults", "the defaults", faults_};
  defaults_.timeout = from.duration("timeout").value_or(defaults_.timeout);
  defaults_.retry = read_retry(from, "retry");
  from.finish();
}

void workflow_reader::learn_ids(const value& steps) {
  for (std::uint32_t i = 0; i < steps.as_list().size(); ++i) {
    const auto* id = steps.as_list()[i].find("id");
    if (id == nullptr || !id->is_text())
      continue;
    auto [known, is_new] = ids_.emplace(id->as_text(), i);
    if (!is_new)
      report(pointer_of(i) + "/id", errc::bad_value,
             "step '" + known->first + "' is there already, at " + pointer_of(known->second),
             "give each step an id of its own", "duplicate_step");
  }
  for (const auto& [id, index] : ids_)
    id_list_.push_back(id);
}

void workflow_reader::read_steps(object_reader& head) {
  const auto* steps = head.list("steps", object_reader::required);
  if (steps == nullptr)
    return;
  if (steps->as_list().empty())
    head.report("steps", errc::bad_value, "there are no steps", {}, "no_steps");
  if (steps->as_list().size() > workflow_steps_max)
    return head.report("steps", errc::limit_reached,
                       std::to_string(steps->as_list().size()) + " steps",
                       "at most " + std::to_string(workflow_steps_max));
  learn_ids(*steps);
  made_.steps_.resize(steps->as_list().size());
  for (std::uint32_t i = 0; i < steps->as_list().size(); ++i)
    made_.steps_[i] = read_step(steps->as_list()[i], i);
}

workflow_step workflow_reader::read_step(const value& content, std::uint32_t index) {
  workflow_step step;
  object_reader from{content, pointer_of(index), "a step", faults_};
  step.id = from.text("id", object_reader::required).value_or("");
  if (!step.id.empty() && !is_step_id(step.id))
    from.report("id", errc::bad_name, "'" + step.id + "' is no id of a step", std::string{id_form});
  if (const auto* after = from.list("depends_on")) {
    own_dependencies_.insert(index);
    step.depends_on.clear();
    made_.steps_[index] = step;
    add_dependencies(index, *after, from.at("depends_on"));
    step.depends_on = std::move(made_.steps_[index].depends_on);
  }
  auto type = from.text("type", object_reader::required);
  auto kind = type ? std::find(kind_names.begin(), kind_names.end(), *type) : kind_names.end();
  if (kind == kind_names.end()) {
    if (type) {
      auto near = nearest_word(*type, kind_names);
      from.report("type", errc::bad_value, "unknown type of step '" + *type + "'",
                  near.empty() ? "" : "did you mean '" + std::string{near} + "'?",
                  "unknown_step_type");
    }
    return step; // What its fields may be is not known.
  }
  step.kind = static_cast<step_kind>(kind - kind_names.begin());
  read_step_body(from, step);
  read_common(from, step);
  from.finish();
  return step;
}

template_value workflow_reader::render(object_reader& from, std::string_view key) {
  const auto* found = from.find(key);
  if (found == nullptr)
    return {};
  return template_value::compile(*found, run_scopes(), from.at(key), faults_);
}

namespace {

bool is_template(const value& content) {
  return content.is_text() && content.as_text().find("${") != std::string_view::npos;
}

} // namespace

// An object, or what becomes one when the step begins.
template_value workflow_reader::render_map(object_reader& from, std::string_view key) {
  const auto* found = from.find(key);
  if (found != nullptr && !found->is_map() && !is_template(*found))
    from.report(key, errc::bad_value,
                "'" + std::string{key} + "' must be an object or '${...}', not "
                    + std::string{to_string(found->kind())},
                {}, "bad_type");
  return render(from, key);
}

// What stands there as it is, without an expression.
void workflow_reader::check_ids(object_reader& from) {
  const auto& ids = *from.find("twin_ids");
  if (!ids.is_list() && !is_template(ids))
    from.report("twin_ids", errc::bad_value, "'twin_ids' must be a list of ids or '${...}'", {},
                "bad_type");
  for (std::size_t i = 0; ids.is_list() && i < ids.as_list().size(); ++i) {
    const auto& one = ids.as_list()[i];
    auto at = from.at("twin_ids") + "/" + std::to_string(i);
    if (!one.is_text())
      report(at, errc::bad_value,
             "an id of a twin must be a text, not " + std::string{to_string(one.kind())}, {},
             "bad_type");
    else if (auto fine = check_id(one.as_text()); !is_template(one) && !fine)
      report(at, fine.error().code, fine.error().context, {}, "bad_value");
  }
}

void workflow_reader::check_condition(object_reader& from) {
  const auto* where = from.find("where");
  if (where == nullptr || !where->is_text() || is_template(*where))
    return;
  if (auto made = expression::compile(where->as_text(), {}); !made)
    from.report("where", made.error().code, "'where': " + made.error().context);
}

// The parameters that the aggregate needs, where they are not left to an expression.
void workflow_reader::check_aggregate(object_reader& from, const workflow_step& step) {
  const auto* given = from.find("parameters");
  bool known = std::find(aggregate_names.begin(), aggregate_names.end(), step.function)
               != aggregate_names.end();
  if (!known || (given != nullptr && !given->is_map()))
    return;
  auto need = [&](const char* key) {
    if (given == nullptr || given->find(key) == nullptr)
      from.report(given != nullptr ? "parameters" : "", errc::missing_field,
                  "'" + step.function + "' needs the parameter '" + key + "'");
  };
  if (step.function != "count")
    need("property");
  if (step.function == "percentile")
    need("percent");
  if (step.function == "group_by")
    need("by");
}

void workflow_reader::check_replicas(object_reader& from) {
  const auto* given = from.find("parameters");
  const auto* replicas = given != nullptr ? given->find("replicas") : nullptr;
  if (replicas == nullptr || is_template(*replicas))
    return;
  if (!replicas->is_integer() || replicas->as_integer() < 0)
    report(from.at("parameters") + "/replicas", errc::bad_value,
           "'replicas' is " + to_json(*replicas), "how many peers hold the twins; 0 or more",
           "bad_value");
}

void workflow_reader::read_step_body(object_reader& from, workflow_step& step) {
  using enum step_kind;
  using enum object_reader::need;
  switch (step.kind) {
  case compute:
    read_twins(from, step, optional);
    read_function(from, step);
    step.parameters = render_map(from, "parameters");
    return;
  case aggregate:
    read_twins(from, step, required);
    read_function(from, step);
    check_aggregate(from, step);
    step.parameters = render_map(from, "parameters");
    return;
  case sync:
    read_twins(from, step, required);
    check_replicas(from);
    step.parameters = render_map(from, "parameters");
    return;
  case update:
    read_twins(from, step, required);
    step.parameters = render_map(from, "set");
    if (!from.has("set") && !from.has("unset"))
      from.report({}, errc::missing_field, "'set' or 'unset' is missing in a step");
    step.unset = from.texts("unset").value_or(std::vector<std::string>{});
    return;
  case query:
    read_twins(from, step, required);
    step.parameters = render_map(from, "parameters");
    return;
  case wait:
    step.duration = from.duration("duration", required).value_or(step.duration);
    return;
  case wait_event:
    read_twins(from, step, optional);
    step.event = from.text("event", required).value_or("");
    step.where = from.compiled("where", {});
    return;
  case workflow:
    step.workflow = from.text("workflow", required).value_or("");
    step.workflow_version = static_cast<std::uint32_t>(
        from.integer("version", 1, std::numeric_limits<std::uint32_t>::max()).value_or(0));
    step.parameters = render_map(from, "input");
    return;
  case emit:
    read_twins(from, step, required);
    step.event = from.text("event", required).value_or("");
    step.parameters = render_map(from, "payload");
    return;
  case set:
    from.object("vars", required);
    step.parameters = render(from, "vars");
    return;
  case choose:
    return read_switch(from, step);
  }
}

void workflow_reader::read_function(object_reader& from, workflow_step& step) {
  auto name = from.text("function", object_reader::required);
  if (!name)
    return;
  step.function = *name;
  std::vector<std::string_view> names;
  if (step.kind == step_kind::aggregate)
    names.assign(aggregate_names.begin(), aggregate_names.end());
  else if (known_.functions != nullptr)
    names.assign(known_.functions->begin(), known_.functions->end());
  else
    return;
  if (std::find(names.begin(), names.end(), *name) != names.end())
    return;
  auto near = nearest_word(*name, names);
  from.report("function", errc::bad_value, "unknown function '" + *name + "'",
              near.empty() ? "" : "did you mean '" + std::string{near} + "'?", "unknown_function");
}

void workflow_reader::read_twins(object_reader& from, workflow_step& step,
                                 object_reader::need how) {
  bool by_id = from.has("twin_ids");
  const auto* query = from.find("twins");
  if (by_id && query != nullptr)
    return from.report({}, errc::bad_value, "both 'twin_ids' and 'twins' are given", "keep one");
  if (!by_id && query == nullptr) {
    if (how == object_reader::required)
      from.report({}, errc::missing_field, "'twin_ids' or 'twins' is missing in a step");
    return;
  }
  twin_selection made;
  if (by_id) {
    check_ids(from);
    made.ids = render(from, "twin_ids");
  } else {
    object_reader selection{*query, from.at("twins"), "a selection of twins", faults_};
    made.by_query = true;
    made.type = selection.text("type").value_or("");
    if (selection.text("where"))
      made.where = render(selection, "where");
    check_condition(selection);
    selection.finish();
  }
  step.twins = std::move(made);
}

void workflow_reader::read_switch(object_reader& from, workflow_step& step) {
  const auto* cases = from.list("cases", object_reader::required);
  for (std::size_t i = 0; cases != nullptr && i < cases->as_list().size(); ++i) {
    object_reader one{cases->as_list()[i], from.at("cases") + "/" + std::to_string(i), "a case",
                      faults_};
    auto when = one.compiled("when", run_scopes(), object_reader::required);
    auto next = step_of(one, "next", object_reader::required);
    if (when && next)
      step.cases.push_back({*when, *next});
    one.finish();
  }
  step.otherwise = step_of(from, "default", object_reader::optional);
}

void workflow_reader::read_common(object_reader& from, workflow_step& step) {
  step.trigger = static_cast<step_trigger>(from.choice("trigger", trigger_names).value_or(0));
  if (auto when = from.text("when")) {
    auto text = std::string_view{*when};
    // As the other fields of a step, it may stand in ${}.
    if (text.starts_with("${") && text.ends_with("}"))
      text = text.substr(2, text.size() - 3);
    auto made = expression::compile(text, run_scopes());
    if (made)
      step.when = *made;
    else
      from.report("when", made.error().code, "'when': " + made.error().context);
  }
  step.timeout = from.duration("timeout").value_or(defaults_.timeout);
  step.heartbeat = from.duration("heartbeat").value_or(step.heartbeat);
  step.retry = from.has("retry") ? read_retry(from, "retry") : defaults_.retry;
  read_catches(from, step);
  read_failures(from, step);
  step.concurrency =
      static_cast<std::uint32_t>(from.integer("concurrency", 1, parallel_max).value_or(0));
  read_place(from, step);
  step.compensate = step_of(from, "compensate", object_reader::optional);
}

void workflow_reader::read_place(object_reader& from, workflow_step& step) {
  step.priority =
      static_cast<std::int32_t>(from.integer("priority", 0, compute_priority_max).value_or(0));
  const auto* content = from.object("place");
  if (content == nullptr)
    return;
  object_reader place{*content, from.at("place"), "a place", faults_};
  step.place.require = place.texts("require").value_or(step.place.require);
  step.place.prefer = place.texts("prefer").value_or(step.place.prefer);
  place.finish();
}

std::vector<retry_rule> workflow_reader::read_retry(object_reader& from, std::string_view key) {
  const auto* content = from.find(key);
  std::vector<retry_rule> rules;
  if (content == nullptr)
    return rules;
  if (!content->is_list()) {
    rules.push_back(read_retry_rule(*content, from.at(key)));
    return rules;
  }
  for (std::size_t i = 0; i < content->as_list().size(); ++i)
    rules.push_back(read_retry_rule(content->as_list()[i], from.at(key) + "/" + std::to_string(i)));
  return rules;
}

retry_rule workflow_reader::read_retry_rule(const value& content, std::string pointer) {
  retry_rule rule;
  object_reader from{content, std::move(pointer), "a retry rule", faults_};
  if (from.has("errors"))
    rule.errors = read_errors(from, object_reader::optional);
  rule.max_attempts = static_cast<std::uint32_t>(
      from.integer("max_attempts", 1, step_attempts_max).value_or(rule.max_attempts));
  rule.interval = from.duration("interval").value_or(rule.interval);
  rule.backoff = from.number("backoff", 1, backoff_max).value_or(rule.backoff);
  rule.max_interval = from.duration("max_interval").value_or(rule.max_interval);
  rule.jitter = from.number("jitter", 0, 1).value_or(rule.jitter);
  from.finish();
  return rule;
}

error_filter workflow_reader::read_errors(object_reader& from, object_reader::need how) {
  auto names = from.texts("errors", how);
  return {names ? std::move(*names) : std::vector<std::string>{}};
}

void workflow_reader::read_catches(object_reader& from, workflow_step& step) {
  const auto* list = from.list("catch");
  for (std::size_t i = 0; list != nullptr && i < list->as_list().size(); ++i) {
    object_reader one{list->as_list()[i], from.at("catch") + "/" + std::to_string(i),
                      "a catch rule", faults_};
    catch_rule rule;
    rule.errors = read_errors(one, object_reader::required);
    auto next = step_of(one, "next", object_reader::required);
    one.finish();
    if (!next)
      continue;
    rule.next = *next;
    step.catches.push_back(std::move(rule));
  }
}

void workflow_reader::read_failures(object_reader& from, workflow_step& step) {
  using enum twin_failure_rule::mode;
  const auto* content = from.find("twin_failures");
  if (content == nullptr)
    return;
  constexpr std::array<std::string_view, 2> words = {"collect", "fail"};
  if (content->is_text()) {
    step.twin_failures.how = from.choice("twin_failures", words).value_or(0) == 0 ? collect : fail;
    return;
  }
  object_reader rule{*content, from.at("twin_failures"), "a rule for failures", faults_};
  auto most = rule.integer("max", 0, std::numeric_limits<std::uint32_t>::max());
  auto share = rule.number("max_percent", 0, 100);
  rule.finish();
  if (rule.is_object() && most.has_value() == share.has_value())
    return rule.report({}, errc::bad_value, "one of 'max' and 'max_percent' is needed",
                       R"("collect", "fail", {"max": 2} or {"max_percent": 10})");
  step.twin_failures = most ? twin_failure_rule{max, static_cast<double>(*most)}
                            : twin_failure_rule{max_percent, share.value_or(0)};
}

std::optional<std::uint32_t> workflow_reader::step_of(object_reader& from, std::string_view key,
                                                      object_reader::need how) {
  auto id = from.text(key, how);
  return id ? step_named(*id, from.at(key)) : std::nullopt;
}

std::optional<std::uint32_t> workflow_reader::step_named(std::string_view id,
                                                         const std::string& pointer) {
  if (auto known = ids_.find(id); known != ids_.end())
    return known->second;
  auto near = nearest_word(id, id_list_);
  report(pointer, errc::bad_value, "there is no step '" + std::string{id} + "'",
         near.empty() ? "" : "did you mean '" + std::string{near} + "'?", "unknown_step");
  return std::nullopt;
}

void workflow_reader::add_dependencies(std::uint32_t step, const value& list,
                                       const std::string& pointer) {
  auto& known = made_.steps_[step].depends_on;
  for (std::size_t i = 0; i < list.as_list().size(); ++i) {
    const auto& one = list.as_list()[i];
    auto at = pointer + "/" + std::to_string(i);
    if (!one.is_text()) {
      report(at, errc::bad_value, "must be the id of a step", {}, "bad_type");
      continue;
    }
    auto found = step_named(one.as_text(), at);
    if (found && std::find(known.begin(), known.end(), *found) == known.end())
      known.push_back(*found);
  }
}

void workflow_reader::read_dependencies(object_reader& head) {
  const auto* all = head.object("dependencies");
  if (all == nullptr)
    return;
  object_reader from{*all, "/dependencies", "the dependencies", faults_};
  for (const auto& member : all->as_map()) {
    auto step = step_named(member.key, from.at(member.key));
    const auto* list = from.list(member.key);
    if (!step || list == nullptr)
      continue;
    if (own_dependencies_.contains(*step))
      from.report(member.key, errc::bad_value,
                  "step '" + member.key + "' has 'depends_on' of its own", "keep one of them",
                  "conflicting_dependencies");
    else
      add_dependencies(*step, *list, from.at(member.key));
  }
}

void workflow_reader::mark_on_demand() {
  auto reach = [&](std::uint32_t step) {
    auto& target = made_.steps_[step];
    target.on_demand = target.depends_on.empty();
  };
  for (const auto& step : made_.steps_) {
    for (const auto& rule : step.catches)
      reach(rule.next);
    for (const auto& one : step.cases)
      reach(one.next);
    if (step.otherwise)
      reach(*step.otherwise);
    if (step.compensate)
      made_.steps_[*step.compensate].on_demand = true;
  }
}

// Kahn, "Topological sorting of large networks", 1962; ties by place in the document.
void workflow_reader::plan() {
  auto& steps = made_.steps_;
  std::vector<std::size_t> waits(steps.size());
  for (std::uint32_t i = 0; i < steps.size(); ++i) {
    waits[i] = steps[i].depends_on.size();
    for (auto before : steps[i].depends_on)
      steps[before].dependents.push_back(i);
  }
  for (std::uint32_t i = 0; i < steps.size(); ++i)
    if (waits[i] == 0)
      made_.order_.push_back(i);
  for (std::size_t done = 0; done < made_.order_.size(); ++done)
    for (auto next : steps[made_.order_[done]].dependents)
      if (--waits[next] == 0)
        made_.order_.push_back(next);
  if (made_.order_.size() == steps.size())
    return;
  std::vector<std::uint32_t> left;
  for (std::uint32_t i = 0; i < steps.size(); ++i)
    if (waits[i] > 0)
      left.push_back(i);
  report_cycle(left);
}

// Each of `left` depends on another one of `left`: going back along any of these ends in a circle.
void workflow_reader::report_cycle(const std::vector<std::uint32_t>& left) {
  std::vector<std::uint32_t> path{left.front()};
  std::vector<std::uint32_t>::iterator start;
  for (;;) {
    const auto& before = made_.steps_[path.back()].depends_on;
    auto next = *std::find_if(before.begin(), before.end(), [&](std::uint32_t one) {
      return std::binary_search(left.begin(), left.end(), one);
    });
    start = std::find(path.begin(), path.end(), next);
    if (start != path.end())
      break;
    path.push_back(next);
  }
  std::string text = made_.steps_[*start].id;
  for (auto step = path.end(); step != start;)
    text += " -> " + made_.steps_[*--step].id;
  report(pointer_of(*start), errc::bad_value, "steps wait for each other: " + text,
         "take one of these dependencies out", "cycle");
}

std::vector<bool> workflow_reader::ancestors_of(std::uint32_t step) const {
  std::vector<bool> seen(made_.steps_.size());
  std::vector<std::uint32_t> open{step};
  while (!open.empty()) {
    auto one = open.back();
    open.pop_back();
    for (auto before : made_.steps_[one].depends_on) {
      if (!seen[before])
        open.push_back(before);
      seen[before] = true;
    }
  }
  return seen;
}

void workflow_reader::check_references() {
  for (std::uint32_t i = 0; i < made_.steps_.size(); ++i) {
    const auto& step = made_.steps_[i];
    ancestors_.reset();
    auto each = [&](const reference& what, const std::string& pointer) {
      check_reference(i, what, pointer);
    };
    step.parameters.for_each_reference(each);
    if (step.twins) {
      step.twins->ids.for_each_reference(each);
      step.twins->where.for_each_reference(each);
    }
    auto all = [&](const std::optional<expression>& of, const std::string& pointer) {
      if (of)
        for (const auto& what : of->references())
          each(what, pointer);
    };
    all(step.when, pointer_of(i) + "/when");
    for (std::size_t k = 0; k < step.cases.size(); ++k)
      all(step.cases[k].when, pointer_of(i) + "/cases/" + std::to_string(k) + "/when");
  }
}

// A step may read the results of those that must have ended before it starts: what it depends on,
// and, when it is reached by a catch or a switch, what led to it, which is not known here.
void workflow_reader::check_reference(std::uint32_t step, const reference& what,
                                      const std::string& pointer) {
  auto unresolved = [&](std::string message, std::string hint) {
    report(pointer, errc::bad_value, std::move(message), std::move(hint), "unresolved_reference");
  };
  if (what.scope == "steps") {
    auto target = ids_.find(what.root);
    if (target == ids_.end()) {
      auto near = nearest_word(what.root, id_list_);
      return unresolved("'" + to_string(what) + "': there is no step '" + what.root + "'",
                        near.empty() ? "" : "did you mean '" + std::string{near} + "'?");
    }
    bool reads_result = !what.path.empty() && std::holds_alternative<std::string>(what.path[0])
                        && (std::get<std::string>(what.path[0]) == "result"
                            || std::get<std::string>(what.path[0]) == "error"
                            || std::get<std::string>(what.path[0]) == "state");
    if (!reads_result)
      return unresolved("'" + to_string(what)
                            + "': of a step, 'result', 'error' and 'state' can "
                              "be read",
                        "steps." + what.root + ".result");
    if (!is_sound_)
      return; // The order of steps is not known.
    if (!ancestors_)
      ancestors_ = ancestors_of(step);
    if (!made_.steps_[step].on_demand && !(*ancestors_)[target->second])
      unresolved("'" + to_string(what) + "': step '" + made_.steps_[step].id
                     + "' may start before '" + what.root + "' has ended",
                 "let it depend on '" + what.root + "'");
    return;
  }
  if (what.scope == "vars" || what.scope == "input" || what.scope == "twins")
    return;
  if (what.root != "attempt" && what.root != "error")
    unresolved("'" + to_string(what) + "' is not known here",
               "input, vars, steps.<id>.result, twins.<id>.<property>, attempt and error are");
}

void workflow_reader::check_catches() {
  for (std::uint32_t i = 0; i < made_.steps_.size(); ++i) {
    auto before = ancestors_of(i);
    const auto& catches = made_.steps_[i].catches;
    for (std::size_t k = 0; k < catches.size(); ++k) {
      bool all_before =
          std::any_of(catches.begin(), catches.begin() + static_cast<std::ptrdiff_t>(k),
                      [](const catch_rule& rule) { return rule.errors.matches("*"); });
      auto at = pointer_of(i) + "/catch/" + std::to_string(k);
      if (all_before)
        report(at, errc::bad_value, "a rule before this one catches every error already",
               "put it before that one", "unreachable_catch");
      else if (catches[k].next == i || before[catches[k].next])
        report(at + "/next", errc::bad_value,
               "step '" + made_.steps_[catches[k].next].id + "' has ended before this one can fail",
               "name a step that comes later", "unreachable_catch");
    }
  }
}

tl::expected<workflow, fault_list> workflow::parse(std::string text, std::string file,
                                                   const workflow_names& known) {
  auto document = json_document::parse(std::move(text), std::move(file));
  if (!document)
    return tl::unexpected<fault_list>(std::move(document.error()));
  return workflow_reader{*document, known}.read();
}

} // namespace gemel
