#include "registry/property_index.hpp"
#include "registry/query.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <random>

using namespace gemel;

namespace {

value random_value(std::mt19937_64& random) {
  static const std::vector<value> some{
      value{},
      value{true},
      value{false},
      value{std::numeric_limits<double>::quiet_NaN()},
      value{std::numeric_limits<double>::infinity()},
      value{-0.0},
      value{0},
      value{std::numeric_limits<std::int64_t>::max()},
      value{9223372036854775807.0},
      value{""},
      value{"idle"},
      value{"idler"},
      value{std::string(300, 'x')},
      value{std::string(300, 'x') + "y"},
      value{value_list{value{1}}},
      value{value_map{}},
  };
  switch (random() % 4) {
  case 0:
    return some[random() % some.size()];
  case 1:
    return value{static_cast<double>(random() % 40) / 4};
  case 2:
    return value{static_cast<std::int64_t>(random() % 10)};
  default:
    return value{"t" + std::to_string(random() % 30)};
  }
}

bool same_kind(const value& a, const value& b) {
  return a.kind() == b.kind() || (a.is_number() && b.is_number());
}

// Whether the range has the key, by its words.
bool within(const key_range& in, const value& key) {
  if (!same_kind(in.kind_of, key))
    return false;
  if (!in.low.is_null()) {
    auto order = compare_sort_keys(key, in.low);
    if (order < 0 || (order == 0 && in.low_open))
      return false;
  }
  if (!in.high.is_null()) {
    auto order = compare_sort_keys(key, in.high);
    if (order > 0 || (order == 0 && in.high_open))
      return false;
  }
  return true;
}

using naive_index = std::map<std::uint32_t, value>;

key_range random_range(std::mt19937_64& random) {
  auto low = random_value(random);
  auto high = random_value(random);
  key_range made{low, high, random() % 2 == 0, random() % 2 == 0, low};
  if (random() % 4 == 0 || !same_kind(low, high))
    made.high = {};
  if (random() % 4 == 0)
    made.low = {};
  return made;
}

} // namespace

TEST_CASE("an index finds what a walk over all rows finds, in order", "[unit][registry]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  property_index index;
  naive_index naive;
  for (auto round = 0; round < 4'000; ++round) {
    auto row = static_cast<std::uint32_t>(random() % 300);
    auto known = naive.find(row);
    if (known == naive.end()) {
      auto content = random_value(random);
      index.insert(content.is_null() ? nullptr : &content, row);
      naive.emplace(row, content);
    } else {
      index.erase(&known->second, row);
      naive.erase(known);
    }
    REQUIRE(index.size() == naive.size());
    if (round % 4 != 0)
      continue;
    auto range = random_range(random);
    std::vector<std::uint32_t> rows;
    index.find(range, 1'000, rows);
    for (std::size_t i = 1; i < rows.size(); ++i)
      REQUIRE(
          (compare_sort_keys(sort_key(&naive.at(rows[i - 1])), sort_key(&naive.at(rows[i]))) <= 0));
    std::sort(rows.begin(), rows.end());
    // Values that were cut may be given besides.
    for (const auto& [r, content] : naive) {
      bool found = std::binary_search(rows.begin(), rows.end(), r);
      bool is_cut = !(sort_key(&content) == content);
      REQUIRE((found == within(range, content) || (is_cut && found)));
    }
    REQUIRE(std::adjacent_find(rows.begin(), rows.end()) == rows.end());
  }
}

TEST_CASE("a walk gives the order up to the end of equal keys, both ways", "[unit][registry]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  property_index index;
  std::vector<value> keys;
  for (std::uint32_t row = 0; row < 500; ++row) {
    auto content = random_value(random);
    index.insert(&content, row);
    keys.push_back(sort_key(&content));
  }
  for (auto round = 0; round < 200; ++round) {
    bool descending = random() % 2 == 0;
    auto start = keys[random() % keys.size()];
    property_index::start place{start, random() % 2 == 0};
    const auto* after = random() % 3 == 0 ? nullptr : &place;
    auto count_min = random() % 60;
    std::vector<property_index::entry> got;
    REQUIRE_FALSE(index.walk(after, descending, count_min, 1'000, got));
    auto ahead = [&](const value& a, const value& b) {
      auto order = compare_sort_keys(a, b);
      return descending ? order > 0 : order < 0;
    };
    std::size_t due = 0;
    for (const auto& key : keys)
      due += (after == nullptr || (place.behind ? ahead(start, key) : !ahead(key, start)))
             && (got.empty() || !ahead(got.back().key, key));
    REQUIRE(got.size() == due);
    for (std::size_t i = 0; i < got.size(); ++i) {
      REQUIRE((compare_sort_keys(got[i].key, keys[got[i].row]) == 0));
      REQUIRE((i == 0 || !ahead(got[i].key, got[i - 1].key)));
    }
    // No more than it was asked for, but for equal keys.
    if (got.size() > std::max<std::size_t>(count_min, 1))
      REQUIRE((compare_sort_keys(got[std::max<std::size_t>(count_min, 1) - 1].key, got.back().key)
               == 0));
  }
  std::vector<property_index::entry> bounded;
  CHECK(index.walk(nullptr, false, 400, 10, bounded));
  CHECK(bounded.size() == 10);
}

TEST_CASE("an index that is told of a row it does not have is a bug", "[unit][registry]") {
  property_index index;
  value content{3};
  index.insert(&content, 1);
  CHECK_THROWS_AS(index.insert(&content, 1), broken_invariant);
  CHECK_THROWS_AS(index.erase(&content, 2), broken_invariant);
  CHECK(index.size() == 1);
}
