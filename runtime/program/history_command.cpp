#include "messages/duration.hpp"
#include "messages/text.hpp"
#include "runtime/adapters/system_clock.hpp"
#include "runtime/adapters/terminal.hpp"
#include "runtime/csv.hpp"
#include "runtime/program/commands.hpp"
#include "runtime/program/display.hpp"
#include "runtime/program/json_text.hpp"
#include "runtime/program/pages.hpp"
#include "runtime/program/units.hpp"
#include "workflows/rule_event_document.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <iterator>
#include <span>
#include <utility>

namespace gemel {

namespace {

constexpr std::int64_t us_per_ms = 1'000;

struct history_arguments {
  std::string id;
  std::string property;
  std::string from;
  std::string to;
  std::string every;
  std::string function;
  std::string as_of;
  std::string under;
  std::string format = "table";
  std::uint64_t last = 0;
  std::uint64_t version = 0;
  double percent = 50;
  bool diff = false;
};

// `2026-01-01T00:00:00Z`, or how long ago, such as `-15m`.
result<std::int64_t> time_of(const std::string& text) {
  if (text == "now")
    return system_clock_port{}.now().unix_us;
  if (text.starts_with('-')) {
    auto ago = parse_duration(text.substr(1));
    if (!ago)
      return tl::unexpected<error>(std::move(ago.error()));
    return system_clock_port{}.now().unix_us - ago->count() * us_per_ms;
  }
  auto at = parse_time(text);
  if (!at)
    return fail(errc::bad_value, "'" + text
                                     + "' is no time: give one such as 2026-01-01T00:00:00Z, how "
                                       "long ago such as -15m, or now");
  return *at * us_per_ms;
}

result<void> add_time(value_map& to, const char* name, const std::string& text) {
  if (text.empty())
    return {};
  auto time = time_of(text);
  if (!time)
    return tl::unexpected<error>(std::move(time.error()));
  to.push_back({name, value{*time}});
  return {};
}

// Rows of an answer, whatever was asked; of long ones a page at a time.
struct history_answer {
  std::vector<std::string> titles;
  std::vector<std::vector<value>> rows;
};
using answer_sink = std::function<result<void>(history_answer page)>;

// Rows of a table or plot, which is made as a whole.
constexpr std::size_t rows_at_once_max = 1'000'000;

std::string cell_text(const history_answer& of, const std::vector<value>& row, std::size_t column) {
  const auto& content = row[column];
  if (of.titles[column] == "time" && content.is_integer())
    return time_text(content.as_integer());
  return content.is_null() ? "-" : to_json(content);
}

std::string csv_text(const history_answer& of, bool with_titles) {
  std::string text;
  for (std::size_t i = 0; with_titles && i < of.titles.size(); ++i)
    text += (i == 0 ? "" : ",") + of.titles[i] + (i + 1 == of.titles.size() ? "\n" : "");
  for (const auto& row : of.rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i > 0)
        text += ",";
      if (row[i].is_text())
        append_csv_field(text, row[i].as_text());
      else if (!row[i].is_null())
        append_csv_field(text, cell_text(of, row, i));
    }
    text += "\n";
  }
  return text;
}

std::string json_text(const history_answer& of) {
  std::string text;
  for (const auto& row : of.rows) {
    json_object line;
    for (std::size_t i = 0; i < row.size(); ++i)
      if (of.titles[i] == "time" && row[i].is_integer())
        line.add("time", value{time_text(row[i].as_integer())});
      else
        line.add(of.titles[i], row[i]);
    text += line.text() + "\n";
  }
  return text;
}

std::string table_text(const history_answer& of, const table_form& form) {
  std::vector<table_column> columns;
  for (const auto& title : of.titles)
    columns.push_back({title});
  std::vector<std::vector<table_cell>> rows;
  for (const auto& row : of.rows) {
    auto& line = rows.emplace_back();
    for (std::size_t i = 0; i < row.size(); ++i)
      line.push_back(
          {printable(cell_text(of, row, i)), row[i].is_number() && of.titles[i] != "time"});
  }
  return table{std::move(columns), form}.draw(rows);
}

