#include "tests/fuzz/fuzz.hpp"
#include "workflows/rule_runner.hpp"

#include <array>

namespace {

using namespace gemel;

// Events of two twins: readings that rise and fall, and one that is no reading.
std::vector<recorded_event> some_events() {
  constexpr std::array lines = {
      R"({"time": 1000, "twin_id": "m1", "twin_type": "machine",
          "properties": {"temperature": 20}})",
      R"({"time": 2000, "twin_id": "m2", "twin_type": "machine",
          "properties": {"temperature": 99}})",
      R"({"time": 3000, "twin_id": "m1", "twin_type": "machine",
          "properties": {"temperature": 95,
          "vibration": 0.5, "state": "on"}})",
      R"({"time": 2500, "twin_id": "m1", "twin_type": "machine", "event": "serviced"})",
      R"({"time": 90000, "twin_id": "m1", "twin_type": "machine",
          "properties": {"temperature": 10}})",
      R"({"time": 90000, "twin_id": "m2", "twin_type": "door",
          "properties": {"open": true}})"};
  std::vector<recorded_event> made;
  for (const auto* line : lines)
    if (auto read = read_recorded_event(line, 1, "events"))
      made.push_back(*std::move(read));
  return made;
}

} // namespace

/// A rule of any text is refused with all its faults, or it runs over some events.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto events = some_events();
  auto document = json_document::parse(std::string{fuzz::text_of(data, size)}, "fuzz.json");
  if (!document) {
    fuzz::expect_named(document.error());
    return 0;
  }
  auto made = rule::read(*document);
  if (!made) {
    fuzz::expect_named(made.error());
    return 0;
  }
  match_output found;
  rule_runner runner{*made};
  for (const auto& one : events)
    runner.add(one, found);
  runner.finish(found);
  return 0;
}
