#include "runtime/adapters/terminal.hpp"
#include "runtime/program/commands.hpp"
#include "runtime/program/display.hpp"
#include "runtime/program/json_text.hpp"
#include "runtime/program/pages.hpp"
#include "runtime/program/table.hpp"
#include "runtime/program/twin_text.hpp"
#include "runtime/program/units.hpp"

#include <CLI/CLI.hpp>

namespace gemel {

namespace {

// Of `query` and `twin list`.
struct query_arguments {
  query_request asked;
  std::uint64_t limit = 100;
  bool all = false;
};

std::vector<asked_expression> expressions_of(const query_request& asked) {
  std::vector<asked_expression> made{{"where", asked.where}, {"order_by", asked.order_by}};
  for (std::size_t i = 0; i < asked.select.size(); ++i)
    made.push_back({"select[" + std::to_string(i) + "]", asked.select[i]});
  for (std::size_t i = 0; i < asked.group_by.size(); ++i)
    made.push_back({"group_by[" + std::to_string(i) + "]", asked.group_by[i]});
  return made;
}

int print_count(const program_context& context, client& link, const query_request& asked) {
  auto count = link.count(asked);
  if (!count)
    return refuse(context, count.error(), expressions_of(asked));
  context.console.out(context.json ? json_object{}.add("count", *count).text() + "\n"
                                   : std::to_string(*count) + "\n");
  return exit_ok;
}

// One JSON document, or with `--all` a line for each twin.
int print_json(const program_context& context, client& link, const query_arguments& what) {
  json_list twins;
  auto more = read_pages(link, what.asked, what.all ? 0 : what.limit, [&](auto page) {
    for (const auto& twin : page)
      if (what.all)
        context.console.out(twin_json(twin) + "\n");
      else
        twins.add_json(twin_json(twin));
    return true;
  });
  if (!more)
    return refuse(context, more.error(), expressions_of(what.asked));
  if (!what.all)
    context.console.out(
        json_object{}.add_json("twins", twins.text()).add("more", value{*more}).text() + "\n");
  return exit_ok;
}

int print_table(const program_context& context, client& link, const query_arguments& what) {
  twin_table rows{what.asked.select, context.form()};
  bool is_empty = true;
  auto more = read_pages(link, what.asked, what.all ? 0 : what.limit, [&](auto page) {
    is_empty = is_empty && page.empty();
    if (!is_empty)
      context.console.out(rows.draw(page));
    return true;
  });
  if (!more)
    return refuse(context, more.error(), expressions_of(what.asked));
  if (is_empty)
    context.console.err("no twin matches\n");
  if (rows.left_out() > 0)
    context.console.err(grouped(rows.left_out())
                        + " more properties need a wider terminal; see "
                          "--json\n");
  if (*more)
    context.console.err("more twins match; see --limit and --all\n");
  return exit_ok;
}

std::string groups_json(const query_request& asked, const twin_page& page) {
  json_list groups;
  for (const auto& group : page.groups) {
    json_object one;
    for (std::size_t i = 0; i < group.keys.size(); ++i)
      one.add(asked.group_by[i], group.keys[i]);
    for (std::size_t i = 0; i < group.values.size(); ++i)
      one.add(asked.aggregates[i], group.values[i]);
    groups.add_json(one.text());
  }
  json_object made;
  made.add_json("groups", groups.text());
  if (asked.explain)
    made.add("explanation", value{page.explanation});
  return made.text() + "\n";
}

std::string groups_text(const query_request& asked, const twin_page& page, table_form form) {
  std::vector<table_column> columns;
  for (const auto* titles : {&asked.group_by, &asked.aggregates})
    for (const auto& title : *titles)
      columns.push_back({printable(title), false});
  std::vector<std::vector<table_cell>> rows;
  for (const auto& group : page.groups) {
    auto& row = rows.emplace_back();
    for (const auto* cells : {&group.keys, &group.values})
      for (const auto& content : *cells)
        row.push_back(
            {content.is_null() ? "-" : printable(to_string(content)), content.is_number()});
  }
  return table{std::move(columns), form}.draw(rows);
}

int print_groups(const program_context& context, client& link, const query_request& asked) {
  auto page = link.query(asked);
  if (!page)
    return refuse(context, page.error(), expressions_of(asked));
  context.console.out(context.json ? groups_json(asked, *page)
                                   : groups_text(asked, *page, context.form()));
  if (!context.json)
    context.console.err(page->explanation);
  return exit_ok;
}

// What is said of a query besides its rows, of its first page.
int print_explanation(const program_context& context, client& link, query_request asked) {
  asked.limit = 1;
  auto page = link.query(asked);
  if (!page)
    return refuse(context, page.error(), expressions_of(asked));
  context.console.err(page->explanation);
  return exit_ok;
}

int run_query(const program_context& context, const query_arguments& what) {
  auto link = open_link(context);
  if (!link)
    return refuse(context, link.error());
  if (!what.asked.group_by.empty() || !what.asked.aggregates.empty())
    return print_groups(context, **link, what.asked);
  if (what.asked.explain)
    if (auto code = print_explanation(context, **link, what.asked); code != exit_ok)
      return code;
  if (what.asked.count_only)
    return print_count(context, **link, what.asked);
  return context.json ? print_json(context, **link, what) : print_table(context, **link, what);
}

void add_common_options(CLI::App& command, program_context& context, query_arguments& what) {
  command.add_option("--type", what.asked.type, "Only twins of this type")->type_name("TYPE");
  command.add_option("--parent", what.asked.parent, "Only children of this twin")->type_name("ID");
  command.add_option("--under", what.asked.ancestor, "Only twins below this one, at any depth")
      ->type_name("ID");
  command.add_option("--order-by", what.asked.order_by, "Sort by this expression, then by id")
      ->type_name("EXPR");
  command.add_flag("--desc", what.asked.descending, "The other way round");
  auto* limit = command.add_option("--limit", what.limit, "At most so many; 100 unless given")
                    ->check(CLI::PositiveNumber)
                    ->type_name("N");
  command.add_flag("--all", what.all, "All that match; with --json one per line")->excludes(limit);
  add_link_options(command, context);
}

void set_action(CLI::App& command, program_context& context,
                const std::shared_ptr<query_arguments>& what) {
  command.callback([&context, what] {
    context.action = [&context, what] { return run_query(context, *what); };
  });
}

} // namespace

void add_list_command(CLI::App& twin, program_context& context) {
  auto what = std::make_shared<query_arguments>();
  auto* command = twin.add_subcommand("list", "List twins");
  add_common_options(*command, context, *what);
  command->add_flag("--roots", what->asked.roots_only, "Only twins without a parent");
  command->footer("Examples:\n"
                  "  gemel twin list --type machine --order-by temperature --desc --limit 10\n"
                  "  gemel twin list --all --json >twins.jsonl");
  set_action(*command, context, what);
}

void add_query_command(CLI::App& root, program_context& context) {
  auto what = std::make_shared<query_arguments>();
  auto* command = root.add_subcommand("query", "Find twins by an expression over properties");
  command->add_option("EXPR", what->asked.where, "The condition; without one, all")->type_name("");
  add_common_options(*command, context, *what);
  command->add_option("--select", what->asked.select, "An expression to print; repeatable")
      ->allow_extra_args(false)
      ->type_name("EXPR");
  command->add_flag("--count", what->asked.count_only, "Only how many match");
  command
      ->add_option("--group-by", what->asked.group_by,
                   "One row for each value of this expression; repeatable")
      ->allow_extra_args(false)
      ->type_name("EXPR");
  command
      ->add_option("--agg", what->asked.aggregates,
                   "count(), or count, sum, avg, min, max of an expression; repeatable")
      ->allow_extra_args(false)
      ->type_name("AGG");
  command->add_flag("--explain", what->asked.explain,
                    "Also print how the twins were found, on standard error");
  command->footer("Examples:\n"
                  "  gemel query \"temperature > 85 AND status = 'cutting'\" --type machine\n"
                  "  gemel query \"vibration_level > 0.5\" --select temperature "
                  "--select \"round(vibration_level * 100)\"\n"
                  "  gemel query --type machine --count\n"
                  "  gemel query \"has_capability('cooling')\" --under hall-3 --explain\n"
                  "  gemel query --group-by twin_type --agg \"count()\" --agg "
                  "\"avg(temperature)\"");
  set_action(*command, context, what);
}

} // namespace gemel
