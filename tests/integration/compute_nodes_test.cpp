// Nodes of one process that make calls of functions for each other, over a way that is cut.

#include "runtime/gemel.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/loop_transport.hpp"
#include "tests/support/temporary_folder.hpp"

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

using namespace gemel;
using namespace gemel::test;

namespace {

using namespace std::chrono_literals;

template <class Condition>
void wait_for(const char* what, Condition is_so) {
  INFO("waiting for: " << what);
  constexpr auto patience = 60s;
  auto until = std::chrono::steady_clock::now() + patience;
  while (!is_so()) {
    REQUIRE(std::chrono::steady_clock::now() < until);
    std::this_thread::sleep_for(2ms);
  }
}

/// An edge and a cloud node; the function `where` says which node ran it, `hold` runs until it is
/// let go or stopped.
class two_nodes {
public:
  two_nodes() {
    auto [edge_way, cloud_way] = loop_transport::make();
    edge_way_ = edge_way;
    cloud_way_ = cloud_way;
    edge = start("edge", "cloud", edge_way);
    cloud = start("cloud", "edge", cloud_way);
    wait_for("that they know each other", [&] { return knows_peer(*edge) && knows_peer(*cloud); });
  }
  ~two_nodes() { let_go = true; }

  void cut() {
    edge_way_->cut(true);
    cloud_way_->cut(true);
  }

  std::atomic<bool> let_go{false};
  std::atomic<int> holding{0};
  std::atomic<int> stopped{0};

private:
  temporary_folder folder_;
  std::shared_ptr<loop_transport> edge_way_;
  std::shared_ptr<loop_transport> cloud_way_;

public:
  std::unique_ptr<node> edge;
  std::unique_ptr<node> cloud;

private:
  result<value> hold(const std::string& name, const function_input& input) {
    ++holding;
    while (!let_go && !input.is_stopped())
      std::this_thread::sleep_for(1ms);
    --holding;
    stopped += input.is_stopped();
    return value{name};
  }

  std::unique_ptr<node> start(const std::string& name, const std::string& peer,
                              std::shared_ptr<peer_transport> way) {
    node_options wanted;
    wanted.config.node.id = name;
    wanted.config.node.workers = 1;
    wanted.config.store.path = folder_.file(name);
    wanted.config.store.reserve_bytes = 0;
    wanted.config.compute.labels = {name, "any"};
    wanted.config.compute.workers_max = 2;
    wanted.peers = {"plant", {peer}, std::move(way)};
    wanted.functions = {
        {"where", "", [name](const function_input&) -> result<value> { return value{name}; }},
        {"hold", "", [this, name](const function_input& input) { return hold(name, input); }}};
    auto made = node::start(std::move(wanted));
    if (!made)
      FAIL(to_string(made.error()));
    return std::move(*made);
  }

  static bool knows_peer(node& at) {
    auto made = at.call({"compute", "nodes", {}});
    REQUIRE(made);
    return made->find("nodes")->as_list()[1].find("there")->as_bool();
  }
};

result<value> run(node& at, const std::string& function, const char* label,
                  const std::string& key = {}) {
  value_map asked{{"function", value{function}},
                  {"require", value{value_list{value{label}}}},
                  {"timeout_ms", value{50'000}}};
  if (!key.empty())
    asked.push_back({"key", value{key}});
  return at.call({"compute", "run", value{std::move(asked)}});
}

std::string ran_on(const result<value>& made) {
  if (!made)
    return to_string(made.error());
  return std::string{made->find("result")->as_text()};
}

} // namespace

TEST_CASE("calls run on the node whose labels they require", "[integration][actors]") {
  two_nodes aut;
  CHECK(ran_on(run(*aut.edge, "where", "edge")) == "edge");
  CHECK(ran_on(run(*aut.edge, "where", "cloud")) == "cloud");
  CHECK(ran_on(run(*aut.cloud, "where", "edge")) == "edge");
  auto started = aut.edge->call({"workflows", "run", value{value_map{{"document", value{R"(
      {"steps": [{"id": "a", "type": "compute", "function": "where",
                  "place": {"require": ["cloud"]}, "priority": 3}]})"}}}}});
  REQUIRE(started);
  CHECK(*started->find("results")->find("a") == value{"cloud"});
}

TEST_CASE("a node that is cut off has its calls made elsewhere, and each has one answer",
          "[integration][actors]") {
  two_nodes aut;
  // More than the edge has threads for: some go to the cloud.
  std::vector<std::future<result<value>>> answers;
  for (int i = 0; i < 12; ++i)
    answers.push_back(std::async(std::launch::async, [&aut, i] {
      return run(*aut.edge, "hold", "any", "k" + std::to_string(i));
    }));
  wait_for("that both work", [&] { return aut.holding == 4; });
  aut.cut();
  wait_for("that the cloud stops what it does for others", [&] { return aut.stopped >= 2; });
  aut.let_go = true;
  for (auto& one : answers)
    CHECK(ran_on(one.get()) == "edge");
}
