#include "runtime/adapters/cell_workers.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

namespace gemel {

/// A cell in its worker's list of cells to run.
struct cell_workers::scheduled_cell {
  cell_runner* runner = nullptr;
  scheduled_cell* next = nullptr;
};

namespace {

// How long a thread looks for work before it sleeps, in rounds of a short pause (some 40 ns each).
// Twice as long after finding some, half as long after finding none: a busy node's threads stay
// awake, those of one that gets an update now and then sleep at once.
constexpr unsigned look_rounds_min = 16;
constexpr unsigned look_rounds_max = 1'024;

// A flood: when at least so many of the last 16 sleeps ended with so many entries at once, several
// senders keep every core busy. A thread then lets them run before it sleeps, or each of them would
// wake it again and again, and be put aside for it: 75,000 switches a second and a third of the
// updates per processor second. Otherwise it never gives way, since on a busy machine it may take
// milliseconds to get back. Every eighth time it sleeps all the same, to see whether it is so
// still.
constexpr int flood_sleeps = 12;
constexpr std::uint64_t flood_entries = 6;
constexpr unsigned gives_way_in_a_row = 7;

void pause_briefly() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

} // namespace

/// One thread. Its list is a stack that many push to and it alone takes, always whole (R. K.
/// Treiber, Systems programming: coping with parallelism, 1986; without a pop there is no ABA
/// problem). A mark in the list's place says that the thread sleeps, so a pusher learns it by the
/// exchange that it makes anyway.
class cell_workers::worker {
public:
  explicit worker(const hooks& beside) : hooks_{beside}, thread_{[this] { run(); }} {}

  void push(scheduled_cell& cell) noexcept {
    auto* first = first_.load(std::memory_order_relaxed);
    do
      cell.next = first == asleep() ? nullptr : first;
    while (!first_.compare_exchange_weak(first, &cell, std::memory_order_acq_rel,
                                         std::memory_order_relaxed));
    if (first == asleep())
      wake();
  }

  void stop() {
    if (!thread_.joinable())
      return;
    stopping_.store(true, std::memory_order_release);
    push(stop_mark_);
    thread_.join();
  }

  void add_to(counts& sum) const noexcept {
    sum.turns += turns_.load(std::memory_order_relaxed);
    sum.sleeps += sleeps_.load(std::memory_order_relaxed);
  }

private:
  scheduled_cell* asleep() noexcept { return &asleep_mark_; }

  void wake() {
    {
      std::lock_guard guard{mutex_};
      woken_ = true;
    }
    wakes_.notify_one();
  }

  scheduled_cell* look() noexcept {
    for (unsigned round = 0; round < look_rounds_; ++round) {
      if (first_.load(std::memory_order_relaxed) != nullptr)
        return first_.exchange(nullptr, std::memory_order_acquire);
      pause_briefly();
    }
    if (std::popcount(floods_) < flood_sleeps || ++gave_way_ > gives_way_in_a_row)
      return nullptr;
    std::this_thread::yield();
    return first_.exchange(nullptr, std::memory_order_acquire);
  }

  // After a sleep: what was there to do then.
  void note_sleep(std::uint64_t entries) noexcept {
    gave_way_ = 0;
    floods_ = static_cast<std::uint16_t>(floods_ << 1 | (entries >= flood_entries));
  }

  // What there is to run, oldest last; waits for it.
  scheduled_cell* take() {
    if (auto* found = first_.exchange(nullptr, std::memory_order_acquire))
      return found;
    if (auto* found = look()) {
      look_rounds_ = std::min(look_rounds_ * 2, look_rounds_max);
      return found;
    }
    look_rounds_ = std::max(look_rounds_ / 2, look_rounds_min);
    scheduled_cell* nothing = nullptr;
    if (first_.compare_exchange_strong(nothing, asleep(), std::memory_order_acq_rel))
      sleep();
    return first_.exchange(nullptr, std::memory_order_acquire);
  }

  // Until the pusher that took our mark away says so.
  void sleep() {
    sleeps_.fetch_add(1, std::memory_order_relaxed);
    std::unique_lock guard{mutex_};
    wakes_.wait(guard, [this] { return woken_; });
    woken_ = false;
  }

  static scheduled_cell* oldest_first(scheduled_cell* list) noexcept {
    scheduled_cell* turned = nullptr;
    while (list != nullptr)
      list = std::exchange(list->next, std::exchange(turned, list));
    return turned;
  }

  // @returns entries handled.
  std::uint64_t run_cell(scheduled_cell& cell) {
    auto before = cell.runner->handled();
    turns_.fetch_add(1, std::memory_order_relaxed);
    bool more = cell.runner->turn();
    auto handled = cell.runner->handled() - before;
    if (more)
      push(cell);
    if (hooks_.turn_ended)
      hooks_.turn_ended();
    return handled;
  }

  void run() {
    if (hooks_.started)
      hooks_.started();
    for (;;) {
      auto sleeps = sleeps_.load(std::memory_order_relaxed);
      auto* list = oldest_first(take());
      std::uint64_t entries = 0;
      while (list != nullptr) {
        auto& cell = *std::exchange(list, list->next);
        if (cell.runner != nullptr) // Else the mark of `stop`.
          entries += run_cell(cell);
      }
      if (sleeps_.load(std::memory_order_relaxed) != sleeps)
        note_sleep(entries);
      if (stopping_.load(std::memory_order_acquire)
          && first_.load(std::memory_order_acquire) == nullptr)
        return;
    }
  }

  const hooks& hooks_;
  scheduled_cell asleep_mark_;
  scheduled_cell stop_mark_;
  alignas(64) std::atomic<scheduled_cell*> first_{nullptr};
  std::atomic<bool> stopping_{false};
  alignas(64) unsigned look_rounds_ = look_rounds_min;
  // Of the last sleeps, a bit each: whether a flood followed.
  std::uint16_t floods_ = 0;
  // Times since the last sleep.
  unsigned gave_way_ = 0;
  std::atomic<std::uint64_t> turns_{0};
  std::atomic<std::uint64_t> sleeps_{0};
  std::mutex mutex_;
  std::condition_variable wakes_;
  bool woken_ = false;
  // Last: it uses all of the above.
  std::thread thread_;
};

cell_workers::cell_workers(std::size_t threads, std::size_t cells, hooks beside)
    : hooks_{std::move(beside)}, cells_(cells) {
  for (std::size_t i = 0; i < std::max<std::size_t>(threads, 1); ++i)
    workers_.push_back(std::make_unique<worker>(hooks_));
}

cell_workers::~cell_workers() {
  stop();
}

void cell_workers::attach(std::size_t index, cell_runner& runner) {
  cells_.at(index).runner = &runner;
}

void cell_workers::schedule(std::size_t index) noexcept {
  workers_[index % workers_.size()]->push(cells_[index]);
}

void cell_workers::stop() {
  for (auto& each : workers_)
    each->stop();
}

cell_workers::counts cell_workers::done() const noexcept {
  counts sum;
  for (const auto& each : workers_)
    each->add_to(sum);
  return sum;
}

} // namespace gemel
