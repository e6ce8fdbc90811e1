#include "actors/sync/replica_record.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <random>

using namespace gemel;

namespace {

constexpr writer_id own = make_writer(site_id{1}, 5);

replica_record record() {
  replica_record made{{7, 12, 3, {site_id{9}, 44, 5}, {}}, {}, {}};
  made.clock.advance({own, 4});
  made.entries.push_back(
      {"pump", "speed", {{{own, 4}, make_hybrid_time(1'000, 2), {own, 1}, 2, value{1.5}}}});
  made.entries.push_back({"pump", "mode", {}});
  made.numbers = {12, 9};
  return made;
}

} // namespace

TEST_CASE("a replica record comes back as it was", "[unit][sync]") {
  auto back = unpack_record(pack_record(record()));
  REQUIRE(back);
  CHECK(back->shard == 7);
  CHECK(back->last_change == 12);
  CHECK(back->forgotten == 3);
  CHECK(back->position.site == site_id{9});
  CHECK(back->position.incarnation == 44);
  CHECK(back->position.received == 5);
  CHECK(back->clock == record().clock);
  CHECK(back->entries == record().entries);
  CHECK(back->numbers == record().numbers);
}

TEST_CASE("a damaged or torn replica record is refused", "[unit][sync]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  auto whole = pack_record(record());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    auto torn = unpack_record(std::string_view{whole}.substr(0, size));
    REQUIRE_FALSE(torn);
    CHECK(torn.error().code == errc::store_corrupt);
  }
  for (int i = 0; i < 1'000; ++i) {
    auto damaged = whole;
    damaged[random() % damaged.size()] ^= static_cast<char>(1 << (random() % 7));
    REQUIRE_FALSE(unpack_record(damaged));
  }
}

TEST_CASE("a replica record names no change after its last", "[unit][sync]") {
  auto wrong = record();
  wrong.numbers = {13, 9};
  auto read = unpack_record(pack_record(wrong));
  REQUIRE_FALSE(read);
  CHECK(read.error().code == errc::store_corrupt);
}
