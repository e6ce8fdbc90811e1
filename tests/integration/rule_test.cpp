#include "runtime/node.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

#include <atomic>
#include <chrono>
#include <fstream>
#include <thread>

namespace gemel {

namespace {

std::string hot_rule(const std::string& actions, int version = 1, const std::string& limit = "85") {
  return R"({"rule":"hot","version":)" + std::to_string(version)
         + R"(,"from":{"events":["updated"]},"pattern":{"steps":[)"
           R"({"name":"first","where":"temperature > )"
         + limit + R"("},{"name":"second","link":"next","where":"temperature > )" + limit
         + R"("}]},"select":{"twin":"first.twin_id","peak":"second.temperature"},"actions":[)"
         + actions + "]}";
}

std::unique_ptr<node> start(node_options options = {}) {
  options.config.node.workers = 2;
  options.config.rules.workers = 3;
  auto made = node::start(std::move(options));
  REQUIRE(made);
  return std::move(*made);
}

result<value> put(node& on, const char* how, const std::string& document) {
  return on.call({"rules", how, value{value_map{{"document", value{document}}}}});
}

template <class Condition>
bool comes_true(Condition condition) {
  for (int i = 0; i < 1'000 && !condition(); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
  return condition();
}

value number_of(node& on, const char* key) {
  auto answer = on.call({"rules", "stats", value{value_map{{"rule", value{"hot"}}}}});
  REQUIRE(answer);
  return *answer->find("rules")->as_list()[0].find(key);
}

void heat(node& on, const std::string& id, std::initializer_list<double> temperatures) {
  for (auto one : temperatures)
    REQUIRE(on.update(id, {{"temperature", value{one}}}));
}

} // namespace

TEST_CASE("a rule of a node updates twins and publishes what it found", "[integration][rules]") {
  std::atomic<int> published{0};
  node_options options;
  options.sinks["alarms"] = [&](const value& what) {
    if (what.find("peak") != nullptr)
      ++published;
  };
  auto on = start(std::move(options));
  REQUIRE(on->create(new_twin{.id = "m1", .type = "machine"}));
  auto added = put(*on, "add",
                   hot_rule(R"({"update_twin":{"id":"${twin}","set":{"alarm":"${peak}"}}},)"
                            R"({"publish":"alarms"})"));
  REQUIRE(added);
  heat(*on, "m1", {90.0, 20.0, 91.0, 92.5});
  CHECK(comes_true([&] {
    auto twin = on->get("m1");
    return twin && twin->find("alarm") != nullptr && *twin->find("alarm") == value{92.5};
  }));
  CHECK(comes_true([&] { return published.load() == 1; }));
  CHECK(comes_true([&] { return number_of(*on, "actions") == value{2}; }));
  CHECK(number_of(*on, "matches") == value{1});
  CHECK(put(*on, "add", hot_rule("")).error().code == errc::bad_value);
  REQUIRE(on->call({"rules", "remove", value{value_map{{"rule", value{"hot"}}}}}));
  CHECK(on->call({"rules", "remove", value{value_map{{"rule", value{"hot"}}}}}).error().code
        == errc::unknown_key);
}

TEST_CASE("a rule's new actions find the runs of the old ones", "[integration][rules]") {
  auto on = start();
  REQUIRE(on->create(new_twin{.id = "m1", .type = "machine"}));
  REQUIRE(put(*on, "add", hot_rule(R"({"log":"one"})")));
  heat(*on, "m1", {90.0});
  REQUIRE(comes_true([&] { return number_of(*on, "runs_open") == value{1}; }));
  auto kept = put(*on, "replace", hot_rule(R"({"emit":"too_hot"})", 2));
  REQUIRE(kept);
  CHECK(*kept->find("kept") == value{true});
  heat(*on, "m1", {91.0});
  CHECK(comes_true([&] { return number_of(*on, "matches") == value{1}; }));
  auto changed = put(*on, "replace", hot_rule("", 3, "70"));
  REQUIRE(changed);
  CHECK(*changed->find("kept") == value{false});
}

TEST_CASE("rules that lead to each other are stopped", "[integration][rules]") {
  auto on = start();
  REQUIRE(on->create(new_twin{.id = "m1", .type = "machine"}));
  REQUIRE(put(*on, "add",
              R"({"rule":"hot","from":{"events":["ping"]},"pattern":{"steps":[{"name":"a"}]},)"
              R"("actions":[{"emit":"ping"}]})"));
  REQUIRE(on->emit(twin_emit{.id = "m1", .name = "ping"}));
  CHECK(comes_true([&] { return number_of(*on, "loops") == value{1}; }));
  CHECK(number_of(*on, "matches") == value{8});
}

TEST_CASE("an action that fails is told, and the others go on", "[integration][rules]") {
  auto on = start();
  REQUIRE(on->create(new_twin{.id = "m1", .type = "machine"}));
  REQUIRE(put(*on, "add",
              hot_rule(R"({"update_twin":{"id":"nobody","set":{"x":1}}},{"publish":"nowhere"},)"
                       R"({"update_twin":{"id":"${first.nothing}","set":{"x":1}}},)"
                       R"({"update_twin":{"id":"m1","set":{"x":1}}})")));
  heat(*on, "m1", {90.0, 91.0});
  CHECK(comes_true([&] { return number_of(*on, "actions_failed") == value{3}; }));
  CHECK(comes_true([&] { return number_of(*on, "actions") == value{1}; }));
  CHECK(number_of(*on, "last_error").is_text());
}

TEST_CASE("keys are spread over threads, and each finds its own", "[integration][rules]") {
  auto on = start();
  REQUIRE(put(*on, "add", hot_rule("")));
  for (int i = 0; i < 100; ++i) {
    auto id = "m" + std::to_string(i);
    REQUIRE(on->create(new_twin{.id = id, .type = "machine"}));
    heat(*on, id, {90.0, 91.0});
  }
  CHECK(comes_true([&] { return number_of(*on, "matches") == value{100}; }));
}

TEST_CASE("an absence is noticed by time alone", "[integration][rules]") {
  auto on = start();
  REQUIRE(on->create(new_twin{.id = "m1", .type = "machine"}));
  REQUIRE(put(*on, "add",
              R"({"rule":"hot","pattern":{"steps":[{"name":"a","where":"temperature > 85"},)"
              R"({"absent":"b","where":"temperature < 50","for":"50ms"}]},)"
              R"("actions":[{"update_twin":{"id":"m1","set":{"alarm":true}}}]})"));
  heat(*on, "m1", {90.0});
  CHECK(comes_true([&] { return on->get("m1")->find("alarm") != nullptr; }));
}

TEST_CASE("rules in a folder are read, and read again when they change", "[integration][rules]") {
  test::temporary_folder folder;
  auto path = folder.file("hot.json");
  std::ofstream{path} << hot_rule("");
  node_options options;
  options.config.rules.folder = folder.path();
  auto on = start(std::move(options));
  CHECK(number_of(*on, "version") == value{1});
  std::ofstream{path} << "{ broken";
  std::ofstream{path} << hot_rule("", 27);
  CHECK(comes_true([&] { return number_of(*on, "version") == value{27}; }));
  std::ofstream{folder.file("bad.json")} << R"({"rule":"x","patern":{}})";
  on.reset();
  node_options again;
  again.config.rules.folder = folder.path();
  auto refused = node::start(std::move(again));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().context.find("did you mean 'pattern'?") != std::string::npos);
}

} // namespace gemel
