#include "actors/restart_budget.hpp"
#include "tests/support/catch.hpp"

#include <cstdlib>
#include <iostream>
#include <random>
#include <vector>

using namespace gemel;

namespace {

supervision_policy policy_of(std::uint32_t intensity, std::int64_t period_us) {
  supervision_policy policy;
  policy.intensity = intensity;
  policy.period_us = period_us;
  return policy;
}

std::uint64_t seed() {
  const char* given = std::getenv("GEMEL_SEED");
  auto value = given != nullptr ? std::strtoull(given, nullptr, 10) : 20240611u;
  std::cout << "GEMEL_SEED=" << value << "\n";
  return value;
}

} // namespace

TEST_CASE("restart_budget grants intensity restarts in a period and refuses one more",
          "[unit][actors]") {
  auto policy = policy_of(3, 1'000);
  restart_budget budget;
  CHECK(budget.spend(policy, 0));
  CHECK(budget.spend(policy, 10));
  CHECK(budget.spend(policy, 20));
  CHECK_FALSE(budget.spend(policy, 30));
}

TEST_CASE("a restart counts as long as it is no older than the period, boundary included",
          "[unit][actors]") {
  auto policy = policy_of(1, 1'000);
  restart_budget at_the_end;
  CHECK(at_the_end.spend(policy, 500));
  CHECK_FALSE(at_the_end.spend(policy, 1'500));
  restart_budget after_the_end;
  CHECK(after_the_end.spend(policy, 500));
  CHECK(after_the_end.spend(policy, 1'501));
}

TEST_CASE("an intensity of zero refuses the first restart", "[unit][actors]") {
  restart_budget budget;
  CHECK_FALSE(budget.spend(policy_of(0, 1), 0));
  CHECK(budget.size() == 0);
}

TEST_CASE("restart_budget costs a pointer while nothing crashes and never more than its intensity",
          "[unit][actors]") {
  CHECK(sizeof(restart_budget) == sizeof(void*));
  auto policy = policy_of(restart_intensity_max, restart_period_us_max);
  restart_budget budget;
  for (std::int64_t now = 0; now < restart_intensity_max; ++now)
    REQUIRE(budget.spend(policy, now));
  CHECK_FALSE(budget.spend(policy, restart_intensity_max));
  CHECK(budget.size() == restart_intensity_max);
  budget.reset();
  CHECK(budget.size() == 0);
  CHECK(budget.spend(policy, restart_intensity_max));
}

TEST_CASE("a policy with a lower intensity holds for restarts granted before it",
          "[unit][actors]") {
  restart_budget budget;
  for (std::int64_t now = 0; now < 5; ++now)
    REQUIRE(budget.spend(policy_of(5, 100), now));
  CHECK_FALSE(budget.spend(policy_of(2, 100), 50));
  CHECK(budget.spend(policy_of(2, 100), 200));
}

TEST_CASE("restart_budget treats time going back and a bad policy as bugs", "[unit][actors]") {
  restart_budget budget;
  CHECK(budget.spend(policy_of(5, 100), 10));
  CHECK_THROWS_AS(budget.spend(policy_of(5, 100), 9), broken_invariant);
  CHECK_THROWS_AS(budget.spend(policy_of(5, 0), 11), broken_invariant);
  CHECK(budget.size() == 1);
}

TEST_CASE("restart_budget decides like a list of all restarts ever granted", "[unit][actors]") {
  std::mt19937_64 random{seed()};
  for (int round = 0; round < 200; ++round) {
    auto policy = policy_of(static_cast<std::uint32_t>(random() % 8),
                            static_cast<std::int64_t>(1 + random() % 50));
    restart_budget budget;
    std::vector<std::int64_t> all;
    std::int64_t now = 0;
    for (int i = 0; i < 200; ++i) {
      now += static_cast<std::int64_t>(random() % 20);
      std::size_t recent = 1; // the new one
      for (auto then : all)
        recent += now - then <= policy.period_us ? 1u : 0u;
      bool expected = recent <= policy.intensity;
      REQUIRE(budget.spend(policy, now) == expected);
      if (expected)
        all.push_back(now);
      REQUIRE(budget.size() <= policy.intensity);
    }
  }
}
