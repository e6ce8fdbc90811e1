#include "cuttable_way.hpp"
#include "load.hpp"
#include "messages/histogram.hpp"
#include "messages/packed.hpp"
#include "runtime/peers.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

// Two processes on loopback: A, this one, takes the writes; B is its replica. B counts what is
// visible there, by an event of its cells, and both know the same clock.

namespace gemel::bench {

namespace {

// As the peers': two measured values and one number that says which update it is of, and when.
constexpr std::array<std::string_view, 3> keys = {"temperature", "vibration_level", "written"};
constexpr double patience_seconds = 120;

std::int64_t now_us() {
  auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(since).count();
}

// When an update was submitted, in microseconds of the machine's steady clock, and its number among
// those of its machine.
constexpr unsigned sequence_bits = 24;
constexpr std::uint32_t sequence_max = (1u << sequence_bits) - 1;

value written_at(std::int64_t us, std::uint32_t sequence) {
  return value{us << sequence_bits | static_cast<std::int64_t>(sequence & sequence_max)};
}
std::uint32_t sequence_of(std::int64_t written) {
  return static_cast<std::uint32_t>(written) & sequence_max;
}
std::int64_t us_of(std::int64_t written) {
  return written >> sequence_bits;
}

// What both processes see; made before the second one begins.
struct shared_state {
  std::atomic<bool> stop{false};
  std::atomic<bool> ended{false};
  char endpoint[64]{};
  std::atomic<bool> listens{false};
  std::atomic<std::uint64_t> machines{0};  // of B
  std::atomic<std::uint64_t> reflected{0}; // updates that B shows, or that later ones replaced
  std::atomic<std::uint64_t> events{0};    // B told of
  std::atomic<std::uint64_t> missed{0};
  std::atomic<std::int64_t> timed_from{INT64_MAX}; // only updates submitted since count
  histogram visible_after;
  std::atomic<std::uint64_t> digest{0};    // of all of B's machines at the end
  std::atomic<std::uint64_t> diverged{0};  // machines that do not show the last update
  std::atomic<std::uint32_t> sequences[1]; // of each machine, as A wrote it; there are `twins`
};

shared_state& share(std::uint64_t twins) {
  auto size = sizeof(shared_state) + twins * sizeof(std::atomic<std::uint32_t>);
  auto* at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) {
    fmt::print(stderr, "gemel-bench: no memory for {} twins\n", twins);
    std::exit(1);
  }
  return *new (at) shared_state{};
}

std::uint64_t index_of(std::string_view id) {
  constexpr std::string_view head = "machine-";
  std::uint64_t made = 0;
  std::from_chars(id.data() + head.size(), id.data() + id.size(), made);
  return made;
}

struct side {
  std::shared_ptr<cuttable_way> way;
  std::unique_ptr<node> at;
};

result<side> start_side(const options& asked, const std::string& folder, const char* name,
                        const std::string& peer) {
  side made;
  node_options wanted;
  wanted.config.node.id = name;
  wanted.config.node.workers = asked.workers;
  wanted.config.store.path = folder + "/" + name;
  wanted.config.cluster.key_file = folder + "/key";
  wanted.config.cluster.listen_port = 0;
  wanted.config.cluster.peers = {peer};
  auto links = make_peer_links(wanted.config);
  if (!links)
    return tl::unexpected<error>(std::move(links.error()));
  made.way = std::make_shared<cuttable_way>(std::move(*links));
  wanted.peers = {wanted.config.cluster.name, peer_names(wanted.config), made.way};
  auto started = node::start(std::move(wanted));
  if (!started)
    return tl::unexpected<error>(std::move(started.error()));
  made.at = std::move(*started);
  return made;
}

// Calls `each` with every machine of a node, page after page.
bool each_machine(node& in, const std::function<void(const twin_record&)>& each) {
  query_request asked;
  asked.type = "machine";
  asked.limit = 10'000;
  for (;;) {
    auto page = in.query(asked);
    if (!page)
      return false;
    for (const auto& twin : page->twins)
      each(twin);
    if (page->next.empty())
      return true;
    asked.page_token = page->next;
  }
}

// The same for the same values of all machines, whatever their order.
std::uint64_t digest_of(node& in) {
  std::uint64_t made = 0;
  auto whole = each_machine(in, [&](const twin_record& twin) {
    for (const auto& [key, content] : twin.properties)
      made ^= hash_of(twin.id + "\n" + key + "\n" + to_string(content));
  });
  return whole ? made : 0;
}

// ---- B ------------------------------------------------------------------------------------------

class watcher {
public:
  watcher(shared_state& with, std::uint64_t twins) : with_{with}, seen_(twins, 0) {}

