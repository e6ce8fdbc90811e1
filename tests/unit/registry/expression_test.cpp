#include "messages/limits.hpp"
#include "registry/expression.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <random>

using namespace gemel;

namespace {

constexpr auto infinity = std::numeric_limits<double>::infinity();

// What the table tests read. Keys are the texts of the references.
const std::map<std::string, value>& twin() {
  static const std::map<std::string, value> properties{
      {"temperature", value{90.5}},
      {"count", value{3}},
      {"big", value{9007199254740993}},
      {"least", value{std::numeric_limits<std::int64_t>::min()}},
      {"most", value{std::numeric_limits<std::int64_t>::max()}},
      {"nan", value{std::nan("")}},
      {"inf", value{infinity}},
      {"name", value{"M\xc3\xbcller 7"}},
      {"long", value{"a text that does not fit inside a value"}},
      {"on", value{true}},
      {"off", value{false}},
      {"nothing", value{}},
      {"raw", value::of_bytes(std::as_bytes(std::span{"abc", 3}))},
      {"list", value{value_list{value{1}, value{"two"}, value{3.0}, value{}}}},
      {"size", value{value_map{{"width", value{4}},
                               {"a.b", value{5}},
                               {"in", value{value_list{value{value_map{{"x", value{6}}}}}}}}}},
      {"a.b", value{7}},
      {"hot.speed", value{10}},
      {"count(rise)", value{2}},
      {"max(rise.speed)", value{12.5}},
      {"is_of_model('machine')", value{true}},
      {"is_of_model('it''s')", value{false}},
  };
  return properties;
}

const value* property(const std::string& key) {
  auto found = twin().find(key);
  return found == twin().end() ? nullptr : &found->second;
}

const value* bind(const reference& what) {
  if (what.kind != reference_kind::path)
    return property(to_string(what));
  return property(what.scope.empty() ? what.root : what.scope + "." + what.root);
}

const expression_options rule{{"hot", "rise"}, true};

value evaluate(std::string_view text) {
  auto compiled = expression::compile(text, rule);
  INFO(text);
  INFO((compiled ? std::string{} : to_string(compiled.error())));
  REQUIRE(compiled.has_value());
  std::vector<const value*> bound;
  for (const auto& each : compiled->references())
    bound.push_back(bind(each));
  auto answer = compiled->evaluate(bound);
  CHECK(compiled->test(bound) == (answer == value{true}));
  auto again = expression::compile(compiled->to_string(), rule);
  INFO(compiled->to_string());
  REQUIRE(again.has_value());
  CHECK(again->to_string() == compiled->to_string());
  CHECK(again->evaluate(bound) == answer);
  return answer;
}

std::string fault_of(std::string_view text, const expression_options& options = {}) {
  auto compiled = expression::compile(text, options);
  return compiled ? "no fault" : to_string(compiled.error());
}

void check_all(std::initializer_list<std::pair<const char*, value>> table) {
  for (const auto& [text, answer] : table) {
    INFO(text);
    auto evaluated = evaluate(text);
    INFO(to_json(evaluated));
    CHECK(evaluated == answer);
  }
}

void check_true(std::initializer_list<const char*> texts) {
  for (const auto* text : texts) {
    INFO(text);
    CHECK(evaluate(text) == value{true});
    CHECK(evaluate("NOT (" + std::string{text} + ")") == value{false});
  }
}

void check_false(std::initializer_list<const char*> texts) {
  for (const auto* text : texts) {
    INFO(text);
    CHECK(evaluate(text) == value{false});
    CHECK(evaluate("!(" + std::string{text} + ")") == value{true});
  }
}

} // namespace

TEST_CASE("an expression reads literals of every kind", "[unit][registry]") {
  check_all({
      {"1", value{1}},
      {"-1", value{-1}},
      {"- - 1", value{1}},
      {"1.5", value{1.5}},
      {"1e3", value{1000.0}},
      {"2E-1", value{0.2}},
      {"9223372036854775807", value{std::numeric_limits<std::int64_t>::max()}},
      {"-9223372036854775808", value{std::numeric_limits<std::int64_t>::min()}},
      {"9223372036854775808", value{9223372036854775808.0}},
      {"-(-9223372036854775808)", value{9223372036854775808.0}},
      {"'it''s'", value{"it's"}},
      {"''", value{""}},
      {"'long enough to need the heap'", value{"long enough to need the heap"}},
      {"TRUE", value{true}},
      {"False", value{false}},
      {"null", value{}},
  });
}

