#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"
#include "workflows/json_schema.hpp"
#include "workflows/rule.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>

namespace gemel {

namespace {

std::string file(const std::string& path) {
  std::ifstream from{path};
  std::ostringstream text;
  text << from.rdbuf();
  return text.str();
}

value parsed(const std::string& text) {
  auto document = json_document::parse(text, "rule.json");
  REQUIRE(document);
  return document->root();
}

const value& schema() {
  static const auto made = parsed(file(test::source_dir() + "/workflows/rule.schema.json"));
  return made;
}

bool is_read(const std::string& text) {
  return rule::read(*json_document::parse(text, "rule.json")).has_value();
}

} // namespace

TEST_CASE("the schema of rules takes every example", "[unit][workflows]") {
  std::size_t count = 0;
  for (const auto& one :
       std::filesystem::directory_iterator{test::source_dir() + "/examples/rules"}) {
    if (one.path().extension() != ".json")
      continue;
    INFO(one.path());
    ++count;
    auto fine = check_schema(schema(), parsed(file(one.path().string())));
    if (!fine)
      INFO(to_string(fine.error()));
    CHECK(fine.has_value());
  }
  CHECK(count >= 6);
}

TEST_CASE("the schema of rules and their reader take and refuse the same", "[unit][workflows]") {
  auto steps = [](const std::string& of, const std::string& more = {}) {
    return R"({"rule":"r","pattern":{"steps":[)" + of + "]}" + more + "}";
  };
  auto a = std::string{R"({"name":"a"})"};
  const std::vector<std::string> fine = {
      steps(a),
      steps(a + R"(,{"absent":"x","where":"k = 1","for":"1500ms"})"),
      steps(a
            + R"(,{"group":"g","steps":[{"name":"b","times":[1,null],"until":"x = 1"}],)"
              R"("times":[0,3],"inner":"combinations"})"),
      steps(R"({"and":"g","parts":[{"name":"b"},{"name":"c"}],"optional":true},)" + a),
      steps(a + R"(,{"or":"g","parts":[{"name":"b"},{"name":"c"}],"every":true})",
            R"(,"restart":"once","loops":"longest","after_match":{"skip":{"to_last":"a"}})"),
      steps(a, R"(,"output":{"emit":"snapshot","every":"10 events","per":"rule"})"),
      steps(a, R"(,"actions":[{"webhook":"https://a/b","at_most":{"count":1,"every":"1m"}},)"
               R"({"log":"x"},{"signal_workflow":{"event":"e"}}])"),
      R"x({"rule":"r","window":{"kind":"tumbling","size":"1m"},"join":[)x"
      R"x({"name":"a","where":"x > 1","aggregate":{"n":"count()"}},)x"
      R"x({"name":"b","optional":true,"aggregate":{"m":"count()"}}]})x",
      R"x({"rule":"r","window":{"kind":"session","gap":1000},"aggregate":{"n":"count()"},)x"
      R"("group_by":["a","b"],"having":"n > 1"})",
  };
  for (const auto& one : fine) {
    INFO(one);
    CHECK(is_read(one));
    CHECK(check_schema(schema(), parsed(one)).has_value());
  }
  const std::vector<std::string> wrong = {
      R"({"pattern":{"steps":[{"name":"a"}]}})",
      R"({"rule":"r"})",
      steps(""),
      steps(a, R"(,"colour":1)"),
      steps(a, R"(,"restart":"sometimes")"),
      steps(R"({"name":"a","tims":3})"),
      steps(R"({"name":"a","times":"many"})"),
      steps(R"({"name":"a"},{"name":"b","link":"not_next"})"),
      steps(R"({"name":"1a"})"),
      steps(R"({"group":"g","steps":[]})"),
      steps(a, R"(,"actions":[{"webhook":"ftp://a"}])"),
      steps(a, R"(,"actions":[{"emit":"a","log":"b"}])"),
      steps(a, R"(,"actions":[{"update_twin":{"id":"a"}}])"),
      steps(a, R"(,"output":{"emit":"first","every":"soon"})"),
      steps(a, R"(,"limits":{"keys":0})"),
      R"x({"rule":"r","window":{"kind":"session","size":1},"aggregate":{"n":"count()"}})x",
  };
  for (const auto& one : wrong) {
    INFO(one);
    CHECK_FALSE(is_read(one));
    CHECK_FALSE(check_schema(schema(), parsed(one)).has_value());
  }
}

} // namespace gemel
