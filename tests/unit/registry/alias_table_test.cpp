#include "registry/alias_table.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"

#include <atomic>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace gemel;

TEST_CASE("a value is one twin's until that twin gives it up", "[unit][registry]") {
  alias_table aliases;
  CHECK(aliases.claim("serial_number", "SN-1", "a"));
  CHECK(aliases.claim("serial_number", "SN-1", "a"));
  auto refused = aliases.claim("serial_number", "SN-1", "b");
  REQUIRE_FALSE(refused);
  CHECK(refused.error() == error{errc::alias_taken, "serial_number \"SN-1\" is that of twin a"});
  CHECK(aliases.claim("badge", "SN-1", "b"));
  aliases.release("serial_number", "SN-1", "b");
  CHECK(aliases.find("serial_number", "SN-1") == "a");
  aliases.release("serial_number", "SN-1", "a");
  CHECK_FALSE(aliases.find("serial_number", "SN-1").has_value());
  CHECK(aliases.claim("serial_number", "SN-1", "b"));
  CHECK(aliases.size() == 2);
}

TEST_CASE("the text and the number of the same digits are two aliases, others are none",
          "[unit][registry]") {
  alias_table aliases;
  CHECK(aliases.claim("n", 7, "a"));
  CHECK(aliases.claim("n", "7", "b"));
  CHECK(aliases.find("n", 7) == "a");
  CHECK(aliases.find("n", "7") == "b");
  CHECK(aliases.claim("n", 7.0, "c"));
  CHECK(aliases.claim("n", value{}, "c"));
  CHECK_FALSE(aliases.find("n", 7.0).has_value());
  CHECK(aliases.size() == 2);
}

TEST_CASE("random claims and releases agree with a map", "[unit][registry]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  alias_table aliases;
  std::map<std::string, std::string> expected;
  for (auto round = 0; round < 20'000; ++round) {
    auto name = "SN-" + std::to_string(random() % 50);
    auto id = "t" + std::to_string(random() % 20);
    if (random() % 2 == 0) {
      auto granted = aliases.claim("sn", name, id).has_value();
      REQUIRE(granted == (expected.emplace(name, id).first->second == id));
    } else {
      aliases.release("sn", name, id);
      if (auto i = expected.find(name); i != expected.end() && i->second == id)
        expected.erase(i);
    }
    auto i = expected.find(name);
    REQUIRE(aliases.find("sn", name)
            == (i == expected.end() ? std::nullopt : std::optional{i->second}));
  }
  CHECK(aliases.size() == expected.size());
}

TEST_CASE("of many threads that claim one value exactly one holds it at a time",
          "[unit][registry]") {
  constexpr int threads = 4;
  constexpr int values = 8;
  alias_table aliases;
  std::array<std::atomic<int>, values> holders{};
  std::atomic<int> granted{0};
  std::atomic<bool> broken{false};
  std::vector<std::thread> running;
  for (int t = 0; t < threads; ++t)
    running.emplace_back([&, t] {
      auto id = "t" + std::to_string(t);
      std::mt19937_64 random{static_cast<std::uint64_t>(t)};
      for (int i = 0; i < 20'000; ++i) {
        auto which = static_cast<std::size_t>(random() % values);
        value name{static_cast<std::int64_t>(which)};
        if (!aliases.claim("sn", name, id))
          continue;
        if (holders[which].fetch_add(1) != 0 || aliases.find("sn", name) != id)
          broken = true;
        ++granted;
        holders[which].fetch_sub(1);
        aliases.release("sn", name, id);
      }
    });
  for (auto& one : running)
    one.join();
  CHECK_FALSE(broken);
  CHECK(granted > 0);
  CHECK(aliases.size() == 0);
}
