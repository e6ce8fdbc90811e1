#include "workflows/detail/rule_reader.hpp"

#include "messages/names.hpp"
#include "messages/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace gemel {

namespace {

constexpr std::array<std::string_view, 2> clock_words = {"event", "arrival"};
constexpr std::array<std::string_view, 2> late_words = {"report", "drop"};
constexpr std::array<std::string_view, 2> timeout_words = {"ignore", "report"};
constexpr std::array<std::string_view, 2> full_words = {"drop_oldest", "drop_newest"};
constexpr std::array<std::string_view, 3> restart_words = {"each", "once", "after_match"};
constexpr std::array<std::string_view, 2> loop_words = {"all", "longest"};
constexpr std::array<std::string_view, 3> skip_words = {"none", "to_next", "past_last"};
constexpr std::array<std::string_view, 8> action_words = {
    "emit",         "update_twin",     "start_workflow", "log",
    "send_command", "signal_workflow", "publish",        "webhook"};
constexpr std::array<std::string_view, 6> window_words = {"tumbling", "hopping", "sliding",
                                                          "session",  "count",   "count_sliding"};
constexpr std::array<std::string_view, 2> align_words = {"epoch", "first"};
constexpr std::array<std::string_view, 2> emit_fields = {"twin", "payload"};
constexpr std::array<std::string_view, 2> start_fields = {"input", "version"};
constexpr std::array<std::string_view, 1> payload_fields = {"payload"};

// What may stand beside an action's own field.
words fields_beside(action_kind kind) {
  if (kind == action_kind::emit)
    return emit_fields;
  if (kind == action_kind::start_workflow)
    return start_fields;
  if (kind == action_kind::publish || kind == action_kind::webhook)
    return payload_fields;
  return {};
}

std::string meaning_of(const value& document) {
  value_map kept;
  for (const auto& member : document.as_map())
    if (member.key != "actions" && member.key != "version" && member.key != "description")
      kept.push_back(member);
  return to_json(value{std::move(kept)});
}

} // namespace

tl::expected<rule, fault_list> rule::read(const json_document& document) {
  return rule_reader{document}.read();
}

tl::expected<rule, fault_list> rule::read(std::string text, const std::string& file) {
  auto document = json_document::parse(std::move(text), file);
  if (!document)
    return tl::unexpected<fault_list>(std::move(document.error()));
  return read(*document);
}

tl::expected<rule, fault_list> rule_reader::read() {
  object_reader head{document_.root(), "", "a rule", faults_};
  read_head(head);
  read_partition(head);
  read_time(head);
  read_limits(head);
  read_pattern(head);
  read_skip(head);
  read_select(head);
  read_actions(head);
  head.finish();
  if (faults_.empty()) {
    made_.document_ = document_.root();
    made_.meaning_ = meaning_of(document_.root());
    return std::move(made_);
  }
  document_.place(faults_);
  return tl::unexpected<fault_list>(std::move(faults_));
}

void rule_reader::read_head(object_reader& head) {
  if (auto name = head.text("rule", object_reader::required)) {
    if (auto fine = check_id(*name); !fine)
      head.report("rule", fine.error().code, fine.error().context);
    made_.name_ = *name;
  }
  made_.version_ = static_cast<std::uint32_t>(
      head.integer("version", 1, std::numeric_limits<std::uint32_t>::max()).value_or(1));
  made_.description_ = head.text("description").value_or("");
  if (const auto* from = head.object("from")) {
    object_reader fields{*from, "/from", "'from'", faults_};
    made_.twin_types_ = list_or_none(fields.texts("twin_types"));
    made_.events_ = list_or_none(fields.texts("events"));
    fields.finish();
  }
  made_.pattern_.restart =
      static_cast<restart_mode>(head.choice("restart", restart_words).value_or(0));
  made_.pattern_.longest = head.choice("loops", loop_words).value_or(0) == 1;
  made_.report_timeouts_ = head.choice("on_timeout", timeout_words).value_or(0) == 1;
  if (const auto* output = head.object("output")) {
    object_reader fields{*output, "/output", "'output'", faults_};
    read_output(fields);
    fields.finish();
  }
}

