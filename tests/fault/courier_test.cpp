#include "actors/caf.hpp"
#include "actors/courier.hpp"
#include "tests/support/catch.hpp"

#include <atomic>
#include <future>
#include <memory>
#include <thread>
#include <vector>

using namespace gemel;

namespace {

// Takes numbers, and checks that they come in the order in which they were sent.
struct taker {
  std::atomic<std::uint64_t> taken{0};
  std::atomic<std::uint64_t> out_of_order{0};
};

caf::behavior taker_actor(caf::event_based_actor*, taker* into) {
  return {[into](std::uint64_t number) {
    if (into->taken.load() != number)
      ++into->out_of_order;
    ++into->taken;
  }};
}

caf::behavior blocked_actor(caf::event_based_actor*, std::shared_future<void> released,
                            std::promise<void>* entered) {
  return {[=](std::uint64_t) {
    entered->set_value();
    released.wait();
  }};
}

void wait_until(const std::atomic<std::uint64_t>& value, std::uint64_t expected) {
  while (value.load() != expected)
    std::this_thread::yield();
}

} // namespace

TEST_CASE("every message that couriers take arrives once and in order", "[fault][actors]") {
  caf_config config{{.workers = 3}};
  caf::actor_system system{config};
  constexpr std::size_t actors = 300;
  constexpr std::uint64_t rounds = 500;
  std::vector<taker> into(actors);
  std::vector<caf::actor> all;
  for (auto& one : into)
    all.push_back(system.spawn(taker_actor, &one));
  // Each thread has its own actors, so that the order is known.
  auto run = [&](std::size_t begin, std::size_t end) {
    courier::employ(system);
    for (std::uint64_t round = 0; round < rounds; ++round) {
      for (auto i = begin; i < end; ++i)
        courier::post(all[i], round);
      courier::dispatch_here();
    }
  };
  std::thread first{run, 0, actors / 2};
  std::thread second{run, actors / 2, actors};
  first.join();
  second.join();
  for (auto& one : into) {
    wait_until(one.taken, rounds);
    CHECK(one.out_of_order.load() == 0);
  }
  for (auto& one : all)
    caf::anon_send_exit(one, caf::exit_reason::user_shutdown);
}

TEST_CASE("an actor that blocks holds up none that was woken with it", "[fault][actors]") {
  caf_config config{{.workers = 2}};
  caf::actor_system system{config};
  std::promise<void> released;
  std::promise<void> entered;
  taker into;
  auto blocked = system.spawn(blocked_actor, released.get_future().share(), &entered);
  auto free = system.spawn(taker_actor, &into);
  std::thread{[&] {
    courier::employ(system);
    courier::post(blocked, std::uint64_t{0});
    courier::post(free, std::uint64_t{0});
    courier::dispatch_here();
  }}.join();
  entered.get_future().wait();
  wait_until(into.taken, 1);
  released.set_value();
  caf::anon_send_exit(blocked, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(free, caf::exit_reason::user_shutdown);
}

TEST_CASE("what was posted and not dispatched is at the latest when the thread ends",
          "[fault][actors]") {
  caf_config config{{.workers = 1}};
  caf::actor_system system{config};
  taker into;
  auto to = system.spawn(taker_actor, &into);
  std::thread{[&] {
    courier::employ(system);
    courier::post(to, std::uint64_t{0});
  }}.join();
  wait_until(into.taken, 1);
  // A thread without a courier sends by itself.
  courier::post(to, std::uint64_t{1});
  courier::dispatch_here();
  wait_until(into.taken, 2);
  CHECK(into.out_of_order.load() == 0);
  caf::anon_send_exit(to, caf::exit_reason::user_shutdown);
}
