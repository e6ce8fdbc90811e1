#include "actors/rule_coordinator.hpp"
#include "actors/rule_effects.hpp"
#include "messages/names.hpp"
#include "messages/requests.hpp"
#include "messages/wire.hpp"
#include "tests/support/catch.hpp"

using namespace gemel;

namespace {

// The id of the run that a match over two events of these ids starts.
std::string run_id_after(const std::string& first, const std::string& last) {
  auto document = json_document::parse(R"({
    "rule": "twice", "from": {"events": ["hot"]},
    "pattern": {"steps": [{"name": "a"}, {"name": "b"}]},
    "actions": [{"start_workflow": "cool-down", "input": "${match}"}]})",
                                       "twice.json");
  REQUIRE(document);
  auto read = rule::read(*document);
  REQUIRE(read);
  rule_coordinator rules{{.partitions = 1}};
  REQUIRE(rules.add(std::make_shared<const rule>(std::move(*read))));
  std::int64_t now = 0;
  for (const auto& id : {first, last}) {
    auto event = std::make_shared<rule_event>();
    event->id = value{id};
    event->time = value{++now};
    event->twin_id = value{"m1"};
    event->twin_type = value{"machine"};
    event->event = value{"hot"};
    rules.take({std::move(event), 0}, now);
  }
  rule_partition partition;
  std::string made;
  for (const auto& task : rules.take_tasks(0))
    partition.run(task, [&](const rule_finding& found) {
      for (const auto& wanted : found.of->actions_for(found.found)) {
        auto effect = effect_of(wanted, 0, found);
        REQUIRE(effect);
        auto call = read_service_call(effect->request.message().getService());
        CHECK(call.service == "workflows");
        CHECK(call.name == "start");
        CHECK(*call.arguments.find("cause") == value{"rule twice"});
        made = call.arguments.find("id")->as_text();
      }
    });
  return made;
}

} // namespace

TEST_CASE("a run that a rule starts has an id that may be one", "[unit][actors]") {
  auto id = run_id_after("0-12-3", "0-12-4");
  INFO(id);
  CHECK(check_id(id));
  CHECK(id.starts_with("twice.0-12-4.0-12-3."));
  CHECK(id == run_id_after("0-12-3", "0-12-4"));
  CHECK(id != run_id_after("0-12-2", "0-12-4"));
}

TEST_CASE("the ids of runs that rules start differ also where they are cut", "[unit][actors]") {
  std::string end;
  for (int i = 0; i < 200; ++i)
    end += "\u00e9";
  auto one = run_id_after("a" + end, "b" + end);
  auto other = run_id_after("c" + end, "b" + end);
  CHECK(check_id(one));
  CHECK(check_id(other));
  CHECK(one != other);
}
