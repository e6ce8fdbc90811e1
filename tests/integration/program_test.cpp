// The program as its users run it, against a node that it runs itself.

#include "messages/value.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"
#include "tests/support/process.hpp"

#include <signal.h>

#include <memory>
#include <sstream>
#include <string>
#include <vector>

using namespace gemel;
using namespace gemel::test;

namespace {

const std::string program = test::binary_dir() + "/bin/gemel";

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> made;
  std::istringstream lines{text};
  for (std::string line; std::getline(lines, line);)
    made.push_back(line);
  return made;
}

using words = std::vector<std::string>;

// A node on a free port, and the program that talks to it.
class running_node {
public:
  running_node()
      : process_{{program, "node", "--set", "listen.port=0", "--set", "node.workers=2", "--set",
                  "node.id=factory-1"}} {
    first_line_ = process_.read_line();
    auto begin = first_line_.find("127.0.0.1:");
    REQUIRE(begin != std::string::npos);
    endpoint_ = first_line_.substr(begin, first_line_.find(' ', begin) - begin);
  }

  const std::string& first_line() const { return first_line_; }
  const std::string& endpoint() const { return endpoint_; }
  process& self() { return process_; }

  words command(const words& arguments) const {
    words all{program};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return all;
  }
  words environment() const { return {"GEMEL_NODE=" + endpoint_}; }

  ended ask(const words& arguments, const std::string& input = {}) const {
    return run(command(arguments), input, environment());
  }
  // What is printed, of a command that must succeed.
  std::string tell(const words& arguments) const {
    auto what = ask(arguments);
    INFO(arguments.at(0) << ' ' << arguments.back() << '\n' << what.err);
    REQUIRE(what.exit_code == 0);
    return what.out;
  }
  // The same as one JSON document.
  value tell_json(words arguments) const {
    arguments.emplace_back("--json");
    auto text = tell(arguments);
    INFO(text);
    auto read = value_from_json(text);
    REQUIRE(read);
    return *read;
  }

  void add_factory() const {
    tell({"twin", "create", "--id", "hall-3", "--type", "hall", "name=Hall 3"});
    for (int i = 1; i <= 4; ++i)
      tell({"twin", "create", "--id", "press-" + std::to_string(i), "--type", "machine", "--parent",
            "hall-3", "temperature=" + std::to_string(i * 20)});
  }

private:
  process process_;
  std::string first_line_;
  std::string endpoint_;
};

ended run_program(const words& arguments, const std::string& input = {}) {
  words all{program};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return run(all, input);
}

} // namespace

TEST_CASE("a node says where it listens and stops cleanly on signals",
          "[integration][runtime][program]") {
  for (int signal : {SIGINT, SIGTERM}) {
    running_node node;
    CHECK(node.first_line()
          == "gemel node factory-1 listens on " + node.endpoint()
                 + " (2 workers, 8 cells, in memory)");
    node.add_factory();
    node.self().signal(signal);
    auto what = node.self().finish();
    CHECK(what.exit_code == 0);
    CHECK(what.out.empty());
    CHECK(has(what.err, signal == SIGINT ? "stopping on SIGINT" : "stopping on SIGTERM"));
    CHECK(has(what.err, "stopped\n"));
  }
}

TEST_CASE("a node stops while programs are linked to it", "[integration][runtime][program]") {
  running_node node;
  node.add_factory();
  process watch{node.command({"twin", "watch", "--keep", "0s"}), {}, node.environment()};
  watch.need_error("watching");
  node.self().signal(SIGTERM);
  CHECK(node.self().finish().exit_code == 0);
  auto what = watch.finish();
  CHECK(what.exit_code == 1);
  CHECK(has(what.err, "gemel: unreachable: the link to the node broke"));
}

TEST_CASE("a second signal ends a node at once", "[integration][runtime][program]") {
  // Both are pending before the node looks at the first one.
  running_node node;
  node.self().signal(SIGSTOP);
  node.self().signal(SIGTERM);
  node.self().signal(SIGINT);
  node.self().signal(SIGCONT);
  CHECK(node.self().finish().exit_code == 130);
}

TEST_CASE("a second node cannot listen at the same place", "[integration][runtime][program]") {
  running_node node;
  auto port = node.endpoint().substr(node.endpoint().find(':') + 1);
  auto what = run_program({"node", "--set", "listen.port=" + port});
  CHECK(what.exit_code == 1);
  CHECK(has(what.err, "gemel: io_failed: cannot listen on 127.0.0.1:" + port));
  CHECK(what.out.empty());
}

