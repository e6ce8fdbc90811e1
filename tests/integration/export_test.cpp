// A node that exports what it measures, as its users run it: to a server of our own, and to
// VictoriaMetrics where it is installed.

#include "messages/value.hpp"
#include "runtime/adapters/http_client.hpp"
#include "runtime/client.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/http_server.hpp"
#include "tests/support/paths.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temporary_folder.hpp"

#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <future>
#include <iostream>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>

using namespace gemel;
using namespace gemel::test;

namespace {

const std::string program = test::binary_dir() + "/bin/gemel";
constexpr std::int64_t start_us = 1'767'225'600'000'000; // 2026-01-01

class exporting_node {
public:
  exporting_node(const std::string& folder, const std::string& url,
                 std::vector<std::string> more = {})
      : process_{words(folder, url, std::move(more))} {
    auto line = process_.read_line();
    INFO(line);
    auto begin = line.find("127.0.0.1:");
    REQUIRE(begin != std::string::npos);
    endpoint_ = line.substr(begin, line.find(' ', begin) - begin);
    auto made = client::connect(endpoint_);
    REQUIRE(made);
    link = std::move(*made);
  }
  double counter(const std::string& name) const {
    auto stats = link->stats();
    REQUIRE(stats);
    for (const auto& one : stats->counters)
      if (one.name == name)
        return one.number;
    FAIL("no counter " << name);
    return 0;
  }
  void kill() {
    process_.signal(SIGKILL);
    process_.finish();
  }

  std::unique_ptr<client> link;

private:
  static std::vector<std::string> words(const std::string& folder, const std::string& url,
                                        std::vector<std::string> more) {
    std::vector<std::string> made{program, "node", "--data", folder};
    for (const char* option :
         {"listen.port=0", "store.reserve_bytes=1048576",
          "types.machine.properties.temperature.history=true", "export.interval=50ms"})
      made.insert(made.end(), {"--set", option});
    made.insert(made.end(), {"--set", "export.url=" + url});
    for (auto& one : more)
      made.insert(made.end(), {"--set", std::move(one)});
    return made;
  }

