// Two processes with stores that are linked over loopback, as their users start them.

#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temporary_folder.hpp"

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace gemel;
using namespace gemel::test;
using words = std::vector<std::string>;

const std::string program = binary_dir() + "/bin/gemel";

// A node that its test can end and start anew at the same place.
class linked_node {
public:
  explicit linked_node(words settings) : settings_{std::move(settings)} { start(); }

  void start() {
    words all{program, "node"};
    for (const auto& each : settings_)
      all.insert(all.end(), {"--set", each});
    process_.reset();
    process_ = std::make_unique<process>(all);
    auto line = process_->read_line();
    INFO(line);
    auto begin = line.find("127.0.0.1:");
    if (begin == std::string::npos)
      FAIL(process_->finish().err);
    endpoint_ = line.substr(begin, line.find(' ', begin) - begin);
  }
  void kill() {
    process_->signal(SIGKILL);
    process_->finish();
  }

  ended ask(words arguments) const {
    arguments.insert(arguments.begin(), program);
    return run(arguments, {}, {"GEMEL_NODE=" + endpoint_});
  }
  void tell(const words& arguments) const {
    auto what = ask(arguments);
    INFO(what.err);
    REQUIRE(what.exit_code == 0);
  }
  bool shows(const std::string& twin, const std::string& part) const {
    auto what = ask({"twin", "get", twin, "--json"});
    return what.exit_code == 0 && what.out.find(part) != std::string::npos;
  }
  bool misses(const std::string& twin) const {
    return ask({"twin", "get", twin}).err.find("twin_not_found") != std::string::npos;
  }

private:
  words settings_;
  std::unique_ptr<process> process_;
  std::string endpoint_;
};

// Waits for what must come; how long it takes is not asserted.
template <class F>
bool eventually(F holds) {
  auto end = std::chrono::steady_clock::now() + std::chrono::seconds{50};
  while (!holds())
    if (std::chrono::steady_clock::now() > end)
      return false;
    else
      std::this_thread::sleep_for(std::chrono::milliseconds{50});
  return true;
}

struct edge_and_cloud {
  temporary_folder folder;
  temporary_file key{"key", "a key that both nodes of the test have\n"};
  std::string port;
  std::unique_ptr<linked_node> cloud;
  std::unique_ptr<linked_node> edge;

  explicit edge_and_cloud(const words& more = {}) {
    // A port of this process's own, so that tests at the same time do not meet.
    port = std::to_string(20'000 + getpid() % 12'000);
    auto settings = [&](const std::string& name, const words& own) {
      words all{"node.id=" + name, "node.workers=1", "listen.port=0",
                "store.path=" + folder.file(name), "cluster.key_file=" + key.path()};
      all.insert(all.end(), own.begin(), own.end());
      all.insert(all.end(), more.begin(), more.end());
      return all;
    };
    edge = std::make_unique<linked_node>(settings(
        "edge", {"cluster.listen_address=", "cluster.peers=[\"cloud=127.0.0.1:" + port + "\"]"}));
    cloud = std::make_unique<linked_node>(
        settings("cloud", {"cluster.listen_port=" + port, "cluster.peers=[\"edge\"]"}));
  }
};

} // namespace

TEST_CASE("linked nodes show the same twins, whichever of them dies", "[integration][runtime]") {
  edge_and_cloud two;
  two.edge->tell({"twin", "create", "--id", "pump-1", "--type", "pump", "temperature=20"});
  two.edge->tell({"twin", "create", "--id", "pump-2", "--type", "pump"});
  CHECK(eventually([&] { return two.cloud->shows("pump-1", "\"temperature\":20"); }));
  CHECK(eventually([&] { return two.cloud->shows("pump-2", "pump"); }));

  // The cloud dies; the edge writes on, and deletes.
  two.cloud->kill();
  two.edge->tell({"twin", "update", "pump-1", "temperature=21"});
  two.edge->tell({"twin", "delete", "pump-2"});
  two.cloud->start();
  CHECK(eventually([&] { return two.cloud->shows("pump-1", "\"temperature\":21"); }));
  CHECK(eventually([&] { return two.cloud->misses("pump-2"); }));

  // The edge dies right after what it acknowledged.
  two.edge->tell({"twin", "update", "pump-1", "pressure=3"});
  two.edge->kill();
  two.cloud->tell({"twin", "update", "pump-1", "wanted=5"});
  two.edge->start();
  CHECK(eventually([&] { return two.cloud->shows("pump-1", "\"pressure\":3"); }));
  CHECK(eventually([&] { return two.edge->shows("pump-1", "\"wanted\":5"); }));
  CHECK(two.edge->misses("pump-2"));
}

