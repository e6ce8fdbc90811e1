// gemel-crash-soak --kills N: kills a node with a store under load, at random times and at every
// named point of the way to the disk, starts it again on the same folder, and compares what it
// shows with what was sent and acknowledged. Ends with one line of counts, and with 1 if anything
// was lost, invented or halved.

#include "messages/requests.hpp"
#include "runtime/node.hpp"
#include "tests/support/temporary_folder.hpp"
#include "tests/support/write_ledger.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

// A child process runs a node with a store under load and says over a pipe what it sends and what
// is acknowledged; what it said survives it. It is killed, and the next one, on the same folder,
// shows what it finds before it goes on.
namespace gemel::test {

namespace {

struct options {
  std::uint64_t kills = 100;
  std::uint64_t seed = 1;
};

using clock = std::chrono::steady_clock;

constexpr std::uint32_t threads = 2;
constexpr std::uint32_t plain_twins = 24; // of each thread
constexpr std::uint32_t groups = 4;       // of three twins that are written together
constexpr std::uint32_t own_twins = plain_twins + groups * 3;
constexpr std::uint32_t churned = threads * own_twins; // first of those that come and go
constexpr std::uint32_t all_twins = churned + threads;
constexpr std::uint64_t numbers_per_life = 1'000'000;
constexpr std::uint32_t batches_under_way = 16;

// Where a node can be killed from inside, see `rocks_store::options::at_point`.
constexpr std::array points = {
    "queued",        "before_write",     "after_write",    "before_sync", "after_sync", "answered",
    "snapshot_file", "snapshot_counted", "passive_listed", "trim_noted",  "trimmed"};

enum class said : std::uint32_t { sent, acknowledged, shown, missing, ready, broken };

struct word {
  said what;
  std::uint32_t twin;
  std::uint64_t number;
  std::uint64_t second;
};

std::string id_of(std::uint32_t twin) {
  return (twin < churned ? "twin-" : "coming-") + std::to_string(twin);
}

// ---- the child ----------------------------------------------------------------------------------

struct life_plan {
  std::string folder;
  int pipe;
  std::uint64_t number;
  std::uint64_t seed;
  // Null: killed from outside.
  const char* point;
  std::uint64_t at_hit;
};

class child {
public:
  explicit child(const life_plan& plan) : plan_{plan}, random_{plan.seed} {}

  [[noreturn]] void run() {
    start();
    if (plan_.number == 0)
      create();
    show();
    say({{said::ready, 0, 0, 0}});
    std::vector<std::thread> writers;
    for (std::uint32_t i = 0; i < threads; ++i)
      writers.emplace_back([this, i] { write(i); });
    for (auto& one : writers)
      one.join();
    ::_exit(0);
  }

private:
  void say(const std::vector<word>& words) const {
    // Less than PIPE_BUF, so that no two threads' words mix.
    constexpr std::size_t at_once = 64;
    for (std::size_t from = 0; from < words.size(); from += at_once) {
      auto count = std::min(at_once, words.size() - from);
      if (::write(plan_.pipe, words.data() + from, count * sizeof(word)) < 0)
        ::_exit(1);
    }
  }
  void broken(const std::string& why) const {
    fmt::print(stderr, "gemel-crash-soak: life {}: {}\n", plan_.number, why);
    say({{said::broken, 0, 0, 0}});
  }

  void start() {
    spdlog::set_level(spdlog::level::warn);
    node_options wanted;
    auto& config = wanted.config;
    config.node.workers = 2;
    config.node.cells_per_worker = 1 + static_cast<std::uint32_t>(random_() % 4);
    config.store.path = plan_.folder;
    config.store.reserve_bytes = 1u << 20;
    config.store.log_bytes = 1u << 16;
    // In most lives nearly all twins are out of memory.
    config.store.max_active = random_() % 3 == 0 ? 0 : 16;
    if (plan_.point != nullptr)
      wanted.store_point = [this](const char* name) {
        if (std::strcmp(name, plan_.point) == 0 && ++hits_ == plan_.at_hit)
          ::kill(::getpid(), SIGKILL);
      };
    auto started = node::start(std::move(wanted));
    if (!started) {
      broken(to_string(started.error()));
      ::_exit(1);
    }
    node_ = std::move(*started);
  }

