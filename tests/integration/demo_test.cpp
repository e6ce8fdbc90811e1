// The demo as its users run it: a process with options, an output and an exit code.

#include "examples/factory/plant.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

using namespace gemel::factory;

namespace {

const std::string program = gemel::test::binary_dir() + "/bin/gemel-demo";
const std::string nab = gemel::test::source_dir() + "/../shared/data/nab/";

struct ended {
  int exit_code = -1;
  std::string output; // of both streams
};

ended run_in_shell(const std::string& command) {
  ended what;
  FILE* pipe = popen(("{ " + command + "\n} 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::array<char, 4'096> some;
  for (std::size_t count; (count = fread(some.data(), 1, some.size(), pipe)) > 0;)
    what.output.append(some.data(), count);
  int status = pclose(pipe);
  what.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return what;
}

ended run_demo(const std::string& arguments) {
  return run_in_shell("'" + program + "' " + arguments);
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::vector<std::string> lines_with(const std::string& text, const std::string& part) {
  std::vector<std::string> found;
  std::istringstream lines{text};
  for (std::string line; std::getline(lines, line);)
    if (has(line, part))
      found.push_back(line);
  return found;
}

// A file that is gone when the test is.
class temporary_file {
public:
  temporary_file(const std::string& name, const std::string& content)
      : path_{std::filesystem::temp_directory_path()
              / ("gemel-demo-test-" + std::to_string(getpid()) + "-" + name)} {
    std::ofstream{path_} << content;
  }
  ~temporary_file() { std::filesystem::remove(path_); }
  temporary_file(const temporary_file&) = delete;
  temporary_file& operator=(const temporary_file&) = delete;

  std::string path() const { return path_.string(); }

private:
  std::filesystem::path path_;
};

// What the demo must tell about a shift, found with the plant model alone.
struct truth {
  std::map<std::string, std::set<std::string>> causes; // by machine that went above 85
  std::uint64_t crossings = 0;
};

std::string cause_of(machine_fault fault) {
  return fault == machine_fault::worn_bearing      ? "worn bearing"
         : fault == machine_fault::clogged_cooling ? "clogged coolant filter"
                                                   : "no known cause";
}

std::string id_of(std::uint32_t machine) {
  auto digits = std::to_string(machine);
  return "machine-" + std::string(3 - digits.size(), '0') + digits;
}

truth true_shift(std::uint64_t seed, int seconds) {
  plant_options options;
  options.seed = seed;
  plant model{options};
  truth found;
  std::vector<double> before(options.machines, 68.5);
  for (int t = 0; t < seconds; ++t) {
    model.step(1);
    for (const auto& now : model.readings()) {
      if (before[now.machine] <= alert_celsius && now.temperature_c > alert_celsius) {
        ++found.crossings;
        found.causes[id_of(now.machine)].insert(cause_of(now.fault));
      }
      before[now.machine] = now.temperature_c;
    }
  }
  return found;
}

} // namespace

TEST_CASE("the demo's alerts are those of the plant, each with its physical cause",
          "[integration][examples]") {
  auto expected = true_shift(2, 2'700);
  REQUIRE_FALSE(expected.causes.empty());
  auto demo = run_demo("--seed 2 --hours 0.75");
  INFO(demo.output);
  REQUIRE(demo.exit_code == 0);
  auto alerts = lines_with(demo.output, "ALERT");
  std::set<std::string> machines;
  std::regex form{R"(\d\d:\d\d  ALERT  (machine-\d+)  (\d+\.\d+) C  (.*) \(vibration .*\))"};
  for (const auto& line : alerts) {
    std::smatch parts;
    REQUIRE(std::regex_match(line, parts, form));
    auto id = parts[1].str();
    REQUIRE(expected.causes.count(id) == 1);
    CHECK(std::stod(parts[2]) >= alert_celsius);
    CHECK(expected.causes[id].count(parts[3]) == 1);
    machines.insert(id);
  }
  CHECK(machines.size() == expected.causes.size());
  CHECK_FALSE(has(demo.output, "no known cause"));
  auto count = std::to_string(expected.crossings);
  CHECK(has(demo.output, count + " of " + count + " crossings of 85 C were reported"));
  CHECK(has(demo.output, " 270,000 applied"));
  CHECK(has(demo.output, ", 0 missed"));
  CHECK_FALSE(has(demo.output, "\x1b["));
}

TEST_CASE("a shift of the demo is the same for the same seed", "[integration][examples]") {
  auto story = [](const ended& what) {
    return what.output.substr(0, what.output.find("What it cost"));
  };
  auto first = run_demo("--machines 20 --hours 0.5 --seed 7 --quiet");
  REQUIRE(first.exit_code == 0);
  CHECK(story(first) == story(run_demo("--machines 20 --hours 0.5 --seed 7 --quiet")));
  CHECK(story(first) != story(run_demo("--machines 20 --hours 0.5 --seed 8 --quiet")));
}

TEST_CASE("a quiet demo prints the summary alone", "[integration][examples]") {
  auto demo = run_demo("--seed 2 --hours 0.5 --quiet");
  INFO(demo.output);
  REQUIRE(demo.exit_code == 0);
  CHECK(lines_with(demo.output, "ALERT").empty());
  CHECK(has(demo.output, "What overheated"));
  CHECK(has(demo.output, "machine-037"));
}

TEST_CASE("a kept demo goes on until SIGTERM and ends well", "[integration][examples]") {
  temporary_file log{"keep.log", ""};
  auto demo = run_in_shell("'" + program + "' --keep --quiet --hours 0.1 >'" + log.path()
                           + "' & pid=$!; for i in $(seq 300); do grep -q 'gemel stats' '"
                           + log.path() + "' && break; sleep 0.1; done; kill -TERM $pid; "
                           + "wait $pid; code=$?; cat '" + log.path() + "'; exit $code");
  INFO(demo.output);
  CHECK(demo.exit_code == 0);
  CHECK(has(demo.output, "gemel twin get machine-000 --node 127.0.0.1:"));
  CHECK(has(demo.output, "stopped"));
}

TEST_CASE("the labelled failures of a real machine are found in its recording",
          "[integration][examples]") {
  auto series = nab + "machine_temperature_system_failure.csv";
  if (!std::filesystem::exists(series)) {
    WARN("not present: " << series);
    return;
  }
  auto demo = run_demo("--replay '" + series + "' --windows '" + nab + "windows.json' --below 45");
  INFO(demo.output);
  REQUIRE(demo.exit_code == 0);
  CHECK(has(demo.output, "22695 samples, 2013-12-02 21:15 to 2014-02-19 15:25"));
  CHECK(has(demo.output, "22,695 applied"));
  CHECK(has(demo.output, "2 of 4 labelled windows found; 2 of 3 alerts began in one"));
  // The catastrophic failure of the recording: the machine stands still on 16 December.
  auto failure = lines_with(demo.output, "2013-12-15 17:50 to 2013-12-17 17:00");
  REQUIRE(failure.size() == 1);
  CHECK(has(failure[0], "found: 1 alert, first 2013-12-16 15:25"));
}

TEST_CASE("a recording's alerts carry the times of the recording", "[integration][examples]") {
  temporary_file series{"series.csv", "timestamp,value\n"
                                      "2020-01-01 00:00:00,80\n"
                                      "2020-01-01 00:05:00,85\n"
                                      "2020-01-01 00:10:00,91.5\n"
                                      "2020-01-01 00:15:00,84\n"};
  auto demo = run_demo("--replay '" + series.path() + "'");
  INFO(demo.output);
  CHECK(demo.exit_code == 0);
  CHECK(has(demo.output, "2020-01-01 00:10  ALERT  91.5"));
  CHECK(lines_with(demo.output, "ALERT").size() == 1);
  auto higher = run_demo("--replay '" + series.path() + "' --threshold 91.5");
  CHECK(lines_with(higher.output, "ALERT").empty());
}

TEST_CASE("bad recordings are refused with file, line and column", "[integration][examples]") {
  temporary_file word{"word.csv", "timestamp,value\n2014-01-01 00:00:00,3\n"
                                  "2014-01-01 00:05:00,abc\n"};
  temporary_file header{"header.csv", "time,value\n"};
  temporary_file none{"none.csv", "timestamp,value\n"};
  auto refused = [](const std::string& path, const std::string& why) {
    auto demo = run_demo("--replay '" + path + "'");
    CHECK(demo.exit_code == 2);
    CHECK(has(demo.output, "gemel-demo: " + path + why));
    CHECK_FALSE(has(demo.output, "What it cost"));
  };
  refused(word.path(), ":3:21: 'abc' is no number");
  refused(header.path(), ":1:1: no column 'timestamp'");
  refused(none.path(), ":2:1: no samples");
  refused(word.path() + ".absent", ": No such file or directory");
}

TEST_CASE("wrong options are refused by name, and help is none", "[integration][examples]") {
  for (std::string wrong :
       {"--machines 0", "--machines 100001", "--machines x", "--hours nan", "--hours 0",
        "--seed -1", "--bogus", "--windows x", "--threshold 3", "--replay a --machines 3"}) {
    auto demo = run_demo(wrong);
    INFO(wrong << "\n" << demo.output);
    CHECK(demo.exit_code == 2);
    auto name = wrong.substr(0, wrong.find(' '));
    CHECK(has(lines_with(demo.output, "gemel-demo: ").at(0), name));
    CHECK(has(demo.output, "--help"));
  }
  auto help = run_demo("--help");
  CHECK(help.exit_code == 0);
  CHECK(has(help.output, "--replay"));
}
