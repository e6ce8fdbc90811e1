#include "runtime/adapters/files.hpp"
#include "runtime/adapters/terminal.hpp"
#include "runtime/program/commands.hpp"
#include "runtime/program/json_text.hpp"
#include "runtime/program/rule_text.hpp"
#include "workflows/rule_import.hpp"
#include "workflows/rule_runner.hpp"

#include <CLI/CLI.hpp>

namespace gemel {

namespace {

constexpr std::size_t event_line_bytes_max = 1u << 20;

struct rule_arguments {
  std::string rule;
  std::string events;
  std::string name;
};

int refuse_faults(const program_context& context, const fault_list& faults) {
  std::string text;
  for (const auto& found : faults)
    text += to_string(found) + '\n';
  if (context.json)
    context.console.out(json_object{}.add_json("faults", faults_json(faults)).text() + "\n");
  else
    context.console.err(text);
  return exit_usage;
}

// The rule, or the exit code after what is wrong with it was printed.
tl::expected<rule, int> read_rule(const program_context& context, const std::string& path) {
  auto text = read_file(path, json_document_bytes_max);
  if (!text)
    return tl::unexpected<int>(refuse(context, text.error()));
  auto document = json_document::parse(std::move(*text), path);
  if (!document)
    return tl::unexpected<int>(refuse_faults(context, document.error()));
  auto made = rule::read(*document);
  if (!made)
    return tl::unexpected<int>(refuse_faults(context, made.error()));
  return std::move(*made);
}

int explain_rule(const program_context& context, const rule_arguments& asked) {
  auto what = read_rule(context, asked.rule);
  if (!what)
    return what.error();
  context.console.out(explain_text(*what, context.console.is_utf8()));
  return exit_ok;
}

// Runs a rule over a file and prints what it finds as it finds it.
class rule_trial {
public:
  rule_trial(const program_context& context, const rule& what)
      : context_{context}, rule_{what}, runner_{what} {}

  int run(const std::string& path) {
    fault_list faults;
    auto read = read_lines(path, event_line_bytes_max, [&](std::string_view line, std::size_t n) {
      if (line.find_first_not_of(" \t\r") == std::string_view::npos)
        return true;
      auto event = read_recorded_event(line, n, path);
      if (event)
        take(*event, n);
      else
        faults = std::move(event.error());
      return faults.empty();
    });
    if (!read)
      return refuse(context_, read.error());
    if (!faults.empty())
      return refuse_faults(context_, faults);
    match_output found;
    runner_.finish(found);
    print(found);
    context_.console.out(context_.json ? counters_json() : counters_text());
    return exit_ok;
  }

private:
  void take(const recorded_event& event, std::size_t line) {
    match_output found;
    auto in_time = runner_.add(event, found);
    print(found);
    if (!in_time && rule_.time().report_late)
      print_late(*event.event, line);
  }

  void print(const match_output& found) {
    auto put = [&](const std::string& text) {
      context_.console.out(context_.json ? text + "\n" : text);
    };
    for (const auto& one : found.matches)
      put(context_.json ? match_json(rule_, one) : match_text(rule_, one));
    for (const auto& one : found.timeouts)
      if (rule_.report_timeouts())
        put(context_.json ? timeout_json(rule_, one) : timeout_text(rule_, one));
  }

  void print_late(const rule_event& event, std::size_t line) {
    auto content = to_value(event);
    if (context_.json)
      context_.console.out(json_object{}
                               .add("late", value{rule_.name()})
                               .add("line", std::uint64_t{line})
                               .add("event", content)
                               .text()
                           + "\n");
    else
      context_.console.out("late: line " + std::to_string(line) + " " + to_json(content) + "\n");
  }

