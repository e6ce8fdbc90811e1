// Two nodes of one process that keep their twins the same, with stores, and a way that is cut.

#include "runtime/gemel.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/loop_transport.hpp"
#include "tests/support/temporary_folder.hpp"

#include <chrono>
#include <thread>

using namespace gemel;
using namespace gemel::test;

namespace {

using namespace std::chrono_literals;

class pair_of_nodes {
public:
  explicit pair_of_nodes(const std::string& conflict = "last_write_wins") : conflict_{conflict} {
    start();
  }

  void start() {
    auto [left_way, right_way] = loop_transport::make();
    left_way_ = left_way;
    right_way_ = right_way;
    left = start_one("edge", "cloud", left_way);
    right = start_one("cloud", "edge", right_way);
  }
  void stop() {
    left.reset();
    right.reset();
  }
  void cut(bool is) {
    left_way_->cut(is);
    right_way_->cut(is);
  }

  std::unique_ptr<node> left;
  std::unique_ptr<node> right;

private:
  std::unique_ptr<node> start_one(const std::string& name, const std::string& peer,
                                  std::shared_ptr<peer_transport> way) {
    node_options wanted;
    wanted.config.node.id = name;
    wanted.config.node.workers = 1;
    wanted.config.store.path = folder_.file(name);
    wanted.config.store.reserve_bytes = 0;
    wanted.config.sync.conflict = conflict_;
    wanted.peers = {"plant", {peer}, std::move(way)};
    auto made = node::start(std::move(wanted));
    if (!made)
      FAIL(to_string(made.error()));
    return std::move(*made);
  }

  std::string conflict_;
  temporary_folder folder_;
  std::shared_ptr<loop_transport> left_way_;
  std::shared_ptr<loop_transport> right_way_;
};

// Waits until it is so; a test that waits in vain says what for.
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

bool shows(node& at, const std::string& twin, const std::string& key, const value& content) {
  auto found = at.get(twin);
  const auto* held = found ? found->find(key) : nullptr;
  return held != nullptr && *held == content;
}

value call(node& at, const std::string& name, value arguments = {}) {
  auto made = at.call({"sync", name, std::move(arguments)});
  INFO((made ? std::string{} : to_string(made.error())));
  REQUIRE(made);
  return *made;
}

} // namespace

TEST_CASE("two nodes show the same twins, over cuts, restarts and deletes", "[integration][sync]") {
  pair_of_nodes both;
  REQUIRE(both.left->create({.id = "hall", .type = "hall"}));
  REQUIRE(both.left->create({.id = "press", .type = "press", .parent = "hall"}));
  REQUIRE(both.left->update("press", {{"temperature", 20}}));
  wait_for("the create", [&] { return shows(*both.right, "press", "temperature", value{20}); });
  CHECK(both.right->get("press")->parent == "hall");
  both.cut(true);
  REQUIRE(both.left->update("press", {{"temperature", 21}}));
  REQUIRE(both.right->update("press", {{"pressure", 5}}));
  REQUIRE(both.right->create({.id = "new", .type = "press"}));
  both.cut(false);
  wait_for("both sides' writes", [&] {
    return shows(*both.right, "press", "temperature", value{21})
           && shows(*both.left, "press", "pressure", value{5}) && both.left->get("new").has_value();
  });
  both.stop();
  both.start();
  CHECK(shows(*both.left, "press", "pressure", value{5}));
  REQUIRE(both.right->update("press", {{"pressure", 6}}));
  wait_for("a write after the restart",
           [&] { return shows(*both.left, "press", "pressure", value{6}); });
  REQUIRE(both.left->remove("new"));
  wait_for("the delete", [&] { return !both.right->get("new").has_value(); });
  both.stop();
  both.start();
  CHECK_FALSE(both.left->get("new"));
  CHECK_FALSE(both.right->get("new"));
  wait_for("the link", [&] {
    auto status = call(*both.left, "status");
    return *status.find("links")->as_list()[0].find("state") == value{"up"};
  });
}

TEST_CASE("a conflict waits for a decision, which both nodes take over", "[integration][sync]") {
  pair_of_nodes both{"manual"};
  REQUIRE(both.left->create({.id = "press", .type = "press", .properties = {{"mode", "auto"}}}));
  wait_for("the create", [&] { return shows(*both.right, "press", "mode", value{"auto"}); });
  both.cut(true);
  REQUIRE(both.left->update("press", {{"mode", "eco"}}));
  REQUIRE(both.right->update("press", {{"mode", "fast"}}));
  std::this_thread::sleep_for(50ms); // so that both were taken from the log before
  both.cut(false);
  auto count = [&](node& at) {
    auto made = call(at, "conflicts");
    return made.find("conflicts")->as_list().size();
  };
  wait_for("the conflict", [&] { return count(*both.left) == 1 && count(*both.right) == 1; });
  auto all = call(*both.left, "conflicts");
  const auto& one = all.find("conflicts")->as_list()[0];
  CHECK(one.find("values")->as_list().size() == 2);
  auto decide = [&](const char* id) {
    return both.left->call({"sync", "resolve",
                            value{value_map{{"twin", value{"press"}},
                                            {"property", value{"mode"}},
                                            {"id", value{id}},
                                            {"value", value{"off"}}}}});
  };
  CHECK(decide("0").error().code == errc::precondition_failed);
  REQUIRE(decide(std::string{one.find("id")->as_text()}.c_str()));
  wait_for("the decision", [&] {
    return shows(*both.left, "press", "mode", value{"off"})
           && shows(*both.right, "press", "mode", value{"off"}) && count(*both.right) == 0;
  });
}