// `every` is a duration, or a text such as `10 events`.
void rule_reader::read_output(object_reader& from) {
  constexpr std::array<std::string_view, 4> kinds = {"all", "first", "last", "snapshot"};
  constexpr std::array<std::string_view, 2> ranges = {"key", "rule"};
  auto& output = made_.output_;
  auto kind = from.choice("emit", kinds, object_reader::required).value_or(0);
  output.per_key = from.choice("per", ranges).value_or(0) == 0;
  output.kind = static_cast<output_kind>(kind);
  const auto* every = from.find("every");
  if (every == nullptr) {
    if (kind != 0)
      from.report({}, errc::missing_field, "'every' is missing", "such as \"1m\" or \"10 events\"");
    return;
  }
  auto text = every->is_text() ? every->as_text() : std::string_view{};
  auto is_count = text.ends_with(" events") || text.ends_with(" event");
  if (is_count) {
    auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), output.events);
    if (code != std::errc{} || *end != ' ' || output.events == 0)
      from.report("every", errc::bad_value, "'every' is " + to_json(*every), "such as 10 events");
  } else {
    output.every = from.duration("every").value_or(std::chrono::milliseconds{1});
    if (output.every.count() == 0)
      from.report("every", errc::bad_value, "'every' is 0", "at least 1ms");
  }
}

void rule_reader::read_partition(object_reader& head) {
  const auto* content = head.find("partition_by");
  static const value by_twin{"twin_id"};
  static const value by_group_alone{};
  const auto& by_default = head.has("group_by") ? by_group_alone : by_twin;
  const auto& wanted = content != nullptr ? *content : by_default;
  if (wanted.is_null())
    return;
  made_.is_partition_list_ = wanted.is_list();
  auto read_one = [&](const value& one, const std::string& at) {
    auto code = one.is_text() ? expression::compile(one.as_text())
                              : result<expression>{fail(errc::bad_value, "must be an expression")};
    if (!code)
      return add_fault(faults_, {.code = code.error().code,
                                 .at = at,
                                 .message = "'partition_by': " + code.error().context});
    if (check_references(*code, at, 0, true))
      made_.partition_.emplace_back(*code, std::span<const std::string>{});
  };
  if (!wanted.is_list())
    return read_one(wanted, "/partition_by");
  for (std::size_t i = 0; i < wanted.as_list().size(); ++i)
    read_one(wanted.as_list()[i], "/partition_by/" + std::to_string(i));
}

void rule_reader::read_time(object_reader& head) {
  const auto* content = head.object("time");
  if (content == nullptr)
    return;
  object_reader from{*content, "/time", "'time'", faults_};
  auto& time = made_.time_;
  time.is_given = true;
  time.clock = static_cast<event_clock>(from.choice("clock", clock_words).value_or(0));
  time.lateness = from.duration("lateness").value_or(time.lateness);
  time.report_late = from.choice("late", late_words).value_or(0) == 0;
  time.idle = from.duration("idle").value_or(time.idle);
  if (auto code = from.compiled("source", {}); code)
    if (check_references(*code, from.at("source"), 0, true))
      made_.source_.emplace(*code, std::span<const std::string>{});
  from.finish();
}

void rule_reader::read_limits(object_reader& head) {
  const auto* content = head.object("limits");
  if (content == nullptr)
    return;
  object_reader from{*content, "/limits", "'limits'", faults_};
  auto& limits = made_.limits_;
  auto read = [&](std::string_view key, std::uint32_t& into, std::int64_t most) {
    into = static_cast<std::uint32_t>(from.integer(key, 1, most).value_or(into));
  };
  read("runs_per_key", limits.runs_per_key, 1'000'000);
  read("keys", limits.keys, 100'000'000);
  read("events_per_run", limits.events_per_run, 1'000'000);
  limits.key_idle = from.duration("key_idle").value_or(limits.key_idle);
  if (limits.key_idle.count() == 0)
    from.report("key_idle", errc::bad_value, "'key_idle' is 0", "at least 1ms");
  limits.full = static_cast<when_full>(from.choice("when_full", full_words).value_or(0));
  from.finish();
}

