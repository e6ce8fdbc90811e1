#include "runtime/record_splitter.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <random>
#include <string>
#include <vector>

using namespace gemel;

namespace {

struct found_record {
  std::string text;
  std::uint64_t offset, end, line, column, bytes_too_long;

  friend bool operator==(const found_record&, const found_record&) = default;
};

template <class Splitter>
std::vector<found_record> split(std::string_view text, std::size_t piece = 1'000,
                                std::size_t bytes_max = 1'000) {
  std::vector<found_record> made;
  Splitter splitter{bytes_max, [&](const text_record& found) {
                      made.push_back({std::string{found.text}, found.offset, found.end, found.line,
                                      found.column, found.bytes_too_long});
                    }};
  for (; !text.empty(); text.remove_prefix(std::min(piece, text.size())))
    splitter.push(text.substr(0, piece));
  splitter.finish();
  return made;
}

std::vector<std::string> texts_of(const std::vector<found_record>& found) {
  std::vector<std::string> made;
  for (const auto& one : found)
    made.push_back(one.text);
  return made;
}

using texts = std::vector<std::string>;

} // namespace

TEST_CASE("lines end with a line feed or with the text", "[unit][runtime]") {
  CHECK(split<line_splitter>("").empty());
  CHECK(split<line_splitter>("a\n\nbc")
        == std::vector<found_record>{
            {"a", 0, 2, 1, 1, 0}, {"", 2, 3, 2, 1, 0}, {"bc", 3, 5, 3, 1, 0}});
  CHECK(texts_of(split<line_splitter>("\xef\xbb\xbf{}\n\xef\xbb\xbfx"))
        == texts{"{}", "\xef\xbb\xbfx"});
}

TEST_CASE("a line that is too long is left out, and the next one read", "[unit][runtime]") {
  for (std::size_t piece : {1, 3, 100}) {
    auto found = split<line_splitter>("abc\nabcdef\nx\nabcde", piece, 4);
    REQUIRE(found.size() == 4);
    CHECK(found[1] == found_record{"", 4, 11, 2, 1, 6});
    CHECK(found[2].text == "x");
    CHECK(found[3].bytes_too_long == 5);
  }
}

TEST_CASE("JSON values stand behind each other or in a list", "[unit][runtime]") {
  CHECK(texts_of(split<json_splitter>("[\n {\"a\": [1, \"]}\\\"\"]},\n 12, \"x,y\" , [2]\n]\n"))
        == texts{"{\"a\": [1, \"]}\\\"\"]}", "12", "\"x,y\"", "[2]"});
  CHECK(texts_of(split<json_splitter>("{\"a\":\n1}{} \"b\" true"))
        == texts{"{\"a\":\n1}", "{}", "\"b\"", "true"});
  CHECK(texts_of(split<json_splitter>("\xef\xbb\xbf[{}]")) == texts{"{}"});
  CHECK(texts_of(split<json_splitter>("[{\"a\": 1")) == texts{"{\"a\": 1"});
  auto places = split<json_splitter>("[\n  {},\n  {}]");
  REQUIRE(places.size() == 2);
  CHECK(places[1] == found_record{"{}", 10, 12, 3, 3, 0});
  CHECK(split<json_splitter>("[\"abcdef\", 1]", 2, 4)[0].bytes_too_long == 8);
}

TEST_CASE("pieces of any size make the same records", "[unit][runtime][random]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  for (int round = 0; round < 1'000; ++round) {
    std::string text;
    for (auto size = random() % 40; size > 0; --size)
      text += "{}[]\"\\,: \n1ax\xef\xbb\xbf"[random() % 16];
    auto piece = 1 + random() % 6;
    CHECK(split<line_splitter>(text, piece, 10) == split<line_splitter>(text, 1'000, 10));
    CHECK(split<json_splitter>(text, piece, 10) == split<json_splitter>(text, 1'000, 10));
  }
}
