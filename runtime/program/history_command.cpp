#include "messages/duration.hpp"
#include "messages/text.hpp"
#include "runtime/adapters/system_clock.hpp"
#include "runtime/adapters/terminal.hpp"
#include "runtime/program/commands.hpp"
#include "runtime/program/display.hpp"
#include "runtime/program/json_text.hpp"
#include "runtime/program/units.hpp"
#include "workflows/rule_event_document.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <array>
#include <cmath>

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
  std::string format = "table";
  std::uint64_t last = 0;
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

// One line of the answer, whatever was asked.
struct history_row {
  std::string name;
  std::vector<value> cells;
};

struct history_answer {
  std::vector<std::string> titles;
  std::vector<history_row> rows;
  bool has_time = true;
};

std::string cell_text(const history_answer& of, const history_row& row, std::size_t column) {
  const auto& content = row.cells[column];
  if (of.titles[column] == "time" && content.is_integer())
    return time_text(content.as_integer());
  return content.is_null() ? "-" : to_json(content);
}

std::string csv_field(std::string text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos)
    return text;
  std::string made = "\"";
  for (auto c : text)
    made += c == '"' ? "\"\"" : std::string{c};
  return made + "\"";
}

std::string csv_text(const history_answer& of) {
  std::string text;
  for (std::size_t i = 0; i < of.titles.size(); ++i)
    text += (i == 0 ? "" : ",") + of.titles[i];
  text += "\n";
  for (const auto& row : of.rows) {
    for (std::size_t i = 0; i < row.cells.size(); ++i) {
      const auto& content = row.cells[i];
      auto field = content.is_text()   ? std::string{content.as_text()}
                   : content.is_null() ? std::string{}
                                       : cell_text(of, row, i);
      text += (i == 0 ? "" : ",") + csv_field(std::move(field));
    }
    text += "\n";
  }
  return text;
}

std::string json_text(const history_answer& of) {
  std::string text;
  for (const auto& row : of.rows) {
    json_object line;
    for (std::size_t i = 0; i < row.cells.size(); ++i)
      if (of.titles[i] == "time" && row.cells[i].is_integer())
        line.add("time", value{time_text(row.cells[i].as_integer())});
      else
        line.add(of.titles[i], row.cells[i]);
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
    for (std::size_t i = 0; i < row.cells.size(); ++i)
      line.push_back(
          {printable(cell_text(of, row, i)), row.cells[i].is_number() && of.titles[i] != "time"});
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
    if (auto number = row.cells.back().number(); number && std::isfinite(*number))
      points.emplace_back(row.cells.front().as_integer(), *number);
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

result<history_answer> ask(const program_context& context, const char* name, value_map arguments) {
  auto link = open_link(context);
  if (!link)
    return tl::unexpected<error>(std::move(link.error()));
  auto found = (*link)->call({"history", name, value{std::move(arguments)}});
  if (!found)
    return tl::unexpected<error>(std::move(found.error()));
  history_answer made;
  std::string_view asked{name};
  if (asked == "range" || asked == "aggregate") {
    made.titles = asked == "range" ? std::vector<std::string>{"time", "value"}
                                   : std::vector<std::string>{"time", "count", "value"};
    const auto* rows = found->find(asked == "range" ? "points" : "rows");
    if (rows == nullptr || !rows->is_list())
      return fail(errc::bad_frame, "the node's answer has no rows");
    for (const auto& row : rows->as_list())
      made.rows.push_back({{}, {row.as_list().begin(), row.as_list().end()}});
    return made;
  }
  made.titles = asked == "state" ? std::vector<std::string>{"property", "time", "value"}
                                 : std::vector<std::string>{"property", "before", "after"};
  for (const auto& member : found->as_map()) {
    history_row row{{}, {value{member.key}}};
    for (const auto& one : member.content.as_list())
      row.cells.push_back(one);
    made.rows.push_back(std::move(row));
  }
  return made;
}

result<history_answer> ask_history(const program_context& context, const history_arguments& what) {
  value_map arguments{{"id", value{what.id}}};
  if (!what.as_of.empty()) {
    if (auto added = add_time(arguments, "at", what.as_of); !added)
      return tl::unexpected<error>(std::move(added.error()));
    return ask(context, "state", std::move(arguments));
  }
  auto is_aggregate = !what.function.empty() || !what.every.empty();
  for (auto [name, text] : {std::pair{"from", what.from}, std::pair{"to", what.to}}) {
    if (text.empty() && is_aggregate)
      text = std::string_view{name} == "from" ? "-1h" : "now";
    if (auto added = add_time(arguments, name, text); !added)
      return tl::unexpected<error>(std::move(added.error()));
  }
  if (what.diff)
    return ask(context, "changes", std::move(arguments));
  arguments.push_back({"property", value{what.property}});
  if (!is_aggregate) {
    arguments.push_back({"last", value{what.last}});
    return ask(context, "range", std::move(arguments));
  }
  if (!what.every.empty()) {
    auto every = parse_duration(what.every);
    if (!every)
      return tl::unexpected<error>(std::move(every.error()));
    arguments.push_back({"every", value{every->count() * us_per_ms}});
  }
  arguments.push_back({"function", value{what.function.empty() ? "avg" : what.function}});
  arguments.push_back({"percent", value{what.percent}});
  return ask(context, "aggregate", std::move(arguments));
}

int print_history(const program_context& context, const history_arguments& what) {
  if (what.property.empty() && what.as_of.empty() && !what.diff)
    return refuse_usage(context, "which property? PROPERTY is missing (or give --as-of or --diff)");
  if (what.format == "plot" && (!what.as_of.empty() || what.diff))
    return refuse_usage(context, "only the values of one property can be drawn");
  auto found = ask_history(context, what);
  if (!found)
    return refuse(context, found.error());
  auto text = context.json || what.format == "json" ? json_text(*found)
              : what.format == "csv"                ? csv_text(*found)
              : what.format == "plot"               ? plot_text(*found, context.form())
                                                    : table_text(*found, context.form());
  context.console.out(text);
  return finish(context, exit_ok);
}

} // namespace

void add_history_command(CLI::App& root, program_context& context) {
  auto what = std::make_shared<history_arguments>();
  auto* command = root.add_subcommand("history", "What the properties of a twin were");
  command->add_option("ID", what->id, "The twin")->required()->type_name("");
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
                  "  gemel history machine-7 --diff --from -1h --to now");
  command->callback([&context, what] {
    context.action = [&context, what] { return print_history(context, *what); };
  });
}

} // namespace gemel