  void operator()(const event_batch& events) {
    auto now = now_us();
    auto written = events.key("written");
    std::uint64_t more = 0;
    std::uint64_t count = 0;
    std::lock_guard guard{mutex_};
    for (unsigned i = 0; i < events.size(); ++i) {
      auto shown = events[i].new_value(written);
      if (!shown.is_integer())
        continue;
      auto number = sequence_of(shown.as_integer());
      auto& known = seen_[index_of(events[i].id())];
      if (number <= known)
        continue;
      more += number - known;
      known = number;
      ++count;
      if (auto submitted = us_of(shown.as_integer()); submitted >= with_.timed_from.load())
        with_.visible_after.record(std::chrono::microseconds{now - submitted});
    }
    with_.reflected += more;
    with_.events += count;
    with_.missed += events.missed();
  }

private:
  shared_state& with_;
  std::mutex mutex_;
  std::vector<std::uint32_t> seen_;
};

void run_replica(const options& asked, const std::string& folder, shared_state& with) {
  auto made = start_side(asked, folder, "b", "a");
  if (!made)
    return fmt::print(stderr, "gemel-bench: {}\n", to_string(made.error()));
  auto& in = *made->at;
  watcher watch{with, asked.twins};
  subscription_request wanted;
  wanted.type = "machine";
  wanted.kinds = {event_kind::updated};
  if (auto done = in.subscribe(wanted, [&](const event_batch& events) { watch(events); }); !done)
    return fmt::print(stderr, "gemel-bench: {}\n", to_string(done.error()));
  auto endpoint = made->way->endpoint();
  endpoint.copy(with.endpoint, sizeof with.endpoint - 1);
  with.listens = true;
  query_request machines;
  machines.type = "machine";
  while (!with.stop) {
    std::this_thread::sleep_for(std::chrono::milliseconds{10});
    if (with.machines < asked.twins)
      with.machines = in.count(machines).value_or(0);
  }
  each_machine(in, [&](const twin_record& twin) {
    const auto* shown = twin.find("written");
    auto wrote = with.sequences[index_of(twin.id)].load();
    auto shows = shown != nullptr && shown->is_integer() ? sequence_of(shown->as_integer()) : 0;
    with.diverged += shows != (wrote & sequence_max) ? 1 : 0;
  });
  with.digest = digest_of(in);
  in.stop();
  with.ended = true;
}

// ---- A ------------------------------------------------------------------------------------------

class driver {
public:
  driver(const options& asked, node& in, shared_state& with)
      : asked_{asked}, in_{in}, with_{with}, ids_{machine_ids(asked)} {}

  // One frame of updates of machines that are `client`'s alone.
  void send(random_source& random, unsigned client, std::uint32_t count) {
    update_batch made{keys, count, keys.size()};
    for (std::uint32_t i = 0; i < count; ++i)
      add(made, random, one_of(random, client));
    submit(made, count);
  }

  // One update of each machine from `from` to before `to`.
  void send_range(random_source& random, std::uint64_t from, std::uint64_t to) {
    update_batch made{keys, static_cast<std::uint32_t>(to - from), keys.size()};
    for (auto i = from; i < to; ++i)
      add(made, random, i);
    submit(made, to - from);
  }

  std::uint64_t submitted() const { return submitted_; }
  std::uint64_t under_way() const { return submitted_ - answered_; }
  std::uint64_t behind() const { return submitted_ - with_.reflected; }
  std::uint64_t failed() const { return failed_; }

  bool wait_until(const std::function<bool()>& is_so, double seconds = patience_seconds) const {
    for (auto until = now_seconds() + seconds; !is_so();) {
      if (now_seconds() > until)
        return false;
      std::this_thread::sleep_for(std::chrono::microseconds{200});
    }
    return true;
  }
  bool wait_for_replica() const {
    return wait_until([this] { return behind() == 0; });
  }

private:
  std::uint64_t one_of(random_source& random, unsigned client) const {
    auto each = asked_.twins / asked_.clients;
    return each == 0 ? client % asked_.twins : client * each + random.below(each);
  }

  void add(update_batch& to, random_source& random, std::uint64_t machine) {
    auto sequence = with_.sequences[machine].fetch_add(1, std::memory_order_relaxed) + 1;
    std::array<update_batch::cell, 3> set = {
        {{0, 60 + 25.25 * random.unit()}, {1, random.unit()}, {2, written_at(now_us(), sequence)}}};
    to.add(ids_[machine], set);
  }

