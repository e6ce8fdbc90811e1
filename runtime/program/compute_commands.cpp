#include "messages/duration.hpp"
#include "runtime/adapters/files.hpp"
#include "runtime/adapters/terminal.hpp"
#include "runtime/lua_functions.hpp"
#include "runtime/program/commands.hpp"
#include "runtime/program/json_text.hpp"
#include "runtime/program/workflow_text.hpp"
#include "workflows/functions.hpp"

#include <CLI/CLI.hpp>

namespace gemel {

namespace {

constexpr std::size_t function_bytes_max = std::size_t{1} << 20;

std::string text_at(const value& from, std::string_view key) {
  const auto* found = from.find(key);
  if (found == nullptr || found->is_null())
    return "";
  return found->is_text() ? std::string{found->as_text()} : to_json(*found);
}

int ask(const program_context& context, const char* name,
        const std::function<void(const value&)>& print, value arguments = {}) {
  auto link = open_link(context);
  if (!link)
    return refuse(context, link.error());
  auto answer = (*link)->call({"compute", name, std::move(arguments)});
  if (!answer)
    return refuse(context, answer.error());
  if (context.json)
    context.console.out(to_json(*answer) + "\n");
  else
    print(*answer);
  return finish(context, exit_ok);
}

void print_status(const program_context& context, const value& answer) {
  context.console.out(
      "workers " + text_at(answer, "workers") + " of " + text_at(answer, "workers_min") + " to "
      + text_at(answer, "workers_max") + ", running " + text_at(answer, "running") + ", waiting "
      + text_at(answer, "waiting") + ", oldest for " + text_at(answer, "delay_ms") + " ms"
      + (text_at(answer, "saturated") == "true" ? ", all threads at work" : "") + "\n"
      + (text_at(answer, "poisoned") != "0"
             ? text_at(answer, "poisoned") + " inputs are set aside: `gemel compute poisoned`\n"
             : "")
      + "\n");
  table functions{{{"FUNCTION"}, {"WAITING"}, {"RUNNING"}, {"DONE"}, {"REFUSED"}}, context.form()};
  std::vector<std::vector<table_cell>> rows;
  for (const auto& one : answer.find("functions")->as_list())
    rows.push_back({{text_at(one, "function")},
                    {text_at(one, "waiting"), true},
                    {text_at(one, "running"), true},
                    {text_at(one, "done"), true},
                    {text_at(one, "refused"), true}});
  context.console.out(functions.draw(rows));
  const auto scaled = answer.find("scaled")->as_list();
  if (!scaled.empty())
    context.console.out("\n");
  for (const auto& one : scaled)
    context.console.out(run_time_text(one.find("at_ms")->as_integer()) + "  " + text_at(one, "from")
                        + " -> " + text_at(one, "to") + " workers: " + text_at(one, "reason")
                        + (text_at(one, "kind") == "saturated" ? "; more machines would help" : "")
                        + "\n");
}

void print_calls(const program_context& context, const value& answer) {
  table drawn{
      {{"CALL"}, {"FUNCTION"}, {"STATE"}, {"FOR MS"}, {"PRIORITY"}, {"TENANT"}, {"KEY", true}},
      context.form()};
  std::vector<std::vector<table_cell>> rows;
  for (const auto& one : answer.find("calls")->as_list())
    rows.push_back({{text_at(one, "call"), true},
                    {text_at(one, "function")},
                    {text_at(one, "state")},
                    {text_at(one, "for_ms"), true},
                    {text_at(one, "priority"), true},
                    {text_at(one, "tenant")},
                    {text_at(one, "key")}});
  context.console.out(drawn.draw(rows));
  if (text_at(answer, "more") == "true")
    context.console.err("there are more; ask with --limit\n");
}

void print_poisoned(const program_context& context, const value& answer) {
  table drawn{{{"ID"}, {"FUNCTION"}, {"TWIN"}, {"FAILURES"}, {"SINCE"}, {"LAST ERROR", true}},
              context.form()};
  std::vector<std::vector<table_cell>> rows;
  for (const auto& one : answer.find("poisoned")->as_list())
    rows.push_back({{text_at(one, "id")},
                    {text_at(one, "function")},
                    {text_at(one, "twin")},
                    {text_at(one, "failures"), true},
                    {run_time_text(one.find("since_ms")->as_integer())},
                    {text_at(one, "error")}});
  context.console.out(drawn.draw(rows));
}

void print_functions(const program_context& context, const value& answer) {
  table drawn{{{"FUNCTION"}, {"WHAT IT DOES"}}, context.form()};
  std::vector<std::vector<table_cell>> rows;
  for (const auto& one : answer.find("functions")->as_list())
    rows.push_back({{text_at(one, "function")}, {text_at(one, "help")}});
  context.console.out(drawn.draw(rows));
}

// What every node has; with `--node`, what that node has.
int list_functions(const program_context& context, bool of_node) {
  auto print = [&](const value& answer) { print_functions(context, answer); };
  if (of_node)
    return ask(context, "functions", print);
  value_list all;
  const auto library = function_library::standard();
  for (const auto& [name, about] : library.all())
    all.push_back(value{
        value_map{{"name", value{name}}, {"function", value{name}}, {"help", value{about->help}}}});
  if (context.json)
    context.console.out(to_json(value{std::move(all)}) + "\n");
  else
    print(value{value_map{{"functions", value{std::move(all)}}}});
  return finish(context, exit_ok);
}

struct test_arguments {
  std::string function;
  std::string input;
  std::uint64_t memory = lua_limits{}.memory_bytes;
  std::uint64_t instructions = lua_limits{}.instructions;
};

result<function_info> function_of(const test_arguments& asked) {
  if (asked.function.ends_with(".lua")) {
    auto text = read_file(asked.function, function_bytes_max);
    if (!text)
      return tl::unexpected<error>(text.error());
    return make_lua_function(lua_function_name(asked.function), std::move(*text), asked.function,
                             {asked.memory, asked.instructions});
  }
  const auto library = function_library::standard();
  if (const auto* known = library.find(asked.function))
    return *known;
  return fail(errc::not_found, "there is no standard function '" + asked.function
                                   + "'; a function in Lua is named by its file");
}

result<function_input> input_of(const std::string& text) {
  function_input made;
  if (text.empty())
    return made;
  std::string json = text;
  if (text.starts_with('@')) {
    auto file = read_file(text.substr(1), function_bytes_max);
    if (!file)
      return tl::unexpected<error>(file.error());
    json = std::move(*file);
  }
  auto content = value_from_json(json);
  if (!content)
    return fail(content.error().code, "--input: " + content.error().context);
  if (!content->is_map())
    return fail(errc::bad_value, "--input: must be an object");
  for (const auto& one : content->as_map()) {
    if (one.key == "twin")
      made.twin = one.content;
    else if (one.key == "parameters")
      made.parameters = one.content;
    else if (one.key == "inputs")
      made.inputs = one.content;
    else
      return fail(errc::bad_value,
                  "--input: '" + one.key + "' is none of twin, parameters and inputs");
  }
  return made;
}

int test_function(const program_context& context, const test_arguments& asked) {
  auto function = function_of(asked);
  if (!function)
    return refuse(context, function.error());
  auto input = input_of(asked.input);
  if (!input)
    return refuse(context, input.error());
  auto answer = function->call(*input);
  if (!answer)
    return refuse(context, answer.error());
  context.console.out(to_json(*answer) + "\n");
  return finish(context, exit_ok);
}

void add_test(CLI::App& functions, program_context& context) {
  auto asked = std::make_shared<test_arguments>();
  auto* command =
      functions.add_subcommand("test", "Call a function here, as a step of a workflow would");
  command->add_option("FUNCTION", asked->function, "A file (.lua), or a standard function")
      ->required();
  command
      ->add_option("--input", asked->input,
                   "An object with `twin`, `parameters` and `inputs`, or @FILE")
      ->type_name("JSON");
  command->add_option("--memory", asked->memory, "Bytes that Lua may use")->type_name("BYTES");
  command->add_option("--instructions", asked->instructions, "Instructions that Lua may run")
      ->type_name("N");
  command->footer("Example:\n"
                  "  gemel function test rul.lua --input '{\"parameters\": {\"limit\": 3}}'");
  command->callback([&context, asked] {
    context.action = [&context, asked] { return test_function(context, *asked); };
  });
}

struct call_arguments {
  std::string function;
  std::string input;
  std::string twin;
  std::string key;
  std::string tenant;
  std::vector<std::string> require;
  std::vector<std::string> prefer;
  std::int64_t priority = 0;
  std::int64_t limit = 100;
  std::int64_t call = 0;
  std::string id;
};

// The link's time is the call's, too.
result<value> arguments_of(const program_context& context, const call_arguments& asked) {
  value_map made{{"function", value{asked.function}}};
  auto input = input_of(asked.input);
  if (!input)
    return tl::unexpected<error>(input.error());
  if (!input->twin.is_null())
    return fail(errc::bad_value, "--input: a node takes the twin's own values: use --twin");
  auto add = [&](const char* name, value content, bool is_given) {
    if (is_given)
      made.push_back({name, std::move(content)});
  };
  add("parameters", input->parameters, !input->parameters.is_null());
  add("inputs", input->inputs, !input->inputs.is_null());
  add("twin", value{asked.twin}, !asked.twin.empty());
  add("key", value{asked.key}, !asked.key.empty());
  add("tenant", value{asked.tenant}, !asked.tenant.empty());
  add("priority", value{asked.priority}, asked.priority != 0);
  auto texts = [](const std::vector<std::string>& all) {
    value_list list;
    for (const auto& one : all)
      list.emplace_back(value{one});
    return value{std::move(list)};
  };
  add("require", texts(asked.require), !asked.require.empty());
  add("prefer", texts(asked.prefer), !asked.prefer.empty());
  auto time = parse_duration(context.timeout);
  add("timeout_ms", value{time ? time->count() : 0}, time && time->count() > 0);
  return value{std::move(made)};
}

int run_function(const program_context& context, const call_arguments& asked) {
  auto arguments = arguments_of(context, asked);
  if (!arguments)
    return refuse(context, arguments.error());
  return ask(
      context, "run",
      [&](const value& answer) {
        if (const auto* made = answer.find("result"))
          context.console.out(to_json(*made) + "\n");
      },
      std::move(*arguments));
}

void print_nodes(const program_context& context, const value& answer) {
  table drawn{{{"NODE"}, {"THERE"}, {"LABELS"}, {"WORKERS"}, {"CALLS"}, {"FOR US"}, {"FOR IT"}},
              context.form()};
  std::vector<std::vector<table_cell>> rows;
  for (const auto& one : answer.find("nodes")->as_list()) {
    std::string labels;
    for (const auto& label : one.find("labels")->as_list())
      labels += (labels.empty() ? "" : " ") + std::string{label.as_text()};
    rows.push_back({{text_at(one, "node")},
                    {text_at(one, "there") == "true" ? "yes" : "no"},
                    {labels},
                    {text_at(one, "workers"), true},
                    {text_at(one, "calls"), true},
                    {text_at(one, "asked"), true},
                    {text_at(one, "serving"), true}});
  }
  context.console.out(drawn.draw(rows));
}

void add_nodes(CLI::App& compute, program_context& context) {
  auto* nodes = compute.add_subcommand("nodes", "List this node and its peers, as calls see them");
  add_link_options(*nodes, context);
  nodes->callback([&context] {
    context.action = [&context] {
      return ask(context, "nodes", [&](const value& answer) { print_nodes(context, answer); });
    };
  });
}

void add_run(CLI::App& compute, program_context& context) {
  auto asked = std::make_shared<call_arguments>();
  auto* run = compute.add_subcommand("run", "Call a function of the node, and wait for its answer");
  add_link_options(*run, context);
  run->add_option("FUNCTION", asked->function, "See `gemel function list`")->required();
  run->add_option("--input", asked->input, "An object with `parameters` and `inputs`, or @FILE")
      ->type_name("JSON");
  run->add_option("--twin", asked->twin, "The twin that it is called for")->type_name("ID");
  run->add_option("--key", asked->key,
                  "Calls with the same key are made once; the answer is kept for 10 minutes")
      ->type_name("KEY");
  run->add_option("--tenant", asked->tenant, "Who asks: tenants share the threads alike")
      ->type_name("NAME");
  run->add_option("--priority", asked->priority, "0 to 9; higher ones go first")
      ->type_name("N")
      ->check(CLI::Range(0, 9));
  run->add_option("--require", asked->require, "Labels that the node must have; repeatable")
      ->type_name("LABEL");
  run->add_option("--prefer", asked->prefer, "Labels that it should have; repeatable")
      ->type_name("LABEL");
  run->footer(
      "Example:\n"
      "  gemel compute run trend --twin m1 --input '{\"parameters\": {\"values\": [1, 2]}}'");
  run->callback([&context, asked] {
    context.action = [&context, asked] { return run_function(context, *asked); };
  });
}

void add_call_commands(CLI::App& compute, program_context& context) {
  auto asked = std::make_shared<call_arguments>();
  auto* list = compute.add_subcommand("list", "List calls that run or wait");
  add_link_options(*list, context);
  list->add_option("--limit", asked->limit, "Calls at most")->check(CLI::Range(1, 1'000));
  list->callback([&context, asked] {
    context.action = [&context, asked] {
      return ask(
          context, "list", [&](const value& answer) { print_calls(context, answer); },
          value{value_map{{"limit", value{asked->limit}}}});
    };
  });
  auto* cancel = compute.add_subcommand(
      "cancel", "End a call, and with it the others of its step, if it is of a workflow");
  add_link_options(*cancel, context);
  cancel->add_option("CALL", asked->call, "Its number, as `list` shows it")
      ->required()
      ->check(CLI::PositiveNumber);
  cancel->callback([&context, asked] {
    context.action = [&context, asked] {
      return ask(
          context, "cancel", [](const value&) {}, value{value_map{{"call", value{asked->call}}}});
    };
  });
}

void add_poison_commands(CLI::App& compute, program_context& context) {
  auto* poisoned =
      compute.add_subcommand("poisoned", "List inputs that were set aside after many failures");
  add_link_options(*poisoned, context);
  poisoned->callback([&context] {
    context.action = [&context] {
      return ask(context, "poisoned",
                 [&](const value& answer) { print_poisoned(context, answer); });
    };
  });
  auto asked = std::make_shared<call_arguments>();
  auto* release = compute.add_subcommand("release", "Give an input that was set aside a chance");
  add_link_options(*release, context);
  release->add_option("ID", asked->id, "As `poisoned` shows it")->required();
  release->callback([&context, asked] {
    context.action = [&context, asked] {
      return ask(
          context, "release", [](const value&) {}, value{value_map{{"id", value{asked->id}}}});
    };
  });
}

} // namespace

void add_compute_commands(CLI::App& root, program_context& context) {
  auto* compute = root.add_subcommand("compute", "The threads that call functions");
  compute->require_subcommand(1);
  auto* status = compute->add_subcommand("status", "Show workers, what waits, and what changed");
  add_link_options(*status, context);
  status->callback([&context] {
    context.action = [&context] {
      return ask(context, "status", [&](const value& answer) { print_status(context, answer); });
    };
  });
  add_run(*compute, context);
  add_nodes(*compute, context);
  add_call_commands(*compute, context);
  add_poison_commands(*compute, context);
  auto* functions = root.add_subcommand("function", "What workflows can compute");
  functions->require_subcommand(1);
  auto* list = functions->add_subcommand("list", "List the standard functions, or those of a node");
  add_link_options(*list, context);
  list->callback([&context, list] {
    bool of_node = list->count("--node") > 0;
    context.action = [&context, of_node] { return list_functions(context, of_node); };
  });
  add_test(*functions, context);
}

} // namespace gemel
