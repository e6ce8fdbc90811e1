#include "tests/support/catch.hpp"
#include "tests/support/small_node.hpp"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

using namespace gemel;

TEST_CASE("of twenty threads that expect one version exactly one wins", "[integration][runtime]") {
  auto node = start_small_node();
  REQUIRE(node->create({.id = "m", .type = "Machine", .properties = {{"winner", -1}}}));
  for (std::uint64_t round = 1; round <= 20; ++round) {
    std::atomic<int> won{0};
    std::atomic<int> lost{0};
    std::vector<std::thread> writers;
    for (int i = 0; i < 20; ++i)
      writers.emplace_back([&, i] {
        twin_update change{.id = "m", .set = {{"winner", static_cast<int>(round) * 100 + i}}};
        change.if_version = round;
        auto done = node->update(change);
        won += done.has_value();
        lost += !done && done.error().code == errc::precondition_failed;
      });
    for (auto& writer : writers)
      writer.join();
    REQUIRE(won == 1);
    REQUIRE(lost == 19);
    REQUIRE(node->get("m")->version == round + 1);
  }
}

TEST_CASE("threads that move amounts between twins never show a wrong sum",
          "[integration][runtime]") {
  constexpr int accounts = 8;
  constexpr int transfers = 300;
  auto node = start_small_node();
  std::vector<std::string> ids;
  for (int i = 0; i < accounts; ++i) {
    ids.push_back("account-" + std::to_string(i));
    REQUIRE(node->create({.id = ids.back(), .type = "Account", .properties = {{"amount", 100}}}));
  }
  std::atomic<int> moved{0};
  std::atomic<int> unexpected{0};
  auto transfer = [&](int thread) {
    for (int n = 0; n < transfers; ++n) {
      const auto& from = ids[static_cast<std::size_t>((n * 7 + thread) % accounts)];
      const auto& to = ids[static_cast<std::size_t>((n * 3 + thread * 5 + 1) % accounts)];
      if (from == to)
        continue;
      std::vector<twin_update> both{{.id = from, .add = {{"amount", -10}}},
                                    {.id = to, .add = {{"amount", 10}}}};
      both[0].condition = "amount >= 10";
      auto done = node->update(both, {.atomic = true});
      if (!done || (done->applied != 2 && done->failures.size() != 2))
        ++unexpected;
      else
        moved += done->applied == 2;
    }
  };
  std::atomic<bool> stop{false};
  std::atomic<int> reads{0};
  std::atomic<int> wrong{0};
  std::thread reader{[&] {
    while (!stop) {
      auto page = node->get(std::span<const std::string>{ids});
      if (!page) {
        unexpected += page.error().code != errc::twin_busy;
        continue;
      }
      std::int64_t sum = 0;
      for (const auto& twin : page->twins)
        sum += twin.find("amount")->as_integer();
      wrong += sum != 100 * accounts;
      ++reads;
    }
  }};
  std::vector<std::thread> writers;
  for (int i = 0; i < 4; ++i)
    writers.emplace_back(transfer, i);
  for (auto& writer : writers)
    writer.join();
  stop = true;
  reader.join();
  CHECK(unexpected == 0);
  CHECK(wrong == 0);
  CHECK(moved > 0);
  CHECK(reads > 0);
}
