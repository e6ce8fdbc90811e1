#include "messages/error.hpp"
#include "messages/text.hpp"
#include "tests/support/catch.hpp"

#include <array>

using namespace gemel;

TEST_CASE("place_of counts lines from 1 and columns in code points", "[unit][messages]") {
  CHECK(place_of("", 0) == text_place{1, 1});
  CHECK(place_of("ab\ncd", 4) == text_place{2, 2});
  CHECK(place_of("\xc3\xa4\xe2\x82\xac x", 6) == text_place{1, 4});
  CHECK(place_of("ab", 99) == text_place{1, 3});
  CHECK(to_string(text_place{2, 7}) == "line 2, column 7");
}

TEST_CASE("append_utf8 writes one to four bytes and refuses surrogates", "[unit][messages]") {
  std::string out;
  for (auto code : {U'a', U'\u00e4', U'\u20ac', U'\U0001f600'})
    append_utf8(out, code);
  CHECK(out == "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
  CHECK_THROWS_AS(append_utf8(out, static_cast<char32_t>(0xd800)), broken_invariant);
  CHECK_THROWS_AS(append_utf8(out, static_cast<char32_t>(0x110000)), broken_invariant);
}

TEST_CASE("base64 follows the vectors of RFC 4648 both ways", "[unit][messages]") {
  std::pair<const char*, const char*> vectors[] = {{"", ""},
                                                   {"f", "Zg=="},
                                                   {"fo", "Zm8="},
                                                   {"foo", "Zm9v"},
                                                   {"foob", "Zm9vYg=="},
                                                   {"fooba", "Zm9vYmE="},
                                                   {"foobar", "Zm9vYmFy"}};
  for (auto [bytes, text] : vectors) {
    CHECK(to_base64(bytes) == text);
    CHECK(from_base64(text) == bytes);
  }
  CHECK(from_base64(to_base64(std::string{"\0\xff\x80", 3})) == std::string{"\0\xff\x80", 3});
}

TEST_CASE("from_base64 refuses what to_base64 never writes", "[unit][messages]") {
  for (auto text :
       {"Zg", "Zg=", "Z===", "====", "Z=g=", "Zh==", "Zm9=", "Zm9v\n", "Zm-_", "Zg==Zg=="})
    CHECK_FALSE(from_base64(text).has_value());
}

TEST_CASE("nearest_word finds a slip of the fingers and nothing far", "[unit][messages]") {
  std::array<std::string_view, 4> words{"temperature", "starts_with", "abs", "level"};
  CHECK(nearest_word("temprature", words) == "temperature");
  CHECK(nearest_word("Tempertaure", words) == "temperature");
  CHECK(nearest_word("startswith", words) == "starts_with");
  CHECK(nearest_word("asb", words) == "abs");
  CHECK(nearest_word("xyz", words).empty());
  CHECK(nearest_word("pressure", words).empty());
  CHECK(nearest_word(std::string(1'000, 'x'), words).empty());
}
