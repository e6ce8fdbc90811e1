#include "runtime/workflow_runner.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"
#include "tests/support/small_node.hpp"

#include <fstream>
#include <sstream>

using namespace gemel;

namespace {

std::shared_ptr<const workflow> example() {
  std::ifstream file{test::source_dir() + "/examples/workflows/analyze-hall.json"};
  std::stringstream text;
  text << file.rdbuf();
  auto made = workflow::parse(text.str(), "analyze-hall.json");
  REQUIRE(made);
  return std::make_shared<const workflow>(std::move(*made));
}

} // namespace

TEST_CASE("the example workflow runs on a node and finds the hot machine", "[integration]") {
  auto here = start_small_node();
  REQUIRE(here->create(new_twin{.id = "hall-1", .type = "building"}));
  for (int i = 0; i < 20; ++i)
    REQUIRE(here->create(new_twin{.id = "m" + std::to_string(i),
                                  .type = "machine",
                                  .parent = "hall-1",
                                  .properties = {{"temperature", 68 + i % 3}}}));
  REQUIRE(here->update("m7", {{"temperature", 84}}));
  auto functions = function_library::standard();
  std::size_t changes = 0;
  workflow_run_options options;
  options.on_change = [&](const workflow_run&, const run_record&) { ++changes; };
  auto run = run_workflow(*here, example(), functions, options);
  CHECK(run->state() == run_state::completed);
  CHECK(changes >= 6);
  auto results = run->results();
  const auto* verdict = results.find("analyze_patterns")->find("hall-1");
  REQUIRE(verdict != nullptr);
  CHECK(*verdict->find("verdict") == value{"hot_spots"});
  CHECK(*verdict->find("unusual")->as_list()[0].find("id") == value{"m7"});
}

TEST_CASE("a workflow that is to stop is cancelled", "[integration]") {
  auto here = start_small_node();
  auto parsed =
      workflow::parse(R"({"steps": [{"id": "w", "type": "wait", "duration": "1h"}]})", "w.json");
  REQUIRE(parsed);
  auto functions = function_library::standard();
  workflow_run_options options;
  int asked = 0;
  options.stop_wanted = [&] { return ++asked > 3; };
  auto run =
      run_workflow(*here, std::make_shared<const workflow>(std::move(*parsed)), functions, options);
  CHECK(run->state() == run_state::cancelled);
}
