#include "registry/expression.hpp"
#include "runtime/adapters/terminal.hpp"
#include "runtime/program/assignment.hpp"
#include "runtime/program/commands.hpp"
#include "runtime/program/display.hpp"
#include "runtime/program/json_text.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>

namespace gemel {

namespace {

struct update_arguments {
  twin_update change;
  update_options options;
  std::string durability;
  std::vector<std::string> also;
  std::vector<std::string> properties;
  std::vector<std::string> add;
  // Changes inside properties, in the order they are made.
  std::vector<std::string> path_set;
  std::vector<std::string> path_add;
  std::vector<std::string> path_append;
  std::vector<std::string> path_unset;
};

result<void> read_paths(std::vector<path_change>& into, std::span<const std::string> arguments,
                        path_change::action what) {
  for (const auto& argument : arguments) {
    auto one = parse_path_change(argument, what);
    if (!one)
      return tl::unexpected<error>(std::move(one.error()));
    into.push_back(std::move(*one));
  }
  return {};
}

/// No property may be named twice.
result<void> check_keys(const twin_update& change) {
  std::vector<std::string_view> keys;
  for (const auto* list : {&change.set, &change.add})
    for (const auto& one : *list)
      keys.push_back(one.key);
  keys.insert(keys.end(), change.unset.begin(), change.unset.end());
  std::sort(keys.begin(), keys.end());
  auto twice = std::adjacent_find(keys.begin(), keys.end());
  if (twice == keys.end())
    return {};
  return fail(errc::bad_value, "property '" + std::string{*twice} + "' stands twice");
}

/// Fills `asked.change` from what was typed.
result<void> read_change(update_arguments& asked) {
  using enum path_change::action;
  auto set_properties = parse_assignments(asked.properties);
  if (!set_properties)
    return tl::unexpected<error>(std::move(set_properties.error()));
  auto sums = parse_assignments(asked.add);
  if (!sums)
    return tl::unexpected<error>(std::move(sums.error()));
  for (const auto& one : *sums)
    if (!one.content.is_number())
      return fail(errc::bad_value, "--add " + one.key + ": a number is to be added, not a "
                                       + std::string{to_string(one.content.kind())});
  asked.change.set = std::move(*set_properties);
  asked.change.add = std::move(*sums);
  auto& paths = asked.change.paths;
  if (auto read = read_paths(paths, asked.path_set, set); !read)
    return read;
  if (auto read = read_paths(paths, asked.path_add, add); !read)
    return read;
  if (auto read = read_paths(paths, asked.path_append, append); !read)
    return read;
  if (auto read = read_paths(paths, asked.path_unset, unset); !read)
    return read;
  return check_keys(asked.change);
}

int print_outcome(const program_context& context, const std::vector<twin_update>& changes,
                  const outcome& done) {
  auto code = exit_ok;
  auto failed = done.failures.begin();
  json_list updated;
  for (std::uint32_t i = 0; i < changes.size(); ++i) {
    const auto& id = changes[i].id;
    if (failed != done.failures.end() && failed->index == i) {
      auto why = failed++->why;
      if (why.context.find(id) == std::string::npos)
        why.context = id + ": " + why.context;
      code = std::max(code, refuse(context, why));
      continue;
    }
    updated.add_json(to_json(value{id}));
    if (!context.json)
      context.console.out("updated " + printable(id) + "\n");
  }
  if (context.json && changes.size() > 1)
    context.console.out(json_object{}.add_json("updated", updated.text()).text() + "\n");
  else if (context.json && code == exit_ok)
    context.console.out(json_object{}.add("updated", value{changes[0].id}).text() + "\n");
  return code;
}

int run_update(const program_context& context, update_arguments& asked) {
  if (auto read = read_change(asked); !read) {
    refuse(context, read.error());
    return exit_usage;
  }
  const auto& change = asked.change;
  if (change.set.empty() && change.unset.empty() && change.add.empty() && change.paths.empty()
      && !change.replace)
    return refuse_usage(context,
                        "nothing to change: give PROP=VALUE, --add, --path or --unset KEY");
  if (!change.condition.empty())
    if (auto compiled = expression::compile(change.condition); !compiled) {
      auto why = compiled.error();
      why.context = "--if: " + why.context;
      refuse(context, why);
      return exit_usage;
    }
  asked.options.wanted = parse_durability(asked.durability);
  std::vector<twin_update> changes{change};
  for (const auto& id : asked.also) {
    changes.push_back(change);
    changes.back().id = id;
  }
  auto link = open_link(context);
  if (!link)
    return refuse(context, link.error());
  auto done = (*link)->update(changes, asked.options);
  if (!done)
    return refuse(context, done.error());
  auto code = print_outcome(context, changes, *done);
  std::vector<std::string> written;
  for (const auto& one : changes)
    written.push_back(one.id);
  if (auto synced = wait_for_peers(**link, asked.durability, written); !synced)
    return std::max(code, refuse(context, synced.error()));
  return code;
}

void add_change_options(CLI::App& command, update_arguments& asked) {
  auto repeatable = [&](const char* name, auto& into, const char* help, const char* type) {
    command.add_option(name, into, help)->allow_extra_args(false)->type_name(type);
  };
  repeatable("--unset", asked.change.unset, "A property to take away; repeatable", "KEY");
  repeatable("--add", asked.add, "A number to add; a missing property counts as 0; repeatable",
             "PROP=N");
  repeatable("--path", asked.path_set, "Set inside a map or list; repeatable", "PATH=VALUE");
  repeatable("--path-add", asked.path_add, "Add to a number inside; repeatable", "PATH=N");
  repeatable("--path-append", asked.path_append, "Put an element behind a list; repeatable",
             "PATH=VALUE");
  repeatable("--path-unset", asked.path_unset, "Take a member or element away; repeatable", "PATH");
  command.add_flag("--replace", asked.change.replace, "Take all properties away that are not set");
}

void add_condition_options(CLI::App& command, update_arguments& asked) {
  command.add_option("--if-version", asked.change.if_version, "Only if its version is this one")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  command
      .add_option("--if-absent", asked.change.if_absent,
                  "Only if it has no such property; repeatable")
      ->allow_extra_args(false)
      ->type_name("KEY");
  command.add_option("--if", asked.change.condition, "Only if this holds for it as it is")
      ->type_name("EXPRESSION");
}

} // namespace

void add_update_command(CLI::App& twin, program_context& context) {
  auto asked = std::make_shared<update_arguments>();
  auto* command = twin.add_subcommand("update", "Change a twin's properties, all or none of them");
  command->add_option("ID", asked->change.id, "The twin's id")->required()->type_name("");
  command->add_option("PROPERTY", asked->properties, "PROP=VALUE; VALUE is JSON, else a text")
      ->type_name("");
  add_change_options(*command, *asked);
  add_condition_options(*command, *asked);
  command->add_option("--also", asked->also, "The same change of this twin too; repeatable")
      ->allow_extra_args(false)
      ->type_name("ID");
  command->add_flag("--atomic", asked->options.atomic, "Change all of the twins or none");
  add_durability_option(*command, asked->durability);
  command->add_option("--cause", asked->options.cause, "The id of the event that led to this")
      ->type_name("EVENT");
  add_link_options(*command, context);
  command->footer("A PATH is a property and steps: .KEY into a map, [N] into a list, [-1] is its "
                  "last\nelement; a name with other characters stands in double quotes. Changes "
                  "are made in\nthe order of the options above.\n"
                  "Examples:\n"
                  "  gemel twin update press-7 temperature=71.5 status=cutting\n"
                  "  gemel twin update press-7 --add strokes=1 --path limits.high=85\n"
                  "  gemel twin update press-7 status=stopped --if \"status = 'cutting'\"\n"
                  "  gemel twin update press-7 --unset status --if-version 12\n"
                  "  gemel twin update press-7 shift=night --also press-8 --atomic");
  command->callback([&context, asked] {
    context.action = [&context, asked] { return run_update(context, *asked); };
  });
}

} // namespace gemel