TEST_CASE("a path reads properties, members and elements", "[unit][registry]") {
  check_all({
      {"count", value{3}},
      {"\"count\"", value{3}},
      {"\"a.b\"", value{7}},
      {"size.width", value{4}},
      {"size.\"a.b\"", value{5}},
      {"size.in[0].x", value{6}},
      {"size . in [ 0 ] . x", value{6}},
      {"list[1]", value{"two"}},
      {"list[4]", value{}},
      {"list.x", value{}},
      {"size[0]", value{}},
      {"count.x", value{}},
      {"nowhere.x[3]", value{}},
      {"hot.speed", value{10}},
      {"list", twin().at("list")},
      {"long", twin().at("long")},
      {"raw", twin().at("raw")},
  });
}

TEST_CASE("numbers compare by their exact value across kinds", "[unit][registry]") {
  check_true({"count = 3",
              "count == 3.0",
              "3 = count",
              "count != 4",
              "count <> 2.5",
              "count < 3.5",
              "count <= 3",
              "temperature > 85",
              "85 < temperature",
              "temperature >= 90.5",
              "big > 9007199254740992.0",
              "9007199254740992.0 < big",
              "big != 9007199254740992.0",
              "most < 9223372036854775808.0",
              "least = -9223372036854775808.0",
              "inf > most",
              "-inf < least",
              "nan != nan",
              "nan != 1",
              "-0.0 = 0",
              "1 < 1.5",
              "-1 > -1.5"});
  check_false({"nan = nan", "nan = 1", "nan < 1", "nan > 1", "nan >= 1", "1 <= nan",
               "big = 9007199254740992.0", "most = 9223372036854775808.0", "count < 3"});
}

TEST_CASE("texts, bools, bytes, lists and maps compare among themselves", "[unit][registry]") {
  check_true({"'a' < 'b'", "'a' < 'aa'", "'Z' < 'a'", "'z' < '\xc3\xa4'",
              "'\xef\xbf\xbd' < '\xf0\x9f\x98\x80'", "name = 'M\xc3\xbcller 7'", "off < on",
              "on = true", "raw = raw", "raw >= raw", "list = list", "size = size", "list != size",
              "'1' != 1", "on != 1", "list != 1", "raw != 'abc'"});
  check_false({"'1' = 1", "'1' < 2", "'1' > 0", "on = 1", "on > 0", "list < list", "list >= list",
               "list = raw", "raw = 'abc'"});
}

TEST_CASE("a comparison with a missing or null value is false", "[unit][registry]") {
  for (std::string absent : {"nowhere", "nothing", "NULL"})
    for (std::string test : {" = 1", " != 1", " < 1", " >= 1", " = NULL", " != NULL", " LIKE '%'",
                             " BETWEEN 0 AND 2", " IN (1, NULL)", " IN list", " = nowhere"}) {
      INFO(absent + test);
      CHECK(evaluate(absent + test) == value{false});
      CHECK(evaluate("NOT " + absent + test) == value{true});
    }
  check_true({"nowhere NOT IN (1)", "nowhere NOT LIKE 'a'", "nowhere NOT BETWEEN 1 AND 2",
              "nowhere IS NULL", "nothing IS NULL", "count IS NOT NULL", "count is not null"});
  check_false({"1 = nowhere", "1 != nowhere", "1 BETWEEN nowhere AND 2", "count IS NULL",
               "1 IN (nowhere)"});
}

TEST_CASE("logic knows true and, for all else, false", "[unit][registry]") {
  check_true({"on AND true", "off OR on", "NOT off", "NOT nowhere", "NOT 1", "NOT 'true'",
              "on && !off || off", "off or on and on", "not off and on", "NOT NOT on",
              "NOT count = 4", "! count = 4", "(on or off) and on"});
  check_false({"on AND 1", "on AND nowhere", "1 OR nowhere", "off AND on OR off",
               "off AND (on OR on)", "not on or off", "on and off and on"});
}

TEST_CASE("arithmetic keeps integers and leaves them when they do not fit", "[unit][registry]") {
  check_all({
      {"1 + 2 * 3", value{7}},
      {"(1 + 2) * 3", value{9}},
      {"10 - 3 - 2", value{5}},
      {"10 - (3 - 2)", value{9}},
      {"6 / 2", value{3}},
      {"7 / 2", value{3.5}},
      {"7 % 3", value{1}},
      {"-7 % 3", value{-1}},
      {"7.5 % 2", value{1.5}},
      {"1 + 0.5", value{1.5}},
      {"-count", value{-3}},
      {"--count", value{3}},
      {"2--3", value{5}},
      {"most + 1", value{9223372036854775808.0}},
      {"least - 1", value{-9223372036854775808.0}},
      {"most * 2", value{18446744073709551616.0}},
      {"-least", value{9223372036854775808.0}},
      {"least / -1", value{9223372036854775808.0}},
      {"least % -1", value{0}},
      {"1 / 0", value{}},
      {"1 % 0", value{}},
      {"1.0 / 0.0", value{}},
      {"'1' + 1", value{}},
      {"on + 1", value{}},
      {"nowhere + 1", value{}},
      {"1 - nothing", value{}},
      {"-name", value{}},
      {"-nowhere", value{}},
  });
  CHECK(std::isnan(evaluate("inf - inf").as_real()));
}

