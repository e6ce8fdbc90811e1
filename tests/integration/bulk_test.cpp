// Bulk work of the program against nodes and programs that are killed.

#include "messages/value.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"
#include "tests/support/process.hpp"

#include <signal.h>

#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

using namespace gemel;
using namespace gemel::test;

namespace {

const std::string program = test::binary_dir() + "/bin/gemel";

using words = std::vector<std::string>;

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

bool exists(const std::string& path) {
  return std::ifstream{path}.good();
}

// A node, and the program that talks to it.
class running_node {
public:
  // @param port 0: a free one.
  explicit running_node(const std::string& port = "0")
      : process_{{program, "node", "--set", "listen.port=" + port, "--set", "node.workers=2"}} {
    auto line = process_.read_line();
    auto begin = line.find("127.0.0.1:");
    REQUIRE(begin != std::string::npos);
    endpoint_ = line.substr(begin, line.find(' ', begin) - begin);
  }

  std::string port() const { return endpoint_.substr(endpoint_.find(':') + 1); }
  words environment() const { return {"GEMEL_NODE=" + endpoint_}; }
  void kill() const { process_.signal(SIGKILL); }

  static words command(const words& arguments) {
    words all{program};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return all;
  }
  ended ask(const words& arguments, const std::string& input = {}) const {
    return run(command(arguments), input, environment());
  }
  std::string tell(const words& arguments, const std::string& input = {}) const {
    auto what = ask(arguments, input);
    INFO(arguments.back() << '\n' << what.out << what.err);
    REQUIRE(what.exit_code == 0);
    return what.out;
  }

private:
  process process_;
  std::string endpoint_;
};

std::string twin_lines(int count) {
  std::string made{"{\"id\":\"hall\",\"type\":\"hall\"}\n"};
  for (int i = 1; i < count; ++i)
    made += "{\"id\":\"m-" + std::to_string(i)
            + R"(","type":"machine","parent":"hall","properties":{"t":20.5,"n":)"
            + std::to_string(i) + "}}\n";
  return made;
}

std::string twin_table(int count) {
  std::string made{"id,type,parent,t,n\r\nhall,hall,,,\r\n"};
  for (int i = 1; i < count; ++i)
    made += "m-" + std::to_string(i) + ",machine,hall,20.5," + std::to_string(i) + "\r\n";
  return made;
}

} // namespace

