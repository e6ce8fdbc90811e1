#include "runtime/check.hpp"
#include "runtime/config.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"
#include "tests/support/seed.hpp"

#include <fstream>
#include <iterator>
#include <random>
#include <string>

using namespace gemel;

namespace {

// What a person sees, one line per fault; empty: the document is right.
std::string faults_of(std::string_view text, std::string_view file_name) {
  std::string shown;
  for (const auto& each : check_document(text, file_name))
    shown += to_string(each) + "\n";
  return shown;
}

} // namespace

TEST_CASE("the kind of a document follows from its name, else from how it begins",
          "[unit][runtime]") {
  CHECK(kind_of_document("{}", "a.toml") == document_kind::node_config);
  CHECK(kind_of_document("", "a.jsonl") == document_kind::twin_lines);
  CHECK(kind_of_document("", "a.ndjson") == document_kind::twin_lines);
  CHECK(kind_of_document("[node]", "a.json") == document_kind::twin_list);
  CHECK(kind_of_document("# a config\n", "-") == document_kind::node_config);
  CHECK(kind_of_document("\n [node]\n", "-") == document_kind::node_config);
  CHECK(kind_of_document("[[node]]\n", "-") == document_kind::node_config);
  CHECK(kind_of_document(" [ {}]", "-") == document_kind::twin_list);
  CHECK(kind_of_document("[]", "-") == document_kind::twin_list);
  CHECK(kind_of_document("{\n}\n", "-") == document_kind::twin_list);
  CHECK(kind_of_document("{}\n\n{}\n", "-") == document_kind::twin_lines);
  CHECK_FALSE(kind_of_document("timestamp,value\n", "a.csv").has_value());
  CHECK_FALSE(kind_of_document("", "-").has_value());
}

TEST_CASE("a document of no known kind is refused with the kinds there are", "[unit][runtime]") {
  auto faults = check_document("timestamp,value\n", "a.csv");
  REQUIRE(faults.size() == 1);
  CHECK(faults[0].code == errc::unsupported);
  CHECK(to_string(faults[0])
        == "a.csv: this is no document of a known kind (known are a node's config (.toml), "
           "twins (.jsonl: one object per line; .json: one object or a list), workflows (.json "
           "with \"steps\") and event rules (.json with \"rule\"))");
}

TEST_CASE("the committed sample is checked as a config and is right", "[unit][runtime]") {
  std::ifstream file{test::source_dir() + "/config/factory.toml", std::ios::binary};
  REQUIRE(file.is_open());
  std::string text{std::istreambuf_iterator<char>{file}, {}};
  CHECK(faults_of(text, "factory.toml").empty());
  CHECK(faults_of(text, "-").empty());
  CHECK(faults_of("[node]\nwokers = 1\n", "a.toml")
        == "a.toml:2:1: unknown key 'node.wokers' (did you mean 'node.workers'?)\n");
}

TEST_CASE("an id that stands twice is found across lines and lists", "[unit][runtime]") {
  CHECK(faults_of("{\"id\":\"a\",\"type\":\"t\"}\n{\"type\":\"t\"}\n{\"type\":\"t\"}\n"
                  " {\"id\":\"a\",\"type\":\"t\"}\n",
                  "a.jsonl")
        == "a.jsonl:4:2: twin 'a' stands twice (first in line 1, column 1)\n");
  CHECK(faults_of("[{\"id\":\"a\",\"type\":\"t\"},\n {\"id\":\"a\",\"type\":\"t\"}]", "a.json")
        == "a.json:2:2: twin 'a' stands twice (first in line 1, column 2)\n");
}

TEST_CASE("the faults of a document come in the order of their places", "[unit][runtime]") {
  CHECK(faults_of("{\"id\":\"a\",\"type\":\"t\"}\n{\"id\":\"a\",\"type\":\"t\"}\n{\"id\":3}\n",
                  "a.jsonl")
        == "a.jsonl:2:1: twin 'a' stands twice (first in line 1, column 1)\n"
           "a.jsonl:3:1: 'type' is missing (such as {\"id\": \"m1\", \"type\": \"machine\", "
           "\"parent\": \"hall-1\", \"properties\": {}})\n"
           "a.jsonl:3:7: /id: 'id' must be a text, not int (leave it out if there is none)\n");
}

TEST_CASE("random bytes of any kind are checked without a crash", "[unit][runtime]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  constexpr std::string_view alphabet = "{}[]\",:\\ \n#=.0t1e-$/u\x01\xff";
  for (auto round = 0; round < 5'000; ++round) {
    std::string text(random() % 60, ' ');
    for (auto& c : text)
      c = alphabet[random() % alphabet.size()];
    INFO(text);
    for (auto name : {"a.toml", "a.json", "a.jsonl", "-"})
      for (const auto& each : check_document(text, name)) {
        REQUIRE(each.code != errc::none);
        REQUIRE(each.file == name);
        REQUIRE_FALSE(each.message.empty());
      }
  }
}
