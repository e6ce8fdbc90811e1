#include "runtime/adapters/files.hpp"
#include "runtime/adapters/signals.hpp"
#include "runtime/adapters/terminal.hpp"
#include "runtime/program/commands.hpp"
#include "runtime/program/json_text.hpp"
#include "runtime/program/workflow_text.hpp"
#include "runtime/run_follower.hpp"
#include "workflows/json_document.hpp"

#include <CLI/CLI.hpp>

namespace gemel {

namespace {

struct workflow_arguments {
  std::string what;
  std::uint32_t version = 0;
  std::string input;
  std::string id;
  bool quiet = false;
};

// `--input` is JSON, or `@` and the name of a file that holds it.
result<value> read_input(const std::string& input) {
  if (input.empty())
    return value{value_map{}};
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

bool is_file_name(const std::string& what) {
  return what.ends_with(".json") || what.find('/') != std::string::npos;
}

result<std::string> read_document(const std::string& file) {
  auto text = read_file(file, json_document_bytes_max);
  if (!text) // What was named is bad input, whatever the system says of it.
    return fail(errc::bad_value, text.error().context);
  return text;
}

// A file is sent along; anything else is the name of a workflow that the node has.
result<value_map> start_arguments(const workflow_arguments& asked) {
  value_map made;
  if (is_file_name(asked.what)) {
    auto text = read_document(asked.what);
    if (!text)
      return tl::unexpected<error>(text.error());
    made.push_back({"document", value{*text}});
    made.push_back({"file", value{asked.what}});
  } else {
    made.push_back({"workflow", value{asked.what}});
  }
  if (asked.version > 0)
    made.push_back({"version", value{std::int64_t{asked.version}}});
  auto input = read_input(asked.input);
  if (!input)
    return tl::unexpected<error>(input.error());
  if (!input->as_map().empty())
    made.push_back({"input", std::move(*input)});
  if (!asked.id.empty())
    made.push_back({"id", value{asked.id}});
  return made;
}

// Faults of a document stand one on a line, with their places.
int refuse_start(const program_context& context, const error& why) {
  bool is_document = why.context.find(": error: ") != std::string::npos
                     || why.context.find('\n') != std::string::npos;
  if (!is_document)
    return refuse(context, why);
  context.console.err(why.context + "\n");
  return exit_usage;
}

result<std::string> start_run(twin_api& on, const workflow_arguments& asked) {
  auto arguments = start_arguments(asked);
  if (!arguments)
    return tl::unexpected<error>(arguments.error());
  auto begun = on.call({"workflows", "start", value{std::move(*arguments)}});
  if (!begun)
    return tl::unexpected<error>(begun.error());
  const auto* id = begun->find("id");
  if (id == nullptr || !id->is_text())
    return fail(errc::bad_frame, "an answer without an id");
  return std::string{id->as_text()};
}

int exit_code_of(run_state state) {
  return state == run_state::completed || state == run_state::completed_with_errors ? exit_ok
                                                                                    : exit_failed;
}

int run_workflow_command(const program_context& context, const workflow_arguments& asked) {
  stop_signals signals; // before the link's threads
  auto link = open_link(context);
  if (!link)
    return refuse(context, link.error());
  auto id = start_run(**link, asked);
  if (!id)
    return refuse_start(context, id.error());
  auto follower = run_follower::open(**link, *id);
  if (!follower)
    return refuse(context, follower.error());
  bool tells = !asked.quiet && !context.json;
  if (tells)
    context.console.err("run " + *id + "\n");
  std::optional<int> signal;
  for (;;) {
    constexpr std::chrono::milliseconds wait{250};
    auto more = follower->fetch(wait, [&](const workflow_run& run, const run_record& record) {
      if (tells)
        context.console.err(change_line(run, record));
    });
    if (!more)
      return refuse(context, more.error());
    if (!*more)
      break;
    if (!signal && (signal = signals.wait(std::chrono::milliseconds{0})))
      static_cast<void>(
          (*link)->call({"workflows", "cancel", value{value_map{{"id", value{*id}}}}}));
  }
  context.console.out(context.json ? run_json(follower->run()) + "\n"
                                   : run_text(follower->run(), context.form()));
  if (signal)
    return finish(context, exit_signal + *signal);
  return finish(context, exit_code_of(follower->run().state()));
}

int start_workflow_command(const program_context& context, const workflow_arguments& asked) {
  auto link = open_link(context);
  if (!link)
    return refuse(context, link.error());
  auto id = start_run(**link, asked);
  if (!id)
    return refuse_start(context, id.error());
  context.console.out(context.json ? json_object{}.add("id", value{*id}).text() + "\n"
                                   : *id + "\n");
  return finish(context, exit_ok);
}

int add_workflow(const program_context& context, const std::string& file) {
  auto text = read_document(file);
  if (!text)
    return refuse(context, text.error());
  auto link = open_link(context);
  if (!link)
    return refuse(context, link.error());
  auto made = (*link)->call(
      {"workflows", "add", value{value_map{{"document", value{*text}}, {"file", value{file}}}}});
  if (!made)
    return refuse_start(context, made.error());
  if (context.json) {
    context.console.out(to_json(*made) + "\n");
    return finish(context, exit_ok);
  }
  const auto* name = made->find("workflow");
  const auto* version = made->find("version");
  if (name != nullptr && version != nullptr && !name->as_text().empty())
    context.console.out("workflow " + std::string{name->as_text()} + ", version "
                        + std::to_string(version->as_integer()) + "\n");
  else
    context.console.err("the document has no 'workflow' name, so it can only be run from its "
                        "file\n");
  return finish(context, exit_ok);
}

int show_graph(const program_context& context, const std::string& file) {
  auto text = read_document(file);
  if (!text)
    return refuse(context, text.error());
  auto made = workflow::parse(std::move(*text), file);
  if (!made) {
    for (const auto& one : made.error())
      context.console.err(to_string(one) + "\n");
    return exit_usage;
  }
  context.console.out(graph_text(*made, context.console.is_utf8()));
  return finish(context, exit_ok);
}

void add_start_options(CLI::App& command, const std::shared_ptr<workflow_arguments>& asked,
                       program_context& context) {
  command
      .add_option("WORKFLOW", asked->what,
                  "The file of a document (.json), or the name of a workflow of the node")
      ->required();
  command
      .add_option("--version", asked->version, "Of a workflow of the node (default: the newest)")
      ->type_name("N");
  command.add_option("--input", asked->input, "What `input` holds, as JSON, or @FILE")
      ->type_name("JSON");
  command.add_option("--id", asked->id, "The run's id: the same id starts nothing twice")
      ->type_name("ID");
  add_link_options(command, context);
}

void add_run_command(CLI::App& workflows, program_context& context) {
  auto asked = std::make_shared<workflow_arguments>();
  auto* command =
      workflows.add_subcommand("run", "Start a workflow on a node and watch it to its end");
  command->add_flag("--quiet", asked->quiet, "Print the result only");
  add_start_options(*command, asked, context);
  command->footer("Ctrl-C cancels the run; without this program it goes on. The exit code is 0 if "
                  "it\ncompleted, 1 if it failed, 2 if the document has faults.\n\n"
                  "Examples:\n"
                  "  gemel workflow run analyze.json\n"
                  "  gemel workflow run analyze.json --input '{\"limit\": 85}' --json");
  command->callback([&context, asked] {
    context.action = [&context, asked] { return run_workflow_command(context, *asked); };
  });
}

void add_start_command(CLI::App& workflows, program_context& context) {
  auto asked = std::make_shared<workflow_arguments>();
  auto* command = workflows.add_subcommand("start", "Start a workflow and print the run's id");
  add_start_options(*command, asked, context);
  command->callback([&context, asked] {
    context.action = [&context, asked] { return start_workflow_command(context, *asked); };
  });
}

void add_add_command(CLI::App& workflows, program_context& context) {
  auto file = std::make_shared<std::string>();
  auto* command = workflows.add_subcommand("add", "Give a node a workflow, to be started by name");
  command->add_option("FILE", *file, "The workflow's document (JSON)")->required();
  add_link_options(*command, context);
  command->footer("Versions stand side by side: runs stay with theirs, new ones take the newest.");
  command->callback([&context, file] {
    context.action = [&context, file] { return add_workflow(context, *file); };
  });
}

} // namespace

void add_workflow_commands(CLI::App& root, program_context& context) {
  auto* workflows = root.add_subcommand("workflow", "Run, watch and control workflows");
  workflows->require_subcommand(1);
  add_run_command(*workflows, context);
  add_start_command(*workflows, context);
  add_workflow_control(*workflows, context);
  add_add_command(*workflows, context);
  auto file = std::make_shared<std::string>();
  auto* graph = workflows->add_subcommand("graph", "Draw the steps of a workflow's document");
  graph->add_option("FILE", *file, "The workflow's document (JSON)")->required();
  graph->callback([&context, file] {
    context.action = [&context, file] { return show_graph(context, *file); };
  });
}

} // namespace gemel