TEST_CASE("IN, BETWEEN and LIKE test as SQL does", "[unit][registry]") {
  check_true({"count IN (1, 2, 3)",
              "count in (3.0)",
              "count NOT IN (1, 2)",
              "name IN ('a', name)",
              "3 IN list",
              "'two' IN list",
              "2 NOT IN list",
              "1 NOT IN count",
              "count + 1 IN (2 * 2)",
              "count BETWEEN 3 AND 3",
              "count BETWEEN 2.5 AND 3.5",
              "count NOT BETWEEN 4 AND 5",
              "'b' between 'a' and 'c'",
              "count BETWEEN 1 AND 5 AND on",
              "name LIKE '%'",
              "name LIKE 'M_ller%'",
              "name LIKE 'M\xc3\xbcller _'",
              "name LIKE '%7'",
              "name LIKE '%l%l%'",
              "name LIKE name",
              "'' LIKE ''",
              "'' LIKE '%'",
              "'aXbXc' LIKE 'a%b%c'",
              "'aab' LIKE '%ab'",
              "name NOT LIKE 'm%'"});
  check_false({"count IN (1, 'three')", "1 IN count", "name LIKE 'M__ller%'", "name LIKE 'M'",
               "'' LIKE '_'", "'ab' LIKE '%a'", "'abc' LIKE '%b'", "count LIKE '3'",
               "count BETWEEN 4 AND 2", "count BETWEEN 'a' AND 'z'"});
}

TEST_CASE("functions work on their kinds and are missing for others", "[unit][registry]") {
  check_all({
      {"abs(-3)", value{3}},
      {"ABS(-3.5)", value{3.5}},
      {"abs(least)", value{9223372036854775808.0}},
      {"round(2.5)", value{3.0}},
      {"round(-2.5)", value{-3.0}},
      {"round(2)", value{2}},
      {"floor(-1.5)", value{-2.0}},
      {"ceil(1.2)", value{2.0}},
      {"sqrt(9)", value{3.0}},
      {"sqrt(-1)", value{}},
      {"abs('a')", value{}},
      {"floor(nowhere)", value{}},
      {"lower('\xc3\x84"
       "BC z')",
       value{"\xc3\x84"
             "bc z"}},
      {"upper(name)", value{"M\xc3\xbcLLER 7"}},
      {"upper(long)", value{"A TEXT THAT DOES NOT FIT INSIDE A VALUE"}},
      {"lower(upper(lower(upper(long))))", twin().at("long")},
      {"lower(1)", value{}},
      {"length(name)", value{8}},
      {"length(raw)", value{3}},
      {"length(list)", value{4}},
      {"length(size)", value{3}},
      {"length(1)", value{}},
      {"length(nowhere)", value{}},
  });
  check_true({"starts_with(name, 'M')", "ends_with(name, '7')", "contains(name, 'ller')",
              "contains(name, '')", "contains(list, 3)", "is_defined(nothing)", "is_defined(count)",
              "is_number(count)", "is_number(nan)", "is_text(name)", "is_bool(off)",
              "is_bool(count > 2)", "is_of_model('machine')", "is_defined(size.width)"});
  check_false({"starts_with(name, 7)", "ends_with(count, '3')", "contains(name, 'x')",
               "contains(nowhere, 'x')", "is_defined(nowhere)", "is_defined(size.height)",
               "is_number(name)", "is_text(count)", "is_bool(nowhere)", "is_of_model('it''s')"});
}

TEST_CASE("functions over a stage are references of their own", "[unit][registry]") {
  check_all({
      {"count(rise)", value{2}},
      {"max(rise.speed) - hot.speed", value{2.5}},
      {"last(rise.speed)", value{}},
      {"last(rise.speed, hot.speed)", value{10}},
      {"max(rise.speed, hot.speed)", value{12.5}},
      {"last(rise.speed, last(rise.temperature, 1 + 1))", value{2}},
  });
  auto compiled =
      expression::compile("LAST(rise.speed[2].x) > count(rise) AND temperature > 1", rule);
  REQUIRE(compiled.has_value());
  REQUIRE(compiled->references().size() == 3);
  const auto& last = compiled->references()[0];
  CHECK(last.kind == reference_kind::aggregate);
  CHECK(last.function == aggregate_function::last);
  CHECK(last.scope == "rise");
  CHECK(last.root == "speed");
  CHECK(last.path == std::vector<path_step>{std::size_t{2}, std::string{"x"}});
  CHECK(compiled->references()[1].root.empty());
  CHECK(compiled->references()[2].scope.empty());
  CHECK(compiled->to_string() == "last(rise.speed[2].x) > count(rise) AND temperature > 1");
}

