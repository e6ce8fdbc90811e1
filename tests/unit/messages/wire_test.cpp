#include "messages/limits.hpp"
#include "messages/wire.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/random_messages.hpp"
#include "tests/support/seed.hpp"

#include <bit>
#include <cmath>
#include <limits>

using namespace gemel;

namespace {

value through_wire(const value& content) {
  capnp::MallocMessageBuilder builder;
  auto root = builder.initRoot<wire::Value>();
  root.setKey(7);
  write_value(root, content);
  CHECK(root.getKey() == 7);
  return read_value(root.asReader());
}

std::uint64_t bits(double number) {
  return std::bit_cast<std::uint64_t>(number);
}

} // namespace

TEST_CASE("a double crosses the wire bit by bit", "[unit][messages]") {
  using limits = std::numeric_limits<double>;
  for (double number :
       {0.0, -0.0, 1.5, limits::infinity(), -limits::infinity(), limits::quiet_NaN(),
        -limits::quiet_NaN(), std::bit_cast<double>(0x7ff8'0000'0000'002aU), limits::denorm_min(),
        -limits::denorm_min(), limits::min(), limits::max(), limits::lowest()})
    CHECK(bits(through_wire(number).as_real()) == bits(number));
}

TEST_CASE("every other kind of value crosses the wire unchanged", "[unit][messages]") {
  CHECK(through_wire({}).is_null());
  CHECK(through_wire(true).as_bool());
  CHECK_FALSE(through_wire(false).as_bool());
  CHECK(through_wire(INT64_MIN).as_integer() == INT64_MIN);
  CHECK(through_wire(INT64_MAX).as_integer() == INT64_MAX);
  for (std::size_t size : {0, 1, 7, 8, 13, 14, 15, 16, 1'000, 1 << 20}) {
    std::string text(size, 't');
    CHECK(through_wire(text).as_text() == text);
    auto bytes = value::of_bytes(std::as_bytes(std::span{text.data(), text.size()}));
    CHECK(through_wire(bytes) == bytes);
  }
  auto zero_inside = value{std::string_view{"a\0b", 3}};
  CHECK(through_wire(zero_inside) == zero_inside);
  CHECK(through_wire(value{value_list{}}).as_list().empty());
  CHECK(through_wire(value{value_map{}}).as_map().empty());
  value list{value_list{1, "two", 3.0, {}, value{value_list{true}}}};
  CHECK(through_wire(list) == list);
  value map{value_map{{"b", 1}, {"a", list}, {"", {}}}};
  CHECK(through_wire(map) == map);
}

TEST_CASE("random values cross the wire unchanged", "[unit][messages]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  test::random_messages random{seed};
  for (int i = 0; i < 2'000; ++i) {
    auto content = random.any_value(6);
    REQUIRE(through_wire(content) == content);
  }
}

TEST_CASE("of equal keys in a map from a peer the last one counts", "[unit][messages]") {
  capnp::MallocMessageBuilder builder;
  auto members = builder.initRoot<wire::Value>().initMap(3);
  const char* keys[] = {"b", "a", "b"};
  for (unsigned i = 0; i < 3; ++i) {
    members[i].setKey(keys[i]);
    members[i].initValue().setInteger(i);
  }
  auto read = read_value(builder.getRoot<wire::Value>().asReader());
  CHECK(read == value{value_map{{"a", 1}, {"b", 2}}});
}

TEST_CASE("set_text refuses a text of another size", "[unit][messages]") {
  capnp::MallocMessageBuilder builder;
  auto text = builder.initRoot<wire::Value>().initText(3);
  CHECK_THROWS_AS(set_text(text, "four"), broken_invariant);
  CHECK_THROWS_AS(set_text(text, ""), broken_invariant);
  set_text(text, std::string_view{"abcdef"}.substr(1, 3));
  CHECK(text_of(text.asReader()) == "bcd");
}

TEST_CASE("a name table numbers names in the order of first use", "[unit][messages]") {
  // 16 names are looked at one by one, more through an index.
  for (std::size_t count : {1, 15, 16, 17, 18, 1'500}) {
    name_table table;
    for (int turn = 0; turn < 2; ++turn)
      for (std::size_t i = 0; i < count; ++i) {
        REQUIRE(table.intern("key" + std::to_string(i)) == i);
        REQUIRE(table.intern("key" + std::to_string(i / 2)) == i / 2);
      }
    REQUIRE(table.names().size() == count);
    capnp::MallocMessageBuilder builder;
    auto batch = builder.initRoot<wire::UpdateBatch>();
    table.write(batch.initKeys(static_cast<unsigned>(count)));
    for (unsigned i = 0; i < count; ++i)
      REQUIRE(text_of(batch.asReader().getKeys()[i]) == "key" + std::to_string(i));
  }
}

TEST_CASE("a name table holds 65,536 names and no more", "[unit][messages]") {
  name_table table;
  for (std::uint32_t i = 0; i <= UINT16_MAX; ++i)
    if (table.intern(std::to_string(i)) != i)
      FAIL("name " << i);
  CHECK_THROWS_AS(table.intern("one too many"), broken_invariant);
  CHECK(table.intern("65535") == 65'535);
  CHECK(table.names().size() == 65'536);
}
