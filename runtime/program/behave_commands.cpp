#include "messages/duration.hpp"
#include "messages/limits.hpp"
#include "runtime/adapters/terminal.hpp"
#include "runtime/program/assignment.hpp"
#include "runtime/program/commands.hpp"
#include "runtime/program/display.hpp"
#include "runtime/program/json_text.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>

namespace gemel {

namespace {

// ---- command --------------------------------------------------------------------------------

struct command_options {
  twin_command asked;
  std::vector<std::string> arguments;
};

/// @returns errc::bad_syntax; errc::limit_reached above `limits::command_timeout_max`.
result<std::chrono::milliseconds> parse_timeout(const std::string& text) {
  auto wait = parse_duration(text);
  if (!wait)
    return fail(wait.error().code, "--timeout: " + wait.error().context);
  if (*wait < std::chrono::milliseconds{1} || *wait > limits::command_timeout_max)
    return fail(errc::limit_reached, "--timeout: " + text + "; it is 1ms to "
                                         + format_duration(limits::command_timeout_max));
  return wait;
}

int run_command(const program_context& context, command_options& wanted) {
  auto arguments = parse_assignments(wanted.arguments);
  if (!arguments) {
    refuse(context, arguments.error());
    return exit_usage;
  }
  wanted.asked.arguments = std::move(*arguments);
  auto wait = parse_timeout(context.timeout);
  if (!wait) {
    refuse(context, wait.error());
    return exit_usage;
  }
  wanted.asked.timeout_ms = static_cast<std::uint32_t>(wait->count());
  auto link = open_link(context);
  if (!link)
    return refuse(context, link.error());
  // The node answers by then; its answer needs time to come.
  constexpr std::chrono::seconds on_the_way{2};
  (*link)->patience(*wait + on_the_way);
  auto answer = (*link)->command(wanted.asked);
  if (!answer)
    return refuse(context, answer.error());
  if (context.json)
    context.console.out(json_object{}.add("result", *answer).text() + "\n");
  else
    context.console.out(to_json(*answer) + "\n");
  return exit_ok;
}

void add_command_command(CLI::App& twin, program_context& context) {
  auto wanted = std::make_shared<command_options>();
  auto* command = twin.add_subcommand("command", "Have a twin's behaviour do something; prints "
                                                 "its answer");
  command->add_option("ID", wanted->asked.id, "The twin's id")->required()->type_name("");
  command->add_option("NAME", wanted->asked.name, "The command's name")->required()->type_name("");
  command->add_option("ARGUMENT", wanted->arguments, "KEY=VALUE; VALUE is JSON, else a text")
      ->type_name("");
  command->add_option("--cause", wanted->asked.cause, "The id of the event that led to this")
      ->type_name("EVENT");
  add_link_options(*command, context);
  command->footer("The answer is JSON. A command that fails has changed nothing.\n"
                  "Examples:\n"
                  "  gemel twin command press-7 service by=\"J. Doe\"\n"
                  "  gemel twin command press-7 calibrate --timeout 2m --json");
  command->callback([&context, wanted] {
    context.action = [&context, wanted] { return run_command(context, *wanted); };
  });
}

// ---- emit -----------------------------------------------------------------------------------

struct emit_options {
  twin_emit happened;
  std::vector<std::string> payload;
  std::string cause;
};

int run_emit(const program_context& context, emit_options& wanted) {
  auto payload = parse_assignments(wanted.payload);
  if (!payload) {
    refuse(context, payload.error());
    return exit_usage;
  }
  wanted.happened.payload = std::move(*payload);
  auto link = open_link(context);
  if (!link)
    return refuse(context, link.error());
  if (auto done = (*link)->emit(wanted.happened, wanted.cause); !done)
    return refuse(context, done.error());
  context.console.out(context.json
                          ? json_object{}.add("emitted", value{wanted.happened.id}).text() + "\n"
                          : "emitted " + printable(wanted.happened.id) + "\n");
  return exit_ok;
}

void add_emit_command(CLI::App& twin, program_context& context) {
  auto wanted = std::make_shared<emit_options>();
  auto* command = twin.add_subcommand("emit", "Have something happen to a twin that changes no "
                                              "property");
  command->add_option("ID", wanted->happened.id, "The twin's id")->required()->type_name("");
  command->add_option("NAME", wanted->happened.name, "What happened, such as alarm")
      ->required()
      ->type_name("");
  command->add_option("VALUE", wanted->payload, "KEY=VALUE; VALUE is JSON, else a text")
      ->type_name("");
  command->add_option("--cause", wanted->cause, "The id of the event that led to this")
      ->type_name("EVENT");
  add_link_options(*command, context);
  command->footer("Whoever watches the twin sees it, and its behaviour hears of it.\n"
                  "Examples:\n"
                  "  gemel twin emit press-7 alarm level=2 text=\"guard open\"");
  command->callback([&context, wanted] {
    context.action = [&context, wanted] { return run_emit(context, *wanted); };
  });
}

} // namespace

void add_behave_commands(CLI::App& twin, program_context& context) {
  add_command_command(twin, context);
  add_emit_command(twin, context);
}

} // namespace gemel
