#include "messages/error.hpp"
#include "tests/support/catch.hpp"

#include <set>

using namespace gemel;

TEST_CASE("every errc has a text of its own that leads back to it", "[unit][messages]") {
  std::set<std::string_view> texts;
  for (std::uint16_t i = 0; i <= static_cast<std::uint16_t>(errc::not_found); ++i) {
    auto code = static_cast<errc>(i);
    CHECK(errc_from_string(to_string(code)) == code);
    CHECK(texts.insert(to_string(code)).second);
  }
  CHECK(to_string(errc::twin_not_found) == "twin_not_found");
  CHECK(to_string(errc::limit_reached) == "limit_reached");
  CHECK(to_string(errc::incompatible) == "incompatible");
  CHECK(to_string(errc::command_failed) == "command_failed");
  CHECK(to_string(errc::store_corrupt) == "store_corrupt");
  CHECK(to_string(errc::not_applied) == "not_applied");
}

TEST_CASE("an error says when trying again is worth it", "[unit][messages]") {
  CHECK(to_string(error{errc::overloaded, "the queue is full", 20})
        == "overloaded: the queue is full; try again in 20 ms");
  CHECK(to_string(error{errc::overloaded, {}, 1}) == "overloaded; try again in 1 ms");
}

TEST_CASE("an errc of a newer peer is unknown, an unknown text is none", "[unit][messages]") {
  CHECK(to_string(static_cast<errc>(10'000)) == "unknown");
  CHECK(to_string(static_cast<errc>(65'535)) == "unknown");
  CHECK(errc_from_string("unknown") == errc::none);
  CHECK(errc_from_string("") == errc::none);
  CHECK(errc_from_string("Twin_not_found") == errc::none);
}

TEST_CASE("an error is spelt as code and context", "[unit][messages]") {
  CHECK(to_string(error{errc::bad_value, "set[1]: not a number"})
        == "bad_value: set[1]: not a number");
  CHECK(to_string(error{errc::stopping, {}}) == "stopping");
}

TEST_CASE("fail makes the failing side of a result", "[unit][messages]") {
  result<int> answer = fail(errc::overloaded, "cell 3");
  REQUIRE_FALSE(answer);
  CHECK(answer.error() == error{errc::overloaded, "cell 3"});
}

TEST_CASE("a broken invariant names its condition, file and line", "[unit][messages]") {
  int twins = 2;
  CHECK_NOTHROW([&] { GEMEL_CHECK(twins == 2); }());
  try {
    GEMEL_CHECK(twins == 3);
    FAIL("the check let 2 pass as 3");
  } catch (const broken_invariant& broken) {
    std::string what = broken.what();
    CHECK(what.find("twins == 3") != std::string::npos);
    CHECK(what.find("error_test.cpp:") != std::string::npos);
  }
}
