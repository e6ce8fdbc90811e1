#include "runtime/adapters/machine.hpp"
#include "workload.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace gemel::bench {

namespace {

// Every twin once, so that all of it has been touched.
void update_all(node& in, std::uint64_t twins, random_source& random) {
  constexpr std::uint64_t batch = 1'000;
  std::vector<std::string> ids;
  for (std::uint64_t from = 0; from < twins; from += batch) {
    ids.clear();
    for (auto i = from; i < std::min(from + batch, twins); ++i)
      ids.push_back(machine_id(i));
    std::atomic<bool> done{false};
    in.update_async(make_updates(ids, batch, random), [&done](outcome&&) {
      done = true;
      done.notify_one();
    });
    done.wait(false);
  }
}

} // namespace

/// One node that grows by powers of ten.
int run_memory(const options& asked) {
  constexpr std::uint64_t first_step = 10'000;
  auto in = start_node(asked);
  random_source random{asked.seed};
  auto before = resident_bytes();
  std::uint64_t twins = 0;
  for (auto next = std::min(first_step, asked.twins); twins < asked.twins;
       next = std::min(next * 10, asked.twins)) {
    create_range(*in, asked, twins, next);
    twins = next;
    update_all(*in, twins, random);
    query_request hot;
    hot.type = "machine";
    hot.where = "temperature > 85";
    auto found = in->count(hot);
    if (!found) {
      fmt::print(stderr, "gemel-bench: {}\n", to_string(found.error()));
      return 1;
    }
    auto step = asked;
    step.twins = twins;
    auto grown = resident_bytes() - before;
    report(step, "memory", "rss_per_twin", static_cast<double>(grown) / static_cast<double>(twins),
           "bytes");
  }
  return 0;
}

} // namespace gemel::bench
