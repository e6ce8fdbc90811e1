#include "runtime/adapters/terminal.hpp"
#include "runtime/program/assignment.hpp"
#include "runtime/program/commands.hpp"
#include "runtime/program/display.hpp"
#include "runtime/program/json_text.hpp"
#include "runtime/program/table.hpp"
#include "runtime/program/units.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>

namespace gemel {

namespace {

std::string text_of(const value& row, std::string_view key) {
  const auto* found = row.find(key);
  if (found == nullptr)
    return {};
  return found->is_text() ? std::string{found->as_text()} : to_string(*found);
}

int ask(const program_context& context, const std::string& name, value arguments,
        const std::function<void(const value&)>& print) {
  auto link = open_link(context);
  if (!link)
    return refuse(context, link.error());
  auto answer = (*link)->call({"sync", name, std::move(arguments)});
  if (!answer)
    return refuse(context, answer.error());
  if (context.json)
    context.console.out(to_json(*answer) + "\n");
  else
    print(*answer);
  return exit_ok;
}

// ---- sync status --------------------------------------------------------------------------------

int run_status(const program_context& context) {
  return ask(context, "status", {}, [&](const value& answer) {
    context.console.out("node " + text_of(answer, "node") + ", peers reach it at "
                        + text_of(answer, "endpoint") + "\n");
    table made{{{"PEER"},
                {"STATE"},
                {"LAG ms", true},
                {"BACKLOG"},
                {"SENT"},
                {"RECEIVED"},
                {"BYTES/ENTRY", true},
                {"OFFSET us", true},
                {"ROUND TRIP us", true},
                {"SILENT ms", true},
                {"TROUBLE"}},
               context.form()};
    std::vector<std::vector<table_cell>> rows;
    for (const auto& link : answer.find("links")->as_list()) {
      auto entries = link.find("sent_entries")->as_integer();
      auto bytes = link.find("sent_bytes")->as_integer();
      rows.push_back({{printable(text_of(link, "peer"))},
                      {text_of(link, "state")},
                      {text_of(link, "lag_ms"), true},
                      {text_of(link, "backlog"), true},
                      {text_of(link, "sent_entries"), true},
                      {text_of(link, "received_entries"), true},
                      {entries > 0 ? std::to_string(bytes / entries) : "-", true},
                      {text_of(link, "clock_offset_us"), true},
                      {text_of(link, "round_trip_us"), true},
                      {text_of(link, "silent_ms"), true},
                      {printable(text_of(link, "trouble"))}});
    }
    context.console.out(made.draw(rows));
  });
}

void add_status_command(CLI::App& sync, program_context& context) {
  auto* command = sync.add_subcommand("status", "Print how the links to peers are");
  add_link_options(*command, context);
  command->footer("Examples:\n"
                  "  gemel sync status\n"
                  "  gemel sync status --json");
  command->callback([&context] { context.action = [&context] { return run_status(context); }; });
}

// ---- conflicts ----------------------------------------------------------------------------------

int run_conflicts(const program_context& context, const std::string& twin) {
  return ask(context, "conflicts", {}, [&](const value& answer) {
    table made{{{"ID"}, {"TWIN"}, {"PROPERTY"}, {"VALUE"}, {"WRITTEN BY", true}}, context.form()};
    std::vector<std::vector<table_cell>> rows;
    for (const auto& one : answer.find("conflicts")->as_list()) {
      if (!twin.empty() && text_of(one, "twin") != twin)
        continue;
      for (const auto& each : one.find("values")->as_list())
        rows.push_back({{text_of(one, "id")},
                        {printable(text_of(one, "twin"))},
                        {printable(text_of(one, "property"))},
                        {to_json(*each.find("value"))},
                        {text_of(each, "writer")}});
    }
    context.console.out(rows.empty() ? "no conflict waits for a decision\n" : made.draw(rows));
  });
}

void add_list_conflicts(CLI::App& conflict, program_context& context) {
  auto twin = std::make_shared<std::string>();
  auto* command = conflict.add_subcommand("list", "Print conflicts that wait for a decision");
  command->add_option("TWIN", *twin, "Only of this twin")->type_name("");
  add_link_options(*command, context);
  command->footer("Examples:\n"
                  "  gemel conflict list\n"
                  "  gemel conflict list press-7");
  command->callback([&context, twin] {
    context.action = [&context, twin] { return run_conflicts(context, *twin); };
  });
}

int run_show(const program_context& context, const std::string& id) {
  auto link = open_link(context);
  if (!link)
    return refuse(context, link.error());
  auto answer = (*link)->call({"sync", "conflicts", {}});
  if (!answer)
    return refuse(context, answer.error());
  const auto& all = answer->find("conflicts")->as_list();
  auto at = std::find_if(all.begin(), all.end(),
                         [&](const value& one) { return text_of(one, "id") == id; });
  if (at == all.end())
    return refuse(context,
                  {errc::bad_value, "no conflict '" + id
                                        + "' waits here; it may have been decided, or one of its "
                                          "values written anew: see gemel conflict list"});
  if (context.json) {
    context.console.out(to_json(*at) + "\n");
    return exit_ok;
  }
  auto twin = printable(text_of(*at, "twin"));
  auto property = printable(text_of(*at, "property"));
  context.console.out("conflict " + id + "\ntwin     " + twin + "\nproperty " + property + "\n\n");
  table made{{{"VALUE"}, {"WRITTEN AT"}, {"WRITTEN BY", true}}, context.form()};
  std::vector<std::vector<table_cell>> rows;
  for (const auto& each : at->find("values")->as_list())
    rows.push_back({{to_json(*each.find("value"))},
                    {time_text(each.find("time_us")->as_integer())},
                    {text_of(each, "writer")}});
  context.console.out(made.draw(rows));
  context.console.out("\nto decide: gemel conflict resolve " + id + " " + twin + " " + property
                      + "=VALUE\n");
  return exit_ok;
}

void add_show_conflict(CLI::App& conflict, program_context& context) {
  auto id = std::make_shared<std::string>();
  auto* command = conflict.add_subcommand("show", "Print a conflict's values and who wrote them");
  command->add_option("ID", *id, "The conflict's id")->required()->type_name("");
  add_link_options(*command, context);
  command->footer("Examples:\n"
                  "  gemel conflict show 5f0c1b2a33445566");
  command->callback(
      [&context, id] { context.action = [&context, id] { return run_show(context, *id); }; });
}

struct decision {
  std::string id{};
  std::string twin{};
  std::string assignment{};
};

int run_resolve(const program_context& context, const decision& wanted) {
  auto made = parse_assignment(wanted.assignment);
  if (!made)
    return refuse_usage(context, to_string(made.error()));
  value arguments{value_map{{"id", value{wanted.id}},
                            {"twin", value{wanted.twin}},
                            {"property", value{made->key}},
                            {"value", made->content}}};
  return ask(context, "resolve", std::move(arguments), [&](const value&) {
    context.console.out("decided " + wanted.twin + " " + made->key + "\n");
  });
}

void add_resolve_command(CLI::App& conflict, program_context& context) {
  auto wanted = std::make_shared<decision>();
  auto* command = conflict.add_subcommand("resolve", "Decide a conflict");
  command->add_option("ID", wanted->id, "The conflict's id")->required()->type_name("");
  command->add_option("TWIN", wanted->twin, "The twin's id")->required()->type_name("");
  command->add_option("VALUE", wanted->assignment, "PROPERTY=VALUE that is right")
      ->required()
      ->type_name("");
  add_link_options(*command, context);
  command->footer("It is refused if one of the values was written anew since the list.\n"
                  "Examples:\n"
                  "  gemel conflict resolve 5f0c... press-7 mode=eco");
  command->callback([&context, wanted] {
    context.action = [&context, wanted] { return run_resolve(context, *wanted); };
  });
}

// ---- strategies of single twins -----------------------------------------------------------------

struct own_strategy {
  std::string twin{};
  std::string strategy{};
  bool unset = false;
};

int run_policy(const program_context& context, const own_strategy& wanted) {
  value_map arguments{{"twin", value{wanted.twin}}};
  if (wanted.unset || !wanted.strategy.empty())
    arguments.push_back({"strategy", wanted.unset ? value{} : value{wanted.strategy}});
  return ask(context, "policy", value{std::move(arguments)}, [&](const value& answer) {
    auto own = answer.find("strategy");
    context.console.out(printable(wanted.twin)
                        + (own != nullptr && own->is_text()
                               ? " " + printable(text_of(answer, "strategy"))
                               : " has no strategy of its own, the config's decides")
                        + "\n");
  });
}

void add_policy_command(CLI::App& conflict, program_context& context) {
  auto wanted = std::make_shared<own_strategy>();
  auto* command =
      conflict.add_subcommand("policy", "Print or set how one twin's conflicts are decided");
  command->add_option("TWIN", wanted->twin, "The twin's id")->required()->type_name("");
  auto* strategy =
      command
          ->add_option("STRATEGY", wanted->strategy,
                       "last_write_wins, version_based, authority:NODE, max, min or manual")
          ->type_name("");
  command->add_flag("--unset", wanted->unset, "The config decides again")->excludes(strategy);
  add_link_options(*command, context);
  command->footer("It holds on all linked nodes, above what the type says but for properties that "
                  "are sum, counter, set or map, and goes with the twin.\n"
                  "Examples:\n"
                  "  gemel conflict policy press-7 authority:cloud\n"
                  "  gemel conflict policy press-7\n"
                  "  gemel conflict policy press-7 --unset");
  command->callback([&context, wanted] {
    context.action = [&context, wanted] { return run_policy(context, *wanted); };
  });
}

} // namespace

void add_sync_commands(CLI::App& root, program_context& context) {
  auto* sync = root.add_subcommand("sync", "How twins are kept the same on linked nodes");
  sync->require_subcommand(1);
  add_status_command(*sync, context);
  auto* conflict = root.add_subcommand("conflict", "Writes that did not know of each other");
  conflict->require_subcommand(1);
  add_list_conflicts(*conflict, context);
  add_show_conflict(*conflict, context);
  add_resolve_command(*conflict, context);
  add_policy_command(*conflict, context);
}

} // namespace gemel
