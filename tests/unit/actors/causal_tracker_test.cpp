#include "actors/causal_tracker.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <random>
#include <vector>

namespace gemel {

TEST_CASE("events are ordered within a shard and along their causes", "[unit][rules]") {
  causal_tracker causes;
  auto a = causes.stamp_of(1, 10, "a", "");
  auto b = causes.stamp_of(2, 5, "b", "");
  auto c = causes.stamp_of(2, 6, "c", "a");
  auto d = causes.stamp_of(3, 1, "d", "c");
  CHECK(are_concurrent(*a, *b));
  CHECK(happened_before(*b, *c));
  CHECK(happened_before(*a, *c));
  CHECK(happened_before(*a, *d));
  CHECK(happened_before(*b, *d)); // The shard of c knew of it.
  CHECK_FALSE(happened_before(*d, *a));
  CHECK(are_concurrent(*causes.stamp_of(4, 1, "e", "unheard of"), *a));
}

TEST_CASE("causes are known after a restart", "[unit][rules]") {
  causal_tracker before;
  auto a = before.stamp_of(1, 10, "a", "");
  auto b = before.stamp_of(2, 5, "b", "a");
  state_writer kept;
  before.save(kept);
  auto bytes = kept.take();
  causal_tracker after;
  state_reader from{bytes};
  after.restore(from);
  REQUIRE(from.ok());
  REQUIRE(from.at_end());
  auto c = before.stamp_of(3, 7, "c", ""); // after the checkpoint: the log of the rules has it
  after.learn("c", c);
  auto d = after.stamp_of(4, 1, "d", "b");
  auto e = after.stamp_of(5, 1, "e", "c");
  CHECK(happened_before(*a, *d));
  CHECK(happened_before(*b, *d));
  CHECK(happened_before(*c, *e));
  CHECK(are_concurrent(*c, *d));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    state_reader torn{std::string_view{bytes}.substr(0, size)};
    causal_tracker{}.restore(torn);
    CHECK_FALSE(torn.ok());
  }
}

// An event lies before another one if a chain leads there: the next of its shard, or what it
// caused.
TEST_CASE("random histories are ordered as their chains are", "[unit][rules]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  for (int round = 0; round < 200; ++round) {
    causal_tracker causes;
    std::vector<std::shared_ptr<const causal_stamp>> stamps;
    std::vector<std::uint16_t> shards;
    std::vector<std::vector<bool>> before; // by event: which ones lie before it along causes alone
    std::uint64_t dots[4] = {};
    constexpr std::size_t count = 30;
    for (std::size_t i = 0; i < count; ++i) {
      auto shard = static_cast<std::uint16_t>(random() % 4);
      std::vector<bool> mine(count, false);
      std::string cause;
      if (i > 0 && random() % 2 == 0) {
        auto led = random() % i;
        cause = std::to_string(led);
        mine = before[led];
        mine[led] = true;
      }
      stamps.push_back(causes.stamp_of(shard, ++dots[shard], std::to_string(i), cause));
      shards.push_back(shard);
      before.push_back(std::move(mine));
    }
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t j = 0; j < count; ++j) {
        // i itself, or a later one of its shard, led to j; or j is a later one of its shard.
        auto is_right = i != j && shards[i] == shards[j] && i < j;
        for (std::size_t k = i; k < count && shards[i] != shards[j]; ++k)
          is_right = is_right || (shards[k] == shards[i] && before[j][k]);
        INFO(i << " and " << j);
        REQUIRE(happened_before(*stamps[i], *stamps[j]) == is_right);
      }
  }
}

} // namespace gemel
