#include "load.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <thread>

namespace gemel::bench {

void window::enter() {
  while (open_.load() >= size_) {
    waiting_.store(true);
    // If there is room by now, a release may still have come in between: then take it.
    if (open_.load() >= size_ || !waiting_.exchange(false))
      half_.acquire();
  }
  open_.fetch_add(1, std::memory_order_relaxed);
}

void window::leave() {
  if (open_.fetch_sub(1) <= size_ / 2 + 1 && waiting_.load() && waiting_.exchange(false))
    half_.release();
}

void window::drain() {
  while (open_.load(std::memory_order_acquire) != 0)
    std::this_thread::yield();
}

namespace {

using loads = std::vector<std::unique_ptr<client_load>>;

std::uint64_t sum(const loads& all, std::atomic<std::uint64_t> client_load::*counter) {
  std::uint64_t made = 0;
  for (const auto& one : all)
    made += ((*one).*counter).load();
  return made;
}

rate count_for(const loads& all, double seconds) {
  auto count = sum(all, &client_load::applied);
  auto began = now_seconds();
  auto cpu_began = processor_seconds();
  std::this_thread::sleep_for(std::chrono::duration<double>{seconds});
  auto done = static_cast<double>(sum(all, &client_load::applied) - count);
  return {done / (now_seconds() - began), done / (processor_seconds() - cpu_began)};
}

void run_client(node& in, const std::vector<std::string>& ids, std::uint64_t seed,
                std::uint32_t batch, client_load& mine) {
  random_source random{seed};
  while (!mine.stopping()) {
    auto updates = make_updates(ids, batch, random);
    mine.room.enter();
    in.update_async(updates, [&mine](outcome&& what) {
      mine.applied.fetch_add(what.applied, std::memory_order_relaxed);
      if (!what.failures.empty())
        mine.failed.fetch_add(what.failures.size(), std::memory_order_relaxed);
      mine.room.leave();
    });
  }
}

} // namespace

rate measure_rate(const options& asked, std::uint32_t requests, double seconds,
                  const std::function<void(unsigned client, client_load& mine)>& client) {
  loads all;
  for (unsigned c = 0; c < asked.clients; ++c)
    all.push_back(std::make_unique<client_load>(requests));
  std::vector<std::jthread> clients;
  for (unsigned c = 0; c < asked.clients; ++c)
    clients.emplace_back([&, c] {
      client(c, *all[c]);
      all[c]->room.drain();
    });
  std::this_thread::sleep_for(std::chrono::seconds{1}); // warm up
  auto measured = count_for(all, seconds);
  for (auto& one : all)
    one->stop = true;
  clients.clear();
  if (auto failed = sum(all, &client_load::failed); failed != 0) {
    fmt::print(stderr, "gemel-bench: {} requests failed\n", failed);
    std::exit(1);
  }
  return measured;
}

rate update_rate(node& in, const options& asked, const std::vector<std::string>& ids,
                 std::uint32_t batch, std::uint32_t frames, double seconds) {
  return measure_rate(asked, frames, seconds, [&](unsigned c, client_load& mine) {
    run_client(in, ids, asked.seed + c + 1, batch, mine);
  });
}

void report_rate(const options& asked, std::string_view bench, const std::string& metric,
                 const rate& measured, std::string_view of) {
  report(asked, bench, metric, measured.per_second, fmt::format("{}/s", of));
  report(asked, bench, metric + "_per_cpu_s", measured.per_cpu_second, fmt::format("{}/CPU s", of));
}

} // namespace gemel::bench
