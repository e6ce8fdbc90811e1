// Completion scripts; that bash runs its one is shown in tests/integration/program_test.cpp.

#include "runtime/program/completion.hpp"
#include "tests/support/catch.hpp"

using namespace gemel;

namespace {

completion_command sample() {
  completion_command get{"get", "Print it's twins", {{{"--json"}, "Print JSON [all]"}}};
  completion_command remove{"delete", "Delete twins"};
  remove.options = {{{"--children", "-c"}, "Which", true, {"refuse", "cascade"}}};
  completion_command twin{"twin", "Twins"};
  twin.commands = {get, remove};
  completion_command check{"check", "Check files"};
  check.takes_file = true;
  completion_command root{"gemel", "The program"};
  root.commands = {twin, check};
  return root;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

} // namespace

TEST_CASE("the bash script knows commands, options, choices and files",
          "[unit][runtime][program]") {
  auto script = bash_completion(sample());
  INFO(script);
  CHECK(has(script, "'twin') words='get delete' ;;"));
  CHECK(has(script, "'twin get') words='--json' ;;"));
  CHECK(has(script, "'twin delete:--children'|'twin delete:-c') mapfile"));
  CHECK(has(script, "compgen -W 'refuse cascade' -- \"$word\""));
  CHECK(has(script, "'check') words=''; files=1 ;;"));
  CHECK(has(script, "      --children|-c) ((++i)); continue ;;"));
  CHECK(has(script, "complete -o filenames -F _gemel gemel\n"));
}

TEST_CASE("the zsh script describes commands and quotes what it must", "[unit][runtime][program]") {
  auto script = zsh_completion(sample());
  INFO(script);
  CHECK(script.starts_with("#compdef gemel\n"));
  CHECK(has(script, R"('get:Print it'\''s twins')"));
  CHECK(has(script, R"('*--json[Print JSON \[all\]]' \)"));
  CHECK(has(script, R"('*--children[Which]:value:(refuse cascade)' \)"));
  CHECK(has(script, "        get) _gemel_twin_get ;;\n"));
  CHECK(has(script, "'*:file:_files'"));
}

TEST_CASE("the fish script completes below each command", "[unit][runtime][program]") {
  auto script = fish_completion(sample());
  INFO(script);
  CHECK(has(script, R"(complete -c gemel -n '__gemel_at twin' -a get -d 'Print it\'s twins')"));
  CHECK(has(script, "complete -c gemel -n '__gemel_at' -a check -d 'Check files'\n"));
  CHECK(has(script, "-n '__gemel_at twin delete' -l children -s c -x -a 'refuse cascade' -d"));
  CHECK(has(script, "complete -c gemel -n '__gemel_at check' -F\n"));
}
