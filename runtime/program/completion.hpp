#pragma once

#include <string>
#include <string_view>
#include <vector>

/// Shell completion, made from what the command line takes.
namespace gemel {

/// One option of a command.
struct completion_option {
  /// With their dashes, such as `--limit` and `-n`.
  std::vector<std::string> names;
  std::string help;
  bool takes_value = false;
  /// What can be given, if that is a short list.
  std::vector<std::string> choices{};
  bool takes_file = false;
};

/// A command with its own ones.
struct completion_command {
  std::string name;
  std::string help;
  std::vector<completion_option> options{};
  std::vector<completion_command> commands{};
  /// What its arguments can be, if that is a short list.
  std::vector<std::string> choices{};
  bool takes_file = false;
};

/// The script for `bash`; `program` is the root, its name the program's.
std::string bash_completion(const completion_command& program);
/// The script for `zsh`, to be put into a folder of `fpath` as `_gemel`, or sourced.
std::string zsh_completion(const completion_command& program);
/// The script for `fish`.
std::string fish_completion(const completion_command& program);

} // namespace gemel