// Which fields a kind of window has; each is asked for, so that others are told as unknown.
void rule_reader::read_window_shape(object_reader& from, window_spec& into) {
  auto positive = [&](std::string_view key, std::chrono::milliseconds& time) {
    auto read = from.duration(key, object_reader::required);
    if (read && read->count() == 0)
      from.report(key, errc::bad_value, "'" + std::string{key} + "' is 0", "at least 1ms");
    time = std::max(read.value_or(std::chrono::milliseconds{1}), std::chrono::milliseconds{1});
  };
  auto events = [&](std::string_view key, object_reader::need how, std::uint32_t fallback) {
    return static_cast<std::uint32_t>(from.integer(key, 1, 1'000'000, how).value_or(fallback));
  };
  switch (into.kind) {
  case window_kind::hopping:
    positive("slide", into.slide);
    [[fallthrough]];
  case window_kind::tumbling:
    positive("size", into.size);
    into.align_first = from.choice("align", align_words).value_or(0) == 1;
    into.allowed_lateness = from.duration("allowed_lateness").value_or(into.allowed_lateness);
    break;
  case window_kind::sliding:
    positive("size", into.size);
    break;
  case window_kind::session:
    positive("gap", into.gap);
    into.allowed_lateness = from.duration("allowed_lateness").value_or(into.allowed_lateness);
    break;
  case window_kind::count_sliding:
    into.events_slide = events("slide", object_reader::optional, 1);
    [[fallthrough]];
  case window_kind::count:
    into.events = events("size", object_reader::required, 1);
  }
  constexpr std::int64_t overlap_max = 10'000;
  if (into.kind == window_kind::hopping && into.size.count() / into.slide.count() > overlap_max)
    from.report("slide", errc::limit_reached, "an event would be in more than 10000 windows",
                "a larger 'slide'");
}

void rule_reader::read_aggregates(const value& content, const std::string& pointer,
                                  std::uint32_t side, window_spec& into) {
  for (const auto& member : content.as_map()) {
    auto at = pointer + "/" + member.key;
    auto report = [&](const error& why) {
      add_fault(faults_, {.code = why.code,
                          .at = at,
                          .message = "'" + member.key + "': " + why.context,
                          .hint = {},
                          .name = {}});
    };
    if (std::find(window_names_.begin(), window_names_.end(), member.key) != window_names_.end()) {
      report({errc::bad_value, "the window has this name already"});
      continue;
    }
    window_names_.push_back(member.key);
    if (!member.content.is_text()) {
      report({errc::bad_value, "must be a text such as \"avg(temperature)\""});
      continue;
    }
    auto made = parse_aggregate(member.key, member.content.as_text());
    if (!made) {
      report(made.error());
      continue;
    }
    made->side = side;
    if (!made->of || check_references(made->of->code(), at, 0, true))
      into.aggregates.push_back(std::move(*made));
  }
}

// What is joined: streams with aggregates of their own in the same windows of the same keys.
void rule_reader::read_join(object_reader& head, window_spec& into) {
  const auto* content = head.list("join", object_reader::required);
  if (content == nullptr)
    return;
  constexpr std::size_t sides_max = 8;
  auto count = content->as_list().size();
  if (count < 2 || count > sides_max)
    head.report("join", errc::bad_value, std::to_string(count) + " streams are joined", "2 to 8");
  if (head.has("aggregate"))
    head.report("aggregate", errc::bad_value, "each stream of a 'join' has its own 'aggregate'");
  if (!into.is_by_time() && into.kind != window_kind::session)
    head.report("window", errc::bad_value, "such windows cannot be joined",
                "tumbling, hopping or session");
  for (std::size_t i = 0; i < std::min(count, sides_max); ++i)
    read_side(content->as_list()[i], "/join/" + std::to_string(i), into);
}

