#include "messages/sync_message.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <algorithm>
#include <random>

using namespace gemel;

namespace {

constexpr writer_id at_a = make_writer(site_id{1}, 5);
constexpr writer_id at_b = make_writer(site_id{2}, 6);

sync_part part() {
  sync_part made;
  made.shard = 17;
  made.from = 4;
  made.to = 9;
  made.cut = 77;
  made.clock.advance({at_a, 12});
  made.clock.advance({at_b, 3});
  sibling first{{at_a, 12}, make_hybrid_time(1'700'000'000'000, 1), {at_a, 1}, 3, value{21.5}};
  sibling second{{at_b, 3}, make_hybrid_time(1'700'000'000'100, 0), {at_a, 1}, 2, value{"text"}};
  made.entries.push_back({"pump-1", "temperature", {first, second}});
  made.entries.push_back({"pump-1", "pressure", {}});
  first.write.number = 11;
  made.entries.push_back({"pump-2", replica_keys::life, {first}});
  return made;
}

bool same(const sync_part& left, const sync_part& right) {
  return left.shard == right.shard && left.from == right.from && left.to == right.to
         && left.cut == right.cut && left.full == right.full && left.index == right.index
         && left.last == right.last && left.clock == right.clock && left.entries == right.entries;
}

struct pair_of_names {
  sent_names sent{100};
  received_names received{100};
};

sync_part through(const sync_part& what, pair_of_names& names) {
  auto made = make_sync(5, what, names.sent);
  auto arrived = frame::check(made.bytes());
  REQUIRE(arrived);
  REQUIRE(is_sync(*arrived));
  CHECK(session_of(*arrived) == 5);
  auto read = read_sync(*arrived, names.received);
  REQUIRE(read);
  return std::get<sync_part>(*read);
}

} // namespace

TEST_CASE("a part of a batch comes through as it was", "[unit][messages][sync]") {
  pair_of_names names;
  CHECK(same(through(part(), names), part()));
}

TEST_CASE("names that were acknowledged are spoken of by number", "[unit][messages][sync]") {
  pair_of_names names;
  through(part(), names);
  auto spelt = names.sent.take_spelt();
  auto long_size = make_sync(5, part(), names.sent).size();
  names.sent.acknowledge(spelt);
  CHECK(same(through(part(), names), part()));
  CHECK(make_sync(5, part(), names.sent).size() < long_size);
  // Whoever never heard the names cannot read them.
  received_names other{100};
  auto lost = read_sync(make_sync(5, part(), names.sent), other);
  REQUIRE_FALSE(lost);
  CHECK(lost.error().context.find("damaged") != std::string::npos);
}

TEST_CASE("names beyond the table are spelt each time", "[unit][messages][sync]") {
  pair_of_names names;
  names.sent = sent_names{1};
  CHECK(same(through(part(), names), part()));
  names.sent.acknowledge(names.sent.take_spelt());
  CHECK(same(through(part(), names), part()));
}

TEST_CASE("every kind of sync message comes through", "[unit][messages][sync]") {
  pair_of_names names;
  auto passes = [&](const sync_message& m) {
    auto read = read_sync(make_sync(1, m, names.sent), names.received);
    REQUIRE(read);
    CHECK(read->index() == m.index());
    return *read;
  };
  auto hello =
      std::get<sync_hello>(passes(sync_hello{1, 2, "plant", "edge-1", site_id{7}, 8, 9, 10, 11}));
  CHECK(hello.cluster == "plant");
  CHECK(hello.node == "edge-1");
  CHECK(hello.answers == 10);
  auto ack = std::get<sync_ack>(passes(sync_ack{true, 5, {{1, 2, 3, 4}, {63, 9, 0, 0}}}));
  CHECK(ack.all);
  CHECK(ack.positions == std::vector<sync_position>{{1, 2, 3, 4}, {63, 9, 0, 0}});
  auto nack = std::get<sync_nack>(passes(sync_nack{3, sync_refusal::clock_fault, 6, 800}));
  CHECK(nack.why == sync_refusal::clock_fault);
  CHECK(nack.ahead_ms == 800);
  CHECK(std::get<sync_ping>(passes(sync_ping{1, -5, true})).sent_us == -5);
  CHECK(std::get<sync_pong>(passes(sync_pong{1, 2, 3, 4})).answered_us == 4);
  CHECK(std::get<sync_digest>(passes(sync_digest{{{1, 2, 3, 4}}})).shards[0].shown == 4);
  sync_buckets buckets{9, 1, {}};
  buckets.sums[63] = 5;
  CHECK(std::get<sync_buckets>(passes(buckets)).sums[63] == 5);
  CHECK(std::get<sync_repair>(passes(sync_repair{9, part().clock, part().entries})).entries
        == part().entries);
  CHECK(std::get<sync_bye>(passes(sync_bye{sync_goodbye::protocol, "why"})).text == "why");
}

TEST_CASE("many alike values take few bytes", "[unit][messages][sync]") {
  pair_of_names names;
  names.sent = sent_names{1'000};
  sync_part many;
  many.shard = 1;
  many.to = 3'000;
  many.clock.advance({at_a, 3'001});
  for (std::uint64_t i = 0; i < 3'000; ++i)
    many.entries.push_back({"twin-" + std::to_string(i / 3),
                            "p" + std::to_string(i % 3),
                            {{{at_a, i + 1},
                              make_hybrid_time(1'700'000'000'000 + std::int64_t(i / 50), 0),
                              {at_a, 1},
                              2,
                              value{20 + static_cast<double>(i * 7 % 90) / 10}}}});
  make_sync(1, many, names.sent);
  names.sent.acknowledge(names.sent.take_spelt());
  auto bytes = make_sync(1, many, names.sent).size();
  INFO(bytes << " bytes for 3,000 properties");
  CHECK(bytes < 3'000 * 6);
}

TEST_CASE("a damaged sync message is refused by its checksum", "[unit][messages][sync]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  pair_of_names names;
  auto whole = make_sync(5, part(), names.sent);
  std::uint64_t refused = 0;
  for (int i = 0; i < 2'000; ++i) {
    std::vector<std::byte> bytes{whole.bytes().begin(), whole.bytes().end()};
    bytes[random() % bytes.size()] ^= static_cast<std::byte>(1u << (random() % 8));
    auto arrived = frame::check(bytes);
    if (!arrived || !is_sync(*arrived)) {
      ++refused;
      continue;
    }
    received_names fresh{100};
    auto read = read_sync(*arrived, fresh);
    if (!read)
      ++refused;
    else // a flipped bit of padding
      CHECK(same(std::get<sync_part>(*read), part()));
  }
  CHECK(refused > 1'000);
}

TEST_CASE("hostile sync messages with right checksums end in named errors",
          "[unit][messages][sync]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  std::uint64_t errors = 0;
  for (int i = 0; i < 20'000; ++i) {
    pair_of_names names;
    auto whole = make_sync(5, part(), names.sent);
    std::vector<std::byte> bytes{whole.bytes().begin(), whole.bytes().end()};
    for (auto n = 1 + random() % 4; n > 0; --n)
      bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    auto arrived = frame::check(bytes);
    if (!arrived || !is_sync(*arrived))
      continue;
    auto read = read_sync(*arrived, names.received, false);
    if (!read) {
      ++errors;
      CHECK(read.error().code == errc::bad_frame);
      CHECK_FALSE(read.error().context.empty());
    }
  }
  CHECK(errors > 100);
}
