#include "runtime/node.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/http_server.hpp"
#include "tests/support/temporary_folder.hpp"
#include "workflows/json_document.hpp"

#include <chrono>
#include <fstream>
#include <mutex>
#include <sstream>
#include <thread>

namespace gemel {

namespace {

using test::http_answer;
using test::http_call;
using test::http_server;

std::string hot_rule(const std::string& url, const std::string& more = {}) {
  return R"({"rule":"hot","pattern":{"steps":[{"name":"a","where":"temperature > 85"}]},)"
         R"("select":{"twin":"a.twin_id","peak":"a.temperature"},"actions":[{"webhook":")"
         + url + "\"" + more + "}]}";
}

template <class Condition>
bool comes_true(Condition condition) {
  for (int i = 0; i < 1'000 && !condition(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  return condition();
}

// A node whose rule posts to the server.
std::unique_ptr<node> hot_node(const std::string& document, const std::string& letters = {}) {
  node_options options;
  options.config.node.workers = 1;
  options.config.rules.workers = 1;
  options.config.rules.dead_letters = letters;
  auto made = node::start(std::move(options));
  REQUIRE(made);
  REQUIRE((*made)->call({"rules", "add", value{value_map{{"document", value{document}}}}}));
  REQUIRE((*made)->create(new_twin{.id = "press-7", .type = "machine"}));
  return std::move(*made);
}

value number_of(node& on, const char* key) {
  auto answer = on.call({"rules", "stats", value{value_map{{"rule", value{"hot"}}}}});
  REQUIRE(answer);
  return *answer->find("rules")->as_list()[0].find(key);
}

std::string text_of(const std::string& path) {
  std::ifstream from{path};
  std::ostringstream text;
  text << from.rdbuf();
  return text.str();
}

} // namespace

TEST_CASE("a webhook posts a CloudEvent, again until the server takes it", "[integration][rules]") {
  std::mutex mutex;
  std::vector<http_call> calls;
  http_server server{[&](const http_call& came) {
    std::lock_guard hold{mutex};
    calls.push_back(came);
    return http_answer{calls.size() == 1 ? 503 : 204};
  }};
  auto on = hot_node(hot_rule(server.url() + "/alarms"));
  REQUIRE(on->update("press-7", {{"temperature", value{90.5}}}));
  CHECK(comes_true([&] { return number_of(*on, "actions") == value{1}; }));
  CHECK(number_of(*on, "actions_retried") == value{1});
  std::lock_guard hold{mutex};
  REQUIRE(calls.size() == 2);
  CHECK(calls[0].body == calls[1].body);
  CHECK(calls[0].path == "/alarms");
  CHECK(calls[0].headers.find("application/cloudevents+json") != std::string::npos);
  auto event = json_document::parse(calls[0].body, "body");
  REQUIRE(event);
  auto field = [&](const char* key) { return *event->root().find(key); };
  CHECK(field("specversion") == value{"1.0"});
  CHECK(field("type") == value{"gemel.rule"});
  CHECK(field("source") == value{"/gemel/rules/hot"});
  CHECK(field("id").as_text().starts_with("hot/"));
  CHECK(field("time").as_text().size() == 24);
  CHECK(*field("data").find("peak") == value{90.5});
  CHECK(*field("data").find("twin") == value{"press-7"});
}

TEST_CASE("a webhook that the server refuses is a dead letter", "[integration][rules]") {
  test::temporary_folder folder;
  auto letters = folder.path() + "/letters.jsonl";
  http_server server{[](const http_call&) { return http_answer{400}; }};
  auto on = hot_node(hot_rule(server.url()), letters);
  REQUIRE(on->update("press-7", {{"temperature", value{91}}}));
  CHECK(comes_true([&] { return text_of(letters).find('\n') != std::string::npos; }));
  CHECK(number_of(*on, "actions_failed") == value{1});
  auto letter = json_document::parse(text_of(letters), "letters");
  REQUIRE(letter);
  CHECK(letter->root().find("url")->as_text() == server.url());
  CHECK(letter->root().find("error")->as_text().find("400") != std::string::npos);
  CHECK(*letter->root().find("event")->find("data")->find("peak") == value{91});
}

TEST_CASE("a webhook that waits when the node stops is a dead letter", "[integration][rules]") {
  test::temporary_folder folder;
  auto letters = folder.path() + "/letters.jsonl";
  http_server server{[](const http_call&) { return http_answer{503, "Retry-After: 3000\r\n"}; }};
  auto on = hot_node(hot_rule(server.url()), letters);
  REQUIRE(on->update("press-7", {{"temperature", value{91}}}));
  CHECK(comes_true([&] { return number_of(*on, "actions_retried") == value{1}; }));
  CHECK(text_of(letters).empty());
  on->stop();
  auto letter = json_document::parse(text_of(letters), "letters");
  REQUIRE(letter);
  CHECK(*letter->root().find("attempts") == value{1});
  CHECK(letter->root().find("error")->as_text().find("stopping") != std::string::npos);
}

TEST_CASE("an action is done at most so often", "[integration][rules]") {
  http_server server{[](const http_call&) { return http_answer{204}; }};
  auto on = hot_node(hot_rule(server.url(), R"(,"at_most":{"count":2,"every":"1h"})"));
  for (int i = 0; i < 5; ++i)
    REQUIRE(on->update("press-7", {{"temperature", value{90 + i}}}));
  CHECK(comes_true([&] { return number_of(*on, "actions_limited") == value{3}; }));
  CHECK(comes_true([&] { return number_of(*on, "actions") == value{2}; }));
}

} // namespace gemel
