#include "actors/work_gate.hpp"
#include "tests/support/catch.hpp"

#include <string>

using namespace gemel;

TEST_CASE("a gate lets in what has room, in order", "[unit][actors]") {
  work_gate aut{10};
  std::string seen;
  auto come = [&](char name, std::size_t weight) {
    aut.enter(weight, [&, name] { seen += name; });
  };
  come('a', 6);
  come('b', 4);
  come('c', 5);
  come('d', 1); // It would have room, but c is first.
  CHECK(seen == "ab");
  CHECK(aut.waiting() == 2);
  aut.leave(4);
  CHECK(seen == "ab");
  aut.leave(6);
  CHECK(seen == "abcd");
  CHECK(aut.under_way() == 6);
}

TEST_CASE("what is heavier than all room goes alone", "[unit][actors]") {
  work_gate aut{10};
  int seen = 0;
  aut.enter(1, [&] { ++seen; });
  aut.enter(100, [&] { ++seen; });
  aut.enter(1, [&] { ++seen; });
  CHECK(seen == 1);
  aut.leave(1);
  CHECK(seen == 2);
  aut.leave(100);
  CHECK(seen == 3);
}

TEST_CASE("who is let in may leave at once, any number of times", "[unit][actors]") {
  work_gate aut{1};
  std::size_t seen = 0;
  aut.enter(1, [] {});
  for (int i = 0; i < 100'000; ++i)
    aut.enter(1, [&] {
      ++seen;
      aut.leave(1);
    });
  CHECK(seen == 0);
  aut.leave(1);
  CHECK(seen == 100'000);
  CHECK(aut.under_way() == 0);
}
