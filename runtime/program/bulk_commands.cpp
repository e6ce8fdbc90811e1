#include "messages/duration.hpp"
#include "runtime/adapters/file_stream.hpp"
#include "runtime/adapters/files.hpp"
#include "runtime/adapters/signals.hpp"
#include "runtime/adapters/system_clock.hpp"
#include "runtime/adapters/terminal.hpp"
#include "runtime/bulk.hpp"
#include "runtime/bulk_progress.hpp"
#include "runtime/program/assignment.hpp"
#include "runtime/program/bulk_printer.hpp"
#include "runtime/program/commands.hpp"
#include "runtime/program/display.hpp"
#include "runtime/program/pages.hpp"
#include "runtime/program/units.hpp"
#include "runtime/twin_document.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>

namespace gemel {

namespace {

struct bulk_arguments {
  bulk_rules rules;
  std::string file;
  std::string format;
  std::string outcomes;
  std::string progress;
  std::string retry = "60s";
  std::string children = "refuse";
  bool resume = false;
  bool check_first = false;
  // By query.
  query_request asked;
  std::vector<std::string> set;
  std::vector<std::string> unset;
  bool yes = false;

  bool has_query() const {
    return !asked.where.empty() || !asked.type.empty() || !asked.parent.empty()
           || !asked.ancestor.empty();
  }
  std::string file_name() const { return file == "-" ? "standard input" : file; }
  std::string progress_file() const {
    return progress.empty() ? file + ".gemel-progress" : progress;
  }
  bulk_reader::options reader(std::uint64_t skip) const {
    auto known = format.empty() ? bulk_format_of(file) : bulk_format_from_string(format);
    return {rules.action, known, file_name(), skip};
  }
};

link_opener opener_of(const program_context& context) {
  return [&context]() -> result<std::shared_ptr<twin_api>> {
    auto link = open_link(context);
    if (!link)
      return tl::unexpected<error>(std::move(link.error()));
    return std::shared_ptr<twin_api>{std::move(*link)};
  };
}

// ---- from a file ------------------------------------------------------------------------------

// One run over one file.
class file_run {
public:
  file_run(const program_context& context, const bulk_arguments& asked)
      : context_{context}, asked_{asked} {}

  int run() {
    stop_signals signals; // before the link's threads
    auto file = input_file::open(asked_.file);
    if (!file)
      return refuse(context_, file.error()), exit_usage;
    if (auto ready = prepare(*file); !ready)
      return std::max(refuse(context_, ready.error()), exit_usage);
    if (asked_.check_first && !is_right())
      return exit_usage;
    return go(*file, signals);
  }

private:
  // Who the input is, and where to go on.
  result<void> prepare(const input_file& file) {
    keeps_progress_ = file.size() && !asked_.rules.dry_run;
    if (asked_.resume && !file.size())
      return fail(errc::bad_value, "--resume needs a file that can be read twice");
    if (asked_.check_first && !file.size())
      return fail(errc::bad_value, "--check-first needs a file that can be read twice");
    if (!file.size())
      return {};
    auto head = file.head(input_head_bytes);
    if (!head)
      return tl::unexpected<error>(std::move(head.error()));
    here_ = {asked_.rules.action, *file.size(), fingerprint_of(*head)};
    return asked_.resume ? find_progress() : result<void>{};
  }

  result<void> find_progress() {
    auto path = asked_.progress_file();
    constexpr std::size_t record_bytes_max = 4'096;
    auto text = read_file(path, record_bytes_max);
    if (!text && !is_regular_file(path)) {
      if (!context_.json)
        context_.console.err("gemel: there is no " + printable(path)
                             + ", so it begins at the beginning\n");
      return {};
    }
    auto record =
        text.and_then([](const std::string& found) { return bulk_progress_from_text(found); });
    if (!record)
      return fail(record.error().code, path + ": " + record.error().context);
    if (!record->is_same_run(here_))
      return fail(errc::bad_value,
                  path + " is of another input or action; delete it to begin anew");
    here_ = *record;
    return {};
  }

