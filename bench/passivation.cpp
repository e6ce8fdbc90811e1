#include "load.hpp"
#include "runtime/adapters/machine.hpp"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <thread>

namespace gemel::bench {

namespace {

// Of ten twins one is to be in memory.
constexpr std::uint64_t passive_share = 10;

std::unique_ptr<node> start_bounded(const options& asked, const std::string& folder) {
  node_options wanted;
  wanted.config.node.workers = asked.workers;
  wanted.config.store.path = folder;
  wanted.config.store.max_active = std::max<std::uint64_t>(asked.twins / passive_share, 1);
  auto started = node::start(std::move(wanted));
  if (started)
    return std::move(*started);
  fmt::print(stderr, "gemel-bench: {}\n", to_string(started.error()));
  return nullptr;
}

double counter(node& in, std::string_view name) {
  auto found = in.stats();
  if (found)
    for (const auto& one : found->counters)
      if (one.name == name)
        return one.number;
  return 0;
}

/// Waits, a minute at most, until no more are in memory than there are to be.
bool wait_until_small(node& in, const options& asked) {
  constexpr int tries = 600;
  auto max = static_cast<double>(std::max<std::uint64_t>(asked.twins / passive_share, 1));
  for (int i = 0; i < tries; ++i) {
    // Cells round it down, and what has no machine has no building either.
    if (counter(in, "gemel_twins_active") <= max * 1.01 + 64)
      return true;
    std::this_thread::sleep_for(std::chrono::milliseconds{100});
  }
  fmt::print(stderr, "gemel-bench: {} twins stay in memory\n", counter(in, "gemel_twins_active"));
  return false;
}

double microseconds_of_get(node& in, const std::string& id) {
  auto began = now_seconds();
  auto found = in.get(id);
  auto took = (now_seconds() - began) * 1e6;
  if (!found) {
    fmt::print(stderr, "gemel-bench: {}\n", to_string(found.error()));
    std::exit(1);
  }
  return took;
}

void report_quantiles(const options& asked, const std::string& what, std::vector<double> times) {
  if (times.empty())
    return;
  std::sort(times.begin(), times.end());
  auto at = [&](double quantile) {
    return times[static_cast<std::size_t>(quantile * static_cast<double>(times.size() - 1))];
  };
  report(asked, "passivation", what + "_p50", at(0.5), "us");
  report(asked, "passivation", what + "_p99", at(0.99), "us");
}

int measure(const options& asked, const std::string& folder) {
  auto before = resident_bytes();
  auto began = now_seconds();
  auto in = start_bounded(asked, folder);
  if (in == nullptr || !wait_until_small(*in, asked))
    return 1;
  report(asked, "passivation", "start_seconds", now_seconds() - began, "s");
  auto grown = static_cast<double>(resident_bytes() - before);
  report(asked, "passivation", "rss_per_twin", grown / static_cast<double>(asked.twins), "bytes");
  random_source random{asked.seed};
  std::vector<double> returning;
  std::vector<double> there;
  auto until = now_seconds() + asked.seconds;
  auto returned = counter(*in, "gemel_activations_total");
  while (now_seconds() < until) {
    auto id = machine_id(random.below(asked.twins));
    returning.push_back(microseconds_of_get(*in, id));
    there.push_back(microseconds_of_get(*in, id));
  }
  returned = counter(*in, "gemel_activations_total") - returned;
  report(asked, "passivation", "activated_share", returned / static_cast<double>(returning.size()),
         "of gets");
  report_quantiles(asked, "activation", std::move(returning));
  report_quantiles(asked, "get_active", std::move(there));
  return 0;
}

} // namespace

/// Makes the twins in a process of its own, so that what they took then is not counted.
int run_passivation(const options& asked) {
  auto base = asked.folder.empty() ? std::filesystem::temp_directory_path()
                                   : std::filesystem::path{asked.folder};
  auto folder = (base / ("gemel-bench-" + std::to_string(::getpid()))).string();
  std::filesystem::remove_all(folder);
  auto child = ::fork(); // before this process has a thread
  if (child == 0) {
    auto in = start_bounded(asked, folder);
    if (in == nullptr)
      std::_Exit(1);
    create_all(*in, asked);
    in.reset();
    std::_Exit(0);
  }
  int how = 0;
  if (child < 0 || ::waitpid(child, &how, 0) < 0 || how != 0)
    return 1;
  auto code = measure(asked, folder);
  std::filesystem::remove_all(folder);
  return code;
}

} // namespace gemel::bench
