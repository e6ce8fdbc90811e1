#include "tests/support/catch.hpp"
#include "workflows/json_document.hpp"
#include "workflows/object_reader.hpp"

using namespace gemel;

namespace {

std::vector<std::string> spelt(const fault_list& faults) {
  std::vector<std::string> made;
  for (const auto& one : faults)
    made.push_back(to_string(one));
  return made;
}

json_document document(std::string text) {
  auto made = json_document::parse(std::move(text), "doc.json");
  REQUIRE(made);
  return *made;
}

} // namespace

TEST_CASE("a document that is no JSON is refused with its place", "[unit][workflows]") {
  auto refused = json_document::parse("{\"a\": }", "doc.json");
  REQUIRE_FALSE(refused);
  REQUIRE(refused.error().size() == 1);
  CHECK(refused.error()[0].code == errc::bad_syntax);
  CHECK(refused.error()[0].line == 1);
  CHECK(refused.error()[0].column == 7);
  CHECK(json_document::parse(std::string(json_document_bytes_max + 1, ' '), "").error()[0].code
        == errc::limit_reached);
}

TEST_CASE("keys that stand twice are found at every depth", "[unit][workflows]") {
  auto refused = json_document::parse("{\"a\": 1,\n \"b\": [{\"c\": 1, \"c\": 2}], \"a\": 2}", "d");
  REQUIRE_FALSE(refused);
  CHECK(spelt(refused.error())
        == std::vector<std::string>{"d:2:22: /b/0/c: 'c' stands twice (keep one of them)",
                                    "d:2:32: /a: 'a' stands twice (keep one of them)"});
}

TEST_CASE("a pointer leads to its line and column", "[unit][workflows]") {
  auto doc = document("{\"a/b\": [1, {\"~\": 7}],\n \"c\": null}");
  CHECK(doc.place_of("") == text_place{1, 1});
  CHECK(doc.place_of("/a~1b/0") == text_place{1, 10});
  CHECK(doc.place_of("/a~1b/1/~0") == text_place{1, 19});
  CHECK(doc.place_of("/c") == text_place{2, 7});
  CHECK(doc.place_of("/a~1b/5/x") == text_place{1, 9});
}

TEST_CASE("an object is read strictly, with all faults at once", "[unit][workflows]") {
  auto doc = document(R"({"name": 7, "size": 11, "wait": "soon", "mode": "fst", "extra": 1,
                          "where": "a >", "tags": ["x", 2]})");
  fault_list faults;
  object_reader read{doc.root(), "", "the thing", faults};
  constexpr std::string_view modes[] = {"fast", "slow"};
  CHECK_FALSE(read.text("name"));
  CHECK_FALSE(read.integer("size", 1, 10));
  CHECK_FALSE(read.duration("wait"));
  CHECK_FALSE(read.choice("mode", modes));
  CHECK_FALSE(read.compiled("where", {}));
  CHECK_FALSE(read.texts("tags"));
  CHECK_FALSE(read.text("id", object_reader::required));
  CHECK_FALSE(read.boolean("absent"));
  read.finish();
  doc.place(faults);
  auto lines = spelt(faults);
  REQUIRE(lines.size() == 8);
  CHECK(lines[0] == "doc.json:1:1: 'id' is missing in the thing");
  CHECK(lines[1] == "doc.json:1:10: /name: 'name' must be a text, not int");
  CHECK(lines[2] == "doc.json:1:21: /size: 'size' is 11 (1 to 10)");
  CHECK(lines[4] == "doc.json:1:49: /mode: 'mode' is 'fst' (did you mean 'fast'?)");
  CHECK(lines[5].find("unknown field 'extra' in the thing") != std::string::npos);
  CHECK(lines[7] == "doc.json:2:57: /tags/1: must be a text, not int");
}

TEST_CASE("right fields are read as what they say", "[unit][workflows]") {
  auto doc = document(R"({"t": "x", "i": 3, "d": "30s", "ms": 5, "n": 0.5, "w": "a > 1",
                          "l": ["p", "q"], "o": {}, "b": true})");
  fault_list faults;
  object_reader read{doc.root(), "", "it", faults};
  CHECK(read.text("t") == "x");
  CHECK(read.integer("i", 0, 9) == 3);
  CHECK(read.duration("d") == std::chrono::seconds{30});
  CHECK(read.duration("ms") == std::chrono::milliseconds{5});
  CHECK(read.number("n", 0, 1) == 0.5);
  CHECK(read.compiled("w", {})->to_string() == "a > 1");
  CHECK(read.texts("l") == std::vector<std::string>{"p", "q"});
  CHECK(read.object("o") != nullptr);
  CHECK(read.boolean("b") == true);
  read.finish();
  CHECK(faults.empty());
}

TEST_CASE("what is no object has no fields and one fault", "[unit][workflows]") {
  fault_list faults;
  value content{7};
  object_reader read{content, "/steps/1", "a step", faults};
  CHECK_FALSE(read.text("id", object_reader::required));
  read.finish();
  REQUIRE(faults.size() == 1);
  CHECK(to_string(faults[0]) == "/steps/1: a step must be an object, not int");
}
