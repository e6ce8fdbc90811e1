#pragma once

#include "workload.hpp"

#include <atomic>
#include <functional>
#include <semaphore>
#include <string>
#include <string_view>
#include <vector>

/// Closed loops: a number of clients, each with so many requests under way.
namespace gemel::bench {

/// How many requests of one client are under way. A client that has filled its window sleeps until
/// half of it is free, so that waking it is not what is measured.
class window {
public:
  explicit window(std::uint32_t size) : size_{size} {}

  void enter();
  void leave();
  /// Returns once none is under way.
  void drain();

private:
  std::uint32_t size_;
  std::atomic<std::uint32_t> open_{0};
  std::atomic<bool> waiting_{false};
  std::counting_semaphore<> half_{0};
};

/// One client's: its own cache lines, since every answer writes here.
struct alignas(64) client_load {
  explicit client_load(std::uint32_t requests) : room{requests} {}

  window room;
  std::atomic<std::uint64_t> applied{0};
  std::atomic<std::uint64_t> failed{0};
  std::atomic<bool> stop{false};

  bool stopping() const noexcept { return stop.load(std::memory_order_relaxed); }
};

struct rate {
  double per_second = 0;
  double per_cpu_second = 0;
};

/// Calls `client` on `asked.clients` threads, each until its load is `stopping`, and counts what
/// they have `applied` in `seconds` after a warm-up of one. Ends the program if any `failed`.
rate measure_rate(const options& asked, std::uint32_t requests, double seconds,
                  const std::function<void(unsigned client, client_load& mine)>& client);

/// The rate of updates of random machines, `batch` to a frame; an update counts once it is applied.
rate update_rate(node& in, const options& asked, const std::vector<std::string>& ids,
                 std::uint32_t batch, std::uint32_t frames, double seconds);

/// Frames of `asked.batch` that each client has under way, and single updates.
inline constexpr std::uint32_t frames_under_way = 8;
inline constexpr std::uint32_t updates_under_way = 2'000;

void report_rate(const options& asked, std::string_view bench, const std::string& metric,
                 const rate& measured, std::string_view of = "updates");

} // namespace gemel::bench