void rule_reader::read_side(const value& content, const std::string& pointer, window_spec& into) {
  object_reader from{content, pointer, "a stream of a join", faults_};
  if (!from.is_object())
    return;
  window_side side;
  side.name = from.text("name", object_reader::required).value_or("");
  for (const auto& other : into.sides)
    if (!side.name.empty() && other.name == side.name)
      from.report("name", errc::bad_value, "there is a stream '" + side.name + "' already");
  if (const auto* filter = from.object("from")) {
    object_reader fields{*filter, from.at("from"), "'from'", faults_};
    side.twin_types = list_or_none(fields.texts("twin_types"));
    side.events = list_or_none(fields.texts("events"));
    fields.finish();
  }
  if (auto code = from.compiled("where", {}); code)
    if (check_references(*code, from.at("where"), 0, true))
      side.where.emplace(*code, std::span<const std::string>{});
  side.optional = from.boolean("optional").value_or(false);
  if (const auto* aggregates = from.object("aggregate", object_reader::required))
    read_aggregates(*aggregates, from.at("aggregate"),
                    static_cast<std::uint32_t>(into.sides.size()), into);
  from.finish();
  into.sides.push_back(std::move(side));
}

void rule_reader::read_groups(object_reader& head, window_spec& into) {
  const auto* content = head.find("group_by");
  if (content == nullptr)
    return;
  auto texts = content->is_list() ? value_list{content->as_list().begin(), content->as_list().end()}
                                  : value_list{*content};
  for (std::size_t i = 0; i < texts.size(); ++i) {
    auto at = "/group_by" + (content->is_list() ? "/" + std::to_string(i) : std::string{});
    auto code = texts[i].is_text()
                    ? expression::compile(texts[i].as_text())
                    : result<expression>{fail(errc::bad_value, "must be an expression")};
    if (!code) {
      add_fault(faults_, {.code = code.error().code,
                          .at = at,
                          .message = "'group_by': " + code.error().context,
                          .hint = {},
                          .name = {}});
    } else if (check_references(*code, at, 0, true)) {
      into.group_by.emplace_back(*code, std::span<const std::string>{});
      window_names_.push_back(code->to_string());
    }
  }
}

void rule_reader::read_window(object_reader& head) {
  const auto* content = head.object("window");
  if (head.has("pattern"))
    head.report("pattern", errc::bad_value, "a rule has a 'pattern' or a 'window', not both");
  auto& spec = made_.window_.emplace();
  if (content != nullptr) {
    object_reader from{*content, "/window", "a window", faults_};
    auto kind = from.choice("kind", window_words, object_reader::required);
    spec.kind = static_cast<window_kind>(kind.value_or(0));
    if (kind) {
      read_window_shape(from, spec);
      from.finish();
    }
  }
  window_names_ = {"start", "end", "count", "correction"};
  // What came last in the window, for `select` and actions.
  made_.stage_names_ = {"last"};
  if (head.has("join"))
    read_join(head, spec);
  else if (const auto* aggregates = head.object("aggregate", object_reader::required))
    read_aggregates(*aggregates, "/aggregate", 0, spec);
  read_groups(head, spec);
  scopes_ = {"last"};
  if (auto having = head.compiled("having", {})) {
    check_window_names(*having, "/having");
    spec.having.emplace(*having, std::span<const std::string>{});
  }
}

void rule_reader::check_window_names(const expression& code, const std::string& pointer) {
  std::vector<std::string_view> known{window_names_.begin(), window_names_.end()};
  for (const auto& one : code.references()) {
    auto is_known = std::find(known.begin(), known.end(), one.root) != known.end();
    if (!one.scope.empty() || is_known)
      continue;
    auto near = nearest_word(one.root, known);
    add_fault(faults_, {.code = errc::bad_value,
                        .at = pointer,
                        .message = "'" + to_string(one) + "' is nothing that the window has",
                        .hint = near.empty() ? "a name of 'aggregate' or 'group_by', start, end or "
                                               "count"
                                             : "did you mean '" + std::string{near} + "'?",
                        .name = "unresolved_reference"});
  }
}

std::optional<rule_expression> rule_reader::compiled(object_reader& from, std::string_view key,
                                                     std::uint32_t bound_stages) {
  auto code = from.compiled(key, scopes());
  if (!code || !check_references(*code, from.at(key), bound_stages, true))
    return std::nullopt;
  return rule_expression{*code, made_.stage_names_};
}