TEST_CASE("100,000 twins come from lines and go as a table, and back", "[integration][runtime]") {
  running_node node;
  temporary_file lines{"twins.jsonl", twin_lines(100'000)};
  temporary_file table{"twins.csv", twin_table(100'000)};
  CHECK(node.tell({"bulk", "create", lines.path()}) == "created 100,000 twins\n");
  CHECK(!exists(lines.path() + ".gemel-progress"));
  auto exported = node.tell({"bulk", "export"});
  CHECK(node.tell({"bulk", "delete", "--type", "machine", "--yes"}) == "deleted 99,999 twins\n");
  CHECK(node.tell({"bulk", "delete", "-"}, "\"hall\"\n") == "deleted 1 twin\n");
  CHECK(node.tell({"query", "--count"}) == "0\n");
  CHECK(node.tell({"bulk", "create", table.path()}) == "created 100,000 twins\n");
  CHECK(node.tell({"bulk", "export"}) == exported);
  auto again = node.ask({"bulk", "create", table.path(), "--if-absent"});
  CHECK(again.exit_code == 0);
  CHECK(again.out == "created 0 twins, 100,000 there already\n");
}

TEST_CASE("a run that is killed goes on where it was", "[integration][runtime]") {
  running_node node;
  temporary_file lines{"twins.jsonl", twin_lines(100'000)};
  auto progress = lines.path() + ".gemel-progress";
  {
    process killed{running_node::command({"bulk", "create", lines.path(), "--rate", "50000"}),
                   {},
                   node.environment()};
    // Some ten thousand are there when there is a record of it.
    while (!exists(progress))
      node.tell({"query", "--count"});
    killed.signal(SIGKILL);
    CHECK(killed.finish().exit_code == 128 + SIGKILL);
  }
  auto before = std::stoi(node.tell({"query", "--count"}));
  CHECK(before > 0);
  CHECK(before < 100'000);
  auto what = node.ask({"bulk", "create", lines.path(), "--resume", "--json"});
  CHECK(what.exit_code == 0);
  auto report = value_from_json(what.out);
  REQUIRE(report);
  CHECK(report->find("done_before")->as_integer() > 0);
  CHECK(report->find("failed")->as_integer() == 0);
  CHECK(report->find("created")->as_integer() == 100'000 - before);
  CHECK(node.tell({"query", "--count"}) == "100000\n");
  CHECK(!exists(progress));
}

TEST_CASE("a record of another input is not taken", "[integration][runtime]") {
  running_node node;
  temporary_file lines{"twins.jsonl", twin_lines(10)};
  temporary_file record{"record", "{\"gemel_bulk_progress\":1,\"action\":\"create\",\"size\":7,"
                                  "\"fingerprint\":\"1f\",\"offset\":5,\"items\":1}\n"};
  auto what = node.ask({"bulk", "create", lines.path(), "--resume", "--progress", record.path()});
  CHECK(what.exit_code == 2);
  CHECK(has(what.err, "is of another input or action"));
  CHECK(node.tell({"query", "--count"}) == "0\n");
}

TEST_CASE("a run goes on with the node that comes back", "[integration][runtime]") {
  auto first = std::make_unique<running_node>();
  auto port = first->port();
  auto environment = first->environment();
  std::string twins;
  for (int i = 0; i < 100'000; ++i)
    twins += "{\"id\":\"m-" + std::to_string(i) + "\",\"type\":\"machine\"}\n";
  temporary_file lines{"twins.jsonl", twins};
  process importer{
      running_node::command({"bulk", "create", lines.path(), "--rate", "40000", "--json"}),
      {},
      environment};
  while (std::stoi(first->tell({"query", "--count"})) < 5'000) {
  }
  first->kill();
  first.reset();
  running_node second{port};
  auto what = importer.finish();
  INFO(what.err);
  CHECK(what.exit_code == 0);
  auto report = value_from_json(what.out);
  REQUIRE(report);
  CHECK(report->find("created")->as_integer() + report->find("present")->as_integer() == 100'000);
  CHECK(*report->find("complete") == value{true});
  // What the first one held is gone with it: nothing is stored. The rest is here.
  auto count = std::stoi(second.tell({"query", "--count"}));
  CHECK(count > 0);
  CHECK(count <= 95'000);
  CHECK(second.tell({"query", "--count"}) == std::to_string(count) + "\n");
  CHECK(second.ask({"twin", "get", "m-99999"}).exit_code == 0);
}

TEST_CASE("a node that stays away ends a run", "[integration][runtime]") {
  running_node node;
  temporary_file lines{"twins.jsonl", twin_lines(50'000)};
  process importer{running_node::command(
                       {"bulk", "create", lines.path(), "--rate", "20000", "--retry", "300ms"}),
                   {},
                   node.environment()};
  while (std::stoi(node.tell({"query", "--count"})) == 0) {
  }
  node.kill();
  auto what = importer.finish();
  CHECK(what.exit_code == 1);
  CHECK(has(what.err, "gemel: unreachable"));
  CHECK(has(what.out, "not complete"));
  std::remove((lines.path() + ".gemel-progress").c_str());
}

TEST_CASE("Ctrl-C ends a run so that it can be resumed", "[integration][runtime]") {
  running_node node;
  temporary_file lines{"twins.jsonl", twin_lines(50'000)};
  process importer{running_node::command({"bulk", "create", lines.path(), "--rate", "20000"}),
                   {},
                   node.environment()};
  while (std::stoi(node.tell({"query", "--count"})) == 0) {
  }
  importer.signal(SIGINT);
  auto what = importer.finish();
  CHECK(what.exit_code == 130);
  CHECK(has(what.out, "not complete"));
  node.tell({"bulk", "create", lines.path(), "--resume"});
  CHECK(node.tell({"query", "--count"}) == "50000\n");
}

TEST_CASE("every item's outcome is told, and bad ones stop nothing", "[integration][runtime]") {
  running_node node;
  temporary_file table{"twins.csv", "id,type,n:int\na,t,1\nb,t,x\nc,t\nd,t,4\na,t,5\n"};
  temporary_file outcomes{"outcomes.jsonl", ""};
  auto what = node.ask({"bulk", "create", table.path(), "--outcomes", outcomes.path()});
  CHECK(what.exit_code == 2);
  CHECK(what.out == "created 2 twins, 3 failed\n");
  CHECK(has(what.err, table.path() + ":3:5: n: expected a whole number, found 'x'"));
  CHECK(has(what.err, table.path() + ":4:1: 2 fields, the header has 3"));
  CHECK(has(what.err, table.path() + ":6:1: twin_exists: a"));
  std::ifstream file{outcomes.path()};
  int lines = 0;
  int failed = 0;
  for (std::string line; std::getline(file, line); ++lines) {
    auto read = value_from_json(line);
    REQUIRE(read);
    failed += *read->find("outcome") == value{"failed"} ? 1 : 0;
  }
  CHECK(lines == 5);
  CHECK(failed == 3);
}

TEST_CASE("twins are updated and deleted by query", "[integration][runtime]") {
  running_node node;
  node.tell({"bulk", "create", "-"}, twin_lines(3'000));
  auto dry = node.ask({"bulk", "update", "--where", "n > 2997", "--set", "hot=true", "--dry-run"});
  CHECK(dry.out == "would update m-2998  hot: - -> true\nwould update m-2999  hot: - -> true\n");
  CHECK(node.ask({"bulk", "update", "--where", "n > 2997", "--set", "hot=true"}).exit_code == 2);
  CHECK(node.tell({"query", "hot", "--count"}) == "0\n");
  CHECK(node.tell({"bulk", "update", "--where", "n > 1000", "--set", "hot=true", "--yes"})
        == "updated 1,999 twins\n");
  CHECK(node.tell({"query", "hot", "--count"}) == "1999\n");
  CHECK(node.tell({"bulk", "update", "-"}, "id,t,if_version\nm-1,99,\nm-2,99,\n")
        == "updated 2 twins\n");
  CHECK(node.tell({"bulk", "delete", "--where", "hot", "--yes"}) == "deleted 1,999 twins\n");
  CHECK(node.tell({"query", "--count"}) == "1001\n");
  auto wrong = node.ask({"bulk", "delete", "--where", "hot >", "--yes"});
  CHECK(wrong.exit_code == 2);
  CHECK(has(wrong.err, "^"));
}
