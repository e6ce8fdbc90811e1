#include "messages/limits.hpp"
#include "messages/value.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <cmath>
#include <limits>
#include <random>

using namespace gemel;

namespace {

std::string fault_of(std::string_view text) {
  auto read = value_from_json(text);
  return read ? "no fault: " + to_json(*read) : to_string(read.error());
}

bool begins(std::string_view text, std::string_view with) {
  return text.substr(0, with.size()) == with;
}

class generator {
public:
  explicit generator(std::uint64_t seed) : random_(seed) {}

  value any(int depth) {
    switch (below(depth > 0 ? 8 : 6)) {
    case 0:
      return value{};
    case 1:
      return value{below(2) == 0};
    case 2:
      return value{static_cast<std::int64_t>(random_() >> below(64))};
    case 3:
      return value{real()};
    case 4:
      return value{text()};
    case 5: {
      std::string raw(below(40), '\0');
      for (auto& c : raw)
        c = static_cast<char>(below(256));
      return value::of_bytes(std::as_bytes(std::span{raw}));
    }
    case 6: {
      value_list list;
      for (auto n = below(5); n > 0; --n)
        list.push_back(any(depth - 1));
      return value{std::move(list)};
    }
    default: {
      value_map map;
      for (auto n = below(5); n > 0; --n)
        map.push_back({key(), any(depth - 1)});
      return value{std::move(map)};
    }
    }
  }

  std::size_t below(std::size_t bound) { return random_() % bound; }

