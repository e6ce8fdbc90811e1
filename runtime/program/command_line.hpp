#pragma once

#include "runtime/client.hpp"
#include "runtime/program/completion.hpp"
#include "runtime/program/error_text.hpp"
#include "runtime/program/table.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

// The library's name, not ours.
namespace CLI { // NOLINT(readability-identifier-naming)
class App;
class Validator;
} // namespace CLI

/// What all commands of the program share. Each command reads its options into a struct of its own
/// and leaves what is to be done in `program_context::action`.
namespace gemel {

class terminal;

/// Exit codes of the program.
inline constexpr int exit_ok = 0;
/// The request failed; the error stands on the standard error.
inline constexpr int exit_failed = 1;
/// Wrong usage or bad input.
inline constexpr int exit_usage = 2;
/// Plus the signal's number: ended by it.
inline constexpr int exit_signal = 128;

/// What is common to one run of the program.
struct program_context {
  terminal& console;
  /// Where the node listens.
  std::string endpoint;
  /// How long answers may take, as `parse_duration` reads it.
  std::string timeout = "30s";
  bool json = false;
  /// Set by the command that was given; its result is the exit code.
  std::function<int()> action;

  /// For tables on the standard output.
  table_form form() const;
};

/// Adds `--json`.
void add_json_option(CLI::App& command, program_context& context);

/// Adds `--node`, `--timeout` and `--json`.
void add_link_options(CLI::App& command, program_context& context);

/// `--durability`: what must be true before the answer.
void add_durability_option(CLI::App& command, std::string& level);
/// N of `synced:N`, `twin_api::all_peers` of `synced:all`; nothing: another level.
std::optional<std::uint32_t> peers_of(std::string_view level);
/// Of `synced:N`: waits until so many peers have what was written to these twins, for as long as an
/// answer may take.
result<void> wait_for_peers(twin_api& link, std::string_view level,
                            std::span<const std::string> twins);

/// Adds `--children`: what becomes of the twins below. @param policy as it stands there.
void add_children_option(CLI::App& command, std::string& policy);
/// What `--children` says.
child_policy child_policy_of(std::string_view policy);

/// One of these words and no other. Help shows them already.
CLI::Validator one_of(std::vector<std::string> words);

/// Links to the node that the options name.
result<std::unique_ptr<client>> open_link(const program_context& context);

/// The exit code for an error: what the caller gave was wrong, or the request failed.
int exit_code_of(errc code) noexcept;

/// Prints the error, and the expression it is about, if it is one of these, with a caret. Returns
/// the exit code.
int refuse(const program_context& context, const error& why,
           std::span<const asked_expression> asked = {});

/// Prints a usage error of our own and returns `exit_usage`.
int refuse_usage(const program_context& context, const std::string& message);

/// Flushes the output. Returns `code`, or `exit_failed` when that could not be written.
int finish(const program_context& context, int code);

/// A word that is no command and no option where it stands.
struct mistaken_word {
  std::string word;
  bool is_option = false;
  /// The nearest that is one; empty when nothing is near.
  std::string meant;
};

/// The first such word of `arguments` (without the program's name), which `root` refused.
std::optional<mistaken_word> find_mistake(const CLI::App& root,
                                          std::span<const std::string> arguments);

/// The commands as shells complete them.
completion_command completion_model(const CLI::App& root);

} // namespace gemel