TEST_CASE("a workflow waits until a peer holds its twins", "[integration][runtime][workflows]") {
  edge_and_cloud two;
  two.edge->tell({"twin", "create", "--id", "pump-1", "--type", "pump", "temperature=20"});
  temporary_file document{"push.json", R"({"steps": [
    {"id": "write", "type": "update", "twin_ids": ["pump-1"], "set": {"temperature": 21}},
    {"id": "push", "type": "sync", "twin_ids": ["pump-1"], "parameters": {"replicas": 1},
     "timeout": "40s", "twin_failures": "fail", "depends_on": ["write"]}]})"};
  auto done = two.edge->ask({"workflow", "run", document.path()});
  INFO(done.out << done.err);
  CHECK(done.exit_code == 0);
  CHECK(two.cloud->shows("pump-1", "\"temperature\":21"));

  two.cloud->kill();
  temporary_file again{"again.json", R"({"steps": [
    {"id": "write", "type": "update", "twin_ids": ["pump-1"], "set": {"temperature": 22}},
    {"id": "push", "type": "sync", "twin_ids": ["pump-1"], "parameters": {"replicas": 1},
     "timeout": "1s", "twin_failures": "fail", "depends_on": ["write"]}]})"};
  auto alone = two.edge->ask({"workflow", "run", again.path()});
  INFO(alone.out << alone.err);
  CHECK(alone.exit_code == 1);
  CHECK(alone.out.find("unreachable") != std::string::npos);
}

TEST_CASE("links are added and removed while nodes run, and stay over restarts",
          "[integration][runtime]") {
  edge_and_cloud two{{"cluster.peers=[]"}};
  auto to_cloud = "cloud=127.0.0.1:" + two.port;
  two.edge->tell({"twin", "create", "--id", "press", "--type", "press", "speed=1"});
  two.edge->tell({"link", "add", to_cloud});
  CHECK(two.cloud->misses("press"));
  two.cloud->tell({"link", "add", "edge"});
  CHECK(eventually([&] { return two.cloud->shows("press", "speed"); }));

  auto refused = [&](const words& asked, const std::string& reason) {
    auto what = two.edge->ask(asked);
    INFO(what.err);
    CHECK(what.exit_code != 0);
    CHECK(what.err.find(reason) != std::string::npos);
  };
  refused({"link", "add", "cloud"}, "is a peer already");
  refused({"link", "add", "edge"}, "is this node itself");
  refused({"link", "add", "hall=127.0.0.1"}, "it has no port");
  refused({"link", "add", "hall=10.0.0.7:7434"}, "on another machine");
  refused({"link", "remove", "hall"}, "is no peer of this node");

  two.edge->kill();
  two.edge->start();
  two.edge->tell({"twin", "create", "--id", "lathe", "--type", "press", "speed=2"});
  CHECK(eventually([&] { return two.cloud->shows("lathe", "speed"); }));

  two.edge->tell({"link", "remove", "cloud"});
  CHECK(two.edge->ask({"link", "list"}).out == "no links\n");
  two.edge->tell({"twin", "delete", "press"});
  two.edge->kill();
  two.edge->start();
  CHECK(two.edge->ask({"link", "list"}).out == "no links\n");
  CHECK(two.cloud->shows("press", "speed"));
  two.edge->tell({"link", "add", to_cloud});
  CHECK(eventually([&] { return two.cloud->misses("press"); }));
  CHECK(two.edge->misses("press"));
}

TEST_CASE("a peer of the config is not removed by command", "[integration][runtime]") {
  edge_and_cloud two;
  auto what = two.edge->ask({"link", "remove", "cloud"});
  CHECK(what.exit_code != 0);
  CHECK(what.err.find("is a peer by the config") != std::string::npos);
}