  // Reads the file once without sending anything.
  bool is_right() {
    bulk_printer printer{context_, asked_.rules.action, asked_.file_name(), 0, true};
    bulk_report report;
    auto file = input_file::open(asked_.file);
    if (!file)
      return refuse(context_, file.error()), false;
    bulk_text_input input{asked_.reader(here_.offset), source_of(*file)};
    std::deque<bulk_entry> entries;
    for (auto state = bulk_input::state::ready; state != bulk_input::state::ended;) {
      auto read = input.read(entries, {});
      if (!read)
        return refuse(context_, read.error()), false;
      state = *read;
      for (const auto& entry : entries)
        if (!entry.faults.empty()) {
          printer.take_bad(entry);
          ++report.state.totals.failed;
        }
      entries.clear();
    }
    if (report.state.totals.failed > 0)
      printer.finish(report, 0, false);
    return report.state.totals.failed == 0;
  }

  static byte_source source_of(input_file& file) {
    return [&file](std::chrono::milliseconds wait) { return file.read(wait); };
  }

  int go(input_file& file, stop_signals& signals) {
    bulk_printer printer{context_, asked_.rules.action, asked_.file_name(), file.size().value_or(0),
                         asked_.rules.dry_run};
    if (auto opened = open_outcomes(printer); !opened)
      return refuse(context_, opened.error());
    bulk_text_input input{asked_.reader(here_.offset), source_of(file)};
    auto before = here_;
    auto rules = asked_.rules;
    rules.repeat = rules.repeat || before.offset > 0;
    bool is_interrupted = false;
    bulk_world world{clock_, opener_of(context_), [&] {
                       is_interrupted =
                           is_interrupted || signals.wait(std::chrono::milliseconds{0});
                       return is_interrupted;
                     }};
    world.reconnect_max = *parse_duration(asked_.retry);
    auto report = run_bulk(input, rules, world, watch_of(printer));
    end_progress(report);
    if (is_interrupted)
      report.is_complete = report.is_complete && !report.state.first_open;
    auto code = printer.finish(report, before.items, is_interrupted && !report.is_complete);
    if (keeps_progress_ && !report.is_complete && has_progress_ && !context_.json)
      context_.console.err("gemel: --resume goes on from here\n");
    return code;
  }

  result<void> open_outcomes(bulk_printer& printer) const {
    if (asked_.outcomes.empty())
      return {};
    auto file = output_file::create(asked_.outcomes, here_.offset > 0);
    if (!file)
      return tl::unexpected<error>(std::move(file.error()));
    printer.outcomes_to(std::move(*file));
    return {};
  }

  bulk_watch watch_of(bulk_printer& printer) {
    return {[&](const bulk_outcome& what) { printer.take(what); },
            [&](const bulk_entry& entry) { printer.take_bad(entry); },
            [&](const bulk_state& state) {
              printer.take_progress(state, clock_.now().steady_ns);
              keep_progress(state);
            },
            [&](const error& why) { printer.take_lost(why); }};
  }

  void keep_progress(const bulk_state& state) {
    auto offset = state.first_open ? state.first_open->offset : state.last_read.end;
    if (!keeps_progress_ || offset <= here_.offset)
      return;
    here_.offset = offset;
    here_.items = state.first_open ? state.first_open->item - 1 : state.last_read.item;
    auto written = replace_file(asked_.progress_file(), to_text(here_));
    has_progress_ = written.has_value();
    if (!written && !progress_failed_) {
      progress_failed_ = true;
      context_.console.err("gemel: --resume will not be possible: " + to_string(written.error())
                           + "\n");
    }
  }

  void end_progress(const bulk_report& report) {
    if (keeps_progress_ && report.is_complete)
      static_cast<void>(remove_file(asked_.progress_file()));
  }

