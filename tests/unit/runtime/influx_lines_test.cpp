#include "runtime/influx_lines.hpp"
#include "tests/support/catch.hpp"

#include <limits>

using namespace gemel;

TEST_CASE("influx lines have the values of one twin and time together", "[unit][runtime]") {
  influx_lines aut;
  CHECK(aut.empty());
  CHECK(aut.add("machine", "m1", "temperature", value{20.5}, 1'700'000'000'000'000));
  CHECK(aut.add("machine", "m1", "on", value{true}, 1'700'000'000'000'000));
  CHECK(aut.add("machine", "m1", "n", value{-3}, 1'700'000'000'000'001));
  CHECK(aut.add("machine", "m2", "n", value{1e300}, 1'700'000'000'000'001));
  CHECK(aut.values() == 4);
  CHECK(aut.take()
        == "machine,twin=m1 temperature=20.5,on=true 1700000000000000000\n"
           "machine,twin=m1 n=-3i 1700000000000001000\n"
           "machine,twin=m2 n=1e+300 1700000000000001000\n");
  CHECK(aut.empty());
  CHECK(aut.take().empty());
}

TEST_CASE("influx lines escape names, and leave out what is no number", "[unit][runtime]") {
  influx_lines aut;
  CHECK(aut.add("a type,x", "id=1\\", "k v", value{1}, -5));
  CHECK(aut.take() == "a\\ type\\,x,twin=id\\=1/ k\\ v=1i -5000\n");
  for (const auto& content :
       {value{}, value{"text"}, value{std::numeric_limits<double>::quiet_NaN()},
        value{std::numeric_limits<double>::infinity()}, value{value_list{value{1}}}})
    CHECK_FALSE(aut.add("t", "i", "k", content, 1));
  CHECK_FALSE(aut.add("t", "i", "k", value{1}, INT64_MAX));
  CHECK(aut.take().empty());
}