  process process_;
  std::string endpoint_;
};

template <class Condition>
bool comes_true(Condition condition) {
  for (int i = 0; i < 3'000; ++i) {
    if (condition())
      return true;
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
  return false;
}

result<http_reply> get(const std::string& url) {
  static http_client caller;
  std::promise<result<http_reply>> promise;
  http_request what;
  what.method = "GET";
  what.url = url;
  caller.send(std::move(what), [&](result<http_reply> how) { promise.set_value(std::move(how)); });
  return promise.get_future().get();
}

void set_temperature(client& link, int number) {
  twin_update one;
  one.id = "m1";
  one.set = {{"temperature", value{number}}};
  one.source_time_us = start_us + number * 1'000'000;
  REQUIRE(link.update(one));
}

} // namespace

TEST_CASE("a node exports every value over kill -9 of itself and errors of the server",
          "[integration][runtime]") {
  temporary_folder folder;
  std::mutex mutex;
  std::set<std::string> lines;
  int calls = 0;
  std::string key;
  http_server server{[&](const http_call& call) {
    std::lock_guard hold{mutex};
    key = call.headers.substr(std::min(call.headers.size(), call.headers.find("X-Key:")), 9);
    if (++calls % 4 == 0)
      return http_answer{calls % 8 == 0 ? 0 : 503};
    std::istringstream text{call.body};
    for (std::string line; std::getline(text, line);)
      lines.insert(line);
    return http_answer{204};
  }};
  constexpr int lives = 3;
  constexpr int values = 150;
  int number = 0;
  for (int life = 0; life < lives; ++life) {
    exporting_node node{folder.file("data"), server.url() + "/write", {"export.header=X-Key: k"}};
    if (life == 0)
      REQUIRE(node.link->create({.id = "m1", .type = "machine"}));
    for (int i = 0; i < values; ++i)
      set_temperature(*node.link, number++);
    auto all = [&] {
      std::lock_guard hold{mutex};
      return lines.size() == static_cast<std::size_t>(number);
    };
    if (life + 1 == lives)
      CHECK(comes_true(all));
    node.kill();
  }
  std::lock_guard hold{mutex};
  CHECK(lines.contains("machine,twin=m1 temperature=449i 1767226049000000000"));
  CHECK(key == "X-Key: k\r");
}

TEST_CASE("a node without a server goes on, and gives up the oldest values",
          "[integration][runtime]") {
  temporary_folder folder;
  exporting_node node{folder.file("data"),
                      "http://127.0.0.1:" + std::to_string(free_port()) + "/write",
                      {"export.queue_bytes_max=65536"}};
  REQUIRE(node.link->create({.id = "m1", .type = "machine"}));
  for (int i = 0; i < 2'000; ++i)
    set_temperature(*node.link, i);
  CHECK(comes_true([&] { return node.counter("gemel_export_lost_total") > 0; }));
  CHECK(comes_true([&] { return node.counter("gemel_export_failing") == 1; }));
  CHECK(comes_true([&] { return node.counter("gemel_export_backlog_bytes") <= 65'536; }));
  CHECK(node.counter("gemel_export_values_total") == 0);
}

TEST_CASE("a node refuses to export where that cannot be", "[integration][runtime]") {
  auto start = [](std::vector<std::string> words) {
    words.insert(words.begin(), {program, "node", "--set", "listen.port=0"});
    return run(std::move(words));
  };
  auto bad = start({"--set", "export.url=ftp://host/"});
  CHECK(bad.exit_code == 2);
  CHECK(bad.err.find("export.url") != std::string::npos);
  CHECK(start({"--set", "export.format=csv"}).err.find("influx") != std::string::npos);
  CHECK(start({"--set", "export.header=nothing"}).exit_code == 2);
  auto nowhere = start({"--set", "export.url=http://127.0.0.1:1/write"});
  CHECK(nowhere.exit_code != 0);
  CHECK(nowhere.err.find("store.path") != std::string::npos);
}

TEST_CASE("VictoriaMetrics takes what a node exports", "[integration][runtime]") {
  const std::string victoria = "/usr/bin/victoria-metrics";
  if (::access(victoria.c_str(), X_OK) != 0) {
    std::cout << "skipped: " << victoria << " is not there (package victoria-metrics)\n";
    return;
  }
  temporary_folder folder;
  auto at = "127.0.0.1:" + std::to_string(free_port());
  process server{{victoria, "-storageDataPath=" + folder.file("victoria"), "-httpListenAddr=" + at,
                  "-retentionPeriod=100y", "-loggerLevel=ERROR"}};
  auto url = "http://" + at;
  REQUIRE(comes_true([&] {
    auto reply = get(url + "/health");
    return reply && reply->good();
  }));
  exporting_node node{folder.file("data"), url + "/write"};
  REQUIRE(node.link->create({.id = "m1", .type = "machine"}));
  for (int i = 0; i < 300; ++i)
    set_temperature(*node.link, i);
  auto exported = [&] { return node.counter("gemel_export_values_total") == 300; };
  CHECK(comes_true(exported));
  std::string body;
  CHECK(comes_true([&] {
    static_cast<void>(get(url + "/internal/force_flush"));
    auto reply = get(url + "/api/v1/export?match[]=machine_temperature");
    body = reply ? reply->body : std::string{};
    return !body.empty();
  }));
  auto series = value_from_json(body.substr(0, body.find('\n')));
  INFO(body);
  REQUIRE(series);
  CHECK(*series->find("metric")->find("twin") == value{"m1"});
  auto numbers = series->find("values")->as_list();
  REQUIRE(numbers.size() == 300);
  for (std::size_t i = 0; i < numbers.size(); ++i)
    CHECK(numbers[i].number() == static_cast<double>(i));
  CHECK(series->find("timestamps")->as_list()[299] == value{start_us / 1'000 + 299'000});
  server.signal(SIGTERM);
  server.finish();
}
