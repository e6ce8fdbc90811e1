// A node that keeps history, as its users run it, ended by kill -9.

#include "runtime/client.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temporary_folder.hpp"

#include <signal.h>

#include <algorithm>

using namespace gemel;
using namespace gemel::test;

namespace {

const std::string program = test::binary_dir() + "/bin/gemel";

class history_node {
public:
  explicit history_node(const std::string& folder)
      : process_{{program, "node", "--data", folder, "--set", "listen.port=0", "--set",
                  "store.reserve_bytes=1048576", "--set", "store.log_bytes=65536", "--set",
                  "types.machine.properties.temperature.history=true", "--set",
                  "history.keep=0ms"}} {
    auto line = process_.read_line();
    INFO(line);
    auto begin = line.find("127.0.0.1:");
    REQUIRE(begin != std::string::npos);
    endpoint_ = line.substr(begin, line.find(' ', begin) - begin);
  }
  std::unique_ptr<client> link() const {
    auto made = client::connect(endpoint_);
    if (!made)
      FAIL(to_string(made.error()));
    return std::move(*made);
  }
  ended ask(std::vector<std::string> words) const {
    words.insert(words.begin(), {program, "history"});
    words.insert(words.end(), {"--node", endpoint_});
    return process{words}.finish();
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

} // namespace

TEST_CASE("history has every acknowledged value once, over kill -9", "[integration][runtime]") {
  temporary_folder folder;
  constexpr int lives = 3;
  constexpr int values = 200;
  std::int64_t number = 0;
  for (int life = 0; life < lives; ++life) {
    history_node node{folder.file("data")};
    auto link = node.link();
    if (life == 0)
      REQUIRE(link->create({.id = "m1", .type = "machine"}));
    for (int i = 0; i < values; ++i)
      REQUIRE(link->update("m1", {{"temperature", value{number++}}}));
    auto found =
        link->call({"history", "range",
                    value{value_map{{"id", value{"m1"}}, {"property", value{"temperature"}}}}});
    REQUIRE(found);
    auto points = found->find("points")->as_list();
    REQUIRE(static_cast<std::int64_t>(points.size()) == number);
    for (std::size_t i = 0; i < points.size(); ++i)
      CHECK(points[i].as_list()[1] == value{static_cast<std::int64_t>(i)});
    if (life == 1) // In between an orderly end, which writes what is open.
      CHECK(node.stop().exit_code == 0);
    else
      node.kill();
  }
}

TEST_CASE("gemel history prints tables, JSON, CSV and a plot", "[integration][runtime]") {
  temporary_folder folder;
  history_node node{folder.file("data")};
  auto link = node.link();
  REQUIRE(link->create({.id = "m1", .type = "machine"}));
  for (int i = 0; i < 5; ++i)
    REQUIRE(link->update("m1", {{"temperature", value{20 + i}}, {"serial", value{i}}}));
  CHECK(node.ask({"m1", "temperature"}).out.find("24") != std::string::npos);
  auto csv = node.ask({"m1", "temperature", "--last", "2", "--format", "csv"});
  CHECK(csv.exit_code == 0);
  CHECK(csv.out.starts_with("time,value\n"));
  CHECK(csv.out.find(",23\n") != std::string::npos);
  CHECK(csv.out.find(",22\n") == std::string::npos);
  auto counted = node.ask({"m1", "temperature", "--agg", "sum", "--json"});
  CHECK(counted.out.find("\"count\":5,\"value\":110") != std::string::npos);
  CHECK(node.ask({"m1", "temperature", "--format", "plot"}).out.find(" to ") != std::string::npos);
  CHECK(node.ask({"m1", "--as-of", "now", "--json"}).out.find("\"value\":24") != std::string::npos);
  CHECK(node.ask({"m1", "--diff", "--from", "-1h"}).out.find("temperature") != std::string::npos);
  CHECK(node.ask({"m1", "--as-of", "now"}).out.find("serial") == std::string::npos);
  // What is wrong is said.
  CHECK(node.ask({"m1"}).exit_code == 2);
  CHECK(node.ask({"m1", "temperature", "--from", "yesterday"}).exit_code == 2);
  auto unknown = node.ask({"m1", "temperature", "--agg", "medium"});
  CHECK(unknown.exit_code == 2);
  CHECK(unknown.err.find("percentile") != std::string::npos);
}

TEST_CASE("gemel history tells of versions, of subtrees, and of any number of rows",
          "[integration][runtime]") {
  temporary_folder folder;
  history_node node{folder.file("data")};
  auto link = node.link();
  REQUIRE(link->create({.id = "hall", .type = "hall"}));
  REQUIRE(link->create({.id = "m1", .type = "machine", .parent = "hall"}));
  REQUIRE(link->create({.id = "m2", .type = "machine", .parent = "hall"}));
  std::vector<twin_update> many;
  constexpr int values = 25'000;
  for (int i = 0; i < values; ++i) {
    twin_update one;
    one.id = "m1";
    one.set = {{"temperature", value{i}}};
    one.source_time_us = 1'700'000'000'000'000 + i * 1'000;
    many.push_back(std::move(one));
  }
  auto done = link->update(many);
  REQUIRE(done);
  REQUIRE(done->failures.empty());
  REQUIRE(link->update("m2", {{"temperature", value{7.5}}}));
  auto csv = node.ask({"m1", "temperature", "--format", "csv"});
  CHECK(std::count(csv.out.begin(), csv.out.end(), '\n') == values + 1);
  CHECK(csv.out.ends_with(",24999\n"));
  auto last = node.ask({"m1", "temperature", "--last", "12000", "--format", "csv"});
  CHECK(std::count(last.out.begin(), last.out.end(), '\n') == 12'001);
  CHECK(last.out.find(",12999\n") == std::string::npos);
  CHECK(last.out.find(",13000\n") != std::string::npos);
  auto rows =
      node.ask({"m1", "temperature", "--from", "2023-11-14T22:13:20Z", "--to",
                "2023-11-14T22:13:45Z", "--every", "1ms", "--agg", "sum", "--format", "csv"});
  CHECK(std::count(rows.out.begin(), rows.out.end(), '\n') == values + 1);
  CHECK(rows.out.find(",1,24999") != std::string::npos);
  CHECK(node.ask({"m1", "--at-version", "1001", "--json"}).out.find("\"value\":999")
        != std::string::npos);
  auto tree = node.ask({"--under", "hall", "--as-of", "now", "--format", "csv"});
  CHECK(tree.out.starts_with("twin,property,time,value\n"));
  CHECK(tree.out.find("m1,temperature,2023-11-14T22:13:44.999000Z,24999\n") != std::string::npos);
  CHECK(tree.out.find("m2,temperature,") != std::string::npos);
  CHECK(node.ask({"--under", "nobody", "--as-of", "now"}).exit_code == 1);
  CHECK(node.ask({"--under", "hall"}).exit_code == 2);
  CHECK(node.ask({"m1", "--at-version", "0"}).exit_code == 2);
}
