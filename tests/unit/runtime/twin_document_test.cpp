#include "runtime/twin_document.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <random>
#include <string>
#include <vector>

using namespace gemel;

namespace {

struct reading {
  std::vector<new_twin> twins;
  std::vector<text_place> places;
  fault_list faults;
  std::string shown; // the faults, one line each

  twin_sink sink() {
    return [this](new_twin twin, text_place where) {
      twins.push_back(std::move(twin));
      places.push_back(where);
    };
  }

  reading& done() {
    for (const auto& each : faults)
      shown += to_string(each) + "\n";
    return *this;
  }
};

reading lines_of(std::string_view text) {
  reading made;
  made.faults = read_twin_lines(text, "t.jsonl", made.sink());
  return made.done();
}

reading document_of(std::string_view text) {
  reading made;
  made.faults = read_twin_document(text, "t.json", made.sink());
  return made.done();
}

const std::string form = " (such as {\"id\": \"m1\", \"type\": \"machine\", \"parent\": "
                         "\"hall-1\", \"properties\": {}})\n";

} // namespace

TEST_CASE("a twin document holds all of a new twin", "[unit][runtime]") {
  auto read = document_of(R"({"id": "m1", "type": "machine", "parent": "hall", "placement": "p",
    "properties": {"t": 20.5, "n": 3, "on": true, "none": null, "raw": {"$bytes": "AAE="},
                   "l": [1, "x"], "m": {"k": 1}}})");
  CHECK(read.shown.empty());
  REQUIRE(read.twins.size() == 1);
  const auto& twin = read.twins[0];
  CHECK(twin.id == "m1");
  CHECK(twin.type == "machine");
  CHECK(twin.parent == "hall");
  CHECK(twin.placement == "p");
  properties expected{{"l", value{value_list{value{1}, value{"x"}}}},
                      {"m", value{value_map{{"k", value{1}}}}},
                      {"n", value{3}},
                      {"none", value{}},
                      {"on", value{true}},
                      {"raw", *value_from_json(R"({"$bytes": "AAE="})")},
                      {"t", value{20.5}}};
  CHECK(twin.properties == expected);
}

TEST_CASE("twins are read from lines, with blank ones between", "[unit][runtime]") {
  auto read = lines_of("{\"type\":\"a\"}\n\n  \r\n  {\"type\":\"b\"}\r\n{\"type\":\"c\"}");
  CHECK(read.shown.empty());
  REQUIRE(read.twins.size() == 3);
  CHECK(read.twins[1].type == "b");
  CHECK(read.places[1] == text_place{4, 3});
  CHECK(read.places[2] == text_place{5, 1});
  CHECK(lines_of("").twins.empty());
  CHECK(lines_of("\n\n").faults.empty());
}

TEST_CASE("twins are read from a list of any length, with their places", "[unit][runtime]") {
  std::string text = "[";
  constexpr std::size_t count = 70'000; // above limits::value_elements_max
  for (std::size_t i = 0; i < count; ++i)
    text += (i == 0 ? "\n " : ",\n ") + std::string{R"({"type": "a]}"})"};
  auto read = document_of(text + "\n]\n");
  CHECK(read.shown.empty());
  REQUIRE(read.twins.size() == count);
  CHECK(read.places.front() == text_place{2, 2});
  CHECK(read.places.back() == text_place{count + 1, 2});
  CHECK(document_of(" [ ] ").faults.empty());
}

TEST_CASE("properties whose keys look like our marks are read by their wrapping",
          "[unit][runtime]") {
  auto read = document_of(R"({"type": "a", "properties": {"$map": {"$bytes": 1}}})");
  CHECK(read.shown.empty());
  REQUIRE(read.twins.size() == 1);
  CHECK(read.twins[0].properties == properties{{"$bytes", value{1}}});
  CHECK(document_of(R"({"type": "a", "properties": {"$map": {"k": 1, "k": 2}}})").shown
        == "t.json:1:47: /properties/k: 'k' stands twice (keep one of them)\n");
}

TEST_CASE("what is no field of a twin is refused with the nearest field", "[unit][runtime]") {
  auto read = document_of(R"({"type": "a", "propertys": {},
 "zzzzzz": 1})");
  CHECK(read.twins.empty());
  CHECK(read.shown
        == "t.json:1:15: /propertys: unknown field 'propertys' (did you mean 'properties'?)\n"
           "t.json:2:2: /zzzzzz: unknown field 'zzzzzz' (the fields are id, type, parent, "
           "properties and placement)\n");
  CHECK(read.faults[0].code == errc::unknown_key);
  CHECK(document_of(R"({"type": "a", "a/b~c": 1})").faults.at(0).at == "/a~1b~0c");
}

TEST_CASE("a field that is missing, twice, or of the wrong kind is refused", "[unit][runtime]") {
  CHECK(document_of("{}").shown == "t.json:1:1: 'type' is missing" + form);
  CHECK(document_of("{}").faults.at(0).code == errc::missing_field);
  CHECK(document_of(R"({"type": "a", "type": "b"})").shown
        == "t.json:1:15: /type: 'type' stands twice (keep one of them)\n");
  CHECK(document_of(R"({"type": 7, "id": null, "properties": [1]})").shown
        == "t.json:1:10: /type: 'type' must be a text, not int\n"
           "t.json:1:19: /id: 'id' must be a text, not null (leave it out if there is none)\n"
           "t.json:1:39: /properties: 'properties' must be an object, not list (such as "
           "{\"temperature\": 20.5})\n");
  CHECK(document_of("7").shown == "t.json:1:1: a twin is an object, not int" + form);
  CHECK(document_of("[7, [{}]]").shown
        == "t.json:1:2: /0: a twin is an object, not int" + form
               + "t.json:1:5: /1: a twin is an object, not list" + form);
}

