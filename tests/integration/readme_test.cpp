// What the README shows of a node, as printed, against a node with the README's own model.

#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temporary_folder.hpp"

#include <signal.h>

#include <fstream>
#include <string>
#include <string_view>
#include <vector>

using namespace gemel::test;

namespace {

using lines = std::vector<std::string>;

constexpr std::string_view indent = "    ";

// The lines below a heading, to the next heading of any kind.
lines section(const std::string& heading) {
  std::ifstream readme{source_dir() + "/README.md"};
  lines found;
  bool inside = false;
  for (std::string line; std::getline(readme, line);) {
    if (line.starts_with("#"))
      inside = line == "### " + heading;
    else if (inside)
      found.push_back(line);
  }
  return found;
}

struct example {
  std::string command;
  std::string printed;
};

// Each `$ gemel ...` with what is printed below it.
std::vector<example> examples_of(const lines& text) {
  std::vector<example> found;
  bool is_output = false;
  for (const auto& line : text) {
    if (line.starts_with("    $ ")) {
      found.push_back({line.substr(6), ""});
      is_output = true;
    } else if (is_output && line.starts_with(indent)) {
      found.back().printed += line.substr(indent.size()) + "\n";
    } else {
      is_output = false;
    }
  }
  std::erase_if(found, [](const example& one) {
    return !one.command.starts_with("gemel ") || one.command.starts_with("gemel node ");
  });
  return found;
}

// The indented TOML of a section: from the first `[types.` to the first line that is not indented.
std::string model_of(const lines& text) {
  std::string made;
  for (const auto& line : text) {
    bool begins = line.starts_with("    [types.");
    if (begins || (!made.empty() && line.starts_with(indent)))
      made += line.substr(indent.size()) + "\n";
    else if (!made.empty() && !line.empty())
      break;
  }
  return made;
}

std::string write_model(const temporary_folder& folder) {
  auto path = folder.file("readme.toml");
  std::ofstream{path} << model_of(section("Launch a node with a config file, and talk to it"));
  return path;
}

} // namespace

TEST_CASE("the README's commands do what it prints", "[integration][runtime][program]") {
  auto folder = binary_dir() + "/bin";
  temporary_folder scratch;
  auto model = write_model(scratch);
  process node{{folder + "/gemel", "node", "--config", model, "--set", "listen.port=0", "--set",
                "node.workers=2"}};
  auto first = node.read_line();
  auto begin = first.find("127.0.0.1:");
  REQUIRE(begin != std::string::npos);
  std::vector<std::string> environment{"GEMEL_NODE="
                                       + first.substr(begin, first.find(' ', begin) - begin)};
  auto before = "cd '" + source_dir() + "' && PATH='" + folder + "':$PATH && ";
  std::size_t run_examples = 0;
  for (const auto* heading :
       {"Launch a node with a config file, and talk to it", "Change twins safely"}) {
    for (const auto& one : examples_of(section(heading))) {
      auto what = run({"/bin/sh", "-c", before + one.command}, "", environment);
      INFO(one.command << '\n' << what.err);
      CHECK(what.exit_code == 0);
      if (!one.printed.empty())
        CHECK(what.out == one.printed);
      ++run_examples;
    }
  }
  // A README that reads otherwise must not make this test an empty one.
  CHECK(run_examples >= 12);
  node.signal(SIGTERM);
  CHECK(node.finish().exit_code == 0);
}