  void create() {
    std::vector<new_twin> twins;
    for (std::uint32_t i = 0; i < churned; ++i) {
      new_twin made;
      made.id = id_of(i);
      made.type = "machine";
      if (i % own_twins > 0 && i % own_twins < plain_twins)
        made.parent = id_of(i / own_twins * own_twins);
      twins.push_back(made);
    }
    if (auto done = node_->create(twins); !done || !done->failures.empty())
      broken("twins cannot be created");
  }

  void show() {
    std::vector<word> words;
    for (std::uint32_t i = 0; i < all_twins; ++i) {
      auto twin = node_->get(id_of(i));
      if (!twin) {
        words.push_back({said::missing, i, 0, 0});
        if (node_->get(id_of(i) + "-child"))
          broken("a child outlived its parent");
        continue;
      }
      auto number = [&](const char* key) {
        const auto* held = twin->find(key);
        return held != nullptr ? static_cast<std::uint64_t>(held->as_integer()) : 0;
      };
      words.push_back({said::shown, i, number("number"), number("second")});
      if (i < churned && i % own_twins > 0 && i % own_twins < plain_twins
          && twin->parent != id_of(i / own_twins * own_twins))
        broken(id_of(i) + " lost its parent");
    }
    query_request children;
    children.parent = id_of(0);
    if (auto found = node_->query_all(children); !found || found->size() != plain_twins - 1)
      broken("the first twin lost children");
    say(words);
  }

  void write(std::uint32_t thread) {
    std::mt19937_64 random{plan_.seed * threads + thread};
    std::atomic<std::uint32_t> open{0};
    auto first = thread * own_twins;
    auto number = plan_.number * numbers_per_life;
    for (;;) {
      ++number;
      auto what = random() % 64;
      if (what == 0) {
        churn(thread, number);
      } else if (what < 24) {
        auto group = first + plain_twins + static_cast<std::uint32_t>(random() % groups) * 3;
        update({group, group + 1, group + 2}, number, true, random() % 32 == 0, open);
      } else {
        std::set<std::uint32_t> some;
        for (auto count = 1 + random() % 8; count > 0; --count)
          some.insert(first + static_cast<std::uint32_t>(random() % plain_twins));
        update({some.begin(), some.end()}, number, false, random() % 32 == 0, open);
      }
      for (auto now = open.load(); now >= batches_under_way; now = open.load())
        open.wait(now);
    }
  }

  void update(const std::vector<std::uint32_t>& twins, std::uint64_t number, bool atomic, bool disk,
              std::atomic<std::uint32_t>& open) {
    std::vector<twin_update> updates;
    std::vector<word> words;
    for (auto twin : twins) {
      twin_update made;
      made.id = id_of(twin);
      made.set = {{"number", value{static_cast<std::int64_t>(number)}},
                  {"second", value{static_cast<std::int64_t>(write_ledger::twin_of(number))}},
                  {"text", value{"as long as such a text may be " + std::to_string(number)}}};
      updates.push_back(std::move(made));
      words.push_back({said::sent, twin, number, 0});
    }
    say(words);
    ++open;
    update_options how;
    how.atomic = atomic;
    how.wanted = disk ? durability::disk : durability::process;
    node_->update_async(make_update(updates, how), [this, words, &open](outcome&& done) mutable {
      for (auto& one : words)
        one.what = said::acknowledged;
      if (done.failures.empty())
        say(words);
      else
        complain(done.failures);
      --open;
      open.notify_all();
    });
  }

  void complain(const std::vector<failure>& failures) const {
    for (const auto& one : failures)
      if (one.why.code != errc::overloaded && one.why.code != errc::twin_busy)
        broken("entry " + std::to_string(one.index)
               + " of an update failed: " + to_string(one.why));
  }

