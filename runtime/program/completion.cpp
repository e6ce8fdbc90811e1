#include "runtime/program/completion.hpp"

#include <functional>
#include <set>

namespace gemel {

namespace {

// The names of the commands on the way to `command`, such as `twin create`; empty for the root.
using visitor = std::function<void(const std::string& path, const completion_command& command)>;

void visit(const completion_command& command, const std::string& path, const visitor& see) {
  see(path, command);
  for (const auto& below : command.commands)
    visit(below, path.empty() ? below.name : path + ' ' + below.name, see);
}

std::string joined(const std::vector<std::string>& words, std::string_view separator = " ") {
  std::string made;
  for (std::size_t i = 0; i < words.size(); ++i)
    made.append(i == 0 ? "" : separator).append(words[i]);
  return made;
}

// In single quotes for a shell; inside, a quote is `quote`.
std::string quoted(std::string_view text, std::string_view quote) {
  std::string made{"'"};
  for (auto letter : text)
    if (letter == '\'')
      made += quote;
    else
      made += letter;
  return made + '\'';
}

std::string sh_quoted(std::string_view text) {
  return quoted(text, R"('\'')");
}

std::string first_line(std::string_view text) {
  return std::string{text.substr(0, text.find('\n'))};
}

// All that can stand next, after `path`.
std::string next_words(const completion_command& command) {
  auto words = command.choices;
  for (const auto& below : command.commands)
    words.push_back(below.name);
  for (const auto& option : command.options)
    words.insert(words.end(), option.names.begin(), option.names.end());
  return joined(words);
}

// ---- bash -----------------------------------------------------------------------------------

void append_bash_values(std::string& out, const std::string& path,
                        const completion_command& command) {
  for (const auto& option : command.options) {
    if (!option.takes_value)
      continue;
    std::vector<std::string> patterns;
    for (const auto& name : option.names)
      patterns.push_back(sh_quoted(joined({path, name}, ":")));
    out += "    " + joined(patterns, "|") + ") ";
    if (option.takes_file)
      out += R"(mapfile -t COMPREPLY < <(compgen -f -- "$word"); return)";
    else if (!option.choices.empty())
      out += "mapfile -t COMPREPLY < <(compgen -W " + sh_quoted(joined(option.choices))
             + R"( -- "$word"); return)";
    else
      out += "return";
    out += " ;;\n";
  }
}

// The options that take a value, so that the value is not mistaken for a command.
std::string bash_value_options(const completion_command& program) {
  std::set<std::string> names;
  visit(program, "", [&](const std::string&, const completion_command& command) {
    for (const auto& option : command.options)
      if (option.takes_value)
        names.insert(option.names.begin(), option.names.end());
  });
  return joined({names.begin(), names.end()}, "|");
}

std::string bash_paths(const completion_command& program) {
  std::vector<std::string> paths;
  visit(program, "", [&](const std::string& path, const completion_command&) {
    if (!path.empty())
      paths.push_back(sh_quoted(path));
  });
  return joined(paths, "|");
}

} // namespace

std::string bash_completion(const completion_command& program) {
  std::string values;
  std::string words;
  visit(program, "", [&](const std::string& path, const completion_command& command) {
    append_bash_values(values, path, command);
    words += "    " + sh_quoted(path) + ") words=" + sh_quoted(next_words(command))
             + (command.takes_file ? "; files=1" : "") + " ;;\n";
  });
  const auto& name = program.name;
  return "# bash completion of " + name + ": source <(" + name + " completion bash)\n_" + name
         + "() {\n"
           "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
           "  local path= next i words= files=\n"
           "  COMPREPLY=()\n"
           "  for ((i = 1; i < COMP_CWORD; ++i)); do\n"
           "    case ${COMP_WORDS[i]} in\n"
           "      "
         + bash_value_options(program)
         + ") ((++i)); continue ;;\n"
           "      -*) continue ;;\n"
           "    esac\n"
           "    next=${path:+$path }${COMP_WORDS[i]}\n"
           "    case $next in\n"
           "      "
         + bash_paths(program)
         + ") path=$next ;;\n"
           "    esac\n"
           "  done\n"
           "  case $path:$before in\n"
         + values
         + "  esac\n"
           "  case $path in\n"
         + words
         + "  esac\n"
           "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
           "  if [[ $files ]]; then\n"
           "    mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- \"$word\")\n"
           "  fi\n"
           "}\n"
           "complete -o filenames -F _"
         + name + ' ' + name + '\n';
}

namespace {

// ---- zsh ------------------------------------------------------------------------------------

std::string function_name(const std::string& program, const std::string& path) {
  auto made = '_' + program + (path.empty() ? "" : '_' + path);
  for (auto& letter : made)
    if (letter == ' ' || letter == '-')
      letter = '_';
  return made;
}

// A help text inside `[...]` of an argument's description.
std::string zsh_help(std::string_view text) {
  std::string made;
  for (auto letter : first_line(text)) {
    if (letter == '[' || letter == ']' || letter == '\\' || letter == ':')
      made += '\\';
    made += letter;
  }
  return made;
}

std::string zsh_action(const std::vector<std::string>& choices, bool takes_file) {
  if (takes_file)
    return ":file:_files";
  return choices.empty() ? ":value: " : ":value:(" + joined(choices) + ")";
}

void append_zsh_options(std::string& out, const completion_command& command) {
  for (const auto& option : command.options) {
    auto action = option.takes_value ? zsh_action(option.choices, option.takes_file) : "";
    for (const auto& name : option.names) {
      auto about = joined({"*", name, "[", zsh_help(option.help), "]", action}, "");
      out.append("    ").append(sh_quoted(about)).append(" \\\n");
    }
  }
}

std::string zsh_commands(const std::string& program, const std::string& path,
                         const completion_command& command) {
  std::string made = "    '1: :->command' '*:: :->rest'\n  case $state in\n    command)\n"
                     "      local -a commands=(\n";
  for (const auto& below : command.commands)
    made += "        " + sh_quoted(below.name + ':' + first_line(below.help)) + '\n';
  made += "      )\n      _describe command commands ;;\n    rest)\n      case $words[1] in\n";
  for (const auto& below : command.commands)
    made += "        " + below.name + ") "
            + function_name(program, path.empty() ? below.name : path + ' ' + below.name) + " ;;\n";
  return made + "      esac ;;\n  esac\n";
}

} // namespace

std::string zsh_completion(const completion_command& program) {
  auto made = "#compdef " + program.name + "\n# zsh completion of " + program.name + ": "
              + program.name + " completion zsh >DIRECTORY-OF-FPATH/_" + program.name + "\n";
  visit(program, "", [&](const std::string& path, const completion_command& command) {
    made += '\n' + function_name(program.name, path)
            + "() {\n  local curcontext=\"$curcontext\" state line\n  _arguments -C \\\n";
    append_zsh_options(made, command);
    if (!command.commands.empty())
      made += zsh_commands(program.name, path, command);
    else
      made += "    " + sh_quoted("*" + zsh_action(command.choices, command.takes_file)) + '\n';
    made += "}\n";
  });
  auto root = function_name(program.name, "");
  return made + "\nif [[ $funcstack[1] == " + root + " ]]; then\n  " + root
         + " \"$@\"\nelse\n  compdef " + root + ' ' + program.name + "\nfi\n";
}

namespace {

// ---- fish -----------------------------------------------------------------------------------

std::string fish_quoted(std::string_view text) {
  return quoted(text, R"(\')");
}

// Holds when exactly the commands of `path` were given.
std::string fish_condition(const std::string& program, const std::string& path) {
  return fish_quoted("__" + program + "_at" + (path.empty() ? "" : ' ' + path));
}

void append_fish_option(std::string& out, const std::string& begin,
                        const completion_option& option) {
  out += begin;
  for (const auto& name : option.names)
    out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  if (option.takes_value)
    out += option.takes_file ? " -r -F" : " -x";
  if (!option.choices.empty())
    out += " -a " + fish_quoted(joined(option.choices));
  out += " -d " + fish_quoted(first_line(option.help)) + '\n';
}

// A function that says at which command the line is.
std::string fish_function(const completion_command& program) {
  std::string paths;
  visit(program, "", [&](const std::string& path, const completion_command&) {
    if (!path.empty())
      paths += ' ' + fish_quoted(path);
  });
  auto values = bash_value_options(program);
  for (auto& letter : values)
    if (letter == '|')
      letter = ' ';
  return "function __" + program.name
         + "_at\n"
           "  set -l path\n"
           "  set -l skip 0\n"
           "  for word in (commandline -opc)[2..-1]\n"
           "    if test $skip = 1\n"
           "      set skip 0\n"
           "    else if contains -- $word "
         + values
         + "\n"
           "      set skip 1\n"
           "    else if contains -- (string join ' ' $path $word)"
         + paths
         + "\n"
           "      set -a path $word\n"
           "    end\n"
           "  end\n"
           "  test \"$path\" = \"$argv\"\n"
           "end\n";
}

} // namespace

std::string fish_completion(const completion_command& program) {
  const auto& name = program.name;
  auto made = "# fish completion of " + name + ": " + name
              + " completion fish >~/.config/fish/completions/" + name + ".fish\n"
              + fish_function(program) + "complete -c " + name + " -f\n";
  visit(program, "", [&](const std::string& path, const completion_command& command) {
    auto begin = "complete -c " + name + " -n " + fish_condition(name, path);
    for (const auto& below : command.commands)
      made += begin + " -a " + below.name + " -d " + fish_quoted(first_line(below.help)) + '\n';
    if (!command.choices.empty())
      made += begin + " -a " + fish_quoted(joined(command.choices)) + '\n';
    if (command.takes_file)
      made += begin + " -F\n";
    for (const auto& option : command.options)
      append_fish_option(made, begin, option);
  });
  return made;
}

} // namespace gemel