TEST_CASE("twins are created, read, changed and deleted", "[integration][runtime][program]") {
  running_node node;
  CHECK(node.tell({"twin", "create", "--id", "hall-3", "--type", "hall"}) == "hall-3\n");
  auto id = node.tell_json({"twin", "create", "--type", "machine", "--parent", "hall-3",
                            "temperature=68.5", "on=true", "name=Press 7", "limits={\"low\": 1}"});
  auto press = std::string{id.find("id")->as_text()};
  CHECK(press.size() == 36);
  auto twin = node.tell_json({"twin", "get", "/hall-3/" + press});
  CHECK(*twin.find("parent") == value{"hall-3"});
  CHECK(to_json(*twin.find("properties"))
        == R"({"limits":{"low":1},"name":"Press 7","on":true,"temperature":68.5})");
  CHECK(node.tell({"twin", "update", press, "temperature=99", "--unset", "on"})
        == "updated " + press + "\n");
  auto text = node.tell({"twin", "get", press});
  CHECK(has(text, "  temperature  99\n"));
  CHECK_FALSE(has(text, "  on"));
  CHECK(node.tell_json({"twin", "get", press, "hall-3"}).as_list().size() == 2);
  auto refused = node.ask({"twin", "update", press, "temperature=1", "--if-version", "777"});
  CHECK(refused.exit_code == 1);
  CHECK(has(refused.err, "gemel: precondition_failed: "));
  auto children = node.ask({"twin", "delete", "hall-3"});
  CHECK(children.exit_code == 1);
  CHECK(has(children.err, "gemel: has_children: "));
  CHECK(node.tell({"twin", "delete", "hall-3", "--children", "cascade"}) == "deleted hall-3\n");
  auto gone = node.ask({"twin", "get", press});
  CHECK(gone.exit_code == 1);
  CHECK(gone.err == "gemel: twin_not_found: " + press + "\n");
  CHECK(gone.out.empty());
}

TEST_CASE("twins are changed in every way", "[integration][runtime][program]") {
  running_node node;
  CHECK(node.tell({"twin", "create", "--id", "m1", "--type", "machine", "n=1"}) == "m1\n");
  CHECK(node.tell({"twin", "create", "--id", "m1", "--type", "machine", "n=9", "--if-absent"})
        == "m1\n");
  CHECK(node.tell({"twin", "create", "--id", "m2", "--type", "machine", "n=1"}) == "m2\n");
  CHECK(node.tell({"twin", "update", "m1", "--add", "n=2", "--path", "limits.high=3",
                   "--path-append", "log=started", "--path", "limits.\"a=b\"=x", "--if", "n = 1"})
        == "updated m1\n");
  auto properties = [&](const std::string& id) {
    return to_json(*node.tell_json({"twin", "get", id}).find("properties"));
  };
  CHECK(properties("m1") == R"({"limits":{"a=b":"x","high":3},"log":["started"],"n":3})");
  CHECK(node.tell({"twin", "update", "m1", "--path-unset", "log[0]", "--path-add",
                   "limits.high=0.5", "--if-absent", "other", "--cause", "0-1-2"})
        == "updated m1\n");
  CHECK(properties("m1") == R"({"limits":{"a=b":"x","high":3.5},"log":[],"n":3})");
  auto refused = node.ask(
      {"twin", "update", "m1", "--add", "n=1", "--also", "m2", "--also", "m3", "--atomic"});
  CHECK(refused.exit_code == 1);
  CHECK(refused.out.empty());
  CHECK(has(refused.err, "gemel: not_applied: m1: another entry of the atomic batch failed\n"));
  CHECK(has(refused.err, "gemel: twin_not_found: m3\n"));
  CHECK(node.tell({"twin", "update", "m1", "--add", "n=1", "--also", "m2", "--atomic"})
        == "updated m1\nupdated m2\n");
  CHECK(node.tell({"twin", "update", "m1", "z=1", "--replace"}) == "updated m1\n");
  CHECK(properties("m1") == R"({"z":1})");
  CHECK(properties("m2") == R"({"n":2})");
  CHECK(has(node.tell({"twin", "get", "m1", "--stamps"}), "1  (written 20"));
  auto stamps = node.tell_json({"twin", "get", "m1", "--stamps"});
  CHECK(stamps.find("stamps")->find("z")->find("write")->is_text());
}

