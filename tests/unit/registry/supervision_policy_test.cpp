#include "registry/supervision_policy.hpp"
#include "tests/support/catch.hpp"

#include <cstdint>
#include <string>

using namespace gemel;

TEST_CASE("the words of supervision are read back, others are refused with the right ones",
          "[unit][registry]") {
  for (std::uint8_t i = 0; i < 3; ++i) {
    auto strategy = static_cast<restart_strategy>(i);
    auto kind = static_cast<restart_kind>(i);
    auto how = static_cast<exit_kind>(i);
    CHECK(restart_strategy_from_string(to_string(strategy)) == strategy);
    CHECK(restart_kind_from_string(to_string(kind)) == kind);
    CHECK(exit_kind_from_string(to_string(how)) == how);
  }
  CHECK(to_string(static_cast<restart_strategy>(3)) == "unknown");
  auto wrong = restart_strategy_from_string("simple_one_for_one");
  REQUIRE(!wrong);
  CHECK(wrong.error()
        == error{errc::bad_value, "'simple_one_for_one' is no restart strategy; it is one of "
                                  "one_for_one, one_for_all, rest_for_one"});
  CHECK(restart_kind_from_string("").error().code == errc::bad_value);
  CHECK(exit_kind_from_string("killed").error().code == errc::bad_value);
}

TEST_CASE("a supervision policy out of bounds is refused by the field's name", "[unit][registry]") {
  supervision_policy policy;
  CHECK(check(policy).has_value());
  policy.intensity = restart_intensity_max + 1;
  CHECK(check(policy).error() == error{errc::bad_value, "intensity is 1001, it must be 0 to 1000"});
  policy.intensity = restart_intensity_max;
  CHECK(check(policy).has_value());
  for (std::int64_t wrong : {std::int64_t{0}, std::int64_t{-1}, restart_period_us_max + 1}) {
    policy.period_us = wrong;
    CHECK(check(policy).error().code == errc::bad_value);
    CHECK(check(policy).error().context.find("period is " + std::to_string(wrong)) == 0);
  }
}
