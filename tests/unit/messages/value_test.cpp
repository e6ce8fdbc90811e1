#include "messages/value.hpp"
#include "tests/support/catch.hpp"

#include <cmath>
#include <limits>

using namespace gemel;

namespace {

value bytes_of(std::string_view chars) {
  return value::of_bytes(std::as_bytes(std::span{chars.data(), chars.size()}));
}

// One value of every kind, texts on both sides of the inline boundary.
value_list samples() {
  return {value{},
          value{true},
          value{7},
          value{1.5},
          value{"short"},
          value{std::string(15, 'x')},
          bytes_of("raw"),
          value{value_list{value{1}, value{"two"}}},
          value{value_map{{"key", value{1}}}}};
}

} // namespace

TEST_CASE("a value tells its kind and gives its content", "[unit][messages]") {
  CHECK(value{}.is_null());
  CHECK(value{nullptr}.kind() == value_kind::null);
  CHECK(value{true}.as_bool());
  CHECK_FALSE(value{false}.as_bool());
  CHECK(value{-3}.as_integer() == -3);
  CHECK(value{std::numeric_limits<std::int64_t>::min()}.as_integer()
        == std::numeric_limits<std::int64_t>::min());
  CHECK(value{2.5}.as_real() == 2.5);
  CHECK(value{"abc"}.as_text() == "abc");
  CHECK(bytes_of("abc").as_bytes().size() == 3);
  CHECK(bytes_of("").as_bytes().empty());
  CHECK(value{value_list{}}.as_list().empty());
  CHECK(value{value_map{}}.as_map().empty());
  CHECK(std::string{to_string(value_kind::real)} == "double");
}

TEST_CASE("a value's content of the wrong kind is a broken invariant", "[unit][messages]") {
  CHECK_THROWS_AS(value{1}.as_bool(), broken_invariant);
  CHECK_THROWS_AS(value{1.0}.as_integer(), broken_invariant);
  CHECK_THROWS_AS(value{1}.as_real(), broken_invariant);
  CHECK_THROWS_AS(bytes_of("a").as_text(), broken_invariant);
  CHECK_THROWS_AS(value{"a"}.as_bytes(), broken_invariant);
  CHECK_THROWS_AS(value{}.as_list(), broken_invariant);
  CHECK_THROWS_AS(value{value_list{}}.as_map(), broken_invariant);
}

TEST_CASE("a text of 14 bytes lies inside a value, one of 15 on the heap", "[unit][messages]") {
  for (std::size_t size : {0u, 1u, 13u, 14u, 15u, 16u, 1'000u}) {
    std::string text(size, 'q');
    value held{text};
    CHECK(held.as_text() == text);
    CHECK((held.heap_bytes() > 0) == (size > value::inline_text_max));
    auto copy = held;
    CHECK(copy == held);
    CHECK(copy.as_text() == text);
  }
  CHECK(value{std::string{"a\0b", 3}}.as_text().size() == 3);
}

TEST_CASE("copies and moves of a value of every kind keep its content", "[unit][messages]") {
  for (const auto& sample : samples()) {
    value copy{sample};
    CHECK(copy == sample);
    value moved{std::move(copy)};
    CHECK(moved == sample);
    CHECK(copy.is_null());
    value assigned{"something else, long enough for the heap"};
    assigned = moved;
    CHECK(assigned == sample);
    auto& self = assigned;
    assigned = self;
    CHECK(assigned == sample);
    value target;
    target = std::move(assigned);
    CHECK(target == sample);
  }
}

TEST_CASE("a copy outlives the value it was made from", "[unit][messages]") {
  value copy;
  {
    value list{value_list{value{std::string(100, 'a')}, value{value_map{{"k", value{"v"}}}}}};
    copy = list.as_list()[1];
  }
  REQUIRE(copy.find("k") != nullptr);
  CHECK(copy.find("k")->as_text() == "v");
}

TEST_CASE("values are equal when kind and content are", "[unit][messages]") {
  auto all = samples();
  auto again = samples();
  for (std::size_t i = 0; i < all.size(); ++i)
    for (std::size_t j = 0; j < again.size(); ++j)
      CHECK((all[i] == again[j]) == (i == j));
  CHECK_FALSE(value{1} == value{1.0});
  CHECK_FALSE(value{0} == value{false});
  CHECK_FALSE(value{""} == value{});
  CHECK_FALSE(value{std::string(20, 'a')} == bytes_of(std::string(20, 'a')));
  CHECK_FALSE(value{std::string(20, 'a')} == value{std::string(19, 'a') + 'b'});
}

TEST_CASE("a NaN is identical to itself and no number", "[unit][messages]") {
  value nan{std::numeric_limits<double>::quiet_NaN()};
  CHECK(nan == value{nan});
  CHECK_FALSE(nan == value{0.0});
  CHECK(std::isnan(*nan.number()));
  CHECK_FALSE(value{"1"}.number().has_value());
  CHECK(value{2}.number() == 2.0);
}

TEST_CASE("a map is sorted by key and of equal keys keeps the last", "[unit][messages]") {
  value map{value_map{
      {"b", value{1}}, {"a", value{2}}, {"b", value{3}}, {"", value{4}}, {"a", value{5}}}};
  REQUIRE(map.as_map().size() == 3);
  CHECK(map.as_map()[0] == map_member{"", value{4}});
  CHECK(map.as_map()[1] == map_member{"a", value{5}});
  CHECK(map.as_map()[2] == map_member{"b", value{3}});
  CHECK(*map.find("b") == value{3});
  CHECK(map.find("c") == nullptr);
  CHECK(value{1}.find("b") == nullptr);
  CHECK(map == value{value_map{{"", value{4}}, {"b", value{3}}, {"a", value{5}}}});
}

TEST_CASE("heap_bytes counts what lists and maps hold", "[unit][messages]") {
  value text{std::string(100, 'x')};
  CHECK(text.heap_bytes() >= 100);
  CHECK(value{value_list{text, text}}.heap_bytes() >= 200);
  CHECK(value{value_map{{"key", text}}}.heap_bytes() >= 103);
  CHECK(value{1}.heap_bytes() == 0);
}
