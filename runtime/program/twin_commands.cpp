#include "runtime/adapters/terminal.hpp"
#include "runtime/program/assignment.hpp"
#include "runtime/program/commands.hpp"
#include "runtime/program/display.hpp"
#include "runtime/program/json_text.hpp"
#include "runtime/program/twin_text.hpp"

#include <CLI/CLI.hpp>

namespace gemel {

namespace {

// ---- create ---------------------------------------------------------------------------------

struct create_arguments {
  new_twin twin;
  std::vector<std::string> properties;
  std::string durability{};
};

int run_create(const program_context& context, create_arguments& asked) {
  if (asked.twin.type.empty())
    return refuse_usage(context,
                        "--type is required; for many twins at once see gemel bulk create");
  auto set = parse_assignments(asked.properties);
  if (!set) {
    refuse(context, set.error());
    return exit_usage;
  }
  asked.twin.properties = std::move(*set);
  auto link = open_link(context);
  if (!link)
    return refuse(context, link.error());
  auto made = (*link)->create(asked.twin, parse_durability(asked.durability));
  if (!made)
    return refuse(context, made.error());
  context.console.out(context.json ? json_object{}.add("id", value{*made}).text() + "\n"
                                   : printable(*made) + "\n");
  if (auto synced = wait_for_peers(**link, asked.durability, {&*made, 1}); !synced)
    return refuse(context, synced.error());
  return exit_ok;
}

void add_create_command(CLI::App& twin, program_context& context) {
  auto asked = std::make_shared<create_arguments>();
  auto* command = twin.add_subcommand("create", "Create a twin; prints its id");
  command->add_option("PROPERTY", asked->properties, "PROP=VALUE; VALUE is JSON, else a text")
      ->type_name("");
  command->add_option("--id", asked->twin.id, "Its id; without one the node makes a UUID")
      ->type_name("ID");
  command->add_option("--type", asked->twin.type, "Its type")->type_name("TYPE");
  command->add_option("--parent", asked->twin.parent, "Its parent's id; without one it is a root")
      ->type_name("ID");
  command->add_option("--placement", asked->twin.placement, "Twins of one key share a shard")
      ->type_name("KEY");
  command->add_flag("--if-absent", asked->twin.if_absent,
                    "A twin of this id that is there already is fine, and stays as it is");
  add_durability_option(*command, asked->durability);
  add_link_options(*command, context);
  command->footer("Examples:\n"
                  "  gemel twin create --id hall-3 --type hall name=\"Hall 3\"\n"
                  "  gemel twin create --type machine --parent hall-3 temperature=68.5 on=true\n"
                  "For many twins at once see gemel bulk create.");
  command->callback([&context, asked] {
    context.action = [&context, asked] { return run_create(context, *asked); };
  });
}

// ---- get ------------------------------------------------------------------------------------

std::string found_text(const std::vector<twin_record>& found) {
  std::string text;
  for (const auto& twin : found)
    text += (text.empty() ? "" : "\n") + twin_text(twin);
  return text;
}

std::string found_json(const std::vector<twin_record>& found, bool is_list) {
  if (!is_list)
    return found.empty() ? std::string{} : twin_json(found.front()) + "\n";
  json_list made;
  for (const auto& twin : found)
    made.add_json(twin_json(twin));
  return made.text() + "\n";
}

struct get_arguments {
  std::vector<std::string> ids;
  // `property=value` each.
  std::vector<std::string> by;
  bool stamps = false;
};

// As after `create` and `update`: what is no JSON is a text.
twin_alias alias_of(const std::string& text) {
  auto equals = text.find('=');
  auto content = text.substr(equals + 1);
  auto read = value_from_json(content);
  bool is_integer = read && read->is_integer();
  bool is_text = read && read->is_text();
  return {text.substr(0, equals), is_integer || is_text ? *read : value{content}};
}

int run_get(const program_context& context, const get_arguments& asked) {
  auto link = open_link(context);
  if (!link)
    return refuse(context, link.error());
  auto code = exit_ok;
  std::vector<twin_record> found;
  auto keep = [&](result<twin_record> twin) {
    if (twin)
      found.push_back(std::move(*twin));
    else
      code = std::max(code, refuse(context, twin.error()));
  };
  for (const auto& one : asked.ids)
    keep(asked.stamps ? (*link)->get_with_stamps(one) : (*link)->get(one));
  for (const auto& one : asked.by)
    keep((*link)->get_by(alias_of(one)));
  bool is_list = asked.ids.size() + asked.by.size() > 1;
  context.console.out(context.json ? found_json(found, is_list) : found_text(found));
  return code;
}

void add_get_command(CLI::App& twin, program_context& context) {
  auto asked = std::make_shared<get_arguments>();
  auto* command = twin.add_subcommand("get", "Print twins with all their properties");
  auto* ids =
      command->add_option("ID", asked->ids, "Ids, or paths such as /hall-3/press-7")->type_name("");
  auto* by =
      command->add_option("--by", asked->by, "A unique property and its value; repeatable")
          ->allow_extra_args(false)
          ->check([](const std::string& text) {
            return text.find('=') == std::string::npos ? "write PROPERTY=VALUE" : std::string{};
          })
          ->type_name("PROPERTY=VALUE");
  command->add_flag("--stamps", asked->stamps,
                    "For each property also when it was written and measured, and by which write");
  add_link_options(*command, context);
  command->footer("Examples:\n"
                  "  gemel twin get press-7\n"
                  "  gemel twin get /hall-3/press-7 --json\n"
                  "  gemel twin get --by serial_number=SN-1");
  command->callback([&context, asked, ids, by] {
    if (ids->count() + by->count() == 0)
      throw CLI::RequiredError("ID or --by");
    context.action = [&context, asked] { return run_get(context, *asked); };
  });
}

// ---- delete and move ------------------------------------------------------------------------

// Does `what` to each twin; prints `done` and the id of those it worked for.
template <class What>
int for_each_id(const program_context& context, const std::vector<std::string>& ids,
                const char* done, What what) {
  auto link = open_link(context);
  if (!link)
    return refuse(context, link.error());
  auto code = exit_ok;
  json_list changed;
  for (const auto& id : ids) {
    if (auto answer = what(**link, id); !answer) {
      code = std::max(code, refuse(context, answer.error()));
      continue;
    }
    changed.add_json(to_json(value{id}));
    if (!context.json)
      context.console.out(done + (" " + printable(id)) + "\n");
  }
  if (context.json)
    context.console.out(json_object{}.add_json(done, changed.text()).text() + "\n");
  return code;
}

struct delete_arguments {
  std::vector<std::string> ids;
  std::string children = "refuse";
  std::string durability{};
};

int run_delete(const program_context& context, const delete_arguments& asked) {
  return for_each_id(context, asked.ids, "deleted", [&](client& link, const std::string& id) {
    return link.remove(id, child_policy_of(asked.children), parse_durability(asked.durability))
        .and_then([&] {
          return wait_for_peers(link, asked.durability, {&id, 1});
        });
  });
}

int run_retire(const program_context& context, const delete_arguments& asked) {
  return for_each_id(context, asked.ids, "retired", [&](client& link, const std::string& id) {
    return link.retire(id, child_policy_of(asked.children), parse_durability(asked.durability))
        .and_then([&] {
          return wait_for_peers(link, asked.durability, {&id, 1});
        });
  });
}

void add_delete_command(CLI::App& twin, program_context& context) {
  auto asked = std::make_shared<delete_arguments>();
  auto* command = twin.add_subcommand("delete", "Delete twins");
  command->add_option("ID", asked->ids, "Ids")->required()->type_name("");
  add_children_option(*command, asked->children);
  add_durability_option(*command, asked->durability);
  add_link_options(*command, context);
  command->footer("Examples:\n"
                  "  gemel twin delete press-7 press-8\n"
                  "  gemel twin delete hall-3 --children cascade");
  command->callback([&context, asked] {
    context.action = [&context, asked] { return run_delete(context, *asked); };
  });
}

void add_retire_command(CLI::App& twin, program_context& context) {
  auto asked = std::make_shared<delete_arguments>();
  auto* command = twin.add_subcommand("retire", "Take twins out of use for good, but keep them");
  command->add_option("ID", asked->ids, "Ids")->required()->type_name("");
  add_children_option(*command, asked->children);
  add_durability_option(*command, asked->durability);
  add_link_options(*command, context);
  command->footer("Examples:\n"
                  "  gemel twin retire press-7\n"
                  "  gemel twin retire hall-3 --children cascade");
  command->callback([&context, asked] {
    context.action = [&context, asked] { return run_retire(context, *asked); };
  });
}

struct lifecycle_arguments {
  std::string id;
  std::string move;
};

int run_lifecycle(const program_context& context, const lifecycle_arguments& asked) {
  auto trigger = lifecycle_trigger_from_string(asked.move);
  if (!trigger)
    return refuse(context, trigger.error());
  return for_each_id(context, {asked.id}, "moved",
                     [&](client& link, const std::string& id) { return link.move(id, *trigger); });
}

void add_lifecycle_command(CLI::App& twin, program_context& context) {
  auto asked = std::make_shared<lifecycle_arguments>();
  auto* command = twin.add_subcommand("lifecycle", "Move a twin along its lifecycle");
  command->add_option("ID", asked->id, "The twin's id")->required()->type_name("");
  command->add_option("MOVE", asked->move, "What to do with it")
      ->required()
      ->check(one_of({"activate", "suspend", "resume", "retire", "repair"}))
      ->type_name("activate|suspend|resume|retire|repair");
  add_link_options(*command, context);
  command->footer("Examples:\n"
                  "  gemel twin lifecycle press-7 suspend\n"
                  "  gemel twin lifecycle press-7 repair");
  command->callback([&context, asked] {
    context.action = [&context, asked] { return run_lifecycle(context, *asked); };
  });
}

struct move_arguments {
  std::vector<std::string> ids;
  std::string parent;
  bool root = false;
};

int run_move(const program_context& context, const move_arguments& asked) {
  if (asked.parent.empty() != asked.root)
    return refuse(context, {errc::bad_value, "one of --to PARENT and --root is needed"});
  return for_each_id(context, asked.ids, "moved", [&](client& link, const std::string& id) {
    return link.move(id, std::string_view{asked.parent});
  });
}

void add_move_command(CLI::App& twin, program_context& context) {
  auto asked = std::make_shared<move_arguments>();
  auto* command = twin.add_subcommand("move", "Give twins another parent, with all below them");
  command->add_option("ID", asked->ids, "Ids")->required()->type_name("");
  auto* to = command->add_option("--to", asked->parent, "Their new parent")->type_name("PARENT");
  command->add_flag("--root", asked->root, "They become roots")->excludes(to);
  add_link_options(*command, context);
  command->footer("A twin never comes below itself. What waits for it goes along.\n"
                  "Examples:\n"
                  "  gemel twin move press-7 --to hall-4\n"
                  "  gemel twin move line-1 --root");
  command->callback([&context, asked] {
    context.action = [&context, asked] { return run_move(context, *asked); };
  });
}

} // namespace

void add_twin_commands(CLI::App& twin, program_context& context) {
  add_create_command(twin, context);
  add_get_command(twin, context);
  add_update_command(twin, context);
  add_delete_command(twin, context);
  add_retire_command(twin, context);
  add_move_command(twin, context);
  add_lifecycle_command(twin, context);
  add_behave_commands(twin, context);
}

} // namespace gemel
