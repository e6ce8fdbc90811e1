#include "messages/fault.hpp"
#include "tests/support/catch.hpp"

using namespace gemel;

TEST_CASE("a fault prints its place, message and hint, without what is not known",
          "[unit][messages]") {
  fault full{errc::bad_value, "a.toml", 3, 7, "node.id", "wrong", "do right"};
  CHECK(to_string(full) == "a.toml:3:7: wrong (do right)");
  CHECK(to_string(fault{errc::bad_value, "a.json", 3, 7, "/2/type", "wrong", {}})
        == "a.json:3:7: /2/type: wrong");
  CHECK(to_string(fault{errc::bad_value, "a.toml", 3, 0, {}, "wrong", {}}) == "a.toml:3: wrong");
  CHECK(to_string(fault{errc::bad_value, "--set x", 0, 9, {}, "wrong", {}}) == "--set x: wrong");
  CHECK(to_string(fault{errc::bad_value, {}, 0, 0, {}, "wrong", {}}) == "wrong");
}

TEST_CASE("a fault as a value has only the fields that are known", "[unit][messages]") {
  fault full{errc::bad_value, "a.toml", 3, 7, "node.id", "wrong", "do right"};
  CHECK(to_json(to_value(full))
        == R"({"at":"node.id","code":"bad_value","column":7,"file":"a.toml","hint":"do right",)"
           R"("line":3,"message":"wrong"})");
  CHECK(to_json(to_value({errc::bad_syntax, {}, 0, 0, {}, "wrong", {}}))
        == R"({"code":"bad_syntax","message":"wrong"})");
}

TEST_CASE("a fault list is bounded and says so", "[unit][messages]") {
  fault_list faults;
  for (std::size_t i = 1; i <= faults_max; ++i)
    add_fault(faults, {errc::bad_value, "a", i, 1, {}, "wrong", {}});
  CHECK(faults.back().line == faults_max);
  for (std::size_t i = 0; i < 1'000; ++i)
    add_fault(faults, {errc::bad_value, "a", i, 1, {}, "wrong", {}});
  REQUIRE(faults.size() == faults_max);
  CHECK(faults.back().code == errc::limit_reached);
  sort_faults(faults);
  CHECK(faults.back().code == errc::limit_reached);
  CHECK(faults.front().line == 1);
}
