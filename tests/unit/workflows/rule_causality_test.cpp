#include "tests/support/catch.hpp"
#include "workflows/rule_runner.hpp"

namespace gemel {

namespace {

// The matches of two steps, where the second stands to the first as `order` says.
std::size_t matches(const std::string& order, const std::vector<std::string>& lines) {
  auto document = json_document::parse(
      R"({"rule":"r","partition_by":null,"pattern":{"steps":[{"name":"a","where":"event = 'a'"},)"
      R"({"name":"b","link":"followed_by_any","where":"event = 'b'",)"
          + order + "}]}}",
      "rule.json");
  REQUIRE(document);
  auto what = rule::read(*document);
  REQUIRE(what);
  rule_runner runner{*what};
  match_output output;
  for (const auto& line : lines) {
    auto event = read_recorded_event(line, 1, "events");
    REQUIRE(event);
    runner.add(*event, output);
  }
  runner.finish(output);
  return output.matches.size();
}

std::string order(const std::string& relation) {
  return R"("order":{"relative_to":"a","relation":")" + relation + "\"}";
}

const std::vector<std::string> history = {
    R"({"time":1,"event":"a","event_id":"e1","stamp":{"node":"x","counter":3}})",
    // Knew of it, did not, and says nothing.
    R"({"time":2,"event":"b","cause":"e1","stamp":{"node":"y","counter":1,"seen":{"x":3}}})",
    R"({"time":3,"event":"b","cause":"e9","stamp":{"node":"y","counter":2,"seen":{"x":2}}})",
    R"({"time":4,"event":"b"})"};

} // namespace

TEST_CASE("a step can ask how it stands to another one in causality", "[unit][workflows]") {
  CHECK(matches(order("time"), history) == 3);
  CHECK(matches(order("happened_before"), history) == 1);
  CHECK(matches(order("concurrent"), history) == 1);
  CHECK(matches(order("caused_by"), history) == 1);
  CHECK(matches(R"("caused_by":"a")", history) == 1);
}

TEST_CASE("an order that leads nowhere is refused", "[unit][workflows]") {
  auto fault = [](const std::string& step) {
    auto document = json_document::parse(
        R"({"rule":"r","pattern":{"steps":[{"name":"first"},{"name":"b",)" + step + "}]}}", "");
    REQUIRE(document);
    auto made = rule::read(*document);
    REQUIRE_FALSE(made);
    return made.error().front().at + " " + made.error().front().hint;
  };
  CHECK(fault(R"("order":{"relative_to":"frist","relation":"time"})")
        == "/pattern/steps/1/order/relative_to did you mean 'first'?");
  CHECK(fault(R"("caused_by":"b")") == "/pattern/steps/1/caused_by name a step before this one");
  CHECK(fault(R"("order":{"relative_to":"first","relation":"befor"})")
            .starts_with("/pattern/steps/1/order/relation"));
}

} // namespace gemel