  // Odd numbers are there, even ones are not.
  void churn(std::uint32_t thread, std::uint64_t life_number) {
    auto twin = churned + thread;
    bool is_there = node_->get(id_of(twin)).has_value();
    auto number = life_number * 2 + (is_there ? 0 : 1);
    say({{said::sent, twin, number, 0}});
    if (is_there) {
      if (auto gone = node_->remove(id_of(twin), child_policy::cascade); !gone)
        return broken("a delete failed: " + to_string(gone.error()));
    } else {
      std::vector<new_twin> made(2);
      made[0].id = id_of(twin);
      made[0].type = made[1].type = "machine";
      made[0].properties = {
          {"number", value{static_cast<std::int64_t>(number)}},
          {"second", value{static_cast<std::int64_t>(write_ledger::twin_of(number))}}};
      made[1].id = id_of(twin) + "-child";
      made[1].parent = made[0].id;
      if (auto done = node_->create(made); !done || !done->failures.empty())
        return broken("a create failed");
    }
    say({{said::acknowledged, twin, number, 0}});
  }

  life_plan plan_;
  std::mt19937_64 random_;
  std::atomic<std::uint64_t> hits_{0};
  std::unique_ptr<node> node_;
};

// ---- the parent, which is never killed ----------------------------------------------------------

// What is known of a twin that comes and goes.
struct coming_twin {
  std::uint64_t acknowledged = 0;
  std::uint64_t sent = 0;
  // Every number after the last acknowledged one may be the last that took effect.
  std::set<std::uint64_t> open;
};

class watcher {
public:
  explicit watcher(const options& asked) : asked_{asked}, random_{asked.seed} {}

  int run() {
    auto begun = clock::now();
    for (std::uint64_t life = 0; life <= asked_.kills && violations_ == 0; ++life)
      live(life);
    std::string by_point;
    for (const auto& [name, count] : at_points_)
      by_point += fmt::format("{} {}, ", name, count);
    fmt::print("crash: {} kills ({}at random times {}), {} recoveries checked, {} writes "
               "acknowledged, {} violations, {:.0f} s, seed {}\n",
               kills_, by_point, at_random_, checked_, ledger_.acknowledged() + coming_acks_,
               violations_, std::chrono::duration<double>(clock::now() - begun).count(),
               asked_.seed);
    return violations_ == 0 && checked_ > 0 ? 0 : 1;
  }

private:
  void live(std::uint64_t number) {
    int ends[2];
    if (::pipe(ends) != 0) {
      ++violations_;
      return;
    }
    auto* point = number > 0 && random_() % 2 == 0 ? points[random_() % points.size()] : nullptr;
    life_plan plan{folder_.file("data"), ends[1], number, random_(), point, 1 + random_() % 40};
    // Snapshots and the trims behind them are rarer.
    if (point != nullptr && (std::strncmp(point, "snap", 4) == 0 || *point == 't'))
      plan.at_hit = 1 + plan.at_hit % 4;
    auto id = ::fork();
    if (id == 0) {
      ::close(ends[0]);
      child{plan}.run();
    }
    ::close(ends[1]);
    watch(id, ends[0], plan);
    ::close(ends[0]);
  }

