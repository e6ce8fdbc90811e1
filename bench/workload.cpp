#include "workload.hpp"

#include "load.hpp"
#include "messages/replies.hpp"
#include "messages/requests.hpp"
#include "runtime/adapters/machine.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <thread>

namespace gemel::bench {

void report(const options& asked, std::string_view bench, std::string_view metric, double number,
            std::string_view unit) {
  if (asked.json)
    fmt::print("{{\"bench\": \"{}\", \"metric\": \"{}\", \"value\": {:.3f}, \"unit\": \"{}\", "
               "\"twins\": {}, \"cores\": {}}}\n",
               bench, metric, number, unit, asked.twins, core_count());
  else
    fmt::print("{:<16} {:<34} {:>16.3f} {}\n", bench, metric, number, unit);
}

std::string machine_id(std::uint64_t index) {
  return fmt::format("machine-{:07}", index);
}

std::unique_ptr<node> start_node(const options& asked, node_config config) {
  node_options wanted;
  wanted.config = std::move(config);
  wanted.config.node.workers = asked.workers;
  auto started = node::start(std::move(wanted));
  if (started)
    return std::move(*started);
  fmt::print(stderr, "gemel-bench: {}\n", to_string(started.error()));
  return nullptr;
}

std::unique_ptr<node> start_node(const options& asked) {
  node_config wanted;
  wanted.node.seed = asked.seed;
  if (asked.indexed) {
    auto& machine = wanted.types["machine"].model;
    machine.name = "machine";
    machine.properties = {{.key = "temperature", .kind = property_kind::number, .indexed = true}};
  }
  auto started = start_node(asked, std::move(wanted));
  if (started == nullptr)
    std::exit(1);
  return started;
}

namespace {

constexpr std::uint64_t buildings_per_frame = 3;
// Frames of creates that each client has under way: enough to keep the cells at work, few enough
// not to be counted among the twins' memory.
constexpr std::uint32_t creates_under_way = 2;

void add_building(std::vector<new_twin>& twins, std::uint64_t building, std::uint64_t end) {
  auto parent = fmt::format("building-{:05}", building);
  twins.push_back({parent,
                   "building",
                   "",
                   {{"name", "Factory A"}, {"location", "Detroit"}, {"area_sqft", 100'000}},
                   ""});
  auto first = building * machines_per_building;
  for (auto i = first; i < std::min(first + machines_per_building, end); ++i)
    twins.push_back({machine_id(i),
                     "machine",
                     parent,
                     {{"name", fmt::format("Machine-{:03}", i)},
                      {"type", "CNC"},
                      {"status", "operational"},
                      {"temperature", 68.5},
                      {"vibration_level", 0.2}},
                     ""});
}

} // namespace

std::vector<std::string> machine_ids(const options& asked) {
  std::vector<std::string> ids;
  ids.reserve(asked.twins);
  for (std::uint64_t i = 0; i < asked.twins; ++i)
    ids.push_back(machine_id(i));
  return ids;
}

double create_all(node& in, const options& asked) {
  return create_range(in, asked, 0, asked.twins);
}

double create_range(node& in, const options& asked, std::uint64_t from, std::uint64_t to) {
  auto buildings = (to + machines_per_building - 1) / machines_per_building;
  std::atomic<std::uint64_t> next_building{from / machines_per_building};
  std::atomic<std::uint64_t> failed{0};
  auto began = now_seconds();
  auto work = [&] {
    std::vector<new_twin> twins;
    // Shared: an answer may still be leaving when the last one was counted.
    auto room = std::make_shared<window>(creates_under_way);
    for (;;) {
      auto first = next_building.fetch_add(buildings_per_frame);
      if (first >= buildings)
        return room->drain();
      twins.clear();
      for (auto b = first; b < std::min(first + buildings_per_frame, buildings); ++b)
        add_building(twins, b, to);
      room->enter();
      in.request(make_create(twins), [&failed, room](const frame& answer) {
        auto made = expect_outcome(answer);
        if (!made || !made->failures.empty())
          failed.fetch_add(1);
        room->leave();
      });
    }
  };
  std::vector<std::jthread> threads;
  for (unsigned i = 0; i < asked.clients; ++i)
    threads.emplace_back(work);
  threads.clear();
  auto took = now_seconds() - began;
  if (failed != 0) {
    fmt::print(stderr, "gemel-bench: {} frames of creates failed\n", failed.load());
    std::exit(1);
  }
  return took;
}

frame make_updates(const std::vector<std::string>& ids, std::uint32_t count,
                   random_source& random) {
  constexpr std::array<std::string_view, 2> keys = {"temperature", "vibration_level"};
  update_batch made{keys, count};
  for (std::uint32_t i = 0; i < count; ++i) {
    std::array<update_batch::cell, 2> set = {{{0, 60 + 25.25 * random.unit()}, {1, random.unit()}}};
    made.add(ids[random.below(ids.size())], set);
  }
  return made.finish();
}

std::string store_folder(const options& asked) {
  auto path = asked.folder.empty() ? std::filesystem::temp_directory_path()
                                         / ("gemel-bench-" + std::to_string(::getpid()))
                                   : std::filesystem::path{asked.folder} / "gemel-bench";
  return path.string();
}

double processor_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

} // namespace gemel::bench