// The last column over time: one column of the terminal for a stretch of time, its mean as a bar of
// eighths. A column without a value stays empty.
std::string plot_text(const history_answer& of, const table_form& form) {
  constexpr std::size_t height = 10;
  constexpr std::size_t margin = 12;
  constexpr std::array<const char*, 9> eighths = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  const std::size_t width = form.width > margin + 10 ? form.width - margin : 68;
  std::vector<std::pair<std::int64_t, double>> points;
  for (const auto& row : of.rows)
    if (auto number = row.back().number(); number && std::isfinite(*number))
      points.emplace_back(row.front().as_integer(), *number);
  if (points.empty())
    return "no numbers to draw\n";
  auto begin = points.front().first;
  auto length = std::max<double>(1, static_cast<double>(points.back().first - begin) + 1);
  std::vector<double> sums(width);
  std::vector<std::size_t> counts(width);
  auto least = points.front().second;
  auto most = least;
  for (auto [time, number] : points) {
    auto column =
        static_cast<std::size_t>(static_cast<double>(time - begin) / length * double(width));
    column = std::min(column, width - 1);
    sums[column] += number;
    ++counts[column];
    least = std::min(least, number);
    most = std::max(most, number);
  }
  auto label = [](double number) {
    auto text = to_json(value{std::round(number * 1'000) / 1'000});
    return std::string(text.size() < margin - 2 ? margin - 2 - text.size() : 0, ' ') + text + " ";
  };
  std::string text;
  for (std::size_t line = height; line-- > 0;) {
    text += line == height - 1 ? label(most)
            : line == 0        ? label(least)
                               : std::string(margin - 1, ' ');
    text += form.is_utf8 ? "│" : "|";
    std::string bars;
    for (std::size_t i = 0; i < width; ++i) {
      auto mean = counts[i] == 0 ? 0.0 : sums[i] / static_cast<double>(counts[i]);
      auto full = counts[i] == 0  ? 0.0
                  : most == least ? height * 4.0
                                  : 1 + (mean - least) / (most - least) * (height * 8.0 - 1);
      auto here = std::clamp(full - static_cast<double>(line) * 8, 0.0, 8.0);
      bars += form.is_utf8 ? eighths[static_cast<std::size_t>(here)] : here >= 4 ? "#" : " ";
    }
    bars.erase(bars.find_last_not_of(' ') + 1);
    text += bars + "\n";
  }
  return text + std::string(margin, ' ') + time_text(begin) + " to "
         + time_text(points.back().first) + "\n";
}

void set_argument(value_map& in, std::string_view key, value content) {
  for (auto& one : in)
    if (one.key == key) {
      one.content = std::move(content);
      return;
    }
  in.push_back({std::string{key}, std::move(content)});
}

// A list in an answer; empty if it is not as it should be.
std::vector<value> cells_of(const value& row, std::size_t count) {
  std::vector<value> made(count);
  if (row.is_list())
    for (std::size_t i = 0; i < std::min(count, row.as_list().size()); ++i)
      made[i] = row.as_list()[i];
  return made;
}

// `range` and `aggregate`, page after page.
result<void> ask_rows(client& link, bool is_aggregate, value_map arguments,
                      const answer_sink& take) {
  for (;;) {
    auto found =
        link.call({"history", is_aggregate ? "aggregate" : "range", value{value_map{arguments}}});
    if (!found)
      return tl::unexpected<error>(std::move(found.error()));
    history_answer page;
    page.titles = is_aggregate ? std::vector<std::string>{"time", "count", "value"}
                               : std::vector<std::string>{"time", "value"};
    const auto* rows = found->find(is_aggregate ? "rows" : "points");
    if (rows == nullptr || !rows->is_list())
      return fail(errc::bad_frame, "the node's answer has no rows");
    for (const auto& row : rows->as_list())
      page.rows.push_back(cells_of(row, page.titles.size()));
    if (auto taken = take(std::move(page)); !taken)
      return taken;
    const auto* next = found->find("next");
    if (next == nullptr)
      return {};
    set_argument(arguments, is_aggregate ? "from" : "next", *next);
  }
}

std::vector<std::string> state_titles(bool is_diff) {
  return is_diff ? std::vector<std::string>{"property", "before", "after"}
                 : std::vector<std::string>{"property", "time", "value"};
}

result<void> ask_twin(client& link, const char* name, value_map arguments,
                      const answer_sink& take) {
  auto found = link.call({"history", name, value{std::move(arguments)}});
  if (!found)
    return tl::unexpected<error>(std::move(found.error()));
  history_answer made;
  made.titles = state_titles(std::string_view{name} == "changes");
  for (const auto& member : found->as_map()) {
    auto& row = made.rows.emplace_back(cells_of(member.content, 2));
    row.insert(row.begin(), value{member.key});
  }
  return take(std::move(made));
}

// Of some twins; by halves when an answer would be too large.
result<void> ask_twins(client& link, const char* name, value_map arguments,
                       std::span<const std::string> ids, const answer_sink& take) {
  set_argument(arguments, "ids", value{value_list{ids.begin(), ids.end()}});
  auto found = link.call({"history", name, value{value_map{arguments}}});
  if (!found && found.error().code == errc::limit_reached && ids.size() > 1) {
    auto half = ids.size() / 2;
    auto first = ask_twins(link, name, arguments, ids.first(half), take);
    return first ? ask_twins(link, name, arguments, ids.subspan(half), take) : first;
  }
  if (!found)
    return tl::unexpected<error>(std::move(found.error()));
  history_answer made;
  made.titles = state_titles(std::string_view{name} == "changes");
  made.titles.insert(made.titles.begin(), "twin");
  for (const auto& twin : found->as_map())
    for (const auto& member : twin.content.as_map()) {
      auto& row = made.rows.emplace_back(cells_of(member.content, 2));
      row.insert(row.begin(), {value{twin.key}, value{member.key}});
    }
  return take(std::move(made));
}

// The twin itself, and all that are below it now.
result<void> ask_tree(client& link, const char* name, const value_map& arguments,
                      const std::string& root, const answer_sink& take) {
  if (auto there = link.get(root); !there)
    return tl::unexpected<error>(std::move(there.error()));
  if (auto first = ask_twins(link, name, arguments, std::span{&root, 1}, take); !first)
    return first;
  query_request below;
  below.ancestor = root;
  result<void> done;
  auto read = read_pages(link, below, 0, [&](std::span<const twin_record> page) {
    std::vector<std::string> ids;
    for (const auto& one : page)
      ids.push_back(one.id);
    done = ask_twins(link, name, arguments, ids, take);
    return done.has_value();
  });
  if (!read)
    return tl::unexpected<error>(std::move(read.error()));
  return done;
}

result<value_map> times_of(const history_arguments& what) {
  value_map made;
  auto is_aggregate = !what.function.empty() || !what.every.empty();
  if (!what.as_of.empty()) {
    auto added = add_time(made, "at", what.as_of);
    return added ? result<value_map>{made} : tl::unexpected<error>(std::move(added.error()));
  }
  for (auto [name, text] : {std::pair{"from", what.from}, std::pair{"to", what.to}}) {
    if (text.empty() && is_aggregate)
      text = std::string_view{name} == "from" ? "-1h" : "now";
    if (auto added = add_time(made, name, text); !added)
      return tl::unexpected<error>(std::move(added.error()));
  }
  return made;
}

result<void> ask_property(client& link, value_map arguments, const history_arguments& what,
                          const answer_sink& take) {
  arguments.push_back({"property", value{what.property}});
  if (what.function.empty() && what.every.empty()) {
    arguments.push_back({"last", value{what.last}});
    return ask_rows(link, false, std::move(arguments), take);
  }
  if (!what.every.empty()) {
    auto every = parse_duration(what.every);
    if (!every)
      return tl::unexpected<error>(std::move(every.error()));
    if (every->count() == 0)
      return fail(errc::bad_value, "--every 0 makes no intervals; leave it out for one of all");
    arguments.push_back({"every", value{every->count() * us_per_ms}});
  }
  arguments.push_back({"function", value{what.function.empty() ? "avg" : what.function}});
  arguments.push_back({"percent", value{what.percent}});
  return ask_rows(link, true, std::move(arguments), take);
}

result<void> ask_history(const program_context& context, const history_arguments& what,
                         const answer_sink& take) {
  auto arguments = times_of(what);
  if (!arguments)
    return tl::unexpected<error>(std::move(arguments.error()));
  auto link = open_link(context);
  if (!link)
    return tl::unexpected<error>(std::move(link.error()));
  const auto* name = what.diff ? "changes" : "state";
  if (!what.under.empty())
    return ask_tree(**link, name, *arguments, what.under, take);
  arguments->push_back({"id", value{what.id}});
  if (what.version != 0)
    arguments->push_back({"version", value{what.version}});
  if (what.diff || !what.as_of.empty() || what.version != 0)
    return ask_twin(**link, name, *std::move(arguments), take);
  return ask_property(**link, *std::move(arguments), what, take);
}

// What the options do not say together; empty: all is well.
std::string wrong_with(const history_arguments& what) {
  auto is_state = what.diff || !what.as_of.empty() || what.version != 0;
  if (what.id.empty() == what.under.empty())
    return what.id.empty() ? "which twin? ID is missing (or give --under)"
                           : "ID and --under exclude each other";
  if (!what.under.empty() && (!is_state || what.version != 0))
    return "--under goes with --as-of or --diff";
  if (what.property.empty() && !is_state)
    return "which property? PROPERTY is missing (or give --as-of, --at-version or --diff)";
  if (!what.property.empty() && is_state)
    return "--as-of, --at-version and --diff tell of all properties: leave out PROPERTY";
  if (what.diff + !what.as_of.empty() + (what.version != 0) > 1)
    return "--as-of, --at-version and --diff exclude each other";
  if (what.format == "plot" && is_state)
    return "only the values of one property can be drawn";
  return {};
}

int print_history(const program_context& context, const history_arguments& what) {
  if (auto wrong = wrong_with(what); !wrong.empty())
    return refuse_usage(context, wrong);
  auto is_json = context.json || what.format == "json";
  history_answer all;
  auto is_first = true;
  auto done = ask_history(context, what, [&](history_answer page) -> result<void> {
    if (is_json) {
      context.console.out(json_text(page));
      return {};
    }
    if (what.format == "csv") {
      context.console.out(csv_text(page, std::exchange(is_first, false)));
      return {};
    }
    if (all.rows.size() + page.rows.size() > rows_at_once_max)
      return fail(errc::limit_reached, "more than " + grouped(rows_at_once_max)
                                           + " rows: give --from, --last or --every, or --format "
                                             "csv or json");
    all.titles = std::move(page.titles);
    std::move(page.rows.begin(), page.rows.end(), std::back_inserter(all.rows));
    return {};
  });
  if (!done)
    return refuse(context, done.error());
  if (!is_json && what.format == "plot")
    context.console.out(plot_text(all, context.form()));
  else if (!is_json && what.format == "table" && all.rows.empty())
    context.console.out("no values: nothing was written then, or the property has no history\n");
  else if (!is_json && what.format == "table")
    context.console.out(table_text(all, context.form()));
  return finish(context, exit_ok);
}

} // namespace

