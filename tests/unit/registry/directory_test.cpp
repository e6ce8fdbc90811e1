#include "registry/directory.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <future>
#include <random>
#include <unordered_map>

using namespace gemel;

namespace {

std::string id_of(std::size_t n) {
  return "machine-" + std::to_string(n);
}

location place(std::size_t n, std::uint32_t version = 0) {
  return {cell_id{static_cast<std::uint16_t>(n % 4'096)},
          static_cast<std::uint32_t>(n * 8 + version % 8), n % 3 == 0};
}

} // namespace

TEST_CASE("directory finds what was inserted until it is erased", "[unit][registry]") {
  directory twins{1};
  CHECK_FALSE(twins.find("a"));
  CHECK_FALSE(twins.erase(twins.key_of("a")));
  location far{cell_id{4'095}, UINT32_MAX - 1, true};
  CHECK(twins.insert(twins.key_of("a"), far));
  CHECK(twins.find("a") == far);
  CHECK_FALSE(twins.insert(twins.key_of("a"), {cell_id{1}, 1, false}));
  CHECK(twins.find("a") == far);
  CHECK_FALSE(twins.find("b"));
  CHECK(twins.size() == 1);
  CHECK(twins.erase(twins.key_of("a")));
  CHECK_FALSE(twins.erase(twins.key_of("a")));
  CHECK_FALSE(twins.find("a"));
  CHECK(twins.size() == 0);
}

TEST_CASE("directory keeps cell 0, row 0 apart from nothing", "[unit][registry]") {
  directory twins{1};
  CHECK(twins.insert(twins.key_of("zero"), {}));
  CHECK(twins.find("zero") == location{});
}

TEST_CASE("directory hashes by its seed", "[unit][registry]") {
  directory one{1};
  directory two{2};
  CHECK(one.key_of("a").hash != two.key_of("a").hash);
  CHECK(one.key_of("a").hash == directory{1}.key_of("a").hash);
}

TEST_CASE("directory does what std::unordered_map does", "[unit][registry]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  directory twins{random()};
  std::unordered_map<std::string, location> model;
  std::size_t wrong = 0;
  for (int i = 0; i < 300'000; ++i) {
    auto n = random() % 30'000;
    auto id = id_of(n);
    auto key = twins.key_of(id);
    // Long stretches of growing, then of shrinking.
    bool growing = i / 50'000 % 2 == 0;
    if (random() % 4 < (growing ? 3u : 1u)) {
      auto at = place(n, static_cast<std::uint32_t>(random()));
      wrong += twins.insert(key, at) != model.emplace(id, at).second;
    } else {
      wrong += twins.erase(key) != (model.erase(id) == 1);
    }
    auto other = id_of(random() % 30'000);
    auto expected = model.find(other);
    auto found = twins.find(other);
    wrong +=
        found.has_value() != (expected != model.end()) || (found && *found != expected->second);
  }
  CHECK(wrong == 0);
  CHECK(twins.size() == model.size());
  for (const auto& [id, at] : model)
    wrong += twins.find(id) != at;
  CHECK(wrong == 0);
  CHECK(twins.memory_bytes() > model.size() * 16);
}

TEST_CASE("directory probes on through crowded and wrapped stripes", "[unit][registry]") {
  // All in one stripe with few home slots: long runs that wrap around the table's end.
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  directory twins{0};
  std::unordered_map<std::uint64_t, location> model;
  std::size_t wrong = 0;
  for (int i = 0; i < 20'000; ++i) {
    auto n = random() % 40;
    directory::key key{(n << 20) | (14 + n % 3), 7};
    if (random() % 2 == 0)
      wrong += twins.insert(key, place(n)) != model.emplace(n, place(n)).second;
    else
      wrong += twins.erase(key) != (model.erase(n) == 1);
    for (std::uint64_t m = 0; m < 40; ++m)
      wrong +=
          twins.find(directory::key{(m << 20) | (14 + m % 3), 7}).has_value() != model.contains(m);
  }
  CHECK(wrong == 0);
}

TEST_CASE("directory tells keys of one hash apart by their tags", "[unit][registry]") {
  directory twins{0};
  directory::key first{5, 1};
  directory::key second{5, 2};
  CHECK(twins.insert(first, {cell_id{1}, 1, false}));
  CHECK_FALSE(twins.find(second));
  CHECK(twins.insert(second, {cell_id{2}, 2, false}));
  CHECK(twins.erase(first));
  CHECK(twins.find(second) == location{cell_id{2}, 2, false});
}

TEST_CASE("directory readers see what writers did, and nothing torn, while they work",
          "[unit][registry]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  constexpr std::size_t ids = 300;
  directory twins{seed};
  // All in one stripe, close together and of one tag, so that every erase moves others and a
  // mixture of two slots would look like one of them.
  auto key_of = [](std::size_t n) { return directory::key{(n << 24) | (n % 7), 7}; };
  // By id: changes begun and ended. 0 absent, 1 under way, 2 present, 3 under way, 4 absent...
  std::vector<std::atomic<std::uint32_t>> changes(ids);
  std::atomic<bool> stop{false};
  auto write = [&](std::size_t writer) {
    std::mt19937_64 random{seed + writer};
    std::size_t refused = 0;
    for (int i = 0; i < 60'000; ++i) {
      auto n = random() % (ids / 2) * 2 + writer; // Each writer has ids of its own.
      bool present = changes[n].fetch_add(1) % 4 == 2;
      auto version = static_cast<std::uint32_t>(random());
      refused += !(present ? twins.erase(key_of(n)) : twins.insert(key_of(n), place(n, version)));
      changes[n].fetch_add(1);
    }
    return refused;
  };
  auto read = [&](std::size_t reader) {
    std::mt19937_64 random{seed + 100 + reader};
    std::size_t wrong = 0;
    while (!stop) {
      auto n = random() % ids;
      auto before = changes[n].load();
      auto found = twins.find(key_of(n));
      bool certain = before % 2 == 0 && changes[n].load() == before;
      wrong += certain && found.has_value() != (before % 4 == 2);
      wrong += found && (found->row / 8 != n || found->cell != place(n).cell);
    }
    return wrong;
  };
  auto r1 = std::async(std::launch::async, read, 1);
  auto r2 = std::async(std::launch::async, read, 2);
  auto w1 = std::async(std::launch::async, write, 0);
  auto w2 = std::async(std::launch::async, write, 1);
  CHECK(w1.get() == 0);
  CHECK(w2.get() == 0);
  stop = true;
  CHECK(r1.get() == 0);
  CHECK(r2.get() == 0);
  std::size_t present = 0;
  for (std::size_t n = 0; n < ids; ++n)
    present += twins.find(key_of(n)).has_value();
  CHECK(present == twins.size());
}
