#include "messages/duration.hpp"
#include "runtime/adapters/files.hpp"
#include "runtime/adapters/signals.hpp"
#include "runtime/adapters/terminal.hpp"
#include "runtime/program/commands.hpp"
#include "runtime/program/json_text.hpp"
#include "runtime/program/workflow_text.hpp"
#include "runtime/workflow_runner.hpp"
#include "workflows/json_document.hpp"

#include <CLI/CLI.hpp>

namespace gemel {

namespace {

struct workflow_arguments {
  std::string file;
  std::string input;
  std::string id;
  bool quiet = false;
};

const function_library& functions() {
  static const auto library = function_library::standard();
  return library;
}

std::shared_ptr<const workflow> read_workflow(const program_context& context,
                                              const std::string& file) {
  auto text = read_file(file, json_document_bytes_max);
  if (!text) {
    context.console.err(error_line(text.error()));
    return nullptr;
  }
  auto names = functions().names();
  auto made = workflow::parse(std::move(*text), file, {&names});
  if (made)
    return std::make_shared<const workflow>(std::move(*made));
  for (const auto& one : made.error())
    context.console.err(to_string(one) + "\n");
  return nullptr;
}

// `--input` is JSON, or `@` and the name of a file that holds it.
result<value> read_input(const std::string& input) {
  if (input.empty())
    return value{};
  std::string text = input;
  if (input.starts_with('@')) {
    auto file = read_file(input.substr(1), json_document_bytes_max);
    if (!file)
      return tl::unexpected<error>(file.error());
    text = std::move(*file);
  }
  auto made = value_from_json(text);
  if (!made)
    return fail(made.error().code, "--input: " + made.error().context);
  if (!made->is_map())
    return fail(errc::bad_value, R"(--input: must be an object, such as {"limit": 85})");
  return made;
}

int exit_code_of(run_state state) {
  return state == run_state::completed || state == run_state::completed_with_errors ? exit_ok
                                                                                    : exit_failed;
}

int run_workflow_command(const program_context& context, const workflow_arguments& asked) {
  auto document = read_workflow(context, asked.file);
  if (document == nullptr)
    return exit_usage;
  auto input = read_input(asked.input);
  if (!input)
    return refuse(context, input.error());
  stop_signals signals; // before the link's threads
  auto link = open_link(context);
  if (!link)
    return refuse(context, link.error());
  workflow_run_options options;
  options.id = asked.id;
  options.input = std::move(*input);
  std::optional<int> signal;
  options.stop_wanted = [&] {
    if (!signal)
      signal = signals.wait(std::chrono::milliseconds{0});
    return signal.has_value();
  };
  if (!asked.quiet && !context.json)
    options.on_change = [&](const workflow_run& run, const run_record& record) {
      context.console.err(change_line(run, record));
    };
  auto run = run_workflow(**link, document, functions(), std::move(options));
  context.console.out(context.json ? run_json(*run) + "\n" : run_text(*run, context.form()));
  if (signal)
    return finish(context, exit_signal + *signal);
  return finish(context, exit_code_of(run->state()));
}

int show_graph(const program_context& context, const std::string& file) {
  auto document = read_workflow(context, file);
  if (document == nullptr)
    return exit_usage;
  context.console.out(graph_text(*document, context.console.is_utf8()));
  return finish(context, exit_ok);
}

int list_functions(const program_context& context) {
  if (context.json) {
    json_list all;
    for (const auto& [name, about] : functions().all())
      all.add_json(json_object{}.add("name", value{name}).add("help", value{about.help}).text());
    context.console.out(all.text() + "\n");
    return finish(context, exit_ok);
  }
  table drawn{{{"FUNCTION"}, {"WHAT IT DOES"}}, context.form()};
  std::vector<std::vector<table_cell>> rows;
  for (const auto& [name, about] : functions().all())
    rows.push_back({{name}, {about.help}});
  context.console.out(drawn.draw(rows));
  return finish(context, exit_ok);
}

void add_run_command(CLI::App& workflows, program_context& context) {
  auto asked = std::make_shared<workflow_arguments>();
  auto* command = workflows.add_subcommand("run", "Run a workflow on a node's twins and wait");
  command->add_option("FILE", asked->file, "The workflow's document (JSON)")->required();
  command->add_option("--input", asked->input, "What `input` holds, as JSON, or @FILE")
      ->type_name("JSON");
  command->add_option("--id", asked->id, "Names this run in its effects")->type_name("ID");
  command->add_flag("--quiet", asked->quiet, "Print the result only");
  add_link_options(*command, context);
  command->footer("The run lives in this process: Ctrl-C cancels it. The exit code is 0 if it "
                  "completed,\n1 if it failed, 2 if the document has faults.\n\n"
                  "Examples:\n"
                  "  gemel workflow run analyze.json\n"
                  "  gemel workflow run analyze.json --input '{\"limit\": 85}' --json");
  command->callback([&context, asked] {
    context.action = [&context, asked] { return run_workflow_command(context, *asked); };
  });
}

} // namespace

void add_workflow_commands(CLI::App& root, program_context& context) {
  auto* workflows = root.add_subcommand("workflow", "Run and draw workflows");
  workflows->require_subcommand(1);
  add_run_command(*workflows, context);
  auto file = std::make_shared<std::string>();
  auto* graph = workflows->add_subcommand("graph", "Draw the steps of a workflow's document");
  graph->add_option("FILE", *file, "The workflow's document (JSON)")->required();
  graph->callback([&context, file] {
    context.action = [&context, file] { return show_graph(context, *file); };
  });
  auto* functions_command = root.add_subcommand("function", "What workflows can compute");
  functions_command->require_subcommand(1);
  auto* list = functions_command->add_subcommand("list", "List the functions there are");
  add_json_option(*list, context);
  list->callback([&context] { context.action = [&context] { return list_functions(context); }; });
}

} // namespace gemel
