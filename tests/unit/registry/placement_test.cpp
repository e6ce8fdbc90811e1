#include "registry/placement.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <string>
#include <vector>

using namespace gemel;

TEST_CASE("a placement text has the same shard on every node and in every version",
          "[unit][registry]") {
  // XXH3, 64 bits, of nothing is 0x2d06800538d394c2 (xxHash's own test vectors).
  CHECK(static_cast<int>(shard_of("")) == (0x4c2 & 0xfff));
  CHECK(shard_of("factory-a") == shard_of(std::string{"factory-a"}));
  CHECK(shard_of("factory-a") != shard_of("factory-b"));
}

TEST_CASE("shards are spread evenly over ids and cells", "[unit][registry]") {
  constexpr std::uint32_t cells = 12;
  constexpr int ids = 120'000;
  std::vector<int> by_shard(limits::shards);
  std::vector<int> by_cell(cells);
  for (int i = 0; i < ids; ++i) {
    auto shard = shard_of("twin-" + std::to_string(i));
    REQUIRE(static_cast<std::uint32_t>(shard) < limits::shards);
    ++by_shard[static_cast<std::size_t>(shard)];
    ++by_cell[static_cast<std::size_t>(cell_of(shard, cells))];
  }
  // 29 a shard, 10,000 a cell on average; both are far outside of chance.
  CHECK(*std::max_element(by_shard.begin(), by_shard.end()) < 29 * 3);
  auto [least, most] = std::minmax_element(by_cell.begin(), by_cell.end());
  CHECK(*least > 9'000);
  CHECK(*most < 11'000);
}

TEST_CASE("a node of one cell has all shards there, one of many no cell without",
          "[unit][registry]") {
  for (std::uint32_t shard = 0; shard < limits::shards; ++shard) {
    shard_id id{static_cast<std::uint16_t>(shard)};
    CHECK(cell_of(id, 1) == cell_id{0});
    CHECK(cell_of(id, limits::cells_max) == cell_id{static_cast<std::uint16_t>(shard)});
  }
}