  const program_context& context_;
  const bulk_arguments& asked_;
  system_clock_port clock_;
  bulk_progress here_;
  bool keeps_progress_ = false;
  bool has_progress_ = false;
  bool progress_failed_ = false;
};

// ---- by query -----------------------------------------------------------------------------------

std::vector<asked_expression> expressions_of(const query_request& asked) {
  return {{"where", asked.where}};
}

// What an update would make of a twin, in one line.
std::string change_text(const twin_record& twin, const properties& set,
                        const std::vector<std::string>& unset) {
  auto made = "would update " + printable(twin.id);
  for (const auto& one : set) {
    const auto* old = twin.find(one.key);
    made += "  " + printable(one.key) + ": " + (old != nullptr ? printable(to_json(*old)) : "-")
            + " -> " + printable(to_json(one.content));
  }
  for (const auto& key : unset)
    if (const auto* old = twin.find(key))
      made += "  " + printable(key) + ": " + printable(to_json(*old)) + " -> -";
  return made + "\n";
}

class query_run {
public:
  query_run(const program_context& context, const bulk_arguments& asked)
      : context_{context}, asked_{asked} {}

  int run() {
    auto set = parse_assignments(asked_.set);
    if (!set)
      return refuse(context_, set.error()), exit_usage;
    set_ = std::move(*set);
    bool is_update = asked_.rules.action == bulk_action::update;
    if (is_update && set_.empty() && asked_.unset.empty())
      return refuse_usage(context_, "nothing to change: give --set PROP=VALUE or --unset PROP");
    stop_signals signals; // before the link's threads
    auto link = open_link(context_);
    if (!link)
      return refuse(context_, link.error());
    if (asked_.rules.dry_run)
      return show(**link);
    auto count = (*link)->count(asked_.asked);
    if (!count)
      return refuse(context_, count.error(), expressions_of(asked_.asked));
    if (*count > 0 && !is_confirmed(*count))
      return exit_usage;
    link->reset();
    return go(signals);
  }

private:
  int show(client& link) const {
    bool is_update = asked_.rules.action == bulk_action::update;
    std::uint64_t count = 0;
    auto more = read_pages(link, asked_.asked, 0, [&](auto page) {
      for (const auto& twin : page) {
        if (!lies_under(twin, asked_.asked.ancestor))
          continue;
        context_.console.out(is_update ? change_text(twin, set_, asked_.unset)
                                       : "would delete " + printable(twin.id) + "\n");
        ++count;
      }
      return true;
    });
    if (!more)
      return refuse(context_, more.error(), expressions_of(asked_.asked));
    context_.console.err("gemel: " + grouped(count)
                         + (count == 1 ? " twin matches" : " twins match")
                         + "; nothing was changed\n");
    return exit_ok;
  }

  bool is_confirmed(std::uint64_t count) const {
    if (asked_.yes)
      return true;
    auto what = std::string{to_string(asked_.rules.action)} + " " + grouped(count)
                + (count == 1 ? " twin" : " twins");
    if (!context_.console.in_is_terminal()) {
      refuse_usage(context_, what + "? say so with --yes, or see --dry-run");
      return false;
    }
    context_.console.err(what + "? [y/N] ");
    bool is_yes = false;
    constexpr std::size_t answer_bytes_max = 1'024;
    auto read = read_lines("-", answer_bytes_max, [&](std::string_view line, std::size_t) {
      is_yes = line == "y" || line == "Y" || line == "yes";
      return false;
    });
    return read && is_yes;
  }

  std::optional<bulk_content> item_of(const twin_record& twin) const {
    if (!lies_under(twin, asked_.asked.ancestor))
      return std::nullopt;
    if (asked_.rules.action == bulk_action::remove)
      return twin.id;
    twin_update made;
    made.id = twin.id;
    made.set = set_;
    made.unset = asked_.unset;
    return made;
  }

  int go(stop_signals& signals) {
    bulk_printer printer{context_, asked_.rules.action, {}, 0, false};
    if (!asked_.outcomes.empty()) {
      auto file = output_file::create(asked_.outcomes);
      if (!file)
        return refuse(context_, file.error());
      printer.outcomes_to(std::move(*file));
    }
    auto asked = asked_.asked;
    if (asked_.rules.action == bulk_action::remove && asked.ancestor.empty())
      asked.select = {"id"};
    bulk_query_input input{asked, opener_of(context_),
                           [this](const twin_record& twin) { return item_of(twin); }};
    bool is_interrupted = false;
    bulk_world world{clock_, opener_of(context_), [&] {
                       is_interrupted =
                           is_interrupted || signals.wait(std::chrono::milliseconds{0});
                       return is_interrupted;
                     }};
    world.reconnect_max = *parse_duration(asked_.retry);
    // Found by a query, and gone since: that is what was asked for.
    auto rules = asked_.rules;
    rules.repeat = true;
    auto report = run_bulk(
        input, rules, world,
        {[&](const bulk_outcome& what) { printer.take(what); },
         {},
         [&](const bulk_state& state) { printer.take_progress(state, clock_.now().steady_ns); },
         [&](const error& why) { printer.take_lost(why); }});
    return printer.finish(report, 0, is_interrupted && !report.is_complete);
  }

