// A node with a store, as its users run it, ended by kill -9.

#include "runtime/client.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/write_ledger.hpp"

#include <signal.h>

#include <atomic>
#include <thread>

using namespace gemel;
using namespace gemel::test;

namespace {

const std::string program = test::binary_dir() + "/bin/gemel";

class stored_node {
public:
  explicit stored_node(const std::string& folder, const std::string& workers = "2")
      : process_{{program, "node", "--data", folder, "--set", "listen.port=0", "--set",
                  "node.workers=" + workers, "--set", "store.reserve_bytes=1048576", "--set",
                  "store.log_bytes=65536"}} {
    auto line = process_.read_line();
    INFO(line);
    auto begin = line.find("127.0.0.1:");
    REQUIRE(begin != std::string::npos);
    CHECK(line.find("store " + folder) != std::string::npos);
    endpoint_ = line.substr(begin, line.find(' ', begin) - begin);
  }

  std::unique_ptr<client> link() const {
    auto made = client::connect(endpoint_);
    if (!made)
      FAIL(to_string(made.error()));
    return std::move(*made);
  }
  void kill() {
    process_.signal(SIGKILL);
    CHECK(process_.finish().exit_code == 128 + SIGKILL);
  }
  ended stop() {
    process_.signal(SIGTERM);
    return process_.finish();
  }

private:
  process process_;
  std::string endpoint_;
};

std::string twin_of(int writer, int i) {
  return "press-" + std::to_string(writer) + "-" + std::to_string(i);
}

constexpr int writers = 2;
constexpr int twins_of_writer = 20;

void create_twins(client& link) {
  REQUIRE(link.create({.id = "hall", .type = "hall"}));
  for (int writer = 0; writer < writers; ++writer)
    for (int i = 0; i < twins_of_writer; ++i) {
      new_twin made;
      made.id = twin_of(writer, i);
      made.type = "machine";
      made.parent = "hall";
      REQUIRE(link.create(made));
    }
}

// Writes until the node is gone.
void write_on(client& link, write_ledger& ledger, int writer) {
  for (int i = 0;; i = (i + 1) % twins_of_writer) {
    auto id = twin_of(writer, i);
    auto number = ledger.send(id);
    auto done = link.update(
        id, {{"number", value{static_cast<std::int64_t>(number)}},
             {"second", value{static_cast<std::int64_t>(write_ledger::twin_of(number))}}});
    if (!done)
      return;
    ledger.acknowledged(id, number);
  }
}

write_ledger::reader reader_of(client& link) {
  return [&link](const std::string& id) -> std::optional<write_ledger::seen> {
    auto twin = link.get(id);
    if (!twin || twin->find("number") == nullptr)
      return std::nullopt;
    return write_ledger::seen{static_cast<std::uint64_t>(twin->find("number")->as_integer()),
                              static_cast<std::uint64_t>(twin->find("second")->as_integer())};
  };
}

} // namespace

TEST_CASE("kill -9 loses no acknowledged write", "[integration][runtime][store]") {
  temporary_folder folder;
  write_ledger ledger;
  for (int life = 0; life < 4; ++life) {
    stored_node node{folder.file("data"), std::to_string(1 + life % 3)};
    auto reading = node.link();
    if (life == 0)
      create_twins(*reading);
    auto wrong = ledger.compare(reader_of(*reading));
    CHECK(wrong == std::vector<std::string>{});
    query_request children;
    children.parent = "hall";
    CHECK(reading->query_all(children)->size() == writers * twins_of_writer);
    std::vector<std::unique_ptr<client>> links;
    std::vector<std::thread> threads;
    for (int writer = 0; writer < writers; ++writer)
      links.push_back(node.link());
    for (int writer = 0; writer < writers; ++writer)
      threads.emplace_back([&, writer] { write_on(*links[writer], ledger, writer); });
    auto enough = ledger.acknowledged() + 300;
    while (ledger.acknowledged() < enough)
      std::this_thread::yield();
    node.kill();
    for (auto& one : threads)
      one.join();
  }
}

TEST_CASE("a node that was stopped starts with what it had", "[integration][runtime][store]") {
  temporary_folder folder;
  {
    stored_node node{folder.file("data")};
    auto link = node.link();
    create_twins(*link);
    REQUIRE(link->update(twin_of(0, 0), {{"temperature", value{71.5}}}));
    REQUIRE(link->remove(twin_of(0, 1)));
    link.reset();
    CHECK(node.stop().exit_code == 0);
  }
  stored_node node{folder.file("data")};
  auto link = node.link();
  CHECK(*link->get(twin_of(0, 0))->find("temperature") == value{71.5});
  CHECK(link->get(twin_of(0, 0))->path == "/hall/" + twin_of(0, 0));
  CHECK(link->get(twin_of(0, 1)).error().code == errc::twin_not_found);
  CHECK(link->remove("hall").error().code == errc::has_children);
  // One node at a time.
  auto second = run({program, "node", "--data", folder.file("data"), "--set", "listen.port=0"});
  CHECK(second.exit_code == 1);
  CHECK(second.err.find(folder.file("data")) != std::string::npos);
  CHECK(node.stop().exit_code == 0);
  auto checked = run({program, "store", "check", folder.file("data")});
  INFO(checked.out << checked.err);
  CHECK(checked.exit_code == 0);
}
