#include "actors/log_record.hpp"
#include "actors/twin_state.hpp"
#include "runtime/adapters/rocks_store.hpp"
#include "runtime/adapters/store_tools.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/temporary_folder.hpp"

#include <filesystem>
#include <fstream>
#include <functional>
#include <future>

using namespace gemel;
namespace fs = std::filesystem;

namespace {

std::string real_record(std::uint64_t number) {
  symbols names;
  symbol_cache keys{names.keys};
  symbol_cache types{names.types};
  log_record_builder builder{keys, types};
  value level{static_cast<double>(number)};
  logged_change change{key_id{*names.keys.intern("level")}, &level, {}};
  auto id = "tank-" + std::to_string(number);
  builder.add({.row = 1, .id = id, .version = number, .changes = {&change, 1}});
  return builder.take();
}

rocks_store::options options_for(const std::string& path) {
  rocks_store::options made;
  made.path = path;
  made.node = "node-7";
  made.fresh_id = "the-store";
  made.ballast_bytes = 0;
  return made;
}

void append(store_port& into, std::string record) {
  std::promise<result<void>> answered;
  log_entry entry;
  entry.record = std::move(record);
  entry.done = [&](result<void> what) { answered.set_value(std::move(what)); };
  REQUIRE(into.append(std::move(entry)));
  REQUIRE(answered.get_future().get());
}

void take_snapshot(store_port& in, std::uint16_t shard, log_position at,
                   std::map<std::string, std::string> twins) {
  std::promise<result<void>> answered;
  shard_snapshot made{shard_id{shard}, at, std::move(twins),
                      [&](result<void> what) { answered.set_value(std::move(what)); }};
  REQUIRE(in.write_snapshot(std::move(made)));
  REQUIRE(answered.get_future().get());
}

// A store with 50 records, two snapshots of three twins; `damage` may add what is wrong.
void make_store(
    const std::string& path,
    const std::function<void(rocks_store&)>& damage = [](rocks_store&) {}) {
  auto store = rocks_store::open(options_for(path));
  if (!store)
    FAIL(to_string(store.error()));
  for (std::uint64_t i = 1; i <= 50; ++i)
    append(**store, real_record(i));
  for (auto shard : {std::uint16_t{3}, std::uint16_t{9}})
    take_snapshot(**store, shard, log_position{50},
                  {{"a", pack_twin({.type = "tank"})},
                   {"b", pack_twin({.type = "tank"})},
                   {"c", pack_twin({.type = "tank"})}});
  damage(**store);
}

void flip(const std::string& file, std::size_t at) {
  std::fstream stream{file, std::ios::in | std::ios::out | std::ios::binary};
  stream.seekg(static_cast<std::streamoff>(at));
  auto byte = static_cast<char>(stream.get() ^ 0x10);
  stream.seekp(static_cast<std::streamoff>(at));
  stream.put(byte);
}

// The largest file of this ending.
std::string largest(const std::string& folder, const std::string& ending) {
  fs::path found;
  for (const auto& entry : fs::directory_iterator{folder})
    if (entry.path().extension() == ending
        && (found.empty() || entry.file_size() > fs::file_size(found)))
      found = entry.path();
  return found.string();
}

store_findings checked(const std::string& path) {
  auto found = check_store(path);
  if (!found)
    FAIL(to_string(found.error()));
  return *found;
}

std::string joined(const std::vector<std::string>& texts) {
  std::string made;
  for (const auto& one : texts)
    made += one + "\n";
  return made;
}

} // namespace

TEST_CASE("a sound store is checked and told about", "[fault][runtime]") {
  test::temporary_folder folder;
  make_store(folder.file("s"));
  auto found = checked(folder.file("s"));
  INFO(joined(found.wrong));
  CHECK(found.wrong.empty());
  CHECK(found.facts.id == "the-store");
  CHECK(found.facts.node == "node-7");
  CHECK(found.facts.closed_orderly);
  CHECK(found.facts.log_records == 50);
  CHECK(found.facts.events == 50);
  CHECK(found.facts.twins == 6);
  CHECK(found.facts.shards == 2);
  auto repaired = repair_store(folder.file("s"));
  REQUIRE(repaired);
  CHECK(repaired->done.empty());
  CHECK(stats_of_store(folder.file("s"))->incarnation == 1);
}