  const program_context& context_;
  const bulk_arguments& asked_;
  system_clock_port clock_;
  properties set_;
};

int run_action(const program_context& context, bulk_arguments& asked) {
  auto patience = parse_duration(context.timeout);
  if (!parse_duration(asked.retry))
    return refuse_usage(context, "--retry: '" + asked.retry + "' is not a duration such as 60s");
  if (patience && patience->count() > 0)
    asked.rules.patience = *patience;
  asked.rules.children = child_policy_of(asked.children);
  if (!asked.file.empty() && asked.has_query())
    return refuse_usage(context, "either a FILE or a query such as --where, not both");
  if (asked.has_query())
    return query_run{context, asked}.run();
  if (asked.file.empty())
    return refuse_usage(context, asked.rules.action == bulk_action::update
                                         || asked.rules.action == bulk_action::remove
                                     ? "give a FILE (- is the input), or a query such as --where"
                                     : "FILE is required; - is the input");
  if (!asked.set.empty() || !asked.unset.empty())
    return refuse_usage(context, "--set and --unset go with a query such as --where");
  return file_run{context, asked}.run();
}

void add_file_options(CLI::App& command, program_context& context, bulk_arguments& asked) {
  command.add_option("FILE", asked.file, "The items; - is the input")->type_name("");
  command
      .add_option("--format", asked.format,
                  "How they are written; else by the file's name, or how it begins")
      ->check(one_of({"ndjson", "json", "csv"}))
      ->type_name("ndjson|json|csv");
  command.add_flag("--dry-run", asked.rules.dry_run,
                   "Change nothing; say what is wrong, and what would be done");
  command.add_flag("--check-first", asked.check_first,
                   "Read the whole file first, and do nothing if an item is wrong");
  command.add_flag("--resume", asked.resume, "Go on where an interrupted run of this file stopped");
  command
      .add_option("--progress", asked.progress,
                  "Where it is kept how far the run is; else FILE.gemel-progress")
      ->type_name("FILE");
  command.add_option("--outcomes", asked.outcomes, "Write what became of each item, as JSON lines")
      ->type_name("FILE");
  command.add_option("--batch", asked.rules.batch_items, "Items of one request; 1000 unless given")
      ->check(CLI::Range(1, static_cast<int>(limits::batch_entries_max)))
      ->type_name("N");
  command
      .add_option("--in-flight", asked.rules.in_flight,
                  "Requests without an answer; 4 unless given")
      ->check(CLI::Range(1, 256))
      ->type_name("N");
  command.add_option("--rate", asked.rules.rate, "At most so many items a second")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  command.add_option("--stop-after", asked.rules.failures_max, "Stop after so many failures")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  command
      .add_option("--retry", asked.retry,
                  "How long to try again when the node is gone; 60s unless given")
      ->type_name("TIME");
  add_link_options(command, context);
}

void add_query_options(CLI::App& command, bulk_arguments& asked) {
  command.add_option("--where", asked.asked.where, "All twins for which this holds, not a FILE")
      ->type_name("EXPR");
  command.add_option("--type", asked.asked.type, "All twins of this type")->type_name("TYPE");
  command.add_option("--parent", asked.asked.parent, "All children of this twin")->type_name("ID");
  command.add_option("--under", asked.asked.ancestor, "All twins below this one, at any depth")
      ->type_name("ID");
  command.add_flag("--yes", asked.yes, "Do not ask whether so many twins are meant");
}

CLI::App* add_action(CLI::App& bulk, program_context& context, bulk_action action,
                     const char* about, const std::shared_ptr<bulk_arguments>& asked) {
  asked->rules.action = action;
  auto* command = bulk.add_subcommand(std::string{to_string(action)}, about);
  add_file_options(*command, context, *asked);
  command->callback([&context, asked] {
    context.action = [&context, asked] { return run_action(context, *asked); };
  });
  return command;
}

void add_create(CLI::App& bulk, program_context& context) {
  auto asked = std::make_shared<bulk_arguments>();
  auto* command = add_action(bulk, context, bulk_action::create, "Create twins", asked);
  command->add_flag("--if-absent", asked->rules.repeat,
                    "A twin that is there already is no failure; it stays as it is");
  command->footer("Examples:\n"
                  "  gemel bulk create twins.jsonl\n"
                  "  gemel bulk create twins.csv --if-absent --outcomes outcomes.jsonl\n"
                  "A line of twins.jsonl, and the same as twins.csv:\n"
                  "  {\"id\": \"m1\", \"type\": \"machine\", \"parent\": \"hall-3\", "
                  "\"properties\": {\"temperature\": 20.5}}\n"
                  "  id,type,parent,temperature\n"
                  "  m1,machine,hall-3,20.5");
}

void add_update(CLI::App& bulk, program_context& context) {
  auto asked = std::make_shared<bulk_arguments>();
  auto* command = add_action(bulk, context, bulk_action::update, "Set properties of twins", asked);
  add_query_options(*command, *asked);
  command->add_option("--set", asked->set, "Of a query: PROP=VALUE to set; repeatable")
      ->allow_extra_args(false)
      ->type_name("PROP=VALUE");
  command->add_option("--unset", asked->unset, "Of a query: a property to take away; repeatable")
      ->allow_extra_args(false)
      ->type_name("PROP");
  command->footer("Examples:\n"
                  "  gemel bulk update changes.jsonl --resume\n"
                  "  gemel bulk update --where \"temperature > 85\" --set alarm=true --dry-run\n"
                  "A line of changes.jsonl, with all that may stand there:\n"
                  "  {\"id\": \"m1\", \"set\": {\"t\": 20.5}, \"unset\": [\"x\"], "
                  "\"add\": {\"n\": 1}, \"replace\": false,\n"
                  "   \"paths\": [{\"path\": \"limits.high\", \"set\": 85}], \"if_version\": 3, "
                  "\"if_absent\": [\"owner\"],\n"
                  "   \"if\": \"t < 20\", \"source_time_us\": 1700000000000000}");
}

void add_delete(CLI::App& bulk, program_context& context) {
  auto asked = std::make_shared<bulk_arguments>();
  auto* command = add_action(bulk, context, bulk_action::remove, "Delete twins", asked);
  add_query_options(*command, *asked);
  command->add_flag("--if-present", asked->rules.repeat, "A twin that is not there is no failure");
  add_children_option(*command, asked->children);
  command->footer("Examples:\n"
                  "  gemel bulk delete --type probe --where \"last_seen < 1700000000\" --yes\n"
                  "  gemel bulk delete old.csv --children cascade\n"
                  "A line of a file of them: {\"id\": \"m1\"}, or \"m1\" with its quotes");
}

void add_emit(CLI::App& bulk, program_context& context) {
  auto asked = std::make_shared<bulk_arguments>();
  auto* command =
      add_action(bulk, context, bulk_action::emit, "Have events happen to twins", asked);
  command->footer("Examples:\n"
                  "  gemel bulk emit events.jsonl\n"
                  "A line of events.jsonl:\n"
                  "  {\"id\": \"m1\", \"name\": \"serviced\", \"payload\": {\"by\": \"A7\"}}");
}

} // namespace

void add_bulk_commands(CLI::App& root, program_context& context) {
  auto* bulk =
      root.add_subcommand("bulk", "Create, update, delete and export twins by the million");
  bulk->require_subcommand(1);
  bulk->footer("Examples:\n"
               "  gemel bulk export >twins.jsonl\n"
               "  gemel bulk create twins.csv\n"
               "  gemel bulk update changes.jsonl --resume\n"
               "  gemel bulk delete --type probe --dry-run");
  add_create(*bulk, context);
  add_update(*bulk, context);
  add_delete(*bulk, context);
  add_emit(*bulk, context);
  add_export_command(*bulk, context);
}

} // namespace gemel