TEST_CASE("events are emitted, commands refused and subtrees retired by the program",
          "[integration][runtime][program]") {
  running_node node;
  node.tell({"twin", "create", "--id", "hall", "--type", "hall"});
  node.tell({"twin", "create", "--id", "m1", "--type", "machine", "--parent", "hall", "n=1"});
  CHECK(node.tell({"twin", "emit", "m1", "alarm", "level=2"}) == "emitted m1\n");
  CHECK(node.tell_json({"twin", "emit", "m1", "alarm"}).find("emitted")->as_text() == "m1");
  CHECK(node.tell({"twin", "get", "m1"}).find("level") == std::string::npos);
  auto refuses = [&](const words& asked, int code, const char* why) {
    auto what = node.ask(asked);
    INFO(what.out << what.err);
    CHECK(what.exit_code == code);
    CHECK(has(what.err, why));
  };
  refuses({"twin", "command", "m1", "fly", "to=2"}, 1,
          "gemel: unknown_command: 'fly': twins of type machine have no behaviour");
  refuses({"twin", "command", "m2", "fly"}, 1, "gemel: twin_not_found: m2");
  refuses({"twin", "command", "m1", "fly", "--timeout", "5"}, 2, "--timeout");
  refuses({"twin", "command", "m1", "fly", "--timeout", "11m"}, 2, "it is 1ms to 10m");
  refuses({"twin", "command", "m1", "fly", "x"}, 2, "x");
  refuses({"twin", "emit", "m1", "alarm", "a=1", "a=2"}, 2, "a");
  refuses({"twin", "retire", "hall"}, 1, "gemel: has_children: hall has 1 children");
  refuses({"twin", "retire", "hall", "--children", "all"}, 2, "all");
  CHECK(node.tell({"twin", "retire", "hall", "--children", "cascade"}) == "retired hall\n");
  refuses({"twin", "emit", "m1", "alarm"}, 1, "gemel: illegal_state: m1 is retired");
  refuses({"twin", "retire", "m1"}, 1, "possible from there: remove");
}

TEST_CASE("ids that are names of commands are ids", "[integration][runtime][program]") {
  running_node node;
  node.tell({"twin", "create", "--id", "list", "--type", "query"});
  CHECK(has(node.tell({"twin", "get", "list"}), "id       list\n"));
  CHECK(node.tell({"twin", "delete", "list"}) == "deleted list\n");
}

TEST_CASE("of many ids the good ones are answered", "[integration][runtime][program]") {
  running_node node;
  node.add_factory();
  auto what = node.ask({"twin", "get", "press-1", "nowhere", "press-2", "--json"});
  CHECK(what.exit_code == 1);
  CHECK(value_from_json(what.out)->as_list().size() == 2);
  CHECK(what.err == "gemel: twin_not_found: nowhere\n");
}

TEST_CASE("twins move along their lifecycle", "[integration][runtime][program]") {
  running_node node;
  node.add_factory();
  CHECK(node.tell({"twin", "lifecycle", "press-1", "suspend"}) == "moved press-1\n");
  auto refused = node.ask({"twin", "update", "press-1", "temperature=1"});
  CHECK(refused.exit_code == 1);
  CHECK(has(refused.err, "gemel: illegal_state: "));
  CHECK(has(node.tell({"twin", "tree"}), "press-1 (machine) [suspended]"));
  node.tell({"twin", "lifecycle", "press-1", "resume"});
  node.tell({"twin", "update", "press-1", "temperature=1"});
  auto wrong = node.ask({"twin", "lifecycle", "press-1", "resum"});
  CHECK(wrong.exit_code == 2);
  CHECK(has(wrong.err, "resume"));
}