  void watch(pid_t id, int pipe, const life_plan& plan) {
    // Most are killed at work, some while they start.
    constexpr std::int64_t work_ms = 120;
    constexpr std::int64_t start_ms = 150;
    constexpr std::int64_t patience_ms = 60'000;
    bool early = plan.point == nullptr && plan.number > 0 && random_() % 8 == 0;
    auto in = [](std::int64_t ms) { return clock::now() + std::chrono::milliseconds{ms}; };
    auto kill_at = early ? in(static_cast<std::int64_t>(random_() % start_ms)) : in(patience_ms);
    bool is_ready = false;
    shown_.clear();
    std::string bytes;
    for (;;) {
      auto left = std::chrono::duration_cast<std::chrono::milliseconds>(kill_at - clock::now());
      pollfd waits{pipe, POLLIN, 0};
      auto ready = ::poll(&waits, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0)));
      if (ready == 0) {
        ::kill(id, SIGKILL);
        kill_at = in(patience_ms);
        continue;
      }
      char block[1 << 16];
      auto size = ::read(pipe, block, sizeof block);
      if (size <= 0)
        break;
      bytes.append(block, static_cast<std::size_t>(size));
      if (take(bytes) && !is_ready) {
        is_ready = true;
        auto wait = plan.point != nullptr ? 10 * work_ms : 0;
        // Some live long enough for all snapshots, and for the log to be trimmed behind them.
        auto most = random_() % 8 == 0 ? 8 * work_ms : work_ms;
        kill_at =
            in(wait + static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(most)));
      }
    }
    int how = 0;
    ::waitpid(id, &how, 0);
    note_end(how, plan);
  }

  void note_end(int how, const life_plan& plan) {
    if (!WIFSIGNALED(how) || WTERMSIG(how) != SIGKILL)
      return wrong(plan.number, "the node ended by itself");
    ++kills_;
    if (plan.point != nullptr)
      ++at_points_[plan.point];
    else
      ++at_random_;
  }

  // True once the child is ready.
  bool take(std::string& bytes) {
    std::size_t at = 0;
    bool ready = false;
    for (; bytes.size() - at >= sizeof(word); at += sizeof(word)) {
      word one{};
      std::memcpy(&one, bytes.data() + at, sizeof one);
      switch (one.what) {
      case said::sent:
        one.twin < churned ? ledger_.sent(id_of(one.twin), one.number)
                           : void(coming_[one.twin].open.insert(one.number));
        break;
      case said::acknowledged:
        acknowledge(one);
        break;
      case said::shown:
        shown_[one.twin] = {one.number, one.second};
        break;
      case said::missing:
        break;
      case said::ready:
        check();
        ready = true;
        break;
      case said::broken:
        ++violations_;
        break;
      }
    }
    bytes.erase(0, at);
    return ready;
  }

  void acknowledge(const word& one) {
    if (one.twin < churned)
      return ledger_.acknowledged(id_of(one.twin), one.number);
    auto& known = coming_[one.twin];
    known.acknowledged = one.number;
    known.open.clear();
    ++coming_acks_;
  }

  void check() {
    ++checked_;
    std::map<std::string, std::uint32_t> numbers;
    for (std::uint32_t i = 0; i < churned; ++i)
      numbers[id_of(i)] = i;
    for (const auto& why :
         ledger_.compare([&](const std::string& id) -> std::optional<write_ledger::seen> {
           auto found = shown_.find(numbers.at(id));
           return found != shown_.end() ? std::optional{found->second} : std::nullopt;
         }))
      wrong(checked_, why);
    for (std::uint32_t i = 0; i < churned; ++i)
      if (i % own_twins >= plain_twins && (i % own_twins - plain_twins) % 3 == 0
          && (shown_[i].number != shown_[i + 1].number || shown_[i].number != shown_[i + 2].number))
        wrong(checked_, "half of an atomic batch at " + id_of(i));
    for (std::uint32_t i = churned; i < all_twins; ++i)
      check_coming(i);
  }

  void check_coming(std::uint32_t twin) {
    auto& known = coming_[twin];
    auto found = shown_.find(twin);
    auto candidates = known.open;
    candidates.insert(known.acknowledged);
    auto fits = [&](std::uint64_t number) {
      bool is_there = number % 2 == 1;
      return found != shown_.end() ? is_there && found->second.number == number : !is_there;
    };
    auto is = std::find_if(candidates.begin(), candidates.end(), fits);
    if (is == candidates.end())
      return wrong(checked_, id_of(twin) + " is not as it was acknowledged");
    known.acknowledged = *is;
    known.open.clear();
  }

  void wrong(std::uint64_t where, const std::string& why) {
    ++violations_;
    fmt::print("VIOLATION at {}: {}\n", where, why);
  }

  options asked_;
  std::mt19937_64 random_;
  temporary_folder folder_;
  write_ledger ledger_;
  std::map<std::uint32_t, coming_twin> coming_;
  std::map<std::uint32_t, write_ledger::seen> shown_;
  std::map<std::string, std::uint64_t> at_points_;
  std::uint64_t at_random_ = 0;
  std::uint64_t kills_ = 0;
  std::uint64_t checked_ = 0;
  std::uint64_t coming_acks_ = 0;
  std::uint64_t violations_ = 0;
};

} // namespace

} // namespace gemel::test

int main(int argc, char** argv) {
  gemel::test::options asked;
  CLI::App app{"Kills a node under load again and again; ends with 1 if it lost anything."};
  app.name("gemel-crash-soak");
  app.add_option("--kills", asked.kills, "how often")->capture_default_str();
  app.add_option("--seed", asked.seed, "of all random choices")->capture_default_str();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    return app.exit(wrong) == 0 ? 0 : 2;
  }
  return gemel::test::watcher{asked}.run();
}
