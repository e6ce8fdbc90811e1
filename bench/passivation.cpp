#include "load.hpp"
#include "runtime/adapters/machine.hpp"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <thread>

namespace gemel::bench {

namespace {

// Of ten twins one is to be in memory.
constexpr std::uint64_t passive_share = 10;

std::uint64_t active_max(const options& asked) {
  return std::max<std::uint64_t>(asked.twins / passive_share, 1);
}

/// @param max_active 0: all of them.
std::unique_ptr<node> start_bounded(const options& asked, const std::string& folder,
                                    std::uint64_t max_active) {
  node_config wanted;
  wanted.store.path = folder;
  wanted.store.max_active = max_active;
  return start_node(asked, std::move(wanted));
}

double counter(node& in, std::string_view name) {
  auto found = in.stats();
  if (found)
    for (const auto& one : found->counters)
      if (one.name == name)
        return one.number;
  return 0;
}

/// Waits, ten minutes at most, until no more are in memory than there are to be.
bool wait_until_small(node& in, const options& asked) {
  constexpr int tries = 6'000;
  auto max = static_cast<double>(active_max(asked));
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

/// Calls `work` in a process of its own, so that what it took is not counted in this one, which
/// must not have a thread yet. @returns what it returned; less than 0 if it failed.
double in_process(const std::function<double()>& work) {
  int ends[2];
  if (::pipe(ends) != 0)
    return -1;
  auto child = ::fork();
  if (child == 0) {
    auto made = work();
    std::fflush(stdout);
    std::_Exit(::write(ends[1], &made, sizeof made) == sizeof made ? 0 : 1);
  }
  ::close(ends[1]);
  double made = -1;
  auto size = ::read(ends[0], &made, sizeof made);
  ::close(ends[0]);
  int how = 0;
  bool is_fine = child > 0 && ::waitpid(child, &how, 0) > 0 && how == 0 && size == sizeof made;
  return is_fine ? made : -1;
}

/// Makes the twins, of which most leave while others come. @returns resident bytes then.
double measure_live(const options& asked, const std::string& folder) {
  auto before = resident_bytes();
  auto in = start_bounded(asked, folder, active_max(asked));
  if (in == nullptr)
    return -1;
  create_all(*in, asked);
  if (!wait_until_small(*in, asked))
    return -1;
  return static_cast<double>(resident_bytes() - before);
}

/// Resident bytes of all of them in memory.
double measure_active(const options& asked, const std::string& folder) {
  auto before = resident_bytes();
  auto in = start_bounded(asked, folder, 0);
  return in != nullptr ? static_cast<double>(resident_bytes() - before) : -1;
}

/// @param live bytes of the node that made them. @param all_active bytes when all are in memory.
void report_memory(const options& asked, double live, double all_active, double bytes) {
  auto twins = static_cast<double>(asked.twins);
  auto active = static_cast<double>(active_max(asked));
  report(asked, "passivation", "rss_per_twin_made", live / twins, "bytes");
  report(asked, "passivation", "rss_per_twin", bytes / twins, "bytes");
  report(asked, "passivation", "rss_per_active_twin", all_active / twins, "bytes");
  if (twins > active)
    report(asked, "passivation", "rss_per_passive_twin",
           (bytes - all_active * active / twins) / (twins - active), "bytes");
}

int measure(const options& asked, const std::string& folder, double live, double all_active) {
  auto before = resident_bytes();
  auto began = now_seconds();
  auto in = start_bounded(asked, folder, active_max(asked));
  if (in == nullptr || !wait_until_small(*in, asked))
    return 1;
  report(asked, "passivation", "start_seconds", now_seconds() - began, "s");
  report_memory(asked, live, all_active, static_cast<double>(resident_bytes() - before));
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

/// A tenth of the twins in memory.
int run_passivation(const options& asked) {
  auto folder = store_folder(asked);
  std::filesystem::remove_all(folder);
  auto live = in_process([&] { return measure_live(asked, folder); });
  auto all_active = live < 0 ? live : in_process([&] { return measure_active(asked, folder); });
  auto code = all_active < 0 ? 1 : measure(asked, folder, live, all_active);
  std::filesystem::remove_all(folder);
  return code;
}

} // namespace gemel::bench
