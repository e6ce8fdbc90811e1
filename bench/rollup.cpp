// How fresh a root's roll-up is: a tree of 100 to each parent, one leaf changes, and the root is
// read until it shows the change.

#include "messages/histogram.hpp"
#include "workload.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

namespace gemel::bench {

namespace {

constexpr std::uint64_t fan_out = 100;

std::unique_ptr<node> start_tree_node(const options& asked) {
  node_options wanted;
  wanted.config.node.workers = asked.workers;
  wanted.config.node.seed = asked.seed;
  type_model site;
  site.name = "site";
  site.rollups = {"temperature"};
  wanted.config.types["site"].model = std::move(site);
  auto started = node::start(std::move(wanted));
  if (!started) {
    fmt::print(stderr, "gemel-bench: {}\n", to_string(started.error()));
    std::exit(1);
  }
  return std::move(*started);
}

void must(bool holds, std::string_view what) {
  if (holds)
    return;
  fmt::print(stderr, "gemel-bench: {}\n", what);
  std::exit(1);
}

// Node `index` of level `level` of the tree; level 0 is the root.
std::string id_of(std::uint64_t level, std::uint64_t index) {
  return level == 0 ? "site" : fmt::format("{}-{}", level, index);
}

void create_level(node& in, std::uint64_t level, std::uint64_t count) {
  constexpr std::uint64_t frame_entries = 2'000;
  for (std::uint64_t first = 0; first < count; first += frame_entries) {
    std::vector<new_twin> twins;
    for (auto i = first; i < std::min(first + frame_entries, count); ++i)
      twins.push_back(
          {id_of(level, i), "machine", id_of(level - 1, i / fan_out), {{"temperature", 20.0}}, ""});
    auto made = in.create(twins);
    must(made && made->applied == twins.size(), "a twin could not be made");
  }
}

double sum_of(node& in) {
  auto site = in.get("site");
  must(site && site->rollups.size() == 1, "the root has no roll-up");
  return site->rollups[0].sum;
}

void wait_for(node& in, double sum) {
  while (sum_of(in) != sum)
    std::this_thread::yield();
}

} // namespace

int run_rollup(const options& asked) {
  auto in = start_tree_node(asked);
  std::vector<std::uint64_t> counts{asked.twins};
  while (counts.back() > 1)
    counts.push_back((counts.back() + fan_out - 1) / fan_out);
  auto levels = counts.size() - 1;
  must(in->create(new_twin{"site", "site", "", {}, ""}).has_value(), "the root could not be made");
  std::uint64_t below = 0;
  for (std::size_t level = 1; level <= levels; ++level) {
    create_level(*in, level, counts[levels - level]);
    below += counts[levels - level];
  }
  auto sum = 20.0 * static_cast<double>(below);
  wait_for(*in, sum);
  random_source random{asked.seed};
  histogram fresh;
  auto end = now_seconds() + asked.seconds;
  // Whole numbers, so that this sum is exact too.
  std::vector<std::uint32_t> temperatures(asked.twins, 20);
  while (now_seconds() < end) {
    auto leaf = random.below(asked.twins);
    auto warmer = temperatures[leaf] + 1 + static_cast<std::uint32_t>(random.below(9));
    must(in->update(id_of(levels, leaf), {{"temperature", warmer}}).has_value(), "update failed");
    auto applied = now_seconds();
    sum += warmer - temperatures[leaf];
    temperatures[leaf] = warmer;
    wait_for(*in, sum);
    fresh.record(
        std::chrono::nanoseconds{static_cast<std::int64_t>(1e9 * (now_seconds() - applied))});
  }
  report(asked, "rollup", "fresh_p50", static_cast<double>(fresh.value_at(0.5).count()) / 1e3,
         "us");
  report(asked, "rollup", "fresh_p99", static_cast<double>(fresh.value_at(0.99).count()) / 1e3,
         "us");
  report(asked, "rollup", "fresh_max", static_cast<double>(fresh.max().count()) / 1e3, "us");
  return 0;
}

} // namespace gemel::bench
