#include "runtime/adapters/store_tools.hpp"
#include "runtime/adapters/terminal.hpp"
#include "runtime/program/commands.hpp"
#include "runtime/program/json_text.hpp"
#include "runtime/program/units.hpp"

#include <CLI/CLI.hpp>

#include <array>
#include <utility>

namespace gemel {

namespace {

struct fact_line {
  const char* name;
  const char* help;
  std::uint64_t number;
};

std::vector<fact_line> lines_of(const store_facts& facts) {
  return {{"incarnation", "incarnation", facts.incarnation},
          {"log_first", "first log record", facts.log_first},
          {"log_last", "last log record", facts.log_last},
          {"log_records", "log records", facts.log_records},
          {"log_bytes", "their bytes", facts.log_bytes},
          {"events", "events in them", facts.events},
          {"shards", "shards with a snapshot", facts.shards},
          {"twins", "twins in snapshots", facts.twins},
          {"twin_bytes", "their bytes", facts.twin_bytes},
          {"passive_twins", "twins out of memory", facts.passive_twins},
          {"facts", "facts", facts.facts},
          {"disk_bytes", "bytes on disk", facts.disk_bytes}};
}

std::string facts_text(const store_facts& facts) {
  std::string text = "store " + facts.id + " of node " + facts.node + ", "
                     + (facts.closed_orderly ? "closed in order" : "not closed in order") + "\n";
  for (const auto& line : lines_of(facts)) {
    std::string name{line.help};
    name.resize(24, ' ');
    text += "  " + name + std::to_string(line.number) + "\n";
  }
  return text;
}

json_object facts_json(const store_facts& facts) {
  json_object made;
  made.add("id", value{facts.id});
  made.add("node", value{facts.node});
  made.add("closed_orderly", value{facts.closed_orderly});
  for (const auto& line : lines_of(facts))
    made.add(line.name, value{line.number});
  return made;
}

value texts_value(const std::vector<std::string>& texts) {
  value_list made;
  for (const auto& one : texts)
    made.emplace_back(one);
  return value{std::move(made)};
}

int print_facts(const program_context& context, const result<store_facts>& facts) {
  if (!facts)
    return refuse(context, facts.error());
  context.console.out(context.json ? facts_json(*facts).text() + "\n" : facts_text(*facts));
  return exit_ok;
}

// @param is_repair what was wrong is no failure if something was done about it.
int print_findings(const program_context& context, const result<store_findings>& found,
                   bool is_repair) {
  if (!found)
    return refuse(context, found.error());
  auto is_fine = found->wrong.empty() || is_repair;
  if (context.json) {
    auto made = facts_json(found->facts);
    made.add("ok", value{is_fine});
    made.add("wrong", texts_value(found->wrong));
    made.add("done", texts_value(found->done));
    context.console.out(made.text() + "\n");
    return is_fine ? exit_ok : exit_failed;
  }
  for (const auto& one : found->wrong)
    context.console.err("wrong: " + one + "\n");
  for (const auto& one : found->done)
    context.console.out("done: " + one + "\n");
  context.console.out(facts_text(found->facts));
  if (found->wrong.empty())
    context.console.out("the store is sound\n");
  else if (!is_repair)
    context.console.err("the store is damaged; `gemel store repair` keeps what can be kept\n");
  return is_fine ? exit_ok : exit_failed;
}

CLI::App* add_command(CLI::App& store, program_context& context, const char* name,
                      const char* help) {
  auto* command = store.add_subcommand(name, help);
  add_json_option(*command, context);
  return command;
}

// A command of one folder.
void add_folder_command(CLI::App& store, program_context& context, const char* name,
                        const char* help, int (*run)(const program_context&, const std::string&)) {
  auto path = std::make_shared<std::string>();
  auto* command = add_command(store, context, name, help);
  command->add_option("FOLDER", *path, "The store's folder (store.path of the config)")
      ->required()
      ->type_name("");
  command->callback([&context, path, run] {
    context.action = [&context, path, run] { return run(context, *path); };
  });
}

// A command from one folder to another.
void add_copy_command(CLI::App& store, program_context& context, const char* name, const char* help,
                      std::array<const char*, 2> words,
                      result<store_facts> (*run)(const std::string&, const std::string&)) {
  auto paths = std::make_shared<std::pair<std::string, std::string>>();
  auto* command = add_command(store, context, name, help);
  command->add_option(words[0], paths->first, "From where")->required()->type_name("");
  command->add_option(words[1], paths->second, "To where; a new or empty folder")
      ->required()
      ->type_name("");
  command->callback([&context, paths, run] {
    context.action = [&context, paths, run] {
      return print_facts(context, run(paths->first, paths->second));
    };
  });
}

} // namespace

void add_store_commands(CLI::App& root, program_context& context) {
  auto* store = root.add_subcommand("store", "Check, repair and copy the store of a stopped node");
  store->require_subcommand(1);
  add_folder_command(*store, context, "check", "Read all of it and say what is wrong",
                     [](const program_context& with, const std::string& path) {
                       return print_findings(with, check_store(path), false);
                     });
  add_folder_command(*store, context, "repair",
                     "Remove what is damaged and say what; the store takes a new incarnation",
                     [](const program_context& with, const std::string& path) {
                       return print_findings(with, repair_store(path), true);
                     });
  add_folder_command(*store, context, "stats", "Say what it holds",
                     [](const program_context& with, const std::string& path) {
                       return print_facts(with, stats_of_store(path));
                     });
  add_copy_command(*store, context, "backup", "Copy it, with checksums of all files",
                   {"FOLDER", "BACKUP"}, backup_store);
  add_copy_command(*store, context, "restore",
                   "Make a store from a backup; it takes a new incarnation", {"BACKUP", "FOLDER"},
                   restore_store);
  store->footer("The node must be stopped. Exit codes: 0 sound or done, 1 damaged or failed, "
                "2 wrong usage.\n\nExamples:\n"
                "  gemel store check data\n"
                "  gemel store backup data /backups/monday\n"
                "  gemel store restore /backups/monday data");
}

} // namespace gemel
