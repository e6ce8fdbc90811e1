#include "bench/soak/overload.hpp"

#include "messages/event_batch.hpp"
#include "messages/requests.hpp"
#include "runtime/adapters/machine.hpp"
#include "runtime/node.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace gemel::soak {

namespace {

using clock = std::chrono::steady_clock;

constexpr std::uint32_t twins = 10'000;
constexpr std::uint32_t senders = 4;
constexpr std::uint32_t batch_size = 100;
constexpr std::uint32_t batches_per_sender = 500;
constexpr double offered_ratio = 10;
constexpr std::uint64_t queue_items_max = 2'048;
constexpr std::uint64_t queue_bytes_max = 8u << 20;
constexpr std::uint64_t backlog_events_max = 8'192;
constexpr std::uint64_t backlog_bytes_max = 8u << 20;
constexpr std::uint32_t cells = 4;

std::string id_of(std::uint32_t twin) {
  return "twin-" + std::to_string(twin);
}

node_options small_node(std::uint64_t seed) {
  node_options made;
  made.config.node.workers = 1;
  made.config.node.cells_per_worker = cells;
  made.config.node.seed = seed;
  made.config.limits.cell_queue_items_max = queue_items_max;
  made.config.limits.cell_queue_bytes_max = queue_bytes_max;
  made.config.limits.subscriber_backlog_max = backlog_events_max;
  made.config.limits.subscriber_backlog_bytes_max = backlog_bytes_max;
  return made;
}

// What must not happen, counted.
struct faults {
  std::atomic<std::uint64_t> wrong_error{0};
  std::atomic<std::uint64_t> no_retry_after{0};
  std::uint64_t lost = 0;
  std::uint64_t not_refused = 0;
  std::uint64_t not_newest = 0;
  std::uint64_t unanswered = 0;
  bool memory = false;

  bool any() const {
    return wrong_error > 0 || no_retry_after > 0 || lost > 0 || not_refused > 0 || not_newest > 0
           || unanswered > 0 || memory;
  }
};

// What is sent, and what became of it. Each sender has twins of its own and gives each update a
// value of its own, so a twin's version counts the updates that were applied, and its value is that
// of the last one.
class load {
public:
  explicit load(std::uint64_t seed) : known_(twins) {
    std::mt19937_64 random{seed};
    constexpr std::uint32_t own = twins / senders;
    for (std::uint32_t sender = 0; sender < senders; ++sender)
      for (std::uint32_t i = 0; i < batches_per_sender; ++i) {
        auto& targets = targets_.emplace_back();
        for (std::uint32_t n = 0; n < batch_size; ++n)
          targets.push_back(sender * own + static_cast<std::uint32_t>(random() % own));
      }
    for (std::uint32_t i = 0; i < twins; ++i)
      ids_.push_back(id_of(i));
  }

  /// Sends the sender's `n`-th batch.
  void send(node& in, std::uint32_t sender, std::uint64_t n, faults& wrong) {
    static constexpr std::string_view keys[] = {"count"};
    auto which = sender * batches_per_sender + n % batches_per_sender;
    auto first = static_cast<std::int64_t>(n * batch_size + 1);
    update_batch made{keys, batch_size, 1};
    for (std::uint32_t i = 0; i < batch_size; ++i) {
      const update_batch::cell one[] = {{0, value{first + i}}};
      made.add(ids_[targets_[which][i]], one);
    }
    offered_.fetch_add(batch_size, std::memory_order_relaxed);
    open_.fetch_add(1, std::memory_order_relaxed);
    in.update_async(made.finish(), [this, which, first, &wrong](outcome&& what) {
      note(which, first, what, wrong);
      open_.fetch_sub(1, std::memory_order_release);
    });
  }

  std::uint64_t offered() const { return offered_; }
  std::uint64_t applied() const { return applied_; }
  std::uint64_t refused() const { return refused_; }
  std::uint64_t open() const { return open_.load(std::memory_order_acquire); }
  std::uint64_t retry_after_ms_max() const { return retry_after_ms_max_; }
  /// Updates of a twin that were acknowledged, and the value of the last one.
  std::uint64_t acknowledged(std::uint32_t twin) const { return known_[twin].updates; }
  std::int64_t newest(std::uint32_t twin) const { return known_[twin].newest; }

private:
  struct twin_state {
    std::atomic<std::uint64_t> updates{0};
    std::atomic<std::int64_t> newest{0};
  };