void add_history_command(CLI::App& root, program_context& context) {
  auto what = std::make_shared<history_arguments>();
  auto* command = root.add_subcommand("history", "What the properties of a twin were");
  command->add_option("ID", what->id, "The twin")->type_name("");
  command->add_option("PROPERTY", what->property, "The property")->type_name("");
  command->add_option("--from", what->from, "First time, such as 2026-01-01T00:00:00Z or -15m")
      ->type_name("TIME");
  command->add_option("--to", what->to, "End, not in it")->type_name("TIME");
  command->add_option("--last", what->last, "Only so many values, the latest")->type_name("N");
  command->add_option("--every", what->every, "One row for each such time, such as 10s")
      ->type_name("DURATION");
  command
      ->add_option("--agg", what->function,
                   "What is told of it: avg (default), min, max, sum, count, first, last, stddev, "
                   "percentile, time_weighted_avg")
      ->type_name("FUNCTION");
  command->add_option("--percent", what->percent, "Of percentile, 0 to 100")->type_name("P");
  command->add_option("--as-of", what->as_of, "All properties as they were then")
      ->type_name("TIME");
  command->add_option("--at-version", what->version, "The same as of the twin's version")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{INT64_MAX}))
      ->type_name("N");
  command
      ->add_option("--under", what->under,
                   "With --as-of or --diff: of this twin and all that are below it now")
      ->type_name("ID");
  command->add_flag("--diff", what->diff, "All properties that differ between --from and --to");
  command->add_option("--format", what->format, "table, json, csv or plot")
      ->check(CLI::IsMember({"table", "json", "csv", "plot"}))
      ->type_name("FORMAT");
  add_link_options(*command, context);
  command->footer("Properties have a history if the config says so: [types.TYPE.properties.KEY] "
                  "history = true.\nExamples:\n"
                  "  gemel history machine-7 temperature --last 20\n"
                  "  gemel history machine-7 temperature --from -1h --every 1m --agg max "
                  "--format plot\n"
                  "  gemel history machine-7 --as-of 2026-01-01T12:00:00Z\n"
                  "  gemel history --under hall-1 --as-of -1h\n"
                  "  gemel history machine-7 --diff --from -1h --to now");
  command->callback([&context, what] {
    context.action = [&context, what] { return print_history(context, *what); };
  });
}

} // namespace gemel
