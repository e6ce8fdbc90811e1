#include "runtime/program/command_line.hpp"

#include "messages/duration.hpp"
#include "messages/text.hpp"
#include "runtime/adapters/terminal.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <charconv>

namespace gemel {

namespace {

constexpr std::chrono::milliseconds connect_wait_max = std::chrono::seconds{5};

} // namespace

table_form program_context::form() const {
  return {console.width(), console.is_utf8()};
}

void add_json_option(CLI::App& command, program_context& context) {
  command.add_flag("--json", context.json, "Print JSON");
}

void add_link_options(CLI::App& command, program_context& context) {
  add_json_option(command, context);
  command
      .add_option("--node", context.endpoint,
                  "Where the node listens (else $GEMEL_NODE, else 127.0.0.1:7433)")
      ->type_name("HOST:PORT");
  command.add_option("--timeout", context.timeout, "How long an answer may take, such as 30s")
      ->type_name("TIME");
}

namespace {

std::string check_level(const std::string& given) {
  if (parse_durability(given) || peers_of(given))
    return {};
  return "'" + given + "' is none of memory, process, disk, synced:N, synced:all";
}

} // namespace

void add_durability_option(CLI::App& command, std::string& level) {
  command
      .add_option("--durability", level,
                  "What must be true before the answer: memory, process or disk, or synced:N, on "
                  "the disks of N peers, or synced:all; else as the node or the type says")
      ->check(CLI::Validator{check_level, ""})
      ->type_name("LEVEL");
}

std::optional<std::uint32_t> peers_of(std::string_view level) {
  constexpr std::string_view prefix = "synced:";
  if (!level.starts_with(prefix))
    return std::nullopt;
  level.remove_prefix(prefix.size());
  if (level == "all")
    return twin_api::all_peers;
  std::uint32_t peers = 0;
  auto [end, wrong] = std::from_chars(level.data(), level.data() + level.size(), peers);
  if (wrong != std::errc{} || end != level.data() + level.size() || peers == 0
      || peers == twin_api::all_peers)
    return std::nullopt;
  return peers;
}

result<void> wait_for_peers(twin_api& link, std::string_view level,
                            std::span<const std::string> twins) {
  auto peers = peers_of(level);
  if (!peers || twins.empty())
    return {};
  return link.wait_synced(twins, *peers).map([](std::uint32_t) {});
}

void add_children_option(CLI::App& command, std::string& policy) {
  command
      .add_option("--children", policy,
                  "A twin with children is refused (the default), or all below it share its fate, "
                  "or its children become roots")
      ->check(one_of({"refuse", "cascade", "orphan"}))
      ->type_name("refuse|cascade|orphan");
}

child_policy child_policy_of(std::string_view policy) {
  return policy == "cascade"  ? child_policy::cascade
         : policy == "orphan" ? child_policy::orphan
                              : child_policy::refuse;
}

CLI::Validator one_of(std::vector<std::string> words) {
  return CLI::IsMember(std::move(words)).description("");
}

result<std::unique_ptr<client>> open_link(const program_context& context) {
  auto patience = parse_duration(context.timeout);
  if (!patience)
    return fail(errc::bad_value, "--timeout: '" + context.timeout + "' is not "
                                     + "a duration such "
                                       "as 250ms, 30s or 10m");
  if (patience->count() == 0)
    return fail(errc::bad_value, "--timeout: must be longer than nothing");
  client::options wanted;
  wanted.patience = std::min(*patience, connect_wait_max);
  wanted.program = "gemel program";
  auto made = client::connect(context.endpoint, std::move(wanted));
  if (made)
    (*made)->patience(*patience);
  return made;
}

int exit_code_of(errc code) noexcept {
  switch (code) {
  case errc::bad_value:
  case errc::bad_name:
  case errc::bad_syntax:
  case errc::unknown_key:
  case errc::missing_field:
    return exit_usage;
  default:
    return exit_failed;
  }
}

int refuse(const program_context& context, const error& why,
           std::span<const asked_expression> asked) {
  context.console.err(error_line(why));
  auto place = place_in(why.context);
  if (place)
    for (const auto& one : asked)
      if (why.context.starts_with(one.field + ", line") || why.context.starts_with(one.field + ":"))
        context.console.err(caret_lines(one.text, *place));
  return exit_code_of(why.code);
}

int refuse_usage(const program_context& context, const std::string& message) {
  context.console.err("gemel: " + message + "\n");
  return exit_usage;
}

int finish(const program_context& context, int code) {
  auto written = context.console.flush();
  if (written)
    return code;
  context.console.err(error_line(written.error()));
  return exit_failed;
}

namespace {

std::vector<std::string_view> option_names(const CLI::App& command,
                                           std::vector<std::string>& storage) {
  for (const auto* option : command.get_options())
    for (const auto& name : option->get_lnames())
      storage.push_back("--" + name);
  return {storage.begin(), storage.end()};
}

std::optional<mistaken_word> mistaken_option(const CLI::App& command, std::string_view word) {
  std::vector<std::string> storage;
  auto names = option_names(command, storage);
  auto bare = word.substr(0, word.find('='));
  if (std::find(names.begin(), names.end(), bare) != names.end())
    return std::nullopt;
  return mistaken_word{std::string{bare}, true, std::string{nearest_word(bare, names)}};
}

std::vector<const CLI::App*> commands_of(const CLI::App& command) {
  return command.get_subcommands([](const CLI::App*) { return true; });
}

const CLI::App* find_command(const CLI::App& command, const std::string& name) {
  for (const auto* below : commands_of(command))
    if (below->check_name(name))
      return below;
  return nullptr;
}

std::string command_suggestion(const CLI::App& command, std::string_view word) {
  std::vector<std::string> storage;
  for (const auto* below : commands_of(command))
    storage.push_back(below->get_name());
  std::vector<std::string_view> names{storage.begin(), storage.end()};
  return std::string{nearest_word(word, names)};
}

bool takes_next(const CLI::App& command, const std::string& word) {
  if (word.find('=') != std::string::npos)
    return false;
  const auto* option = command.get_option_no_throw(word);
  return option != nullptr && option->get_items_expected_max() > 0;
}

} // namespace

std::optional<mistaken_word> find_mistake(const CLI::App& root,
                                          std::span<const std::string> arguments) {
  const auto* command = &root;
  for (std::size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
    const auto& word = arguments[i];
    if (word.starts_with("--")) {
      if (auto mistake = mistaken_option(*command, word))
        return mistake;
      i += takes_next(*command, word) ? 1 : 0;
    } else if (!word.starts_with('-') && !commands_of(*command).empty()) {
      const auto* below = find_command(*command, word);
      if (below == nullptr)
        return mistaken_word{word, false, command_suggestion(*command, word)};
      command = below;
    }
  }
  return std::nullopt;
}

namespace {

bool names_file(const CLI::Option& option) {
  return option.get_type_name().find("FILE") != std::string::npos || option.get_name() == "FILE";
}

// The words of a type name such as `activate|suspend|resume`.
std::vector<std::string> choices_of(const CLI::Option& option) {
  std::vector<std::string> made;
  auto text = option.get_type_name();
  for (std::size_t begin = 0; text.find('|') != std::string::npos && begin <= text.size();) {
    auto end = std::min(text.find('|', begin), text.size());
    made.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return made;
}

completion_option completion_of(const CLI::Option& option) {
  completion_option made{{}, option.get_description(), option.get_items_expected_max() > 0};
  for (const auto& name : option.get_lnames())
    made.names.push_back("--" + name);
  for (const auto& name : option.get_snames())
    made.names.push_back("-" + name);
  made.choices = choices_of(option);
  made.takes_file = names_file(option);
  return made;
}

} // namespace

completion_command completion_model(const CLI::App& root) {
  completion_command made{root.get_name(), root.get_description()};
  for (const auto* option : root.get_options()) {
    if (option->nonpositional()) {
      made.options.push_back(completion_of(*option));
      continue;
    }
    made.takes_file = made.takes_file || names_file(*option);
    auto choices = choices_of(*option);
    made.choices.insert(made.choices.end(), choices.begin(), choices.end());
  }
  for (const auto* below : commands_of(root))
    made.commands.push_back(completion_model(*below));
  return made;
}

} // namespace gemel