  std::string text() {
    std::string made;
    constexpr const char* parts[] = {"a",    "\"", "\\",       "\n",           "\x01",
                                     "\x7f", "/",  "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                     " ",    "0"};
    for (auto n = below(20); n > 0; --n)
      made += parts[below(std::size(parts))];
    if (below(4) == 0)
      made += '\0';
    return made;
  }

private:
  std::string key() {
    constexpr const char* reserved[] = {"$bytes", "$double", "$map", "$", ""};
    return below(3) == 0 ? reserved[below(5)] : text();
  }

  double real() {
    constexpr double special[] = {0.0,
                                  -0.0,
                                  1.0,
                                  0.1,
                                  1e22,
                                  std::numeric_limits<double>::max(),
                                  std::numeric_limits<double>::denorm_min(),
                                  std::numeric_limits<double>::infinity(),
                                  -std::numeric_limits<double>::infinity(),
                                  std::numeric_limits<double>::quiet_NaN()};
    if (below(2) == 0)
      return special[below(std::size(special))];
    auto bits = random_();
    double number = 0;
    std::memcpy(&number, &bits, sizeof number);
    return std::isnan(number) ? 1.0 / 3.0 : number;
  }

  std::mt19937_64 random_;
};

} // namespace

TEST_CASE("to_json writes every kind compactly", "[unit][messages]") {
  CHECK(to_json(value{}) == "null");
  CHECK(to_json(value{false}) == "false");
  CHECK(to_json(value{-12}) == "-12");
  CHECK(to_json(value{0.1}) == "0.1");
  CHECK(to_json(value{3.0}) == "3.0");
  CHECK(to_json(value{-0.0}) == "-0.0");
  CHECK(to_json(value{1e300}) == "1e+300");
  CHECK(to_json(value{std::nan("")}) == R"({"$double":"nan"})");
  CHECK(to_json(value{-HUGE_VAL}) == R"({"$double":"-inf"})");
  CHECK(to_json(value{"a\"\\\n\x01\xc3\xa4"}) == "\"a\\\"\\\\\\n\\u0001\xc3\xa4\"");
  CHECK(to_json(value{value_list{value{1}, value{value_list{}}}}) == "[1,[]]");
  CHECK(to_json(value{value_map{{"b", value{1}}, {"a", value{}}}}) == R"({"a":null,"b":1})");
  CHECK(to_json(value{value_map{{"$map", value{1}}}}) == R"({"$map":{"$map":1}})");
  CHECK(to_string(value{"a\"b"}) == "a\"b");
  CHECK(to_string(value{1.0}) == "1.0");
}

TEST_CASE("to_json repairs a text that is not UTF-8", "[unit][messages]") {
  CHECK(to_json(value{"a\xff\x62\xe2\x82\n"})
        == "\"a\xef\xbf\xbd"
           "b\xef\xbf\xbd\xef\xbf\xbd\\n\"");
}

TEST_CASE("value_from_json reads numbers by their writing", "[unit][messages]") {
  CHECK(value_from_json("0") == value{0});
  CHECK(value_from_json("-0") == value{0});
  CHECK(value_from_json("-0.0") == value{-0.0});
  CHECK(value_from_json("1.0") == value{1.0});
  CHECK(value_from_json("1e2") == value{100.0});
  CHECK(value_from_json("9223372036854775807") == value{std::numeric_limits<std::int64_t>::max()});
  CHECK(value_from_json("-9223372036854775808") == value{std::numeric_limits<std::int64_t>::min()});
  CHECK(value_from_json("9223372036854775808") == value{9223372036854775808.0});
  CHECK(value_from_json("1e-400") == value{0.0});
  CHECK(value_from_json("-0.0000001e-99999999999999999999") == value{-0.0});
  CHECK(value_from_json("5e-324") == value{std::numeric_limits<double>::denorm_min()});
  CHECK(value_from_json(" [ 1 , 2 ]\r\n\t") == value{value_list{value{1}, value{2}}});
}

TEST_CASE("value_from_json reads escapes and of equal keys keeps the last", "[unit][messages]") {
  CHECK(value_from_json(R"("\"\\\/\b\f\n\r\t\u0041\u00e4\u20AC\ud83d\ude00")")
        == value{"\"\\/\b\f\n\r\tA\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"});
  CHECK(value_from_json(R"({"a":1,"b":2,"a":3})")
        == value{value_map{{"a", value{3}}, {"b", value{2}}}});
  CHECK(value_from_json(R"({"$map":{"$bytes":"x","a":1}})")
        == value{value_map{{"$bytes", value{"x"}}, {"a", value{1}}}});
  CHECK(value_from_json(R"({"a":1,"$bytes":2})")
        == value{value_map{{"$bytes", value{2}}, {"a", value{1}}}});
}

TEST_CASE("value_from_json names the place of a fault", "[unit][messages]") {
  std::pair<const char*, const char*> faults[] = {
      {"", "bad_syntax: line 1, column 1: expected a value, found the end of the text"},
      {"[1,\n 2,]", "bad_syntax: line 2, column 4: expected a value, found ']'"},
      {"[1 2]", "bad_syntax: line 1, column 4: expected ',' or ']', found '2'"},
      {"{\"a\" 1}", "bad_syntax: line 1, column 6: expected ':', found '1'"},
      {"{a:1}", "bad_syntax: line 1, column 2: expected a key in double quotes, found 'a'"},
      {"{\"a\":1,}", "bad_syntax: line 1, column 8: expected a key in double quotes, found '}'"},
      {"nul", "bad_syntax: line 1, column 1: expected a value, found 'n'"},
      {"nullx", "bad_syntax: line 1, column 5: expected the end of the document, found 'x'"},
      {"01", "bad_syntax: line 1, column 2: expected the end of the document, found '1'"},
      {"-", "bad_syntax: line 1, column 2: expected a digit, found the end of the text"},
      {"1.", "bad_syntax: line 1, column 3: expected a digit, found the end of the text"},
      {"+1", "bad_syntax: line 1, column 1: expected a value, found '+'"},
      {"1e400", "bad_syntax: line 1, column 1: the number is out of the range of a double"},
      {"\"abc", "bad_syntax: line 1, column 1: a text without its closing '\"'"},
      {"\"\\x\"",
       "bad_syntax: line 1, column 3: expected one of \" \\ / b f n r t u after '\\', found 'x'"},
      {"\"\\ud800\"", "bad_syntax: line 1, column 2: half of a surrogate pair"},
      {"\"\\udc00\"", "bad_syntax: line 1, column 2: half of a surrogate pair"},
      {"\"\\u-123\"", "bad_syntax: line 1, column 4: expected four hexadecimal digits after '\\u'"},
      {"\"\xc3\xa4\xff\"", "bad_syntax: line 1, column 3: the text is not UTF-8"},
      {"\"\xed\xa0\x80\"", "bad_syntax: line 1, column 2: the text is not UTF-8"},
      {"\"a\nb\"",
       "bad_syntax: line 1, column 3: a control character in a text; write it as \\u00XX"},
      {"{\"$bytes\":\"Zg\"}", "bad_syntax: line 1, column 11: '$bytes' is no padded base64"},
      {"{\"$bytes\":1}", "bad_syntax: line 1, column 11: expected a text in '$bytes', found '1'"},
      {"{\"$double\":\"1\"}",
       "bad_syntax: line 1, column 12: '$double' is \"nan\", \"inf\" or \"-inf\""},
      {"{\"$map\":[]}", "bad_syntax: line 1, column 9: expected an object in '$map', found '['"},
      {"\xef\xbb\xbf"
       "1",
       "bad_syntax: line 1, column 1: expected a value, found '\xef\xbb\xbf'"},
  };
  for (auto [text, fault] : faults)
    CHECK(fault_of(text) == fault);
  CHECK(begins(fault_of(R"({"$bytes":"Zg==","a":1})"),
               "bad_syntax: line 1, column 2: an object that begins with '$bytes'"));
}

TEST_CASE("value_from_json holds the limits of depth, elements and text", "[unit][messages]") {
  auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  CHECK(value_from_json(nested(limits::value_depth_max)).has_value());
  CHECK(begins(fault_of(nested(limits::value_depth_max + 1)), "limit_reached: line 1, column 33"));
  CHECK(begins(fault_of(std::string(1'000'000, '[')), "limit_reached"));
  std::string maps;
  for (int i = 0; i < 100'000; ++i)
    maps += "{\"$map\":{\"a\":";
  CHECK(begins(fault_of(maps), "limit_reached"));
  // Found by fuzzing: what the store would not read again.
  std::string key(limits::key_bytes_max, 'k');
  CHECK(value_from_json("{\"" + key + "\": 1}").has_value());
  CHECK(begins(fault_of("{\"" + key + "k\": 1}"), "limit_reached: line 1, column 2"));

  std::string list = "[0";
  for (std::size_t i = 1; i < limits::value_elements_max; ++i)
    list += ",0";
  CHECK(value_from_json(list + "]").has_value());
  CHECK(begins(fault_of(list + ",0]"), "limit_reached"));

  std::string text(limits::text_bytes_max, 'x');
  CHECK(value_from_json('"' + text + '"').has_value());
  CHECK(begins(fault_of('"' + text + "x\""), "limit_reached"));
  auto bytes = value::of_bytes(std::as_bytes(std::span{text}));
  CHECK(value_from_json(to_json(bytes)) == bytes);
}

TEST_CASE("a value at the greatest depth survives the round trip", "[unit][messages]") {
  value deep{value_map{{"$bytes", value{std::nan("")}}}};
  for (std::size_t i = 1; i < limits::value_depth_max; ++i)
    deep = i % 2 == 0 ? value{value_map{{"$map", deep}}} : value{value_list{deep}};
  auto read = value_from_json(to_json(deep));
  REQUIRE(read.has_value());
  CHECK(to_json(*read) == to_json(deep));
}

TEST_CASE("every value survives the round trip through JSON", "[unit][messages]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  generator make{seed};
  for (int i = 0; i < 5'000; ++i) {
    auto held = make.any(4);
    auto text = to_json(held);
    auto read = value_from_json(text);
    INFO(text);
    REQUIRE(read.has_value());
    REQUIRE(*read == held);
  }
}

TEST_CASE("damaged JSON is read or refused with a place, never worse", "[unit][messages]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  generator make{seed};
  for (int i = 0; i < 5'000; ++i) {
    auto text = to_json(make.any(3));
    for (auto n = make.below(4); n > 0 && !text.empty(); --n)
      text[make.below(text.size())] = static_cast<char>(make.below(256));
    text.resize(make.below(text.size() + 1));
    auto read = value_from_json(text);
    if (read) {
      REQUIRE(value_from_json(to_json(*read)) == *read);
    } else {
      REQUIRE(begins(read.error().context, "line "));
    }
  }
}