TEST_CASE("twins move to other parents", "[integration][runtime][program]") {
  running_node node;
  node.add_factory();
  node.tell({"twin", "create", "--id", "hall-9", "--type", "hall"});
  CHECK(node.tell({"twin", "move", "press-1", "--to", "hall-9"}) == "moved press-1\n");
  CHECK(has(node.tell({"twin", "get", "press-1"}), "path           /hall-9/press-1\n"));
  auto cycle = node.ask({"twin", "move", "hall-9", "--to", "press-1"});
  CHECK(cycle.exit_code == 1);
  CHECK(has(cycle.err, "gemel: hierarchy_cycle: press-1 is hall-9 or lies below it"));
  auto nowhere = node.ask({"twin", "move", "press-1", "--to", "nowhere"});
  CHECK(nowhere.exit_code == 1);
  CHECK(has(nowhere.err, "gemel: twin_not_found: parent nowhere"));
  auto open = node.ask({"twin", "move", "press-1"});
  CHECK(open.exit_code == 2);
  CHECK(has(open.err, "--to PARENT and --root"));
  CHECK(node.tell({"twin", "move", "press-1", "--root"}) == "moved press-1\n");
  CHECK(has(node.tell({"twin", "get", "/press-1"}), "parent         -\n"));
}

TEST_CASE("lists and queries come as tables, JSON and counts", "[integration][runtime][program]") {
  running_node node;
  node.add_factory();
  auto listed = lines_of(node.tell({"twin", "list", "--type", "machine"}));
  REQUIRE(listed.size() == 5);
  CHECK(listed[0] == "ID       TYPE     PARENT  STATE   VERSION  temperature");
  CHECK(listed[1] == "press-1  machine  hall-3  active        1           20");
  CHECK(lines_of(node.tell({"twin", "list", "--roots"})).size() == 2);
  auto hot = node.tell_json(
      {"query", "temperature > 30", "--order-by", "temperature", "--desc", "--limit", "2"});
  CHECK(*hot.find("more") == value{true});
  REQUIRE(hot.find("twins")->as_list().size() == 2);
  CHECK(*hot.find("twins")->as_list()[0].find("id") == value{"press-4"});
  auto selected = node.tell(
      {"query", "temperature >= 60", "--select", "temperature", "--select", "temperature * 2"});
  CHECK(selected
        == "ID       temperature  temperature * 2\n"
           "press-3           60              120\n"
           "press-4           80              160\n");
  CHECK(node.tell({"query", "--type", "machine", "--count"}) == "4\n");
  CHECK(*node.tell_json({"query", "temperature > 30", "--count"}).find("count") == value{3});
  auto lines = lines_of(node.tell({"twin", "list", "--all", "--json"}));
  REQUIRE(lines.size() == 5);
  for (const auto& line : lines)
    CHECK(value_from_json(line)->find("id") != nullptr);
  auto none = node.ask({"query", "temperature > 1000"});
  CHECK(none.exit_code == 0);
  CHECK(none.out.empty());
  CHECK(none.err == "no twin matches\n");
}