bool rule_reader::check_references(const expression& code, const std::string& pointer,
                                   std::uint32_t bound_stages, bool has_event) {
  auto before = faults_.size();
  auto report = [&](errc error, std::string message, std::string hint) {
    add_fault(faults_, {.code = error,
                        .at = pointer,
                        .message = std::move(message),
                        .hint = std::move(hint),
                        .name = "unresolved_reference"});
  };
  for (const auto& one : code.references()) {
    auto stage = std::find(made_.stage_names_.begin(), made_.stage_names_.end(), one.scope);
    if (one.kind == reference_kind::capability_test)
      report(errc::unsupported, "'has_capability' is not known to rules", "use is_of_model");
    else if (one.kind == reference_kind::model_test && !has_event)
      report(errc::bad_value, "'" + to_string(one) + "' needs an event", "use it in 'where'");
    else if (one.kind == reference_kind::model_test)
      continue;
    else if (!one.scope.empty() && stage - made_.stage_names_.begin() >= bound_stages)
      report(errc::bad_value, "'" + one.scope + "' comes only later", "use steps before this one");
    else if (one.scope.empty() && one.kind == reference_kind::aggregate)
      report(errc::bad_value, "'" + to_string(one) + "' is of no step",
             "name a step: step.property");
    else if (one.scope.empty() && !has_event)
      report(errc::bad_value, "'" + to_string(one) + "' is of no step", [&] {
        std::vector<std::string_view> names{scopes_.begin(), scopes_.end()};
        auto near = nearest_word(one.root, names);
        return near.empty() ? "name a step: step." + one.root
                            : "did you mean '" + std::string{near} + "'?";
      }());
  }
  return faults_.size() == before;
}

void rule_reader::read_skip(object_reader& head) {
  const auto* content = head.object("after_match");
  if (content == nullptr)
    return;
  object_reader from{*content, "/after_match", "'after_match'", faults_};
  auto& pattern = made_.pattern_;
  const auto* skip = from.find("skip");
  if (skip != nullptr && skip->is_map()) {
    object_reader named{*skip, "/after_match/skip", "'skip'", faults_};
    auto first = named.text("to_first");
    auto last = named.text("to_last");
    named.finish();
    if (first.has_value() == last.has_value())
      named.report({}, errc::bad_value, "'skip' names one of 'to_first' and 'to_last'");
    auto wanted = first ? *first : last.value_or("");
    auto& names = made_.stage_names_;
    auto stage = std::find(names.begin(), names.end(), wanted);
    auto is_bound = std::find(scopes_.begin(), scopes_.end(), wanted) != scopes_.end();
    if (!is_bound && !wanted.empty())
      named.report(first ? "to_first" : "to_last", errc::bad_value,
                   "there is no step '" + wanted + "' that binds events", {}, "unknown_step");
    pattern.skip = first ? skip_strategy::to_first : skip_strategy::to_last;
    pattern.skip_stage = static_cast<std::uint32_t>(stage - names.begin());
  } else if (auto word = from.choice("skip", skip_words, object_reader::required)) {
    pattern.skip = static_cast<skip_strategy>(*word);
  }
  from.finish();
}

void rule_reader::read_select(object_reader& head) {
  const auto* content = head.object("select");
  if (content == nullptr)
    return;
  object_reader from{*content, "/select", "'select'", faults_};
  for (const auto& member : content->as_map()) {
    auto code = from.compiled(member.key, scopes());
    auto all = static_cast<std::uint32_t>(made_.stage_names_.size());
    if (code && made_.window_) {
      check_window_names(*code, from.at(member.key));
      made_.select_.push_back({member.key, rule_expression{*code, made_.stage_names_}});
    } else if (code && check_references(*code, from.at(member.key), all, false))
      made_.select_.push_back({member.key, rule_expression{*code, made_.stage_names_}});
  }
}

void rule_reader::read_actions(object_reader& head) {
  const auto* content = head.list("actions");
  if (content == nullptr)
    return;
  for (std::size_t i = 0; i < content->as_list().size(); ++i)
    read_action(content->as_list()[i], "/actions/" + std::to_string(i));
}