TEST_CASE("a strategy set for one twin holds on both nodes, also after a restart",
          "[integration][sync]") {
  pair_of_nodes both;
  REQUIRE(both.left->create({.id = "press", .type = "press", .properties = {{"speed", 1}}}));
  REQUIRE(both.left->set_conflict_policy("press", "max"));
  wait_for("the strategy", [&] {
    auto own = both.right->conflict_policy_of("press");
    return own && *own == "max";
  });
  both.stop();
  both.start();
  CHECK(both.left->conflict_policy_of("press").value() == "max");
  both.cut(true);
  REQUIRE(both.left->update("press", {{"speed", 9}}));
  std::this_thread::sleep_for(50ms);
  REQUIRE(both.right->update("press", {{"speed", 4}}));
  std::this_thread::sleep_for(50ms); // so that both were taken from the log before
  both.cut(false);
  wait_for("the greatest", [&] {
    return shows(*both.left, "press", "speed", value{9})
           && shows(*both.right, "press", "speed", value{9});
  });
  REQUIRE(both.right->set_conflict_policy("press", ""));
  wait_for("the latest", [&] {
    return shows(*both.left, "press", "speed", value{4})
           && shows(*both.right, "press", "speed", value{4});
  });
  CHECK(both.left->conflict_policy_of("press").value().empty());
  CHECK(both.left->set_conflict_policy("press", "sum").error().code == errc::bad_value);
  CHECK(both.left->set_conflict_policy("ghost", "max").error().code == errc::twin_not_found);
}

TEST_CASE("a node that has twins already gives them to its first peer", "[integration][sync]") {
  temporary_folder folder;
  node_options wanted;
  wanted.config.node.id = "edge";
  wanted.config.node.workers = 1;
  wanted.config.store.path = folder.file("edge");
  wanted.config.store.reserve_bytes = 0;
  {
    auto alone = node::start(wanted);
    REQUIRE(alone);
    REQUIRE((*alone)->create({.id = "old", .type = "press", .properties = {{"n", 1}}}));
  }
  auto [left_way, right_way] = loop_transport::make();
  wanted.peers = {"plant", {"cloud"}, left_way};
  auto left = node::start(wanted);
  REQUIRE(left);
  wanted.config.node.id = "cloud";
  wanted.config.store.path = folder.file("cloud");
  wanted.peers = {"plant", {"edge"}, right_way};
  auto right = node::start(wanted);
  REQUIRE(right);
  wait_for("the old twin", [&] { return shows(**right, "old", "n", value{1}); });
}

TEST_CASE("merge functions are known by name, and an unknown one is named with its place",
          "[integration][sync]") {
  node_options wanted;
  wanted.merges["mean"] = [](const std::vector<value>& all) -> result<value> {
    return all.front();
  };
  auto& press = wanted.config.types["press"].model;
  press.name = "press";
  press.conflict = "function:median";
  auto unknown = node::start(wanted);
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().code == errc::bad_value);
  CHECK(unknown.error().context.find("types.press.conflict") != std::string::npos);
  CHECK(unknown.error().context.find("'median'; there are mean") != std::string::npos);
  press.conflict = "function:mean";
  CHECK(node::start(wanted));
  wanted.merges["nothing"] = nullptr;
  auto empty = node::start(wanted);
  REQUIRE_FALSE(empty);
  CHECK(empty.error().context.find("'nothing' has no body") != std::string::npos);
}

TEST_CASE("peers without a store are refused", "[integration][sync]") {
  node_options wanted;
  wanted.peers = {"plant", {"cloud"}, loop_transport::make().first};
  auto started = node::start(std::move(wanted));
  REQUIRE_FALSE(started);
  CHECK(started.error().code == errc::bad_value);
}

TEST_CASE("a write can wait until peers have it", "[integration][sync]") {
  pair_of_nodes both;
  REQUIRE(both.left->create({.id = "press", .type = "press"}));
  const std::vector<std::string> press{"press"};
  auto have = both.left->wait_synced(press, 1);
  REQUIRE(have);
  CHECK(*have == 1);
  auto all = both.left->wait_synced(press, twin_api::all_peers);
  REQUIRE(all);
  CHECK(*all == 1);
  both.cut(true);
  REQUIRE(both.left->update("press", {{"temperature", 21}}));
  both.left->patience(2s);
  auto late = both.left->wait_synced(press, 1);
  REQUIRE_FALSE(late);
  CHECK(late.error().code == errc::timed_out);
  CHECK(late.error().context.find("written here") != std::string::npos);
  auto never = both.left->wait_synced(press, twin_api::all_peers);
  REQUIRE_FALSE(never);
  CHECK(never.error().code == errc::timed_out);
  CHECK(never.error().context.find("only 0 of 1") != std::string::npos);
  both.left->patience(60s);
  both.cut(false);
  REQUIRE(both.left->wait_synced(press, 1));
  // Durable there, and soon to be seen.
  wait_for("the write", [&] { return shows(*both.right, "press", "temperature", value{21}); });
  REQUIRE(both.left->remove("press"));
  CHECK(both.left->wait_synced(press, 1));
  auto many = both.left->wait_synced(press, 2);
  REQUIRE_FALSE(many);
  CHECK(many.error().code == errc::bad_value);
  const std::vector<std::string> unknown{"no such twin"};
  CHECK(both.left->wait_synced(unknown, 1).error().code == errc::bad_value);
}
