#include "runtime/adapters/system_clock.hpp"
#include "runtime/adapters/terminal.hpp"
#include "runtime/program/assignment.hpp"
#include "runtime/program/commands.hpp"
#include "runtime/program/json_text.hpp"
#include "runtime/program/workflow_text.hpp"
#include "runtime/run_follower.hpp"

#include <CLI/CLI.hpp>

namespace gemel {

namespace {

std::string text_at(const value& from, std::string_view key) {
  const auto* found = from.find(key);
  if (found == nullptr || found->is_null())
    return "";
  return found->is_text() ? std::string{found->as_text()} : to_json(*found);
}

std::string time_at(const value& from, std::string_view key) {
  const auto* found = from.find(key);
  return found != nullptr && found->is_integer() ? run_time_text(found->as_integer()) : "";
}

// Calls the service; prints the answer as JSON, or by `print`.
int ask(const program_context& context, const char* name, value arguments,
        const std::function<void(const value&)>& print) {
  auto link = open_link(context);
  if (!link)
    return refuse(context, link.error());
  auto answer = (*link)->call({"workflows", name, std::move(arguments)});
  if (!answer)
    return refuse(context, answer.error());
  if (context.json)
    context.console.out(to_json(*answer) + "\n");
  else
    print(*answer);
  return finish(context, exit_ok);
}

struct list_arguments {
  std::string workflow;
  std::string state;
  std::int64_t limit = 100;
};

int list_runs(const program_context& context, const list_arguments& asked) {
  value_map arguments{{"limit", value{asked.limit}}};
  if (!asked.workflow.empty())
    arguments.push_back({"workflow", value{asked.workflow}});
  if (!asked.state.empty())
    arguments.push_back({"state", value{asked.state}});
  return ask(context, "list", value{std::move(arguments)}, [&](const value& answer) {
    table drawn{
        {{"RUN"}, {"WORKFLOW"}, {"VERSION"}, {"STATE"}, {"STEPS"}, {"STARTED"}, {"BY", true}},
        context.form()};
    std::vector<std::vector<table_cell>> rows;
    const auto* runs = answer.find("runs");
    for (const auto& one : runs->as_list())
      rows.push_back({{text_at(one, "id")},
                      {text_at(one, "workflow")},
                      {text_at(one, "version"), true},
                      {text_at(one, "state")},
                      {text_at(one, "steps_ended") + "/" + text_at(one, "steps"), true},
                      {time_at(one, "started_ms")},
                      {text_at(one, "cause")}});
    context.console.out(drawn.draw(rows));
    if (text_at(answer, "more") == "true")
      context.console.err("there are more; ask with --limit, --workflow or --state\n");
  });
}

// The result of one step, as JSON of any size, part by part.
int show_result(const program_context& context, const std::string& id, const std::string& step) {
  auto link = open_link(context);
  if (!link)
    return refuse(context, link.error());
  for (std::int64_t offset = 0;;) {
    auto part = (*link)->call(
        {"workflows", "result",
         value{value_map{{"id", value{id}}, {"step", value{step}}, {"offset", value{offset}}}}});
    if (!part)
      return refuse(context, part.error());
    context.console.out(text_at(*part, "text"));
    if (text_at(*part, "more") != "true")
      break;
    offset = part->find("next")->as_integer();
  }
  context.console.out("\n");
  return finish(context, exit_ok);
}

struct show_arguments {
  std::string id;
  bool graph = false;
  bool gantt = false;
  bool follow = false;
};

std::int64_t now_ms() {
  constexpr std::int64_t us_per_ms = 1'000;
  return system_clock_port{}.now().unix_us / us_per_ms;
}

result<run_follower> fetch_run(twin_api& on, const std::string& id) {
  auto follower = run_follower::open(on, id);
  if (!follower)
    return follower;
  if (auto all = follower->fetch({}, {}); !all)
    return tl::unexpected<error>(all.error());
  return follower;
}

int show_run(const program_context& context, const show_arguments& asked) {
  auto link = open_link(context);
  if (!link)
    return refuse(context, link.error());
  auto follower = fetch_run(**link, asked.id);
  if (!follower)
    return refuse(context, follower.error());
  const auto& run = follower->run();
  if (context.json)
    context.console.out(run_json(run) + "\n");
  else if (asked.graph)
    context.console.out(graph_text(run, context.console.is_utf8()));
  else if (asked.gantt)
    context.console.out(gantt_text(run, now_ms(), context.form()));
  else
    context.console.out(run_text(run, context.form()));
  return finish(context, exit_ok);
}

int show_logs(const program_context& context, const show_arguments& asked) {
  auto link = open_link(context);
  if (!link)
    return refuse(context, link.error());
  auto follower = run_follower::open(**link, asked.id);
  if (!follower)
    return refuse(context, follower.error());
  for (;;) {
    constexpr std::chrono::milliseconds wait{1'000};
    auto more = follower->fetch(asked.follow ? wait : std::chrono::milliseconds{},
                                [&](const workflow_run& run, const run_record& record) {
                                  context.console.out(log_text(run, {record}));
                                });
    if (!more)
      return refuse(context, more.error());
    if (!*more || !asked.follow)
      return finish(context, exit_ok);
  }
}

int show_versions(const program_context& context, const std::string& name) {
  value_map arguments;
  if (!name.empty())
    arguments.push_back({"workflow", value{name}});
  return ask(context, "versions", value{std::move(arguments)}, [&](const value& answer) {
    table drawn{{{"WORKFLOW"}, {"VERSION"}, {"STEPS"}, {"TRIGGERS"}, {"OPEN RUNS"}},
                context.form()};
    std::vector<std::vector<table_cell>> rows;
    for (const auto& one : answer.find("versions")->as_list())
      rows.push_back({{text_at(one, "workflow")},
                      {text_at(one, "version"), true},
                      {text_at(one, "steps"), true},
                      {text_at(one, "triggers"), true},
                      {text_at(one, "open_runs"), true}});
    context.console.out(drawn.draw(rows));
  });
}

void print_state(const program_context& context, const value& answer) {
  context.console.out("run " + text_at(answer, "id") + ": " + text_at(answer, "state") + "\n");
}

struct signal_arguments {
  std::string id;
  std::string event;
  std::string twin;
  std::string content;
};

int send_signal(const program_context& context, const signal_arguments& asked) {
  value_map arguments{{"event", value{asked.event}}};
  if (asked.id != "all")
    arguments.push_back({"id", value{asked.id}});
  if (!asked.twin.empty())
    arguments.push_back({"twin", value{asked.twin}});
  if (!asked.content.empty()) {
    auto content = value_from_json(asked.content);
    if (!content || !content->is_map())
      return refuse_usage(context, R"(--content must be an object, such as {"line": 3})");
    arguments.push_back({"content", std::move(*content)});
  }
  return ask(context, "signal", value{std::move(arguments)}, [&](const value& answer) {
    auto heard = text_at(answer, "heard");
    context.console.out(heard + (heard == "1" ? " step" : " steps") + " heard of it\n");
  });
}

void add_id_option(CLI::App& command, std::string& id) {
  command.add_option("RUN", id, "The run's id")->required();
}

void add_control(CLI::App& workflows, program_context& context, const char* name,
                 const char* help) {
  auto id = std::make_shared<std::string>();
  auto* command = workflows.add_subcommand(name, help);
  add_id_option(*command, *id);
  add_link_options(*command, context);
  command->callback([&context, id, name] {
    context.action = [&context, id, name] {
      return ask(context, name, value{value_map{{"id", value{*id}}}},
                 [&](const value& answer) { print_state(context, answer); });
    };
  });
}

void add_rerun(CLI::App& workflows, program_context& context) {
  struct rerun_arguments {
    std::string id;
    std::string from;
    std::string as;
  };
  auto asked = std::make_shared<rerun_arguments>();
  auto* command = workflows.add_subcommand(
      "rerun", "Do the failed steps of a run over, in a new run that keeps the other results");
  add_id_option(*command, asked->id);
  command->add_option("--from", asked->from, "This step and all that depend on it instead")
      ->type_name("STEP");
  command->add_option("--as", asked->as, "The new run's id")->type_name("ID");
  add_link_options(*command, context);
  command->callback([&context, asked] {
    context.action = [&context, asked] {
      return ask(context, "rerun",
                 value{value_map{{"id", value{asked->id}},
                                 {"from", value{asked->from}},
                                 {"as", value{asked->as}}}},
                 [&](const value& answer) { print_state(context, answer); });
    };
  });
}

void add_list(CLI::App& workflows, program_context& context) {
  auto asked = std::make_shared<list_arguments>();
  auto* command = workflows.add_subcommand("list", "List the runs of a node, newest first");
  command->add_option("--workflow", asked->workflow, "Only of this workflow")->type_name("NAME");
  command->add_option("--state", asked->state, "Only in this state")->type_name("STATE");
  command->add_option("--limit", asked->limit, "At most so many (default 100)")
      ->check(CLI::Range(1, 1'000));
  add_link_options(*command, context);
  command->callback([&context, asked] {
    context.action = [&context, asked] { return list_runs(context, *asked); };
  });
}

void add_show(CLI::App& workflows, program_context& context) {
  auto asked = std::make_shared<show_arguments>();
  auto* show = workflows.add_subcommand("show", "Show a run with its steps and results");
  add_id_option(*show, asked->id);
  auto* graph = show->add_flag("--graph", asked->graph, "Draw its steps with their states");
  show->add_flag("--gantt", asked->gantt, "Draw when its steps ran")->excludes(graph);
  add_link_options(*show, context);
  show->callback([&context, asked] {
    context.action = [&context, asked] { return show_run(context, *asked); };
  });
  auto* logs = workflows.add_subcommand("logs", "Print the changes of a run");
  add_id_option(*logs, asked->id);
  logs->add_flag("--follow", asked->follow, "Go on until it has ended");
  add_link_options(*logs, context);
  logs->callback([&context, asked] {
    context.action = [&context, asked] { return show_logs(context, *asked); };
  });
}

void add_result(CLI::App& workflows, program_context& context) {
  auto id = std::make_shared<std::string>();
  auto step = std::make_shared<std::string>();
  auto* command = workflows.add_subcommand(
      "result", "Print the result of a step as JSON, also one that `show` leaves out as too large");
  add_id_option(*command, *id);
  command->add_option("STEP", *step, "The step's id")->required();
  add_link_options(*command, context);
  command->callback([&context, id, step] {
    context.action = [&context, id, step] { return show_result(context, *id, *step); };
  });
}

void add_signal(CLI::App& workflows, program_context& context) {
  auto asked = std::make_shared<signal_arguments>();
  auto* command =
      workflows.add_subcommand("signal", "Tell runs that something happened they may wait for");
  command->add_option("RUN", asked->id, "The run's id, or `all`")->required();
  command->add_option("EVENT", asked->event, "What happened")->required();
  command->add_option("--twin", asked->twin, "Whom it happened to")->type_name("ID");
  command->add_option("--content", asked->content, "What the event holds")->type_name("JSON");
  add_link_options(*command, context);
  command->callback([&context, asked] {
    context.action = [&context, asked] { return send_signal(context, *asked); };
  });
}

} // namespace

void add_workflow_control(CLI::App& workflows, program_context& context) {
  add_list(workflows, context);
  add_show(workflows, context);
  add_result(workflows, context);
  add_signal(workflows, context);
  add_control(workflows, context, "cancel", "End a run; what is under way is stopped");
  add_control(workflows, context, "pause", "Start no further steps of a run");
  add_control(workflows, context, "resume", "Let a paused run go on");
  add_control(workflows, context, "compensate",
              "Undo the completed steps of a run that failed, by the steps they name");
  add_rerun(workflows, context);
  auto name = std::make_shared<std::string>();
  auto* versions = workflows.add_subcommand("versions", "List the workflows of a node");
  versions->add_option("WORKFLOW", *name, "Only of this name");
  add_link_options(*versions, context);
  versions->callback([&context, name] {
    context.action = [&context, name] { return show_versions(context, *name); };
  });
}

} // namespace gemel