TEST_CASE("references are listed once, by first appearance, with their place", "[unit][registry]") {
  auto compiled = expression::compile("a.x > 1 AND\n  b = a.x OR is_of_model('m') AND a.y = \"b\"");
  REQUIRE(compiled.has_value());
  auto references = compiled->references();
  REQUIRE(references.size() == 4);
  CHECK(to_string(references[0]) == "a.x");
  CHECK(references[0].place == text_place{1, 1});
  CHECK(to_string(references[1]) == "b");
  CHECK(references[1].place == text_place{2, 3});
  CHECK(references[2].kind == reference_kind::model_test);
  CHECK(references[2].root == "m");
  CHECK(to_string(references[3]) == "a.y");
  std::vector<const value*> too_few(3);
  CHECK_THROWS_AS(compiled->test(too_few), broken_invariant);
}

TEST_CASE("to_string prints one normalised text", "[unit][registry]") {
  std::pair<const char*, const char*> table[] = {
      {"a==1&&b<>2||!c", "a = 1 AND b != 2 OR NOT c"},
      {"((a))", "a"},
      {"(a or b) and (c and d)", "(a OR b) AND c AND d"},
      {"a+(b+c)*(d)", "a + (b + c) * d"},
      {"a-(b-c)-d", "a - (b - c) - d"},
      {"not (a = 1)", "NOT a = 1"},
      {"not (a in (1,2))", "a NOT IN (1, 2)"},
      {"(a > 1) = (b > 2)", "(a > 1) = (b > 2)"},
      {"-(a+1)", "-(a + 1)"},
      {"-(2)", "-2"},
      {"\"a b\".\"c\".\"in\".\"say \"\"x\"\"\"", "\"a b\".c.\"in\".\"say \"\"x\"\"\""},
      {"x like 'it''s'", "x LIKE 'it''s'"},
      {"1.0 + 1e20", "1.0 + 1e+20"},
      {"ABS ( a )", "abs(a)"},
      {"x between (a or b) and c", "x BETWEEN (a OR b) AND c"},
      {"(not a) is null", "(NOT a) IS NULL"},
  };
  for (auto [text, normal] : table) {
    auto compiled = expression::compile(text);
    INFO(text);
    REQUIRE(compiled.has_value());
    CHECK(compiled->to_string() == normal);
  }
}

TEST_CASE("a fault names line, column and what was expected", "[unit][registry]") {
  std::pair<const char*, const char*> faults[] = {
      {"", "line 1, column 1: expected a value, a name or '(', found the end"},
      {"temperature >", "line 1, column 14: expected a value, a name or '(', found the end"},
      {"a = 1 AND\n  AND b", "line 2, column 3: expected a value, a name or '(', found 'AND'"},
      {"a = = 1", "line 1, column 5: expected a value, a name or '(', found '='"},
      {"(a = 1", "line 1, column 7: expected an operator or ')', found the end"},
      {"a = 1)", "line 1, column 6: expected an operator or the end, found ')'"},
      {"a b", "line 1, column 3: expected an operator or the end, found 'b'"},
      {"a < b < c", "line 1, column 7: comparisons do not chain; join two of them with AND"},
      {"a NOT b", "line 1, column 7: expected IN, LIKE or BETWEEN after NOT, found 'b'"},
      {"a IS 1", "line 1, column 6: expected NULL or NOT NULL after IS, found '1'"},
      {"a IS NOT 1", "line 1, column 10: expected NULL after IS NOT, found '1'"},
      {"a IN 1", "line 1, column 6: expected '(' or a path after IN, found '1'"},
      {"a IN ()", "line 1, column 7: expected a value, a name or '(', found ')'"},
      {"a IN (1 2)", "line 1, column 9: expected ',' or ')', found '2'"},
      {"a BETWEEN 1 OR 2",
       "line 1, column 13: expected AND between the bounds of BETWEEN, found 'OR'"},
      {"a.", "line 1, column 3: expected a name after '.', found the end"},
      {"a.1", "line 1, column 3: expected a name after '.', found '1'"},
      {"a[x]", "line 1, column 3: expected an index (a whole number from 0), found 'x'"},
      {"a[1", "line 1, column 4: expected ']', found the end"},
      {"\xc3\xa4 = 'abc", "line 1, column 5: a text without its closing quote"},
      {"\"abc", "line 1, column 1: a name without its closing quote"},
      {"\"\" = 1", "line 1, column 1: a name in quotes is empty"},
      {"1e999", "line 1, column 1: the number is out of the range of a double"},
      {"a = #", "line 1, column 5: expected a value, a name or '(', found '#'"},
      {"a | b", "line 1, column 3: expected an operator or the end, found '|'"},
      {"abs()", "line 1, column 1: 'abs' takes 1 argument, 0 given"},
      {"abs(1, 2)", "line 1, column 1: 'abs' takes 1 argument, 2 given"},
      {"1 + starts_with('a')", "line 1, column 5: 'starts_with' takes 2 arguments, 1 given"},
      {"starts_wiht(a, 'b')",
       "line 1, column 1: unknown function 'starts_wiht'; did you mean 'starts_with'?"},
      {"frobnicate(a)", "line 1, column 1: unknown function 'frobnicate'"},
      {"max(a) > 1",
       "line 1, column 1: 'max' reads the events of a stage and is allowed in rules only"},
      {"is_of_model(m)",
       "line 1, column 13: expected the name of a model as a text in quotes, found 'm'"},
      {"is_of_model('')", "line 1, column 13: the name of a model is empty"},
      {"a = 'b\xff'", "line 1, column 7: not UTF-8"},
  };
  for (auto [text, fault] : faults) {
    INFO(text);
    CHECK(fault_of(text) == "bad_syntax: " + std::string{fault});
  }
  CHECK(fault_of("hot > 1", rule)
        == "bad_syntax: line 1, column 1: 'hot' has no value of its own; name one of it, as in "
           "hot.temperature");
  CHECK(fault_of("hot[1]", rule) == "bad_syntax: line 1, column 1: 'hot' is no list");
  CHECK(fault_of("max(1)", rule)
        == "bad_syntax: line 1, column 5: expected a path into a stage, found '1'");
  CHECK(fault_of("lst(rise.x)", rule)
        == "bad_syntax: line 1, column 1: unknown function 'lst'; did you mean 'last'?");
}

