#include "runtime/store/store_keys.hpp"
#include "runtime/store/write_ahead_scan.hpp"
#include "tests/support/catch.hpp"

using namespace gemel;

TEST_CASE("the store's keys sort as their numbers do", "[unit][runtime]") {
  CHECK(store::log_key(log_position{255}) < store::log_key(log_position{256}));
  CHECK(store::parse_log_key(store::log_key(log_position{1ull << 40})) == log_position{1ull << 40});
  CHECK_FALSE(store::parse_log_key("short"));
  CHECK(store::state_prefix(shard_id{1}, 256) > store::state_prefix(shard_id{1}, 255));
  CHECK(store::state_prefix(shard_id{1}, UINT32_MAX) < store::state_prefix(shard_id{2}, 0));
  CHECK(store::prefix_end("a\xff") == "b");
  CHECK(store::prefix_end("\xff\xff").empty());
  CHECK(store::parse_snapshot_key(store::snapshot_key(shard_id{4'095})) == shard_id{4'095});
  CHECK_FALSE(store::parse_snapshot_key("store/snapshot/\xff\xff"));
  CHECK_FALSE(store::parse_snapshot_key("store/other"));
}

TEST_CASE("the store's own facts come back, and damaged ones are named", "[unit][runtime]") {
  store::snapshot_record record{7, log_position{1'000'000}, 42, 0x1234'5678'9abc'def0};
  CHECK(store::unpack_snapshot(store::pack_snapshot(record)) == record);
  CHECK(store::unpack_snapshot("x").error().code == errc::store_corrupt);
  store::identity who{"id", "node-1", 3, "boot"};
  CHECK(store::unpack_identity(store::pack_identity(who)) == who);
  CHECK(store::unpack_identity(store::pack_identity(who) + "x").error().code
        == errc::store_corrupt);
  CHECK(store::unpack_position(store::pack_position(log_position{9})) == log_position{9});
  CHECK_FALSE(store::unpack_position(""));
}

TEST_CASE("a digest depends on each id, each twin and their order", "[unit][runtime]") {
  auto first = store::digest_with(store::digest_with(0, "a", "1"), "b", "2");
  CHECK(first != store::digest_with(store::digest_with(0, "b", "2"), "a", "1"));
  CHECK(first != store::digest_with(store::digest_with(0, "a", "2"), "b", "1"));
  CHECK(first == store::digest_with(store::digest_with(0, "a", "1"), "b", "2"));
}

TEST_CASE("CRC-32C is the one of RFC 3720", "[unit][runtime]") {
  CHECK(store::crc32c(std::string(32, '\0')) == 0x8a9136aaU);
  CHECK(store::crc32c(std::string(32, '\xff')) == 0x62a8ab43U);
  CHECK(store::crc32c("123456789") == 0xe3069283U);
}
