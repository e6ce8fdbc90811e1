#include "tests/support/catch.hpp"
#include "workflows/rule.hpp"
#include "workflows/rule_import.hpp"

namespace gemel {

namespace {

tl::expected<value, fault_list> imported(const std::string& text) {
  auto document = json_document::parse(text, "flink.json");
  REQUIRE(document);
  return import_flink_rule(*document);
}

bool is_read(const value& made) {
  auto document = json_document::parse(to_json(made), "rule.json");
  REQUIRE(document);
  return rule::read(*document).has_value();
}

std::string node(const std::string& name, const std::string& condition,
                 const std::string& quantifier = R"("properties":["SINGLE"],"times":null)") {
  return R"({"name":")" + name + R"(","quantifier":{"consumingStrategy":"SKIP_TILL_NEXT",)"
         + quantifier + R"(,"untilCondition":null},"condition":)" + condition
         + R"(,"type":"ATOMIC"})";
}

std::string aviator(const std::string& text) {
  return R"({"expression":")" + text + R"(","type":"AVIATOR"})";
}

std::string graph(const std::string& nodes, const std::string& edges,
                  const std::string& more = {}) {
  return R"({"name":"three","nodes":[)" + nodes + R"(],"edges":[)" + edges + "]" + more
         + R"(,"type":"COMPOSITE","version":1})";
}

std::string edge(const char* source, const char* target, const char* type) {
  return std::string{R"({"source":")"} + source + R"(","target":")" + target + R"(","type":")"
         + type + "\"}";
}

} // namespace

TEST_CASE("a rule for dynamic Flink CEP becomes one of ours", "[unit][workflows]") {
  auto text = graph(
      node("end", aviator("action != 1 && kind == \\\"b's\\\"")) + ","
          + node("none", aviator("action == nil")) + ","
          + node(
              "start", aviator("action == 0"),
              R"("properties":["TIMES","OPTIONAL"],"times":{"from":3,"to":4,"windowTime":null})"),
      edge("start", "none", "NOT_FOLLOW") + "," + edge("none", "end", "STRICT"),
      R"(,"window":{"type":"FIRST_AND_LAST","time":{"unit":"MINUTES","size":10}},)"
      R"("afterMatchStrategy":{"type":"SKIP_TO_LAST","patternName":"start"})");
  auto made = imported(text);
  REQUIRE(made);
  CHECK(to_json(*made)
        == R"({"after_match":{"skip":{"to_last":"start"}},"pattern":{"steps":[)"
           R"({"inner":"relaxed","name":"start","optional":true,"times":[3,4],)"
           R"("where":"action == 0"},)"
           R"({"absent":"none","link":"not_followed_by","where":"action IS NULL"},)"
           R"({"link":"next","name":"end","where":"action != 1 && kind == 'b''s'"}],)"
           R"("within":600000},"rule":"three"})");
  CHECK(is_read(*made));
}

TEST_CASE("a graph in a graph becomes a group", "[unit][workflows]") {
  auto inner = R"({"name":"g","type":"COMPOSITE","nodes":[)" + node("b", aviator("k == 'b'"))
               + R"(],"edges":[],"quantifier":{"consumingStrategy":"STRICT",)"
                 R"("properties":["LOOPING"],"times":{"from":2,"to":2}}})";
  auto made = imported(
      graph(node("a", aviator("k == 'a'")) + "," + inner, edge("a", "g", "SKIP_TILL_ANY")));
  REQUIRE(made);
  const auto& group = made->find("pattern")->find("steps")->as_list()[1];
  CHECK(to_json(group)
        == R"({"group":"g","inner":"consecutive","link":"followed_by_any",)"
           R"("steps":[{"name":"b","where":"k == 'b'"}],"times":[2,null]})");
  CHECK(is_read(*made));
}

TEST_CASE("conditions are put together, and classes are refused with their place",
          "[unit][workflows]") {
  auto both = R"({"className":"org.apache.flink.cep.pattern.conditions.RichOrCondition",)"
              R"("type":"CLASS","nestedConditions":[)"
              + aviator("a == 1") + "," + aviator("b == 2") + "]}";
  auto made = imported(graph(node("a", both), ""));
  REQUIRE(made);
  CHECK(made->find("pattern")->find("steps")->as_list()[0].find("where")->as_text()
        == "(a == 1) OR (b == 2)");
  auto refused = imported(graph(node("a", R"({"className":"demo.Start","type":"CLASS"})"), ""));
  REQUIRE_FALSE(refused);
  CHECK(refused.error()[0].at == "/nodes/0/condition/type");
  CHECK(refused.error()[0].code == errc::unsupported);
}

TEST_CASE("a graph that is no chain is refused", "[unit][workflows]") {
  auto two = node("a", aviator("a")) + "," + node("b", aviator("b"));
  CHECK_FALSE(imported(graph(two, "")));
  CHECK_FALSE(imported(graph(two, edge("a", "c", "STRICT"))));
  CHECK_FALSE(imported(graph(two, edge("a", "b", "STRICT") + "," + edge("b", "a", "STRICT"))));
  CHECK_FALSE(imported(graph(two, edge("a", "b", "NEXT"))));
  CHECK_FALSE(imported("[]"));
}

} // namespace gemel
