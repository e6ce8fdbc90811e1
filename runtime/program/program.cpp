#include "runtime/program/program.hpp"

#include "runtime/adapters/terminal.hpp"
#include "runtime/program/commands.hpp"
#include "runtime/program/display.hpp"
#include "runtime/program/json_text.hpp"
#include "runtime/version.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdlib>

namespace gemel {

namespace {

constexpr const char* about = "gemel: digital twins as live actors.\n"
                              "Starts nodes and talks to running ones.";

constexpr const char* examples = R"(Examples:
  gemel node --config config/factory.toml
  gemel twin create --id hall-3 --type hall name="Hall 3"
  gemel twin create --id press-7 --type machine --parent hall-3 temperature=68.5
  gemel query "temperature > 85" --type machine
  gemel twin watch press-7

Exit codes: 0 done, 1 the request failed, 2 wrong usage or bad input, 130 interrupted.)";

std::string default_endpoint() {
  const auto* named = std::getenv("GEMEL_NODE");
  return named != nullptr && *named != '\0' ? named : "127.0.0.1:7433";
}

int print_version(const program_context& context) {
  if (context.json)
    context.console.out(json_object{}.add("version", value{version}).text() + "\n");
  else
    context.console.out("gemel " + std::string{version} + "\n");
  return exit_ok;
}

void add_version_command(CLI::App& root, program_context& context) {
  auto* command = root.add_subcommand("version", "Print the version");
  add_json_option(*command, context);
  command->callback([&context] { context.action = [&context] { return print_version(context); }; });
}

int print_completion(CLI::App& root, const program_context& context, const std::string& shell) {
  auto model = completion_model(root);
  if (shell == "bash")
    context.console.out(bash_completion(model));
  else if (shell == "zsh")
    context.console.out(zsh_completion(model));
  else if (shell == "fish")
    context.console.out(fish_completion(model));
  else
    return refuse_usage(context, "no shell '" + shell + "'; bash, zsh or fish");
  return exit_ok;
}

void add_completion_command(CLI::App& root, program_context& context) {
  auto* command = root.add_subcommand("completion", "Print a shell's completion script");
  auto shell = std::make_shared<std::string>();
  command->add_option("SHELL", *shell, "The shell")->required()->type_name("bash|zsh|fish");
  command->footer("Examples:\n  source <(gemel completion bash)\n"
                  "  gemel completion zsh >~/.zfunc/_gemel\n"
                  "  gemel completion fish >~/.config/fish/completions/gemel.fish");
  command->callback([&root, &context, shell] {
    context.action = [&root, &context, shell] { return print_completion(root, context, *shell); };
  });
}

void add_commands(CLI::App& root, program_context& context) {
  root.require_subcommand(1);
  root.set_help_flag("-h,--help", "Print this help");
  root.set_version_flag("--version", "gemel " + std::string{version}, "Print the version");
  root.footer(examples);
  add_node_commands(root, context);
  auto* twin = root.add_subcommand("twin", "Create, read, change, list and watch twins");
  twin->require_subcommand(1);
  add_twin_commands(*twin, context);
  add_list_command(*twin, context);
  add_tree_command(*twin, context);
  add_watch_command(*twin, context);
  add_bulk_commands(root, context);
  add_query_command(root, context);
  add_type_commands(root, context);
  add_stats_command(root, context);
  add_workflow_commands(root, context);
  add_history_command(root, context);
  add_sync_commands(root, context);
  add_link_commands(root, context);
  add_compute_commands(root, context);
  add_rule_commands(root, context);
  add_store_commands(root, context);
  add_completion_command(root, context);
  add_version_command(root, context);
}

// The command whose help is of use, such as `gemel twin create`.
std::string command_given(const CLI::App& root) {
  std::string made = root.get_name();
  for (const auto* command = &root;;) {
    auto below = command->get_subcommands();
    if (below.empty())
      return made;
    command = below.back();
    made += ' ' + command->get_name();
  }
}

int refuse_arguments(const CLI::App& root, const program_context& context,
                     std::span<const std::string> arguments, const CLI::ParseError& why) {
  if (arguments.empty()) {
    context.console.err(root.help());
    return exit_usage;
  }
  auto mistake = find_mistake(root, arguments);
  auto text = "gemel: "
              + (mistake ? (mistake->is_option ? "unknown option '" : "unknown command '")
                               + printable(mistake->word) + "'"
                         : printable(why.what()))
              + '\n';
  if (mistake && !mistake->meant.empty())
    text += "did you mean '" + mistake->meant + "'?\n";
  context.console.err(text + "try '" + command_given(root) + " --help'\n");
  return exit_usage;
}

} // namespace

int run_program(std::span<const std::string> arguments, terminal& console) {
  program_context context{.console = console, .endpoint = default_endpoint(), .action = {}};
  CLI::App root{about, "gemel"};
  add_commands(root, context);
  try {
    // CLI11 takes them from the back.
    root.parse(std::vector<std::string>{arguments.rbegin(), arguments.rend()});
  } catch (const CLI::CallForHelp&) {
    console.out(root.help());
    return finish(context, exit_ok);
  } catch (const CLI::CallForVersion&) {
    return finish(context, print_version(context));
  } catch (const CLI::ParseError& why) {
    return refuse_arguments(root, context, arguments, why);
  }
  return finish(context, context.action());
}

} // namespace gemel
