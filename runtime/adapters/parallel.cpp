#include "runtime/adapters/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <thread>

namespace gemel {

void run_parallel(const std::vector<std::function<void()>>& jobs, unsigned threads) {
  std::atomic<std::size_t> next{0};
  auto work = [&] {
    for (auto i = next.fetch_add(1); i < jobs.size(); i = next.fetch_add(1))
      jobs[i]();
  };
  std::vector<std::thread> others;
  for (unsigned i = 1; i < std::min<std::size_t>(threads, jobs.size()); ++i)
    others.emplace_back(work);
  work();
  for (auto& one : others)
    one.join();
}

} // namespace gemel
