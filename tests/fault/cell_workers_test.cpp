// Faults: pushes from many threads at the worst moments, a stop in the middle of the work, a job
// that throws. What must hold: everything that was pushed before the stop is run, once and by one
// thread at a time, and a node without work sleeps.

#include "runtime/adapters/cell_workers.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/simulated_node.hpp"

#include <atomic>
#include <stdexcept>
#include <thread>

using namespace gemel;

namespace {

// Cells without twins on real threads.
struct working_cells {
  working_cells(std::size_t threads, std::uint32_t cells)
      : world{symbols, directory, addresses, behaviors, supervision,
              models,  aliases,   cells,     {},        [](cell_id, const frame&) {}},
        workers{threads, cells} {
    for (std::uint32_t i = 0; i < cells; ++i) {
      runners.push_back(std::make_unique<cell_runner>(cell_id{static_cast<std::uint16_t>(i)}, world,
                                                      cell_runner::options{{1'000'000, 1'000'000}},
                                                      clock, [this, i] { workers.schedule(i); }));
      workers.attach(i, *runners.back());
    }
  }

  // Runs `action` in a turn of cell `index`.
  void push(std::size_t index, std::function<void()> action) {
    runners[index]->push_ordered(
        cell_job{[action = std::move(action)](cell&, const moment&) { action(); }});
  }

  test::manual_clock clock;
  test::counting_addresses addresses;
  gemel::symbols symbols;
  gemel::directory directory{1};
  behavior_table behaviors;
  supervision_table supervision;
  model_table models;
  alias_table aliases;
  cell_environment world;
  std::vector<std::unique_ptr<cell_runner>> runners;
  cell_workers workers;
};

// A counter that only its cell's turns write, so that two turns at a time would be seen.
struct alignas(64) owned_count {
  std::atomic<bool> inside{false};
  std::uint64_t ran = 0;
  std::uint64_t overlaps = 0;

  void run() {
    overlaps += inside.exchange(true);
    ++ran;
    inside = false;
  }
};

} // namespace

TEST_CASE("cell_workers lose no wake-up of many pushers and run a cell on one thread at a time",
          "[fault][runtime]") {
  auto seed = test::seed();
  INFO(test::repeat_command(seed));
  constexpr std::size_t pushers = 4;
  constexpr std::uint32_t cells = 7;
  constexpr std::uint64_t pushes = 20'000;
  working_cells aut{3, cells};
  std::vector<owned_count> counts(cells);
  std::atomic<std::uint64_t> ran{0};
  std::vector<std::jthread> threads;
  for (std::size_t p = 0; p < pushers; ++p)
    threads.emplace_back([&, p] {
      std::mt19937_64 random{seed + p};
      for (std::uint64_t i = 0; i < pushes; ++i) {
        auto to = random() % cells;
        aut.push(to, [&counts, &ran, to] {
          counts[to].run();
          ran.fetch_add(1, std::memory_order_relaxed);
          ran.notify_all();
        });
        // Now and then long enough for the threads to fall asleep, or just about.
        if (random() % 512 == 0)
          std::this_thread::sleep_for(std::chrono::microseconds{random() % 200});
      }
    });
  threads.clear();
  // A lost wake-up would leave this waiting for ever.
  for (auto now = ran.load(); now != pushers * pushes; now = ran.load())
    ran.wait(now);
  aut.workers.stop();
  std::uint64_t sum = 0;
  for (const auto& count : counts) {
    CHECK(count.overlaps == 0);
    sum += count.ran;
  }
  CHECK(sum == pushers * pushes);
}

TEST_CASE("every single push to sleeping cell_workers wakes one", "[fault][runtime]") {
  working_cells aut{2, 2};
  for (std::uint64_t i = 0; i < 3'000; ++i) {
    std::atomic<bool> ran{false};
    aut.push(i % 2, [&ran] {
      ran = true;
      ran.notify_one();
    });
    ran.wait(false);
  }
}

TEST_CASE("cell_workers stopped while busy run what was pushed before, then nothing",
          "[fault][runtime]") {
  auto ran = std::make_shared<std::atomic<std::uint64_t>>(0);
  working_cells aut{2, 5};
  constexpr std::uint64_t jobs = 10'000;
  for (std::uint64_t i = 0; i < jobs; ++i)
    aut.push(i % 5, [ran] { ran->fetch_add(1, std::memory_order_relaxed); });
  aut.workers.stop();
  CHECK(*ran == jobs);
  aut.push(0, [ran] { ran->fetch_add(1, std::memory_order_relaxed); });
  aut.workers.stop();
  CHECK(*ran == jobs);
  CHECK(aut.runners[0]->backlog() == 1);
}

TEST_CASE("cell_workers that never got anything stop", "[fault][runtime]") {
  working_cells aut{4, 1};
  aut.workers.stop();
  CHECK(aut.workers.done().turns == 0);
}

TEST_CASE("a job that throws ends neither its thread nor its cell", "[fault][runtime]") {
  working_cells aut{1, 2};
  std::atomic<int> ran{0};
  for (int i = 0; i < 100; ++i) {
    aut.push(0, [] { throw std::runtime_error{"a bug"}; });
    aut.push(static_cast<std::size_t>(i % 2), [&ran] { ++ran; });
  }
  aut.workers.stop();
  CHECK(ran == 100);
  CHECK(aut.runners[0]->faults() == 100);
}

TEST_CASE("cell_workers without work come to rest", "[fault][runtime]") {
  working_cells aut{3, 6};
  for (std::size_t i = 0; i < 6; ++i)
    aut.push(i, [] {});
  auto seen = aut.workers.done();
  // Threads that wake up by themselves would never leave this loop.
  for (;;) {
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
    auto now = aut.workers.done();
    if (now.turns >= 6 && now.turns == seen.turns && now.sleeps == seen.sleeps)
      break;
    seen = now;
  }
  CHECK(seen.sleeps >= 3);
}