  void note(std::size_t which, std::int64_t first, const outcome& what, faults& wrong) {
    auto failed = what.failures.begin();
    for (std::uint32_t i = 0; i < batch_size; ++i) {
      if (failed != what.failures.end() && failed->index == i) {
        note_refusal((failed++)->why, wrong);
        continue;
      }
      auto& twin = known_[targets_[which][i]];
      twin.updates.fetch_add(1, std::memory_order_relaxed);
      raise(twin.newest, first + i);
    }
    applied_.fetch_add(what.applied, std::memory_order_relaxed);
    refused_.fetch_add(what.failures.size(), std::memory_order_relaxed);
  }

  void note_refusal(const error& why, faults& wrong) {
    wrong.wrong_error += why.code != errc::overloaded;
    wrong.no_retry_after += why.retry_after_ms == 0;
    raise(retry_after_ms_max_, why.retry_after_ms);
  }

  template <class Number>
  static void raise(std::atomic<Number>& most, Number to) {
    auto known = most.load(std::memory_order_relaxed);
    while (to > known && !most.compare_exchange_weak(known, to, std::memory_order_relaxed)) {
    }
  }

  std::vector<std::string> ids_;
  std::vector<std::vector<std::uint32_t>> targets_; // by sender and batch
  std::vector<twin_state> known_;
  std::atomic<std::uint64_t> offered_{0};
  std::atomic<std::uint64_t> applied_{0};
  std::atomic<std::uint64_t> refused_{0};
  std::atomic<std::uint64_t> open_{0};
  std::atomic<std::uint32_t> retry_after_ms_max_{0};
};

void create_twins(node& in) {
  constexpr std::uint32_t at_once = 1'000;
  for (std::uint32_t begin = 0; begin < twins; begin += at_once) {
    std::vector<new_twin> made;
    for (auto i = begin; i < begin + at_once; ++i)
      made.push_back({.id = id_of(i), .type = "counter", .properties = {{"count", 0}}});
    auto done = in.create(made);
    GEMEL_CHECK(done.has_value() && done->applied == at_once);
  }
}

// Subscribers of every kind that are far slower than the events come.
std::uint64_t subscribe_slowly(node& in, std::atomic<std::uint64_t>& events,
                               std::atomic<std::uint64_t>& missed) {
  std::vector<subscription_request> wanted(4);
  wanted[1].keep_ms = 60'000;
  wanted[2].min_interval_ms = 200;
  wanted[3].where = "changed(count) and new.count > old.count";
  wanted[3].type = "counter";
  for (const auto& asked : wanted) {
    auto done = in.subscribe(asked, [&events, &missed](const event_batch& batch) {
      events += batch.size();
      missed += batch.missed();
      std::this_thread::sleep_for(std::chrono::milliseconds{20});
    });
    GEMEL_CHECK(done.has_value());
  }
  return wanted.size();
}

// Updates a second that the node takes when it is never refused. @param sent batches of the first
// sender.
double sustainable_rate(node& in, load& what, faults& wrong, std::uint64_t& sent,
                        std::chrono::duration<double> time) {
  constexpr std::uint64_t open_max = 64;
  auto begin = clock::now();
  auto before = what.applied();
  while (clock::now() - begin < time) {
    if (what.open() > open_max)
      std::this_thread::yield();
    else
      what.send(in, 0, sent++, wrong);
  }
  while (what.open() > 0)
    std::this_thread::yield();
  return static_cast<double>(what.applied() - before)
         / std::chrono::duration<double>(clock::now() - begin).count();
}

// @param rate batches a second.
void send_until(node& in, load& what, faults& wrong, std::uint32_t sender, std::uint64_t sent,
                double rate, clock::time_point end) {
  auto begin = clock::now();
  for (std::uint64_t n = 0; clock::now() < end;) {
    auto passed = std::chrono::duration<double>(clock::now() - begin).count();
    if (static_cast<double>(n) < passed * rate)
      what.send(in, sender, sent + n++, wrong);
    else
      std::this_thread::sleep_for(std::chrono::microseconds{200});
  }
}

// The most memory in the first and in the last third of the time.
struct memory_curve {
  std::uint64_t early = 0;
  std::uint64_t late = 0;
};

memory_curve watch_memory(clock::time_point begin, clock::time_point end) {
  memory_curve made;
  for (auto now = clock::now(); now < end; now = clock::now()) {
    auto bytes = resident_bytes();
    if (now < begin + (end - begin) / 3)
      made.early = std::max(made.early, bytes);
    if (now > end - (end - begin) / 3)
      made.late = std::max(made.late, bytes);
    std::this_thread::sleep_for(std::chrono::milliseconds{20});
  }
  return made;
}

void compare(node& in, const load& what, faults& wrong) {
  for (std::uint32_t i = 0; i < twins; ++i) {
    auto twin = in.get(id_of(i));
    GEMEL_CHECK(twin.has_value());
    auto applied = twin->version - 1;
    auto known = what.acknowledged(i);
    wrong.lost += known > applied ? known - applied : 0;
    wrong.not_refused += applied > known ? applied - known : 0;
    wrong.not_newest += twin->find("count")->as_integer() != what.newest(i);
  }
}

} // namespace