TEST_CASE("a twin with a name that is none is refused", "[unit][runtime]") {
  auto read = document_of(R"({"type": "", "id": "a/b", "parent": "c\n", "properties": {"": 1}})");
  CHECK(read.twins.empty());
  REQUIRE(read.faults.size() == 4);
  auto at = std::vector<std::string>{"/type", "/id", "/parent", "/properties/"};
  for (std::size_t i = 0; i < at.size(); ++i) {
    CHECK(read.faults[i].code == errc::bad_name);
    CHECK(read.faults[i].at == at[i]);
  }
}

TEST_CASE("a twin that is its own parent is refused", "[unit][runtime]") {
  auto read = document_of(R"({"type": "a", "id": "x", "parent": "x"})");
  REQUIRE(read.faults.size() == 1);
  CHECK(read.faults[0].code == errc::hierarchy_cycle);
  CHECK(read.faults[0].at == "/parent");
}

TEST_CASE("more properties than a twin may have are refused", "[unit][runtime]") {
  auto with = [](std::size_t count) {
    std::string text = R"({"type": "a", "properties": {)";
    for (std::size_t i = 0; i < count; ++i)
      text += (i == 0 ? "\"k" : ",\"k") + std::to_string(i) + "\":0";
    return document_of(text + "}}");
  };
  CHECK(with(limits::properties_max).twins.size() == 1);
  auto read = with(limits::properties_max + 1);
  CHECK(read.twins.empty());
  REQUIRE(read.faults.size() == 1);
  CHECK(read.faults[0].code == errc::limit_reached);
}

TEST_CASE("what is no JSON is refused with its place in the file", "[unit][runtime]") {
  auto first = [](const reading& read) {
    REQUIRE(read.faults.size() == 1);
    CHECK(read.faults[0].code == errc::bad_syntax);
    return std::to_string(read.faults[0].line) + ":" + std::to_string(read.faults[0].column) + " "
           + read.faults[0].at;
  };
  CHECK(first(document_of("")) == "1:1 ");
  CHECK(first(document_of("{\n \"type\": oops}")) == "2:10 ");
  CHECK(first(document_of("[\n {\"type\": \"a\"},\n {\"type\": oops}]")) == "3:11 /1");
  CHECK(first(document_of("[{\"type\": \"a\"}, ]")) == "1:17 ");
  CHECK(first(document_of("[{\"type\": \"a\"}")) == "1:15 ");
  CHECK(first(document_of("[{\"type\": \"a\"}] x")) == "1:17 ");
  CHECK(first(document_of("{\"type\": \"a\"} x")) == "1:15 ");
  CHECK(first(lines_of("{\"type\":\"a\"}\n\n {\"type\":\"b\"\n")) == "3:13 ");
  CHECK(first(lines_of("{\"type\":\"\xff\"}\n")) == "1:10 ");
}

TEST_CASE("a broken twin does not stop the others", "[unit][runtime]") {
  auto list = document_of("[{\"type\": \"a\"}, {\"type\": nope}, {\"typ\": 1}, {\"type\": \"b\"}]");
  CHECK(list.twins.size() == 2);
  CHECK(list.faults.size() == 3);
  auto lines = lines_of("{\"type\":\"a\"}\n{\n{\"type\":\"b\"}\n");
  CHECK(lines.twins.size() == 2);
  CHECK(lines.faults.size() == 1);
}

TEST_CASE("the faults of a file are bounded", "[unit][runtime]") {
  std::string list = "[";
  std::string lines;
  for (auto i = 0; i < 1'000; ++i) {
    list += i == 0 ? "{}" : ",{}";
    lines += "{}\n";
  }
  CHECK(document_of(list + "]").faults.size() == faults_max);
  CHECK(lines_of(lines).faults.size() == faults_max);
  reading long_line;
  std::string text(twin_line_bytes_max + 1, ' ');
  long_line.faults = read_twin_line(text, 9, "t.jsonl", long_line.sink());
  REQUIRE(long_line.faults.size() == 1);
  CHECK(long_line.faults[0].code == errc::limit_reached);
  CHECK(long_line.faults[0].line == 9);
}

TEST_CASE("a mutated list gives whole twins or faults with places", "[unit][runtime]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  const std::string base = R"([{"id": "m1", "type": "machine", "properties": {"t": 20.5}},
  {"id": "m2", "type": "machine", "parent": "m1", "properties": {"a": [1, {"$bytes": "AAE="}]}}])";
  constexpr std::string_view tokens = "{}[]\",:\\/0e-. \n$x\x01\xff";
  for (auto round = 0; round < 5'000; ++round) {
    auto text = base;
    for (auto edits = 1 + random() % 3; edits > 0; --edits) {
      auto at = random() % text.size();
      if (random() % 2 == 0)
        text[at] = tokens[random() % tokens.size()];
      else
        text.erase(at, 1 + random() % 4);
    }
    INFO(text);
    auto read = document_of(text);
    REQUIRE(read.twins.size() <= 2);
    if (read.twins.size() < 2)
      // Fewer than there were: something must be said, unless a whole part was read otherwise.
      REQUIRE((!read.faults.empty() || value_from_json(text).has_value()));
    for (const auto& each : read.faults) {
      REQUIRE(each.line >= 1);
      REQUIRE(each.column >= 1);
      REQUIRE_FALSE(each.message.empty());
    }
    for (const auto& twin : read.twins)
      REQUIRE_FALSE(twin.type.empty());
  }
}