TEST_CASE("a folder without a store and a store in use are named", "[fault][runtime]") {
  test::temporary_folder folder;
  CHECK(check_store(folder.file("none")).error().code == errc::io_failed);
  CHECK(stats_of_store(folder.path()).error().code == errc::io_failed);
  auto open = rocks_store::open(options_for(folder.file("s")));
  REQUIRE(open);
  auto refused = check_store(folder.file("s"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().context.find("another process has this store open") != std::string::npos);
  auto second = rocks_store::open(options_for(folder.file("s")));
  REQUIRE_FALSE(second);
  CHECK(second.error().code == errc::io_failed);
}

TEST_CASE("a damaged record is named, and repair keeps the log before it", "[fault][runtime]") {
  test::temporary_folder folder;
  auto path = folder.file("s");
  make_store(path, [](rocks_store& store) {
    auto bad = real_record(51);
    bad[10] = static_cast<char>(bad[10] ^ 1);
    append(store, bad);
    append(store, real_record(52));
  });
  auto found = checked(path);
  REQUIRE(found.wrong.size() == 1);
  CHECK(found.wrong[0].find("log record 51: ") == 0);
  auto repaired = repair_store(path);
  REQUIRE(repaired);
  INFO(joined(repaired->done));
  CHECK(repaired->facts.incarnation == 2);
  auto again = checked(path);
  INFO(joined(again.wrong));
  CHECK(again.wrong.empty());
  auto store = rocks_store::open(options_for(path));
  REQUIRE(store);
  std::uint64_t count = 0;
  CHECK((*store)->read_log({}, [&](auto, auto, auto) -> result<void> {
    ++count;
    return {};
  }));
  CHECK(count == 50);
}

TEST_CASE("a damaged twin is named, and repair removes it alone", "[fault][runtime]") {
  test::temporary_folder folder;
  auto path = folder.file("s");
  make_store(path, [](rocks_store& store) {
    take_snapshot(store, 9, log_position{50}, {{"a", pack_twin({.type = "tank"})}, {"b", "bad"}});
  });
  auto found = checked(path);
  REQUIRE(found.wrong.size() == 1);
  CHECK(found.wrong[0] == "shard 9, twin b: twin: it ends too early");
  REQUIRE(repair_store(path));
  auto again = checked(path);
  INFO(joined(again.wrong));
  CHECK(again.wrong.empty());
  CHECK(again.facts.twins == 4);
}

TEST_CASE("a flipped bit in the middle of the log's file is not passed over", "[fault][runtime]") {
  test::temporary_folder folder;
  auto path = folder.file("s");
  make_store(path, [](rocks_store& store) {
    for (std::uint64_t i = 51; i <= 2'000; ++i)
      append(store, real_record(i));
  });
  flip(largest(path + "/db", ".log"), 40'000);
  auto refused = rocks_store::open(options_for(path));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == errc::store_corrupt);
  CHECK(refused.error().context.find("good ones behind it") != std::string::npos);
  CHECK_FALSE(checked(path).wrong.empty());
  auto repaired = repair_store(path);
  if (!repaired)
    FAIL(to_string(repaired.error()));
  auto again = checked(path);
  INFO(joined(again.wrong));
  CHECK(again.wrong.empty());
  CHECK(again.facts.incarnation == 2);
}

TEST_CASE("a flipped bit in a snapshot's file and a missing file are found", "[fault][runtime]") {
  test::temporary_folder folder;
  auto path = folder.file("s");
  make_store(path);
  auto file = largest(path + "/db", ".sst");
  REQUIRE_FALSE(file.empty());
  SECTION("flipped") {
    flip(file, 20);
    CHECK_FALSE(checked(path).wrong.empty());
  }
  SECTION("missing") {
    fs::remove(file);
    CHECK_FALSE(checked(path).wrong.empty());
    auto refused = rocks_store::open(options_for(path));
    REQUIRE_FALSE(refused);
    auto repaired = repair_store(path);
    if (!repaired)
      FAIL(to_string(repaired.error()));
    auto again = checked(path);
    INFO(joined(again.wrong));
    CHECK(again.wrong.empty());
  }
}

TEST_CASE("a backup is restored as another incarnation, a changed one is refused",
          "[fault][runtime]") {
  test::temporary_folder folder;
  make_store(folder.file("s"));
  REQUIRE(backup_store(folder.file("s"), folder.file("b")));
  CHECK(backup_store(folder.file("s"), folder.file("b")).error().code == errc::io_failed);
  auto restored = restore_store(folder.file("b"), folder.file("t"));
  if (!restored)
    FAIL(to_string(restored.error()));
  CHECK(restored->incarnation == 2);
  CHECK(restored->id == "the-store");
  CHECK(restored->twins == 6);
  CHECK(restored->log_records == 50);
  auto found = checked(folder.file("t"));
  INFO(joined(found.wrong));
  CHECK(found.wrong.empty());
  flip(largest(folder.file("b/db"), ".sst"), 20);
  auto refused = restore_store(folder.file("b"), folder.file("u"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == errc::store_corrupt);
  CHECK_FALSE(fs::exists(folder.file("u")));
}