int run_overload(const options& asked) {
  auto started = node::start(small_node(asked.seed));
  GEMEL_CHECK(started.has_value());
  auto& in = **started;
  std::atomic<std::uint64_t> events{0};
  std::atomic<std::uint64_t> missed{0};
  create_twins(in);
  subscribe_slowly(in, events, missed);
  load what{asked.seed};
  faults wrong;
  std::uint64_t sent = 0;
  auto rate =
      sustainable_rate(in, what, wrong, sent, std::chrono::duration<double>{asked.seconds / 10});
  auto base = resident_bytes();
  auto offered = what.offered();
  auto begin = clock::now();
  auto end =
      begin
      + std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>{asked.seconds});
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < senders; ++i)
    threads.emplace_back([&, i] {
      send_until(in, what, wrong, i, sent, rate * offered_ratio / senders / batch_size, end);
    });
  auto memory = watch_memory(begin, end);
  for (auto& each : threads)
    each.join();
  offered = what.offered() - offered;
  constexpr std::chrono::seconds patience{30};
  for (auto until = clock::now() + patience; what.open() > 0 && clock::now() < until;)
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  wrong.unanswered = what.open();
  compare(in, what, wrong);
  // Full queues, full backlogs, as much again for what is on its way between them, and as much for
  // pages that the allocator's threads keep. That it does not grow with time is said below.
  constexpr std::uint64_t slack = 64u << 20;
  auto bound = base + 3 * (cells * queue_bytes_max + 4 * backlog_bytes_max) + slack;
  // On a busy machine the queues of a short run may be full only in its last third.
  auto filled = std::max(memory.early, base + cells * queue_bytes_max + 4 * backlog_bytes_max);
  wrong.memory =
      std::max(memory.early, memory.late) > bound || memory.late > filled + filled / 4 + slack;
  constexpr double mib = 1u << 20;
  fmt::print("soak overload: {} offered ({:.1f} times the sustainable {:.0f}/s), {} applied, {} "
             "refused, {} events, {} missed, retry after at most {} ms, memory {:.0f} to {:.0f} "
             "MiB; {} lost, {} applied though refused, {} not the newest, {} unanswered, {} wrong "
             "errors, {} without "
             "a time to retry, memory {}: {}\n",
             offered, static_cast<double>(offered) / asked.seconds / rate, rate, what.applied(),
             what.refused(), events.load(), missed.load(), what.retry_after_ms_max(),
             static_cast<double>(memory.early) / mib, static_cast<double>(memory.late) / mib,
             wrong.lost, wrong.not_refused, wrong.not_newest, wrong.unanswered,
             wrong.wrong_error.load(), wrong.no_retry_after.load(),
             wrong.memory ? "not bounded" : "bounded", wrong.any() ? "FAILED" : "passed");
  in.stop();
  return wrong.any() ? 1 : 0;
}

} // namespace gemel::soak