  std::vector<std::pair<const char*, std::uint64_t>> numbers() const {
    const auto found = runner_.state().counters();
    return {{"events", runner_.counters().events},
            {"looked_at", runner_.counters().concerned},
            {"late", runner_.counters().late},
            {"matches", found.matches},
            {"matches_left_out", runner_.state().left_out()},
            {"timeouts", found.timeouts},
            {"runs_open", runner_.state().open()},
            {"runs_dropped", found.runs_dropped},
            {"keys_dropped", found.keys_dropped},
            {"keys_idle", found.keys_idle}};
  }

  std::string counters_json() const {
    json_object made;
    for (const auto& [name, number] : numbers())
      made.add(name, number);
    return json_object{}.add_json("counters", made.text()).text() + "\n";
  }

  std::string counters_text() const {
    std::string text;
    for (const auto& [name, number] : numbers())
      text += (text.empty() ? "" : ", ") + std::string{name} + " " + std::to_string(number);
    return text + "\n";
  }

  const program_context& context_;
  const rule& rule_;
  rule_runner runner_;
};

int test_rule(const program_context& context, const rule_arguments& asked) {
  auto what = read_rule(context, asked.rule);
  return what ? rule_trial{context, *what}.run(asked.events) : what.error();
}

// Prints the rule that a document of dynamic Flink CEP is, if ours can say it.
int import_rule(const program_context& context, const rule_arguments& asked) {
  auto text = read_file(asked.rule, json_document_bytes_max);
  if (!text)
    return refuse(context, text.error());
  auto document = json_document::parse(std::move(*text), asked.rule);
  if (!document)
    return refuse_faults(context, document.error());
  auto made = import_flink_rule(*document, asked.name);
  if (!made)
    return refuse_faults(context, made.error());
  auto printed = to_json(*made);
  auto again = json_document::parse(printed, asked.rule + " (imported)");
  if (!again)
    return refuse_faults(context, again.error());
  if (auto read = rule::read(*again); !read)
    return refuse_faults(context, read.error());
  context.console.out(printed + "\n");
  return finish(context, exit_ok);
}

// ---- rules of a node ----------------------------------------------------------------------------

result<value> ask_rules(const program_context& context, std::string name, value_map arguments) {
  auto link = open_link(context);
  if (!link)
    return tl::unexpected<error>(link.error());
  return (*link)->call({"rules", std::move(name), value{std::move(arguments)}});
}

int put_rule(const program_context& context, const rule_arguments& asked, const char* how) {
  auto text = read_file(asked.rule, json_document_bytes_max);
  if (!text)
    return refuse(context, text.error());
  // Its faults are told with their places, as by `check`.
  if (auto read = read_rule(context, asked.rule); !read)
    return read.error();
  auto made = ask_rules(context, how, {{"document", value{*text}}, {"file", value{asked.rule}}});
  if (!made)
    return refuse(context, made.error());
  context.console.out(context.json ? to_json(*made) + "\n" : placed_rule_text(*made));
  return finish(context, exit_ok);
}

int remove_rule(const program_context& context, const rule_arguments& asked) {
  auto made = ask_rules(context, "remove", {{"rule", value{asked.rule}}});
  return made ? finish(context, exit_ok) : refuse(context, made.error());
}

int print_rules(const program_context& context, const rule_arguments& asked, const char* what) {
  value_map arguments;
  if (!asked.rule.empty())
    arguments.push_back({"rule", value{asked.rule}});
  auto made = ask_rules(context, what, std::move(arguments));
  if (!made)
    return refuse(context, made.error());
  const auto& rules = *made->find("rules");
  auto is_list = std::string_view{what} == "list";
  if (context.json)
    context.console.out(to_json(rules) + "\n");
  else
    context.console.out(is_list ? rule_list_text(rules, context.form()) : rule_numbers_text(rules));
  return finish(context, exit_ok);
}

using live_action = int (*)(const program_context&, const rule_arguments&);

struct live_command {
  const char* name;
  const char* help;
  /// Null: it takes none.
  const char* option;
  bool is_required;
  const char* example;
  live_action action;
};

constexpr live_command live_commands[] = {
    {"add", "Have a node run a rule", "FILE", true, "add bearing-overheats.json",
     [](const auto& c, const auto& a) { return put_rule(c, a, "add"); }},
    {"replace", "Put another version of a rule, or a new one, to work", "FILE", true,
     "replace bearing-overheats.json",
     [](const auto& c, const auto& a) { return put_rule(c, a, "replace"); }},
    {"remove", "Take a rule from a node; its open runs are forgotten", "RULE", true,
     "remove bearing-overheats", remove_rule},
    {"list", "The rules of a node", nullptr, false, "list",
     [](const auto& c, const auto& a) { return print_rules(c, a, "list"); }},
    {"show", "A rule of a node: its document and numbers", "RULE", true, "show bearing-overheats",
     [](const auto& c, const auto& a) { return print_rules(c, a, "show"); }},
    {"stats", "What the rules of a node, or one, have seen, found and done", "RULE", false, "stats",
     [](const auto& c, const auto& a) { return print_rules(c, a, "stats"); }},
};

void add_live_command(CLI::App& group, program_context& context, const live_command& what) {
  auto asked = std::make_shared<rule_arguments>();
  auto* made = group.add_subcommand(what.name, what.help);
  if (what.option != nullptr)
    made->add_option(what.option, asked->rule,
                     std::string_view{what.option} == "FILE" ? "The rule (.json)"
                                                             : "The rule's name")
        ->required(what.is_required)
        ->type_name("");
  add_link_options(*made, context);
  made->footer(std::string{"Examples:\n  gemel rule "} + what.example);
  made->callback([&context, asked, action = what.action] {
    context.action = [&context, asked, action] { return action(context, *asked); };
  });
}

} // namespace

void add_rule_commands(CLI::App& root, program_context& context) {
  auto* group = root.add_subcommand("rule", "Develop event rules, and have a node run them");
  group->require_subcommand(1);
  auto asked = std::make_shared<rule_arguments>();
  auto* test = group->add_subcommand("test", "Run a rule over recorded events, without a node");
  test->add_option("RULE", asked->rule, "The rule (.json)")->required()->type_name("");
  test->add_option("--events", asked->events,
                   "Events, one JSON object a line: time (RFC 3339 or ms), twin_id, twin_type, "
                   "parent_id, event, properties, source, arrived; - is the input")
      ->required()
      ->type_name("FILE");
  add_json_option(*test, context);
  test->footer(
      "Examples:\n  gemel rule test bearing-overheats.json --events bearing-overheats.jsonl\n"
      "  gemel rule test rule.json --events - --json <events.jsonl");
  test->callback([&context, asked] {
    context.action = [&context, asked] { return test_rule(context, *asked); };
  });
  auto* explain = group->add_subcommand("explain", "Draw a rule's states and what leads where");
  explain->add_option("RULE", asked->rule, "The rule (.json)")->required()->type_name("");
  explain->footer("Examples:\n  gemel rule explain bearing-overheats.json");
  explain->callback([&context, asked] {
    context.action = [&context, asked] { return explain_rule(context, *asked); };
  });
  auto* import = group->add_subcommand(
      "import", "Print the rule that a document of Ververica's or Alibaba's dynamic CEP is");
  import->add_option("FILE", asked->rule, "The document (.json), with nodes and edges")
      ->required()
      ->type_name("");
  import->add_option("--name", asked->name, "Of the rule; else that of the document")
      ->type_name("NAME");
  add_json_option(*import, context);
  import->footer("Examples:\n  gemel rule import flink.json >rule.json");
  import->callback([&context, asked] {
    context.action = [&context, asked] { return import_rule(context, *asked);
};
} // namespace gemel
);
for (const auto& one : live_commands)
  add_live_command(*group, context, one);
group->footer("Examples:\n"
              "  gemel check too-hot.json && gemel rule explain too-hot.json\n"
              "  gemel rule test too-hot.json --events recorded.jsonl\n"
              "  gemel rule add too-hot.json\n"
              "  gemel rule stats too-hot\n"
              "  gemel rule remove too-hot");
}

} // namespace gemel
