#include "actors/log_record.hpp"
#include "tests/support/random_records.hpp"
#include "tests/support/seed.hpp"

using namespace gemel;

namespace {

// Reads to the end or the first fault; the reader itself must bear all bytes.
result<std::size_t> read_all(std::string_view bytes) {
  auto reader = log_record_reader::open(bytes);
  if (!reader)
    return tl::unexpected(reader.error());
  stored_event event;
  std::size_t count = 0;
  for (;;) {
    auto more = reader->next(event);
    if (!more)
      return tl::unexpected(more.error());
    if (!*more)
      return count;
    ++count;
  }
}

} // namespace

TEST_CASE("a log record gives back every event as it was added", "[unit][actors]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  test::random_records random{seed};
  symbols names;
  symbol_cache keys{names.keys};
  symbol_cache types{names.types};
  log_record_builder builder{keys, types};
  for (int round = 0; round < 2'000; ++round) {
    auto made = random.some_events(20);
    auto bytes = random.record(made, builder, names);
    CHECK(builder.empty());
    auto reader = log_record_reader::open(bytes);
    REQUIRE(reader);
    REQUIRE(reader->events() == made.events.size());
    stored_event event;
    for (const auto& wanted : made.events) {
      auto more = reader->next(event);
      if (!more)
        FAIL(to_string(more.error()));
      REQUIRE(*more);
      REQUIRE(test::same(event, wanted));
    }
    auto more = reader->next(event);
    REQUIRE(more);
    CHECK_FALSE(*more);
  }
}

TEST_CASE("a damaged log record is refused by its checksum", "[unit][actors]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  test::random_records random{seed};
  symbols names;
  for (int round = 0; round < 2'000; ++round) {
    auto bytes = random.record(random.some_events(10), names);
    auto damaged = test::mutated(bytes, random.random);
    auto read = read_all(damaged);
    if (damaged == bytes)
      CHECK(read);
    else
      CHECK_FALSE(read);
  }
}

TEST_CASE("a log record with a lie behind a good checksum ends with a name or as events",
          "[unit][actors]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  test::random_records random{seed};
  symbols names;
  std::size_t refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    auto bytes = random.record(random.some_events(10), names);
    auto read = read_all(test::sealed(test::mutated(bytes, random.random)));
    if (read)
      continue;
    ++refused;
    CHECK((read.error().code == errc::store_corrupt || read.error().code == errc::incompatible));
    CHECK_FALSE(read.error().context.empty());
  }
  CHECK(refused > 1'000);
}

TEST_CASE("a log record of a newer format is refused by name", "[unit][actors]") {
  test::random_records random{1};
  symbols names;
  auto bytes = random.record(random.some_events(3), names);
  bytes[1] = 2;
  auto read = read_all(test::sealed(bytes));
  REQUIRE_FALSE(read);
  CHECK(read.error().code == errc::incompatible);
  CHECK(read.error().context == "log record: format 2, this program knows up to 1");
}

TEST_CASE("a row that another twin took in the same turn is another twin", "[unit][actors]") {
  symbols names;
  symbol_cache keys{names.keys};
  symbol_cache types{names.types};
  log_record_builder builder{keys, types};
  builder.add({.kind = event_kind::removed, .row = 7, .id = "a", .version = 3});
  builder.add({.kind = event_kind::lifecycle, .row = 7, .id = "b", .version = 1});
  auto bytes = builder.take();
  auto reader = log_record_reader::open(bytes);
  REQUIRE(reader);
  stored_event event;
  REQUIRE(reader->next(event));
  CHECK(event.id == "a");
  REQUIRE(reader->next(event));
  CHECK(event.id == "b");
  CHECK(event.version == 1);
}

TEST_CASE("an update of two measured properties takes well below 37 bytes", "[unit][actors]") {
  symbols names;
  symbol_cache keys{names.keys};
  symbol_cache types{names.types};
  log_record_builder builder{keys, types};
  test::random_messages random{7};
  auto temperature = key_id{*names.keys.intern("temperature")};
  auto vibration = key_id{*names.keys.intern("vibration_level")};
  constexpr std::uint32_t updates = 1'000;
  for (std::uint32_t i = 0; i < updates; ++i) {
    auto twin = static_cast<std::uint32_t>(random.below(100'000));
    auto id = "machine-" + std::to_string(twin);
    value first{static_cast<double>(random.below(1'000)) / 10};
    value second{static_cast<double>(random.below(1'000)) / 1'000};
    auto time = make_hybrid_time(1'760'000'000'000 + i / 1'000, static_cast<std::uint16_t>(i));
    auto write = random.below(1'000'000);
    logged_change changes[] = {{temperature, &first, {time, make_dot(0, write)}},
                               {vibration, &second, {time, make_dot(0, write + 1)}}};
    logged_event event;
    event.shard = shard_of(id);
    event.row = twin;
    event.id = id;
    event.version = 2 + 2 * random.below(100);
    event.time = time;
    event.write = make_dot(0, write);
    event.changes = changes;
    builder.add(event);
  }
  auto bytes = static_cast<double>(builder.take().size()) / updates;
  INFO("bytes per update: " << bytes);
  CHECK(bytes < 30);
}

TEST_CASE("a log record tells the shards of a twin that moves, and the twins of a row that is used "
          "again",
          "[unit][actors]") {
  symbols names;
  symbol_cache keys{names.keys};
  symbol_cache types{names.types};
  log_record_builder builder{keys, types};
  logged_event event;
  event.kind = event_kind::lifecycle;
  event.row = 4;
  event.id = "press-7";
  event.shard = shard_id{11};
  event.version = 5;
  builder.add(event);
  event.kind = event_kind::moved;
  event.shard = shard_id{12};
  builder.add(event);
  builder.forget(4); // it went to another cell
  event.kind = event_kind::lifecycle;
  event.id = "press-8";
  event.shard = shard_id{13};
  event.version = 1;
  builder.add(event);
  auto bytes = builder.take();
  auto reader = log_record_reader::open(bytes);
  REQUIRE(reader);
  stored_event back;
  std::vector<std::string> seen;
  while (*reader->next(back))
    seen.push_back(std::string{back.id} + " " + std::to_string(static_cast<int>(back.shard)) + " v"
                   + std::to_string(back.version));
  CHECK(seen == std::vector<std::string>{"press-7 11 v5", "press-7 12 v5", "press-8 13 v1"});
}
