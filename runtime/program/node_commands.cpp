#include "runtime/adapters/files.hpp"
#include "runtime/adapters/signals.hpp"
#include "runtime/adapters/terminal.hpp"
#include "runtime/check.hpp"
#include "runtime/config.hpp"
#include "runtime/node.hpp"
#include "runtime/peers.hpp"
#include "runtime/program/commands.hpp"
#include "runtime/program/display.hpp"
#include "runtime/program/json_text.hpp"
#include "runtime/twin_document.hpp"
#include "runtime/version.hpp"

#include <CLI/CLI.hpp>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

namespace gemel {

namespace {

// ---- node -----------------------------------------------------------------------------------

struct node_arguments {
  std::string config;
  std::vector<std::string> set;
  std::string data;
  bool print_config = false;
};

void print_faults(const program_context& context, const fault_list& faults) {
  std::string text;
  for (const auto& found : faults)
    text += to_string(found) + '\n';
  context.console.err(text);
}

// The config, or nothing after all that is wrong with it was printed.
std::optional<node_config> read_config(const program_context& context,
                                       const node_arguments& asked) {
  std::string text;
  if (!asked.config.empty()) {
    auto read = read_file(asked.config, config_bytes_max);
    if (!read) {
      refuse(context, read.error());
      return std::nullopt;
    }
    text = std::move(*read);
  }
  auto set = asked.set;
  if (!asked.data.empty())
    set.push_back("store.path=" + asked.data);
  auto config = parse_config(text, asked.config.empty() ? "--set" : asked.config, set);
  if (config)
    return std::move(*config);
  print_faults(context, config.error());
  return std::nullopt;
}

spdlog::level::level_enum level_of(log_level level) {
  switch (level) {
  case log_level::trace:
    return spdlog::level::trace;
  case log_level::debug:
    return spdlog::level::debug;
  case log_level::info:
    return spdlog::level::info;
  case log_level::warn:
    return spdlog::level::warn;
  case log_level::error:
    return spdlog::level::err;
  case log_level::off:
    return spdlog::level::off;
  }
  return spdlog::level::info;
}

std::shared_ptr<spdlog::logger> make_log(const node_config& config) {
  auto log = std::make_shared<spdlog::logger>(
      "gemel", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  log->set_level(level_of(config.log.level));
  log->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %^%l%$ %v");
  return log;
}

std::string started_line(const node_config& config, const node& started) {
  return "gemel node " + config.node.id + " listens on " + started.endpoint() + " ("
         + std::to_string(started.workers()) + " workers, " + std::to_string(started.cells())
         + " cells, "
         + (config.store.path.empty() ? "in memory" : "store " + printable(config.store.path))
         + ")\n";
}

int serve(const program_context& context, const node_config& config) {
  auto logger = make_log(config);
  auto& log = *logger;
  spdlog::set_default_logger(logger); // what the node itself says
  stop_signals signals;               // before the node's threads
  node_options wanted;
  wanted.config = config;
  wanted.listen = true;
  auto ways = make_peer_links(config);
  if (!ways) {
    refuse(context, ways.error());
    return exit_failed;
  }
  wanted.peers = {config.cluster.name, peer_names(config), *ways};
  auto started = node::start(std::move(wanted));
  if (!started) {
    refuse(context, started.error());
    return exit_failed;
  }
  log.info("gemel {} started node {}", version, config.node.id);
  if (*ways != nullptr && !(*ways)->endpoint().empty())
    log.info("peers of cluster {} may call {}", config.cluster.name, (*ways)->endpoint());
  context.console.out(started_line(config, **started));
  if (auto written = context.console.flush(); !written)
    log.warn("{}", to_string(written.error()));
  auto signal = signals.wait();
  log.info("stopping on {}; again ends it at once", signal ? signal_name(*signal) : "a wake");
  signals.exit_at_next();
  (*started)->stop();
  started->reset();
  log.info("stopped");
  return exit_ok;
}

int run_node(const program_context& context, const node_arguments& asked) {
  auto config = read_config(context, asked);
  if (!config)
    return exit_usage;
  if (!asked.print_config)
    return serve(context, *config);
  context.console.out(write_config(*config));
  return exit_ok;
}

void add_node_command(CLI::App& root, program_context& context) {
  auto asked = std::make_shared<node_arguments>();
  auto* command = root.add_subcommand("node", "Start a node; Ctrl-C or SIGTERM stops it");
  command->add_option("--config", asked->config, "The config; without one, the defaults")
      ->type_name("FILE");
  command->add_option("--set", asked->set, "Another value for one option of the config; repeatable")
      ->allow_extra_args(false)
      ->type_name("KEY=VALUE");
  command->add_option("--data", asked->data, "Keep twins in this folder: --set store.path=FOLDER")
      ->type_name("FOLDER");
  command->add_flag("--print-config", asked->print_config,
                    "Print the config with every option explained, and start nothing");
  command->footer("Examples:\n"
                  "  gemel node --config config/factory.toml\n"
                  "  gemel node --config factory.toml --set listen.port=0 --set log.level=debug\n"
                  "  gemel node --data /var/lib/gemel/factory-1\n"
                  "  gemel node --print-config >factory.toml");
  command->callback([&context, asked] {
    context.action = [&context, asked] { return run_node(context, *asked); };
  });
}

// ---- check ----------------------------------------------------------------------------------

bool is_lines_file(const std::string& path) {
  return path.ends_with(".jsonl") || path.ends_with(".ndjson");
}

fault fault_of(const std::string& path, const error& why) {
  // The context of a file's error begins with its path.
  auto message =
      why.context.starts_with(path + ": ") ? why.context.substr(path.size() + 2) : why.context;
  return {.code = why.code, .file = path, .message = std::move(message)};
}

// For files of lines that are too large to be held; an id that stands twice is not found.
fault_list check_lines(const std::string& path) {
  fault_list faults;
  auto take = [&](std::string_view line, std::size_t number) {
    for (auto& found : read_twin_line(line, number, path, [](const new_twin&, text_place) {}))
      add_fault(faults, std::move(found));
    return faults.size() < faults_max;
  };
  if (auto read = read_lines(path, twin_line_bytes_max, take); !read)
    add_fault(faults, fault_of(path, read.error()));
  return faults;
}

fault_list check_file(const std::string& path, std::vector<std::string>& notes) {
  auto text = read_file(path, document_bytes_max);
  if (text) {
    notes = notes_on_document(*text, path);
    return check_document(*text, path);
  }
  if (text.error().code == errc::limit_reached && is_lines_file(path))
    return check_lines(path);
  return {fault_of(path, text.error())};
}

int run_check(const program_context& context, const std::vector<std::string>& files) {
  bool is_right = true;
  json_list report;
  for (const auto& path : files) {
    std::vector<std::string> notes;
    auto faults = check_file(path, notes);
    is_right = is_right && faults.empty();
    if (context.json) {
      report.add_json(json_object{}
                          .add("file", value{path})
                          .add("ok", value{faults.empty()})
                          .add_json("faults", faults_json(faults))
                          .add("notes", value{value_list{notes.begin(), notes.end()}})
                          .text());
    } else if (faults.empty()) {
      context.console.out(path + ": ok\n");
      for (const auto& note : notes)
        context.console.out(path + ": note: " + note + "\n");
    } else {
      print_faults(context, faults);
    }
  }
  if (context.json)
    context.console.out(json_object{}.add_json("files", report.text()).text() + "\n");
  return is_right ? exit_ok : exit_usage;
}

void add_check_command(CLI::App& root, program_context& context) {
  auto files = std::make_shared<std::vector<std::string>>();
  auto* command = root.add_subcommand("check", "Say all that is wrong with configs and documents");
  command->add_option("FILE", *files, "Configs (.toml), twins (.json, .jsonl), workflows (.json)")
      ->required()
      ->type_name("");
  add_json_option(*command, context);
  command->footer("Examples:\n"
                  "  gemel check config/factory.toml\n"
                  "  gemel check twins.jsonl --json");
  command->callback([&context, files] {
    context.action = [&context, files] { return run_check(context, *files); };
  });
}

} // namespace

void add_node_commands(CLI::App& root, program_context& context) {
  add_node_command(root, context);
  add_check_command(root, context);
}

} // namespace gemel
