#include "registry/exact_sum.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/simulated_node.hpp"

#include <boost/multiprecision/cpp_int.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>

using gemel::exact_sum;

namespace {

using integer = boost::multiprecision::cpp_int;
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double largest = std::numeric_limits<double>::max();
constexpr double least = std::numeric_limits<double>::denorm_min();

// In units of the least double.
integer units(double number) {
  int exponent = 0;
  auto fraction = static_cast<std::int64_t>(std::ldexp(std::frexp(number, &exponent), 53));
  exponent += 1'074 - 53;
  integer made{fraction};
  return exponent >= 0 ? integer{made << exponent} : integer{made / (integer{1} << -exponent)};
}

// By the definition: of the doubles around it the nearer one, of two the even one.
double rounded(const integer& sum) {
  if (sum < 0)
    return -rounded(-sum);
  if (sum == 0)
    return 0;
  auto bits = static_cast<int>(msb(sum)) + 1;
  auto cut = std::max(bits - 53, 0);
  integer fraction = sum >> cut;
  integer rest = sum - (fraction << cut);
  integer twice = rest * 2;
  integer one = integer{1} << cut;
  if (cut > 0 && (twice > one || (twice == one && bit_test(fraction, 0))))
    ++fraction;
  return std::ldexp(fraction.convert_to<double>(), cut - 1'074);
}

bool same(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

double any_double(std::mt19937_64& random) {
  for (;;) {
    auto bits = random();
    // Now and then close to one another, very small, or very large.
    auto mode = random() % 4;
    if (mode == 0)
      bits = (bits & 0x800f'ffff'ffff'ffff) | ((1'020 + bits % 8) << 52);
    if (mode == 1)
      bits &= 0x803f'ffff'ffff'ffff;
    if (mode == 2)
      bits |= 0x7fc0'0000'0000'0000;
    auto number = std::bit_cast<double>(bits);
    if (std::isfinite(number))
      return number;
  }
}

} // namespace

TEST_CASE("an exact sum rounds once, to nearest and even", "[unit][registry]") {
  exact_sum sum;
  CHECK(same(sum.round(), 0.0));
  sum.add(1e308);
  sum.add(1.0);
  sum.subtract(1e308);
  CHECK(same(sum.round(), 1.0));
  sum.add(std::ldexp(1.0, 53));
  CHECK(same(sum.round(), std::ldexp(1.0, 53))); // A tie goes to even,
  sum.add(least);
  CHECK(same(sum.round(), std::ldexp(1.0, 53) + 2)); // unless there is anything more.
  exact_sum small;
  small.add(-least);
  CHECK(same(small.round(), -least));
  small.add(least);
  CHECK(same(small.round(), 0.0));
  small.add(-0.0);
  CHECK(same(small.round(), 0.0));
}

TEST_CASE("an exact sum beyond the largest double is infinite and comes back", "[unit][registry]") {
  exact_sum sum;
  sum.add(largest);
  CHECK(same(sum.round(), largest));
  sum.add(std::ldexp(1.0, 969)); // Less than half of the last place.
  CHECK(same(sum.round(), largest));
  sum.add(std::ldexp(1.0, 969));
  CHECK(same(sum.round(), infinity));
  sum.add(largest);
  sum.subtract(largest);
  sum.subtract(std::ldexp(1.0, 970));
  CHECK(same(sum.round(), largest));
}

TEST_CASE("infinities and NaN in an exact sum can be taken out again", "[unit][registry]") {
  exact_sum sum;
  sum.add(2.5);
  sum.add(infinity);
  CHECK(same(sum.round(), infinity));
  exact_sum other;
  other.add(-infinity);
  sum.merge(other);
  CHECK(std::isnan(sum.round()));
  sum.subtract(infinity);
  CHECK(same(sum.round(), -infinity));
  sum.unmerge(other);
  CHECK(same(sum.round(), 2.5));
  sum.add(std::nan(""));
  CHECK(std::isnan(sum.round()));
  sum.subtract(std::nan(""));
  CHECK(same(sum.round(), 2.5));
}

TEST_CASE("integers of all 64 bits are summed exactly", "[unit][registry]") {
  constexpr auto low = std::numeric_limits<std::int64_t>::min();
  constexpr auto high = std::numeric_limits<std::int64_t>::max();
  exact_sum sum;
  sum.add(high);
  sum.add(low);
  CHECK(same(sum.round(), -1.0));
  sum.add(low);
  sum.subtract(low);
  sum.add(std::int64_t{1});
  CHECK(same(sum.round(), 0.0));
  sum.add((std::int64_t{1} << 53) + 1);
  sum.subtract(static_cast<double>(std::int64_t{1} << 53));
  CHECK(same(sum.round(), 1.0));
}

TEST_CASE("exact sums agree with arbitrary precision, whatever goes in and out",
          "[unit][registry]") {
  auto seed = gemel::test::seed();
  INFO(gemel::test::repeat_command(seed));
  std::mt19937_64 random{seed};
  for (int round = 0; round < 300; ++round) {
    exact_sum sum;
    integer exact = 0;
    std::vector<double> inside;
    std::vector<std::pair<exact_sum, integer>> merged;
    for (int i = 0; i < 60; ++i) {
      auto what = random() % 8;
      if (what < 4) {
        inside.push_back(any_double(random));
        sum.add(inside.back());
        exact += units(inside.back());
      } else if (what < 6 && !inside.empty()) {
        std::swap(inside[random() % inside.size()], inside.back());
        sum.subtract(inside.back());
        exact -= units(inside.back());
        inside.pop_back();
      } else if (what == 6) {
        auto& [part, part_exact] = merged.emplace_back();
        for (int k = 0; k < 5; ++k) {
          auto number = any_double(random);
          part.add(number);
          part_exact += units(number);
        }
        if (random() % 2 == 0)
          part.normalise();
        sum.merge(part);
        exact += part_exact;
      } else if (!merged.empty()) {
        sum.unmerge(merged.back().first);
        exact -= merged.back().second;
        merged.pop_back();
      }
      if (random() % 16 == 0)
        sum.normalise();
      REQUIRE(same(sum.round(), rounded(exact)));
    }
  }
}
