#include "tests/support/catch.hpp"
#include "workflows/template_value.hpp"

#include <map>

using namespace gemel;

namespace {

const expression_options scopes{.scopes = {"steps", "vars"}};

value json(std::string_view text) {
  auto made = value_from_json(text);
  REQUIRE(made);
  return *made;
}

template_value compiled(std::string_view text) {
  fault_list faults;
  auto made = template_value::compile(json(text), scopes, "/p", faults);
  REQUIRE(faults.empty());
  return made;
}

// Knows `steps.collect` and `vars.limit`.
const value* known(const reference& what) {
  static const auto collect = json(R"({"result": {"avg": 71.5, "ids": ["m1", "m2"]}})");
  static const value limit{85};
  if (what.scope == "steps" && what.root == "collect")
    return &collect;
  if (what.scope == "vars" && what.root == "limit")
    return &limit;
  return nullptr;
}

} // namespace

TEST_CASE("a text that is one expression becomes its value", "[unit][workflows]") {
  CHECK(compiled(R"("${ steps.collect.result.avg }")").render(known) == value{71.5});
  CHECK(compiled(R"("${steps.collect.result.ids}")").render(known) == json(R"(["m1", "m2"])"));
  CHECK(compiled(R"("${ vars.missing }")").render(known).is_null());
  CHECK(compiled(R"("${ vars.limit + 1 }")").render(known) == value{86});
}

TEST_CASE("expressions inside a text become text", "[unit][workflows]") {
  CHECK(compiled(R"("avg ${steps.collect.result.avg} of ${vars.limit}${vars.none}!")").render(known)
        == value{"avg 71.5 of 85!"});
  CHECK(compiled(R"("${ '}' }x")").render(known) == value{"}x"});
}

TEST_CASE("lists and maps are rendered whole, constants are kept", "[unit][workflows]") {
  auto made = compiled(R"({"a": ["${vars.limit}", 1], "b": {"c": "x"}})");
  CHECK_FALSE(made.is_constant());
  CHECK(made.render(known) == json(R"({"a": [85, 1], "b": {"c": "x"}})"));
  auto fixed = compiled(R"({"a": "$${vars.limit}", "b": [1, "$5"]})");
  CHECK(fixed.is_constant());
  CHECK(fixed.render(known) == json(R"({"a": "${vars.limit}", "b": [1, "$5"]})"));
  CHECK(template_value{}.render(known).is_null());
}

TEST_CASE("faults of templates have their pointer", "[unit][workflows]") {
  fault_list faults;
  template_value::compile(json(R"({"a/b": ["${ 1 + }", "${ x"]})"), scopes, "/p", faults);
  REQUIRE(faults.size() == 2);
  CHECK(faults[0].at == "/p/a~1b/0");
  CHECK(faults[0].code == errc::bad_syntax);
  CHECK(faults[1].at == "/p/a~1b/1");
  CHECK(faults[1].message == "'${' without its '}'");
}

TEST_CASE("all references of a template can be asked for", "[unit][workflows]") {
  std::map<std::string, std::string> seen;
  compiled(R"({"a": "${ steps.collect.result.avg }", "b": ["n ${ vars.limit }"]})")
      .for_each_reference([&](const reference& what, const std::string& pointer) {
        seen[to_string(what)] = pointer;
      });
  CHECK(seen
        == std::map<std::string, std::string>{{"steps.collect.result.avg", "/p/a"},
                                              {"vars.limit", "/p/b/0"}});
}