  void submit(update_batch& made, std::uint64_t count) {
    submitted_ += count;
    in_.update_async(made.finish(), [this, count](outcome&& what) {
      failed_ += what.failures.size();
      answered_ += count;
    });
  }

  const options& asked_;
  node& in_;
  shared_state& with_;
  std::vector<std::string> ids_;
  std::atomic<std::uint64_t> submitted_{0};
  std::atomic<std::uint64_t> answered_{0};
  std::atomic<std::uint64_t> failed_{0};
};

struct counted {
  double at = now_seconds();
  double cpu = 0;
  std::uint64_t reflected = 0;
  std::uint64_t events = 0;
  std::uint64_t sent_bytes = 0;
  std::uint64_t received_bytes = 0;
};

class sync_bench {
public:
  sync_bench(const options& asked, shared_state& with, side& a, pid_t replica)
      : asked_{asked}, with_{with}, a_{a}, replica_{replica}, drive_{asked, *a.at, with} {}

  bool run() {
    return copy() && throughput() && visibility("visibility", std::min(20'000.0, rate_ / 2))
           && visibility("visibility_half_load", rate_ / 2) && catch_up();
  }

  // Both nodes are compared, property by property.
  bool compare() {
    auto ours = digest_of(*a_.at);
    with_.stop = true;
    drive_.wait_until([this] { return with_.ended.load() || is_gone(); });
    auto equal = with_.ended && ours == with_.digest && with_.diverged == 0;
    print("replicas_equal_at_end", equal ? 1 : 0, "1 = yes");
    print("twins_diverged_at_end", static_cast<double>(with_.diverged), "twins");
    if (auto missed = with_.missed.load(); missed != 0)
      print("events_missed", static_cast<double>(missed), "events");
    return equal;
  }

private:
  void print(const std::string& metric, double number, std::string_view unit) {
    report(asked_, "sync", metric, number, unit);
    std::fflush(stdout);
  }

  static bool fail(const char* what) {
    fmt::print(stderr, "gemel-bench: {} within {} s\n", what, patience_seconds);
    return false;
  }

  bool is_gone() const { return ::waitpid(replica_, nullptr, WNOHANG) != 0; }

  counted now() const {
    counted made;
    clockid_t theirs{};
    timespec t{};
    if (::clock_getcpuclockid(replica_, &theirs) == 0 && ::clock_gettime(theirs, &t) == 0)
      made.cpu = static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
    made.cpu += processor_seconds();
    made.reflected = with_.reflected;
    made.events = with_.events;
    auto way = a_.way->way(0);
    made.sent_bytes = way.sent_bytes;
    made.received_bytes = way.received_bytes;
    return made;
  }

  bool copy() {
    auto began = now_seconds();
    create_all(*a_.at, asked_);
    if (!drive_.wait_until([this] { return with_.machines >= asked_.twins || is_gone(); })
        || is_gone())
      return fail("the twins did not come to the replica");
    print("create_visible_rate", static_cast<double>(asked_.twins) / (now_seconds() - began),
          "twins/s");
    return true;
  }

  // Closed loop; what is under way is less than a quarter of the twins, so that few updates are
  // replaced before they are sent.
  bool throughput() {
    auto behind_max = std::clamp<std::uint64_t>(asked_.twins / 4, 1'000, 100'000);
    auto batch = static_cast<std::uint32_t>(std::min<std::uint64_t>(asked_.batch, behind_max));
    std::atomic<bool> stop{false};
    std::vector<std::jthread> clients;
    for (unsigned c = 0; c < asked_.clients; ++c)
      clients.emplace_back([&, c] {
        random_source random{asked_.seed + c + 1};
        while (!stop)
          if (drive_.behind() + batch <= behind_max)
            drive_.send(random, c, batch);
          else
            std::this_thread::sleep_for(std::chrono::microseconds{100});
      });
    std::this_thread::sleep_for(std::chrono::seconds{1}); // warm up
    auto from = now();
    std::this_thread::sleep_for(std::chrono::duration<double>{asked_.seconds});
    auto to = now();
    stop = true;
    clients.clear();
    if (!drive_.wait_for_replica())
      return fail("the replica did not catch up");
    report_rates(from, to);
    return true;
  }

  void report_rates(const counted& from, const counted& to) {
    auto count = static_cast<double>(to.reflected - from.reflected);
    rate_ = count / (to.at - from.at);
    print("sync_rate", rate_, "updates/s");
    print("sync_rate_per_cpu_s", count / (to.cpu - from.cpu), "updates/CPU s");
    print("sync_events_rate", static_cast<double>(to.events - from.events) / (to.at - from.at),
          "events/s");
    print("bytes_per_update", static_cast<double>(to.sent_bytes - from.sent_bytes) / count,
          "bytes");
    print("answer_bytes_per_update",
          static_cast<double>(to.received_bytes - from.received_bytes) / count, "bytes");
  }

  // Open loop: what is due since the last look goes out, each update with its own time.
  bool visibility(const std::string& prefix, double offered) {
    random_source random{asked_.seed};
    auto began = now_seconds();
    auto counts_from = began + 1;
    with_.visible_after.clear();
    with_.timed_from = now_us() + 1'000'000;
    std::uint64_t sent = 0;
    for (double t = began; t < counts_from + asked_.seconds; t = now_seconds()) {
      auto due = static_cast<std::uint64_t>((t - began) * offered);
      if (due > sent) {
        auto count = std::min<std::uint64_t>(due - sent, asked_.batch);
        drive_.send(random, static_cast<unsigned>(sent % asked_.clients),
                    static_cast<std::uint32_t>(count));
        sent += count;
      } else {
        std::this_thread::sleep_for(std::chrono::microseconds{50});
      }
    }
    if (!drive_.wait_for_replica())
      return fail("the replica did not catch up");
    with_.timed_from = INT64_MAX;
    print(prefix + "_offered", offered, "updates/s");
    auto us = [](std::chrono::nanoseconds t) { return static_cast<double>(t.count()) / 1'000; };
    const auto& h = with_.visible_after;
    print(prefix + "_p50", us(h.value_at(0.5)), "us");
    print(prefix + "_p99", us(h.value_at(0.99)), "us");
    print(prefix + "_p999", us(h.value_at(0.999)), "us");
    print(prefix + "_max", us(h.max()), "us");
    return true;
  }

  // All machines change while the link is cut: three properties each.
  bool catch_up() {
    a_.way->cut();
    random_source random{asked_.seed};
    for (std::uint64_t i = 0; i < asked_.twins; i += asked_.batch)
      drive_.send_range(random, i, std::min<std::uint64_t>(i + asked_.batch, asked_.twins));
    if (!drive_.wait_until([this] { return drive_.under_way() == 0; }))
      return fail("the updates were not answered");
    auto opened = a_.way->opened();
    a_.way->heal();
    auto healed = now_seconds();
    drive_.wait_until([&] { return a_.way->opened() != opened; });
    auto linked = now_seconds();
    if (!drive_.wait_for_replica())
      return fail("the replica did not catch up after the cut");
    auto equal = now_seconds();
    auto dirty = static_cast<double>(asked_.twins * keys.size());
    print("catch_up_properties", dirty, "properties");
    print("catch_up_rate", dirty / (equal - linked), "properties/s");
    print("catch_up_seconds", equal - linked, "s");
    print("convergence_seconds", equal - healed, "s");
    return drive_.failed() == 0 || fail("some updates failed; the others were not answered");
  }

  const options& asked_;
  shared_state& with_;
  side& a_;
  pid_t replica_;
  driver drive_;
  double rate_ = 0;
};

int run_writer(const options& asked, const std::string& folder, shared_state& with, pid_t replica) {
  for (auto until = now_seconds() + patience_seconds; !with.listens;) {
    if (now_seconds() > until || ::waitpid(replica, nullptr, WNOHANG) != 0)
      return 1;
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  }
  auto made = start_side(asked, folder, "a", std::string{"b="} + with.endpoint);
  if (!made) {
    fmt::print(stderr, "gemel-bench: {}\n", to_string(made.error()));
    return 1;
  }
  sync_bench bench{asked, with, *made, replica};
  auto done = bench.run();
  auto equal = done && bench.compare();
  made->at->stop();
  return equal ? 0 : 1;
}

} // namespace

int run_sync(const options& asked) {
  auto folder = store_folder(asked);
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  std::ofstream{folder + "/key"} << "only of this benchmark, 16 bytes or more\n";
  auto& with = share(asked.twins);
  std::fflush(stdout);
  auto replica = ::fork(); // before this process has a thread
  if (replica == 0) {
    run_replica(asked, folder, with);
    ::_exit(0);
  }
  if (replica < 0)
    return 1;
  auto code = run_writer(asked, folder, with, replica);
  ::kill(replica, SIGKILL);
  ::waitpid(replica, nullptr, 0);
  std::filesystem::remove_all(folder);
  return code;
}

} // namespace gemel::bench