TEST_CASE("a list goes over all pages", "[integration][runtime][program]") {
  running_node node;
  std::string twins;
  for (int i = 0; i < 2'500; ++i)
    twins += "{\"id\": \"t" + std::to_string(10'000 + i) + "\", \"type\": \"t\"}\n";
  auto made = node.ask({"bulk", "create", "-"}, twins);
  CHECK(made.exit_code == 0);
  CHECK(made.out == "created 2,500 twins\n");
  auto lines = lines_of(node.tell({"twin", "list", "--all"}));
  REQUIRE(lines.size() == 2'501);
  CHECK(lines[2'500].starts_with("t12499 "));
  CHECK(lines_of(node.tell({"twin", "list", "--limit", "1500"})).size() == 1'501);
  CHECK(lines_of(node.tell({"twin", "list"})).size() == 101);
}

TEST_CASE("a wrong expression is shown with its place", "[integration][runtime][program]") {
  running_node node;
  auto where = node.ask({"query", "temperature > > 5"});
  CHECK(where.exit_code == 2);
  CHECK(has(where.err, "gemel: bad_syntax: where, line 1, column 15: "));
  CHECK(has(where.err, "\n  temperature > > 5\n                ^\n"));
  auto select = node.ask({"query", "--select", "a", "--select", "b +"});
  CHECK(select.exit_code == 2);
  CHECK(has(select.err, "\n  b +\n     ^\n"));
  auto watch = node.ask({"twin", "watch", "--where", "(x"});
  CHECK(watch.exit_code == 2);
  CHECK(has(watch.err, "\n  (x\n    ^\n"));
}

TEST_CASE("the tree of twins is drawn and told as JSON", "[integration][runtime][program]") {
  running_node node;
  node.add_factory();
  node.tell({"twin", "create", "--id", "spindle", "--type", "part", "--parent", "press-2"});
  auto draw = [&](const words& arguments, const std::string& locale) {
    return run(node.command(arguments), {}, {"GEMEL_NODE=" + node.endpoint(), "LC_ALL=" + locale});
  };
  CHECK(draw({"twin", "tree"}, "C.UTF-8").out
        == "hall-3 (hall)\n├── press-1 (machine)\n├── press-2 (machine)\n"
           "│   └── spindle (part)\n├── press-3 (machine)\n└── press-4 (machine)\n");
  CHECK(draw({"twin", "tree", "hall-3", "--depth", "2", "--limit", "1"}, "C").out
        == "hall-3 (hall)\n|-- press-1 (machine)\n`-- ... 3 more\n");
  auto tree = node.tell_json({"twin", "tree"});
  auto hall = tree.find("roots")->as_list()[0];
  REQUIRE(hall.find("children")->as_list().size() == 4);
  CHECK(*hall.find("children")->as_list()[1].find("children")->as_list()[0].find("id")
        == value{"spindle"});
  auto part = node.tell_json({"twin", "tree", "/hall-3/press-2", "--depth", "1"});
  CHECK(*part.find("id") == value{"press-2"});
  CHECK(part.find("children")->as_list().empty());
}

TEST_CASE("watch prints each event with old and new values", "[integration][runtime][program]") {
  running_node node;
  node.add_factory();
  process watch{node.command({"twin", "watch", "press-1", "--count", "2"}), {}, node.environment()};
  process json{
      node.command({"twin", "watch", "--type", "machine", "--json"}), {}, node.environment()};
  process hot{
      node.command({"twin", "watch", "--where", "temperature > 85"}), {}, node.environment()};
  for (auto* one : {&watch, &json, &hot})
    one->need_error("watching node factory-1");
  node.tell({"twin", "update", "press-2", "temperature=41"});
  node.tell({"twin", "update", "press-1", "temperature=21", "note=new"});
  node.tell({"twin", "update", "press-1", "temperature=90"});
  CHECK(has(watch.read_line(), "updated    press-1 (machine)"));
  CHECK(has(watch.read_line(), "temperature: 21 -> 90"));
  CHECK(watch.finish().exit_code == 0);
  auto first = value_from_json(json.read_line());
  REQUIRE(first);
  CHECK(*first->find("id") == value{"press-2"});
  CHECK(to_json(*first->find("changes")) == R"({"temperature":{"new":41,"old":40}})");
  json.read_line();
  CHECK(has(json.read_line(), "\"new\":90"));
  json.signal(SIGINT);
  CHECK(json.finish().exit_code == 130);
  CHECK(has(hot.read_line(), "press-1"));
  hot.signal(SIGTERM);
  CHECK(hot.finish().exit_code == 143);
  CHECK(node.ask({"twin", "watch", "nowhere"}).err == "gemel: twin_not_found: nowhere\n");
}

TEST_CASE("stats tell counters and latencies", "[integration][runtime][program]") {
  running_node node;
  node.add_factory();
  node.tell({"twin", "update", "press-1", "temperature=21"});
  auto text = node.tell({"stats"});
  CHECK(has(text, "\ngemel_twins "));
  CHECK(has(text, "P99.9"));
  auto stats = node.tell_json({"stats"});
  auto counter = [&](const std::string& name) {
    for (const auto& one : stats.find("counters")->as_list())
      if (*one.find("name") == value{name})
        return *one.find("value");
    return value{};
  };
  CHECK(counter("gemel_twins") == value{5});
  CHECK(counter("gemel_updates_applied_total") == value{1});
  const auto& latency = stats.find("latencies")->as_list()[0];
  CHECK(*latency.find("count") == value{1});
  CHECK(*latency.find("p99_ns")->number() >= *latency.find("p50_ns")->number());
  process watch{node.command({"stats", "--watch", "0.1", "--json"}), {}, node.environment()};
  CHECK(value_from_json(watch.read_line()));
  CHECK(value_from_json(watch.read_line()));
  watch.signal(SIGINT);
  CHECK(watch.finish().exit_code == 130);
}

TEST_CASE("twins come from files of both kinds and from a pipe",
          "[integration][runtime][program]") {
  running_node node;
  temporary_file lines{"twins.jsonl", "{\"id\": \"hall\", \"type\": \"hall\"}\n\n"
                                      "{\"id\": \"m1\", \"type\": \"machine\", \"parent\": "
                                      "\"hall\", \"properties\": {\"t\": 1}}\n"};
  temporary_file list{"twins.json", "[\n  {\"id\": \"m2\", \"type\": \"machine\", \"parent\": "
                                    "\"hall\"},\n  {\"type\": \"machine\"}\n]\n"};
  CHECK(node.tell({"bulk", "create", lines.path()}) == "created 2 twins\n");
  CHECK(node.tell({"bulk", "create", list.path()}) == "created 2 twins\n");
  auto pretty = node.ask({"bulk", "create", "-", "--json"},
                         "{\n  \"id\": \"m3\",\n  \"type\": \"machine\"\n}\n");
  CHECK(*value_from_json(pretty.out)->find("created") == value{1});
  CHECK(node.tell({"query", "--count"}) == "5\n");
}

TEST_CASE("a file with faults creates nothing if it is checked first",
          "[integration][runtime][program]") {
  running_node node;
  temporary_file lines{"bad.jsonl", "{\"id\": \"a\", \"type\": \"t\"}\n"
                                    "{\"id\": \"b\", \"typ\": \"t\"}\n"
                                    "{\"id\": \"c\", \"type\": \"t\"\n"
                                    "{\"id\": \"d/e\", \"type\": \"t\"}\n"};
  auto what = node.ask({"bulk", "create", lines.path(), "--check-first"});
  CHECK(what.exit_code == 2);
  CHECK(has(what.err, lines.path() + ":2:"));
  CHECK(has(what.err, lines.path() + ":3:"));
  CHECK(has(what.err, lines.path() + ":4:"));
  CHECK(has(what.out, "would create 0 twins"));
  CHECK(node.tell({"query", "--count"}) == "0\n");
  auto piped = node.ask({"bulk", "create", "-"}, "{\"id\": \"a\", \"type\": \"t\"}\n{\"id\": 7}\n");
  CHECK(piped.exit_code == 2);
  CHECK(has(piped.err, "standard input:2:"));
  CHECK(node.tell({"query", "--count"}) == "1\n");
  auto absent = node.ask({"bulk", "create", lines.path() + ".absent"});
  CHECK(absent.exit_code != 0);
  CHECK(has(absent.err, "gemel: io_failed: " + lines.path() + ".absent: "));
}

TEST_CASE("twins that the node refuses are told with their place",
          "[integration][runtime][program]") {
  running_node node;
  temporary_file lines{"twice.jsonl", "{\"id\": \"a\", \"type\": \"t\"}\n"
                                      "{\"id\": \"b\", \"type\": \"t\", \"parent\": \"nowhere\"}\n"
                                      "{\"id\": \"c\", \"type\": \"t\"}\n"};
  node.tell({"twin", "create", "--id", "c", "--type", "t"});
  auto what = node.ask({"bulk", "create", lines.path()});
  CHECK(what.exit_code == 2);
  CHECK(has(what.err, lines.path() + ":2:1: twin_not_found: "));
  CHECK(has(what.err, lines.path() + ":3:1: twin_exists: "));
  CHECK(what.out == "created 1 twin, 2 failed\n");
}

TEST_CASE("wrong usage is refused by name with exit code 2", "[integration][runtime][program]") {
  struct mistake {
    words arguments;
    std::string told;
  };
  const std::vector<mistake> mistakes{
      {{}, "Usage: gemel"},
      {{"twni", "list"}, "unknown command 'twni'\ndid you mean 'twin'?"},
      {{"twin", "creat"}, "did you mean 'create'?"},
      {{"twin", "list", "--lmit", "5"}, "unknown option '--lmit'\ndid you mean '--limit'?"},
      {{"twin", "list", "--limit", "0"}, "--limit"},
      {{"twin", "list", "--limit", "x"}, "--limit"},
      {{"twin", "list", "--limit", "5", "--all"}, "--limit"},
      {{"twin", "get"}, "ID or --by is required"},
      {{"twin", "create", "a=1"}, "--type is required"},
      {{"twin", "create", "--type", "t", "temperature"}, "expected PROP=VALUE"},
      {{"bulk", "create"}, "FILE is required"},
      {{"bulk", "delete", "x", "--type", "t"}, "either a FILE or a query"},
      {{"bulk", "update", "--type", "t"}, "nothing to change"},
      {{"bulk", "create", "x", "--retry", "soon"}, "--retry: 'soon' is not a duration"},
      {{"bulk", "create", "-", "--resume"}, "--resume needs a file"},
      {{"twin", "update", "m1"}, "nothing to change"},
      {{"twin", "update", "m1", "a=1", "a=2"}, "property 'a' stands twice"},
      {{"twin", "update", "m1", "a=1", "--add", "a=2"}, "property 'a' stands twice"},
      {{"twin", "update", "m1", "--add", "a=much"}, "a number is to be added, not a text"},
      {{"twin", "update", "m1", "--path", "limits.=3"},
       "'limits.': line 1, column 8: expected the name of a member"},
      {{"twin", "update", "m1", "--path", "limits"}, "expected PATH=VALUE"},
      {{"twin", "update", "m1", "--path-unset", "a["}, "expected an index"},
      {{"twin", "update", "m1", "a=1", "--if", "a >"}, "--if: line 1, column 4"},
      {{"twin", "delete", "m1", "--children", "keep"}, "--children"},
      {{"twin", "watch", "--count", "-1"}, "--count"},
      {{"stats", "--timeout", "soon"}, "--timeout: 'soon' is not a duration"},
      {{"stats", "--timeout", "0ms"}, "--timeout: must be longer than nothing"},
      {{"stats", "--node", "nowhere:port"}, "'nowhere:port' is no endpoint"},
      {{"completion", "csh"}, "csh"},
      {{"check"}, "FILE is required"},
  };
  for (const auto& one : mistakes) {
    auto what = run_program(one.arguments);
    INFO(one.told << "\n" << what.err);
    CHECK(what.exit_code == 2);
    CHECK(what.out.empty());
    CHECK(has(what.err, "gemel: "));
    CHECK(has(what.err, one.told));
  }
}

TEST_CASE("a node that is not there is told at once", "[integration][runtime][program]") {
  auto what = run_program({"twin", "list", "--node", "127.0.0.1:1"});
  CHECK(what.exit_code == 1);
  CHECK(has(what.err, "gemel: unreachable: 127.0.0.1:1"));
}

TEST_CASE("bad configs are refused with their place and nothing is started",
          "[integration][runtime][program]") {
  struct mistake {
    std::string config;
    std::string place;
    std::string told;
  };
  const std::vector<mistake> mistakes{
      {"[node]\nid = \n", ":2:", ""},
      {"[nod]\nid = \"x\"\n", ":1:2: ", "node"},
      {"[node]\nworker = 2\n", ":2:1: ", "workers"},
      {"[node]\nworkers = \"two\"\n", ":2:11: ", "workers"},
      {"[node]\nworkers = 5000\n", ":2:11: ", "1024"},
      {"[node]\nid = \"a/b\"\n", ":2:6: ", "id"},
      {"[listen]\nport = 70000\n", ":2:8: ", "65535"},
      {"[listen]\naddress = \"0.0.0.0\"\n", ":2:11: ", "allow_insecure"},
      {"[log]\nlevel = \"loud\"\n", ":2:9: ", "info"},
      {"[supervision]\nperiod = \"soon\"\n", ":2:10: ", "250ms"},
      {"[limits]\nchildren_max = 2000000\n", ":2:16: ", "1000000"},
      {"[node]\nid = \"x\"\nid = \"y\"\n", ":3:", "id"},
  };
  for (const auto& one : mistakes) {
    temporary_file file{"node.toml", one.config};
    for (const words& command :
         {words{"node", "--config", file.path()}, words{"check", file.path()}}) {
      auto what = run_program(command);
      INFO(one.config << "\n" << what.err);
      CHECK(what.exit_code == 2);
      CHECK(what.out.empty());
      CHECK(what.err.starts_with(file.path() + one.place));
      CHECK(has(what.err, one.told));
    }
  }
  auto set = run_program({"node", "--set", "listen.prt=1"});
  CHECK(set.exit_code == 2);
  CHECK(has(set.err, "--set listen.prt=1"));
  CHECK(has(set.err, "port"));
  CHECK(run_program({"node", "--config", "/nonexistent.toml"}).exit_code == 2);
}

TEST_CASE("all faults of a config are told at once", "[integration][runtime][program]") {
  temporary_file file{"many.toml", "[node]\nworkers = -1\nidd = \"x\"\n[log]\nlevel = 3\n"};
  auto what = run_program({"check", file.path()});
  CHECK(what.exit_code == 2);
  CHECK(lines_of(what.err).size() == 3);
}

TEST_CASE("check says ok, and the same as JSON", "[integration][runtime][program]") {
  const std::string sample = test::source_dir() + "/config/factory.toml";
  temporary_file bad{"bad.jsonl", "{\"id\": 5}\n"};
  auto right = run_program({"check", sample});
  CHECK(right.exit_code == 0);
  CHECK(right.out == sample + ": ok\n");
  auto both = run_program({"check", sample, bad.path(), "--json"});
  CHECK(both.exit_code == 2);
  auto files = value_from_json(both.out);
  REQUIRE(files);
  CHECK(*files->find("files")->as_list()[0].find("ok") == value{true});
  CHECK_FALSE(files->find("files")->as_list()[1].find("faults")->as_list().empty());
  auto absent = run_program({"check", "/nonexistent.json"});
  CHECK(absent.exit_code == 2);
  CHECK(has(absent.err, "/nonexistent.json: "));
}

TEST_CASE("the printed config is one that a node takes", "[integration][runtime][program]") {
  auto printed = run_program({"node", "--print-config", "--set", "listen.port=7444"});
  REQUIRE(printed.exit_code == 0);
  CHECK(has(printed.out, "\nport = 7444\n"));
  temporary_file file{"printed.toml", printed.out};
  CHECK(run_program({"check", file.path()}).exit_code == 0);
}

TEST_CASE("every command has help with examples", "[integration][runtime][program]") {
  for (const words& command :
       {words{"node"}, words{"check"}, words{"twin", "create"}, words{"twin", "get"},
        words{"twin", "update"}, words{"twin", "delete"}, words{"twin", "move"},
        words{"twin", "lifecycle"}, words{"twin", "command"}, words{"twin", "emit"},
        words{"twin", "retire"}, words{"twin", "list"}, words{"twin", "tree"},
        words{"twin", "watch"}, words{"query"}, words{"stats"}, words{"completion"}, words{}}) {
    auto asked = command;
    asked.emplace_back("--help");
    auto what = run_program(asked);
    INFO(what.out);
    CHECK(what.exit_code == 0);
    CHECK(what.err.empty());
    CHECK(has(what.out, "Examples:\n  "));
  }
  CHECK(run_program({"--version"}).out == run_program({"version"}).out);
  CHECK(value_from_json(run_program({"version", "--json"}).out)->find("version") != nullptr);
}

TEST_CASE("a reader that goes away ends the program quietly", "[integration][runtime][program]") {
  running_node node;
  std::string twins;
  for (int i = 0; i < 5'000; ++i)
    twins +=
        "{\"type\": \"machine\", \"properties\": {\"note\": \"" + std::string(200, 'x') + "\"}}\n";
  REQUIRE(node.ask({"bulk", "create", "-"}, twins).exit_code == 0);
  auto what = run({"sh", "-c", "\"$0\" twin list --all --json | head -n 1", program}, {},
                  node.environment());
  CHECK(lines_of(what.out).size() == 1);
  CHECK(what.err.empty());
}

TEST_CASE("an output that cannot be written is an error", "[integration][runtime][program]") {
  auto what = run({"sh", "-c", "\"$0\" version >/dev/full", program});
  CHECK(what.exit_code == 1);
  CHECK(has(what.err, "gemel: io_failed: cannot write to the standard output: "));
}

TEST_CASE("bash completes commands, options and choices", "[integration][runtime][program]") {
  auto complete = [](const std::string& line) {
    auto what = run({"bash", "-c",
                     "source <(\"$0\" completion bash) && COMP_WORDS=(" + line
                         + ") && COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) && _gemel && "
                           "echo \"${COMPREPLY[@]}\"",
                     program});
    INFO(line << "\n" << what.err);
    CHECK(what.exit_code == 0);
    CHECK(what.err.empty());
    return what.out;
  };
  CHECK(complete("gemel tw") == "twin\n");
  CHECK(complete("gemel twin cre") == "create\n");
  CHECK(complete("gemel twin --node x li") == "lifecycle list\n");
  CHECK(complete("gemel twin delete m1 --children c") == "cascade\n");
  CHECK(complete("gemel twin lifecycle m1 re") == "resume retire repair\n");
  CHECK(complete("gemel completion f") == "fish\n");
  CHECK(has(complete("gemel query --"), "--order-by"));
  CHECK(complete("gemel twin create --type ''") == "\n");
}