void rule_reader::read_action(const value& content, const std::string& pointer) {
  object_reader from{content, pointer, "an action", faults_};
  if (!from.is_object())
    return;
  rule_action made;
  std::size_t kinds = 0;
  for (std::size_t i = 0; i < action_words.size(); ++i)
    if (from.has(action_words[i])) {
      made.kind = static_cast<action_kind>(i);
      ++kinds;
    }
  if (kinds != 1) {
    std::string known;
    for (auto word : action_words)
      known += (known.empty() ? "" : ", ") + std::string{word};
    from.report({}, errc::bad_value, "an action does one of " + known);
    return kinds == 0 ? from.finish() : void();
  }
  auto key = to_string(made.kind);
  read_limit(from, made);
  check_action(from, made.kind);
  made.content = compiled_template(from, key);
  for (auto field : fields_beside(made.kind))
    if (from.has(field))
      made.more.emplace_back(field, compiled_template(from, field));
  from.finish();
  made_.actions_.push_back(std::move(made));
}

void rule_reader::read_limit(object_reader& from, rule_action& into) {
  const auto* content = from.object("at_most");
  if (content == nullptr)
    return;
  object_reader fields{*content, from.at("at_most"), "'at_most'", faults_};
  action_limit limit;
  limit.count = static_cast<std::uint32_t>(
      fields.integer("count", 1, 1'000'000, object_reader::required).value_or(1));
  limit.every = fields.duration("every", object_reader::required).value_or(limit.every);
  if (limit.every.count() == 0)
    fields.report("every", errc::bad_value, "'every' is 0", "at least 1ms");
  fields.finish();
  into.limit = limit;
}

// The parts of an action whose content is an object.
void rule_reader::check_action(object_reader& from, action_kind kind) {
  auto key = to_string(kind);
  if (kind != action_kind::update_twin && kind != action_kind::send_command
      && kind != action_kind::signal_workflow) {
    auto text = from.text(key, object_reader::required);
    auto is_address = text && (text->starts_with("http://") || text->starts_with("https://"));
    if (text && kind == action_kind::webhook && !is_address)
      from.report(key, errc::bad_value,
                  "'webhook' is no address that begins with http:// or https://",
                  "such as http://127.0.0.1:8080/alarms");
    return;
  }
  const auto* body = from.object(key, object_reader::required);
  if (body == nullptr)
    return;
  object_reader fields{*body, from.at(key), "'" + std::string{key} + "'", faults_};
  if (kind == action_kind::update_twin) {
    fields.text("id", object_reader::required);
    fields.object("set", object_reader::required);
  } else if (kind == action_kind::send_command) {
    fields.text("id", object_reader::required);
    fields.text("name", object_reader::required);
    fields.find("arguments");
  } else {
    fields.text("event", object_reader::required);
    fields.text("id");
    fields.text("twin");
    fields.find("content");
  }
  fields.finish();
}

template_value rule_reader::compiled_template(object_reader& from, std::string_view key) {
  const auto* found = from.find(key);
  if (found == nullptr)
    return {};
  auto made = template_value::compile(*found, scopes(), from.at(key), faults_);
  check_template(made);
  return made;
}

void rule_reader::check_template(const template_value& what) {
  what.for_each_reference([&](const reference& one, const std::string& pointer) {
    std::vector<std::string_view> known{"match", "rule", "key"};
    if (document_.root().find("select") == nullptr)
      known.insert(known.end(), window_names_.begin(), window_names_.end());
    if (const auto* select = document_.root().find("select"); select && select->is_map())
      for (const auto& field : select->as_map())
        known.push_back(field.key);
    auto is_known = std::find(known.begin(), known.end(), one.root) != known.end()
                    && one.kind != reference_kind::aggregate;
    if (!one.scope.empty() || is_known)
      return;
    auto near = nearest_word(one.root, known);
    add_fault(faults_,
              {.code = errc::bad_value,
               .at = pointer,
               .message = "'" + to_string(one) + "' is nothing that the match has",
               .hint = near.empty() ? "a field of 'select', step.property, match, rule or key"
                                    : "did you mean '" + std::string{near} + "'?",
               .name = "unresolved_reference"});
  });
}

} // namespace gemel