TEST_CASE("an expression holds the limits of length and depth", "[unit][registry]") {
  auto nested = [](std::size_t depth, std::string open, std::string close) {
    std::string text;
    for (std::size_t i = 0; i < depth; ++i)
      text += open;
    text += "a";
    for (std::size_t i = 0; i < depth; ++i)
      text += close;
    return text;
  };
  auto depth = limits::expression_depth_max;
  for (auto [open, close] : {std::pair{"(", ")"}, {"NOT ", ""}, {"-", ""}, {"abs(", ")"}}) {
    INFO(open);
    CHECK(fault_of(nested(depth - 1, open, close)) == "no fault");
    CHECK(fault_of(nested(depth + 1, open, close)).starts_with("limit_reached: line 1, column "));
    CHECK(fault_of(nested(3'000, open, close)).starts_with("limit_reached: line 1, column "));
  }
  CHECK(fault_of(nested(depth - 1, "a BETWEEN 1 AND (", ")")) == "no fault");
  CHECK(fault_of(nested(depth - 1, "a IN ((1), (", "))")) == "no fault");
  CHECK(fault_of(nested(depth, "a IN ((1), (", "))")).starts_with("limit_reached"));
  CHECK(fault_of(nested(depth - 1, "a + ", "")) == "no fault");
  CHECK(fault_of(nested(depth, "a + ", "")).starts_with("limit_reached"));
  CHECK(fault_of(nested(2'000, "a OR ", "")) == "no fault");
  std::string text(limits::expression_bytes_max, 'a');
  CHECK(fault_of(text) == "no fault");
  CHECK(fault_of(text + "a")
        == "limit_reached: an expression has 16385 bytes, at most 16384 are allowed");
  CHECK(fault_of(nested(4'000, "a||", ""))
        == "limit_reached: an expression, normalised, has 20001 bytes, at most 16384 are allowed");
}

// ---- A second evaluator, of another make: it walks the tree, knows nothing of the compiler, and
// compares in long double, which holds every integer and every double.

namespace {

static_assert(std::numeric_limits<long double>::digits >= 64, "needs x87 or quad long double");

using maybe = std::optional<value>;

struct tree {
  std::string kind;
  std::string text; // as written, for leaves
  maybe leaf;
  std::vector<tree> children;
};

bool truth(const maybe& v) {
  return v && *v == value{true};
}

bool absent(const maybe& v) {
  return !v || v->is_null();
}

std::optional<long double> number(const maybe& v) {
  if (!v || !v->is_number())
    return std::nullopt;
  if (v->is_integer())
    return static_cast<long double>(v->as_integer());
  return static_cast<long double>(v->as_real());
}

bool compared(const std::string& sign, const maybe& a, const maybe& b) {
  if (absent(a) || absent(b))
    return false;
  auto judge = [&](const auto& x, const auto& y) {
    return (sign == "=" && x == y) || (sign == "!=" && !(x == y)) || (sign == "<" && x < y)
           || (sign == "<=" && x <= y) || (sign == ">" && x > y) || (sign == ">=" && x >= y);
  };
  if (number(a) && number(b))
    return judge(*number(a), *number(b));
  if (a->is_text() && b->is_text())
    return judge(std::string{a->as_text()}, std::string{b->as_text()});
  if (a->is_bool() && b->is_bool())
    return judge(a->as_bool(), b->as_bool());
  if (a->is_list() && b->is_list())
    return (sign == "=") ? *a == *b : sign == "!=" && !(*a == *b);
  return sign == "!=";
}

maybe computed(const std::string& sign, const maybe& a, const maybe& b) {
  if (!number(a) || !number(b) || ((sign == "/" || sign == "%") && *number(b) == 0))
    return std::nullopt;
  if (a->is_integer() && b->is_integer()) {
    __extension__ using wide = __int128;
    wide x = a->as_integer();
    wide y = b->as_integer();
    auto exact = sign != "/" || x % y == 0;
    auto r = sign == "+"   ? x + y
             : sign == "-" ? x - y
             : sign == "*" ? x * y
             : sign == "/" ? x / y
                           : x % y;
    if (exact && r >= std::numeric_limits<std::int64_t>::min()
        && r <= std::numeric_limits<std::int64_t>::max())
      return value{static_cast<std::int64_t>(r)};
  }
  auto x = *a->number();
  auto y = *b->number();
  return value{sign == "+"   ? x + y
               : sign == "-" ? x - y
               : sign == "*" ? x * y
               : sign == "/" ? x / y
                             : std::fmod(x, y)};
}

// One code point per step, by trying everything.
bool liked(const std::string& text, const std::string& pattern) {
  auto next = [](const std::string& s) {
    std::size_t n = 1;
    while (n < s.size() && (s[n] & 0xc0) == 0x80)
      ++n;
    return s.substr(n);
  };
  if (pattern.empty())
    return text.empty();
  if (pattern[0] == '%')
    return liked(text, pattern.substr(1)) || (!text.empty() && liked(next(text), pattern));
  if (text.empty())
    return false;
  if (pattern[0] == '_')
    return liked(next(text), pattern.substr(1));
  return text[0] == pattern[0] && liked(text.substr(1), pattern.substr(1));
}

maybe slow(const tree& t);

maybe called(const tree& t) {
  auto a = slow(t.children[0]);
  const auto& f = t.text;
  if (f == "is_defined")
    return value{a.has_value()};
  if (f == "is_number")
    return value{number(a).has_value()};
  if (f == "is_text")
    return value{a && a->is_text()};
  if (f == "is_bool")
    return value{a && a->is_bool()};
  if (f == "length") {
    if (a && a->is_list())
      return value{a->as_list().size()};
    if (!a || !a->is_text())
      return std::nullopt;
    std::int64_t count = 0;
    for (auto c : a->as_text())
      count += (c & 0xc0) != 0x80;
    return value{count};
  }
  if (f == "upper") {
    if (!a || !a->is_text())
      return std::nullopt;
    std::string s{a->as_text()};
    for (auto& c : s)
      if (c >= 'a' && c <= 'z')
        c = static_cast<char>(c - 32);
    return value{s};
  }
  if (f == "contains") {
    auto b = slow(t.children[1]);
    if (a && a->is_list()) {
      for (const auto& element : a->as_list())
        if (compared("=", element, b))
          return value{true};
      return value{false};
    }
    return value{a && b && a->is_text() && b->is_text()
                 && std::string{a->as_text()}.find(b->as_text()) != std::string::npos};
  }
  if (!number(a))
    return std::nullopt;
  if (f == "abs")
    return *number(a) < 0 || (a->is_real() && std::signbit(a->as_real()))
               ? computed(a->is_real() ? "*" : "-", a->is_real() ? a : value{0},
                          a->is_real() ? value{-1.0} : *a)
               : a;
  if (f == "floor")
    return a->is_integer() ? a : value{std::floor(a->as_real())};
  return std::nullopt;
}

maybe slow(const tree& t) {
  const auto& c = t.children;
  if (t.kind == "leaf")
    return t.leaf;
  if (t.kind == "and")
    return value{truth(slow(c[0])) && truth(slow(c[1]))};
  if (t.kind == "or")
    return value{truth(slow(c[0])) || truth(slow(c[1]))};
  if (t.kind == "not")
    return value{!truth(slow(c[0]))};
  if (t.kind == "compare")
    return value{compared(t.text, slow(c[0]), slow(c[1]))};
  if (t.kind == "compute")
    return computed(t.text, slow(c[0]), slow(c[1]));
  if (t.kind == "null")
    return value{absent(slow(c[0]))};
  if (t.kind == "like") {
    auto a = slow(c[0]);
    auto b = slow(c[1]);
    return value{a && b && a->is_text() && b->is_text()
                 && liked(std::string{a->as_text()}, std::string{b->as_text()})};
  }
  if (t.kind == "between")
    return value{compared(">=", slow(c[0]), slow(c[1])) && compared("<=", slow(c[0]), slow(c[2]))};
  if (t.kind == "in") {
    for (std::size_t i = 1; i < c.size(); ++i)
      if (compared("=", slow(c[0]), slow(c[i])))
        return value{true};
    return value{false};
  }
  REQUIRE(t.kind == "call");
  return called(t);
}

class tree_maker {
public:
  explicit tree_maker(std::uint64_t seed) : random_(seed) {}

  std::size_t below(std::size_t bound) { return random_() % bound; }

  tree make(int depth) {
    if (depth == 0 || below(6) == 0)
      return leaf();
    switch (below(9)) {
    case 0:
      return node("and", "", 2, depth);
    case 1:
      return node("or", "", 2, depth);
    case 2:
      return node("not", "", 1, depth);
    case 3:
      return node("compare", pick({"=", "!=", "<", "<=", ">", ">="}), 2, depth);
    case 4:
      return node("compute", pick({"+", "-", "*", "/", "%"}), 2, depth);
    case 5:
      return node(pick({"null", "like", "between", "in"}), depth);
    case 6:
      return node("in", "", 2 + below(4), depth);
    case 7:
      return node("call",
                  pick({"is_defined", "is_number", "is_text", "is_bool", "length", "upper", "abs",
                        "floor"}),
                  1, depth);
    default:
      return node("call", "contains", 2, depth);
    }
  }

  // Writes the tree with all its parentheses and random spellings.
  std::string print(const tree& t) {
    std::vector<std::string> c;
    for (const auto& child : t.children)
      c.push_back(child.kind == "leaf" && below(2) == 0 ? child.text : "(" + print(child) + ")");
    if (t.kind == "leaf")
      return t.text;
    if (t.kind == "and" || t.kind == "or")
      return c[0] + (t.kind == "and" ? pick({" AND ", "&&", " and "}) : pick({" OR ", "||"}))
             + c[1];
    if (t.kind == "not")
      return pick({"NOT ", "!", "nOt "}) + c[0];
    if (t.kind == "compare")
      return c[0] + (t.text == "=" ? pick({"=", "=="}) : t.text) + c[1];
    if (t.kind == "compute")
      return c[0] + " " + t.text + pick({" ", ""}) + c[1];
    if (t.kind == "null")
      return c[0] + pick({" IS NULL", " is null"});
    if (t.kind == "like")
      return c[0] + " LIKE " + c[1];
    if (t.kind == "between")
      return c[0] + " BETWEEN " + c[1] + " AND " + c[2];
    std::string text = t.kind == "in" ? c[0] + " IN (" : t.text + "(";
    for (std::size_t i = t.kind == "in" ? 1 : 0; i < c.size(); ++i)
      text += (text.back() == '(' ? "" : ", ") + c[i];
    return text + ")";
  }

private:
  std::string pick(std::initializer_list<const char*> choices) {
    return choices.begin()[below(choices.size())];
  }

  tree node(std::string kind, std::string text, std::size_t children, int depth) {
    tree made{std::move(kind), std::move(text), {}, {}};
    while (children-- > 0)
      made.children.push_back(make(depth - 1));
    return made;
  }

  tree node(const std::string& kind, int depth) {
    return node(kind, "", kind == "null" ? 1 : kind == "between" ? 3 : 2, depth);
  }

  tree leaf() {
    if (below(2) == 0) {
      auto name =
          pick({"temperature", "count", "big", "least", "most", "nan", "inf", "name", "long", "on",
                "off", "nothing", "list", "size.width", "list[1]", "nowhere"});
      auto* root = property(name.substr(0, name.find_first_of(".[")));
      maybe content;
      if (name == "size.width")
        content = value{4};
      else if (name == "list[1]")
        content = value{"two"};
      else if (root != nullptr)
        content = *root;
      return {"leaf", name, content, {}};
    }
    value constants[] = {value{},
                         value{true},
                         value{false},
                         value{static_cast<std::int64_t>(below(7)) - 3},
                         value{static_cast<std::int64_t>(random_())},
                         value{static_cast<double>(below(14)) / 2 - 3},
                         value{9007199254740992.0},
                         value{-9223372036854775808.0},
                         value{"M%7"},
                         value{"%"},
                         value{"_wo"},
                         value{"two"}};
    auto chosen = constants[below(std::size(constants))];
    auto text = chosen.is_text() ? "'" + std::string{chosen.as_text()} + "'" : to_json(chosen);
    return {"leaf", text, chosen, {}};
  }

  std::mt19937_64 random_;
};

} // namespace

TEST_CASE("an expression means the same as a slow walk of its tree", "[unit][registry]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  tree_maker maker{seed};
  for (int i = 0; i < 20'000; ++i) {
    auto made = maker.make(5);
    auto text = maker.print(made);
    INFO(text);
    auto compiled = expression::compile(text);
    INFO((compiled ? compiled->to_string() : to_string(compiled.error())));
    REQUIRE(compiled.has_value());
    std::vector<const value*> bound;
    for (const auto& each : compiled->references())
      bound.push_back(bind(each));
    auto wanted = slow(made).value_or(value{});
    auto got = compiled->evaluate(bound);
    // The sign and payload of a NaN say nothing.
    auto nans = wanted.is_real() && got.is_real() && std::isnan(wanted.as_real())
                && std::isnan(got.as_real());
    if (!nans)
      REQUIRE(to_json(got) == to_json(wanted));
    REQUIRE(compiled->test(bound) == truth(wanted));
    auto again = expression::compile(compiled->to_string());
    REQUIRE(again.has_value());
    REQUIRE(again->to_string() == compiled->to_string());
    REQUIRE(again->references().size() == compiled->references().size());
    REQUIRE(to_json(again->evaluate(bound)) == to_json(got));
  }
}

TEST_CASE("a change is asked of the caller, with its path", "[unit][registry]") {
  const expression_options of_events{.scopes = {"new", "old"}, .changes = true};
  auto compiled = expression::compile(
      "CHANGED(axes[2].speed) and not changed(mode) and old.mode = 'on'", of_events);
  REQUIRE(compiled);
  REQUIRE(compiled->references().size() == 3);
  const auto& first = compiled->references()[0];
  CHECK(first.kind == reference_kind::change_test);
  CHECK(first.root == "axes");
  CHECK(to_string(first) == "changed(axes[2].speed)");
  CHECK(compiled->to_string()
        == "changed(axes[2].speed) AND NOT changed(mode) AND old.mode = 'on'");
  auto again = expression::compile(compiled->to_string(), of_events);
  REQUIRE(again);
  CHECK(again->to_string() == compiled->to_string());
  value yes{true};
  value no{false};
  value on{"on"};
  const value* bound[] = {&yes, &no, &on};
  CHECK(compiled->test(bound));
  bound[1] = &yes;
  CHECK_FALSE(compiled->test(bound));
  CHECK(fault_of("changed(mode)")
        == "bad_syntax: line 1, column 1: 'changed' looks at an event and is allowed in "
           "subscriptions only");
  CHECK(fault_of("changed()", of_events)
        == "bad_syntax: line 1, column 9: expected the path of a property, found ')'");
  CHECK(fault_of("changed(new.mode)", of_events)
        == "bad_syntax: line 1, column 9: 'changed' compares old and new itself; name the property "
           "without 'new.'");
}

TEST_CASE("random garbage compiles or is refused with a place", "[unit][registry]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  tree_maker maker{seed};
  constexpr const char* parts[] = {
      "a",   ".",      "[",         "]",     "0",    "'",    "\"",       "(",    ")",
      ",",   "-",      "NOT ",      " AND ", " IN ", "=",    "<",        "%",    "abs",
      "1e5", " LIKE ", " BETWEEN ", " IS ",  "NULL", "last", "\xc3\xa4", "\xff", "hot"};
  for (int i = 0; i < 20'000; ++i) {
    auto text = maker.print(maker.make(2));
    for (auto n = maker.below(4); n > 0; --n)
      text.insert(maker.below(text.size() + 1), parts[maker.below(std::size(parts))]);
    for (auto n = maker.below(3); n > 0 && !text.empty(); --n)
      text.erase(maker.below(text.size()), 1);
    INFO(text);
    auto compiled = expression::compile(text, rule);
    if (!compiled) {
      REQUIRE(compiled.error().code == errc::bad_syntax);
      REQUIRE(compiled.error().context.starts_with("line 1, column "));
      continue;
    }
    std::vector<const value*> bound;
    for (const auto& each : compiled->references())
      bound.push_back(bind(each));
    auto answer = compiled->evaluate(bound);
    REQUIRE(compiled->test(bound) == (answer == value{true}));
    auto again = expression::compile(compiled->to_string(), rule);
    REQUIRE(again.has_value());
    REQUIRE(again->to_string() == compiled->to_string());
  }
}
