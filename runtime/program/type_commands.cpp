#include "runtime/adapters/terminal.hpp"
#include "runtime/program/commands.hpp"
#include "runtime/program/display.hpp"
#include "runtime/program/json_text.hpp"
#include "runtime/program/table.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>

namespace gemel {

namespace {

std::string json_of(const std::vector<std::string>& texts) {
  json_list made;
  for (const auto& text : texts)
    made.add_json(to_json(value{text}));
  return made.text();
}

std::string json_of(const type_record& type) {
  json_list properties;
  for (const auto& p : type.properties)
    properties.add_json(json_object{}
                            .add("key", value{p.key})
                            .add("kind", p.kind.empty() ? value{} : value{p.kind})
                            .add("unit", p.unit.empty() ? value{} : value{p.unit})
                            .add("indexed", value{p.indexed})
                            .add("unique", value{p.unique})
                            .text());
  return json_object{}
      .add("name", value{type.name})
      .add("extends", type.extends.empty() ? value{} : value{type.extends})
      .add_json("capabilities", json_of(type.capabilities))
      .add_json("properties", properties.text())
      .add_json("commands", json_of(type.commands))
      .add("behavior", value{type.has_behavior})
      .add("twins", type.twins)
      .text();
}

std::string joined(const std::vector<std::string>& texts) {
  std::string made;
  for (const auto& text : texts)
    made += (made.empty() ? "" : ", ") + printable(text);
  return made.empty() ? "-" : made;
}

std::string or_dash(const std::string& text) {
  return text.empty() ? "-" : printable(text);
}

std::string list_text(const std::vector<type_record>& types, table_form form) {
  std::vector<std::vector<table_cell>> rows;
  for (const auto& type : types)
    rows.push_back({{printable(type.name)},
                    {std::to_string(type.twins), true},
                    {or_dash(type.extends)},
                    {joined(type.capabilities)}});
  return table{{{"TYPE"}, {"TWINS"}, {"EXTENDS"}, {"CAPABILITIES"}}, form}.draw(rows);
}

std::string type_text(const type_record& type, table_form form) {
  auto text = printable(type.name) + "\n  twins         " + std::to_string(type.twins)
              + "\n  extends       " + or_dash(type.extends) + "\n  capabilities  "
              + joined(type.capabilities) + "\n  commands      " + joined(type.commands) + "\n";
  if (type.properties.empty())
    return text;
  std::vector<std::vector<table_cell>> rows;
  for (const auto& p : type.properties)
    rows.push_back({{printable(p.key)},
                    {p.kind.empty() ? "any" : p.kind},
                    {or_dash(p.unit)},
                    {p.indexed ? "yes" : "-"},
                    {p.unique ? "yes" : "-"}});
  return text + "\n"
         + table{{{"PROPERTY"}, {"KIND"}, {"UNIT"}, {"INDEXED"}, {"UNIQUE"}}, form}.draw(rows);
}

int run_types(const program_context& context, const std::string& name) {
  auto link = open_link(context);
  if (!link)
    return refuse(context, link.error());
  auto types = (*link)->types();
  if (!types)
    return refuse(context, types.error());
  if (!name.empty()) {
    auto found = std::find_if(types->begin(), types->end(),
                              [&](const type_record& each) { return each.name == name; });
    if (found == types->end())
      return refuse(context, {errc::unknown_key, "no twin type '" + name + "'"});
    context.console.out(context.json ? json_of(*found) + "\n" : type_text(*found, context.form()));
    return exit_ok;
  }
  json_list made;
  for (const auto& each : *types)
    made.add_json(json_of(each));
  context.console.out(context.json ? made.text() + "\n" : list_text(*types, context.form()));
  return exit_ok;
}

} // namespace

void add_type_commands(CLI::App& root, program_context& context) {
  auto* type = root.add_subcommand("type", "Print the twin types: their models and twins");
  type->require_subcommand(1);
  auto* list = type->add_subcommand("list", "All types, declared or with twins");
  add_link_options(*list, context);
  list->callback([&context] { context.action = [&context] { return run_types(context, {}); }; });
  auto name = std::make_shared<std::string>();
  auto* show = type->add_subcommand("show", "One type with its properties");
  show->add_option("NAME", *name, "The type")->required()->type_name("");
  add_link_options(*show, context);
  show->footer("Examples:\n"
               "  gemel type show machine");
  show->callback([&context, name] {
    context.action = [&context, name] { return run_types(context, *name); };
  });
}

} // namespace gemel
