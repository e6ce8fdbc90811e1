// A node with workflow runs under way that is ended by kill -9, as its users run it. `./dev soak
// workflows` runs this longer: GEMEL_WORKFLOW_KILLS is how often the node is killed.

#include "runtime/client.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/paths.hpp"
#include "tests/support/process.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/temporary_folder.hpp"
#include "workflows/run_record_value.hpp"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <iostream>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

using namespace gemel;
using namespace gemel::test;

namespace {

const std::string program = test::binary_dir() + "/bin/gemel";

// A run works on a twin of its own. Each kind of step that has an effect or a memory is in it.
constexpr const char* visit = R"({"workflow": "visit", "steps": [
  {"id": "mark", "type": "update", "twin_ids": ["${ input.twin }"], "set": {"marked": true}},
  {"id": "nap", "type": "wait", "duration": "50ms", "depends_on": ["mark"]},
  {"id": "mean", "type": "compute", "function": "describe", "depends_on": ["mark"],
   "parameters": {"values": [1, 2, "${ input.number }"]}},
  {"id": "go", "type": "wait_event", "event": "go", "twin_ids": ["${ input.twin }"],
   "depends_on": ["nap"]},
  {"id": "inner", "type": "workflow", "workflow": "note", "depends_on": ["go"],
   "input": {"twin": "${ input.twin }", "number": "${ input.number }"}},
  {"id": "remember", "type": "set", "vars": {"sum": "${ steps.mean.result.sum }"},
   "depends_on": ["mean", "inner"]},
  {"id": "which", "type": "switch", "depends_on": ["remember"],
   "cases": [{"when": "vars.sum > 100", "next": "large"}], "default": "small"},
  {"id": "large", "type": "update", "twin_ids": ["${ input.twin }"],
   "set": {"large": "${ vars.sum }"}},
  {"id": "small", "type": "update", "twin_ids": ["${ input.twin }"],
   "set": {"small": "${ vars.sum }"}}]})";

constexpr const char* note = R"({"workflow": "note", "steps": [
  {"id": "write", "type": "update", "twin_ids": ["${ input.twin }"],
   "set": {"noted": "${ input.number }"}}]})";

class stored_node {
public:
  explicit stored_node(const std::string& folder)
      : process_{{program, "node", "--data", folder, "--set", "listen.port=0", "--set",
                  "node.workers=2", "--set", "store.reserve_bytes=1048576", "--set",
                  "store.log_bytes=65536", "--set", "workflows.ended_max=1000000"}} {
    auto line = process_.read_line();
    INFO(line);
    auto begin = line.find("127.0.0.1:");
    if (begin == std::string::npos)
      FAIL(process_.finish().err);
    endpoint_ = line.substr(begin, line.find(' ', begin) - begin);
  }
  std::unique_ptr<client> link() const {
    auto made = client::connect(endpoint_);
    if (!made)
      FAIL(to_string(made.error()));
    return std::move(*made);
  }
  void kill() {
    process_.signal(SIGKILL);
    process_.finish();
  }

private:
  process process_;
  std::string endpoint_;
};

value arguments(value_map members) {
  return value{std::move(members)};
}

// What was asked of run `number`, and of what the node said that it is done.
struct asked_run {
  std::int64_t number = 0;
  bool started = false;
  bool signalled = false;
  bool cancelled = false;

  std::string id() const { return "visit-" + std::to_string(number); }
  std::string twin() const { return "twin-" + std::to_string(number); }
};

// One process's life: two programs start, signal, pause, resume and cancel runs until it is killed.
class load {
public:
  load(stored_node& on, std::vector<asked_run>& runs, std::mt19937_64& random) : runs_{runs} {
    links_.push_back(on.link());
    links_.push_back(on.link());
    for (auto& link : links_)
      threads_.emplace_back([this, &link, seed = random()] { work(*link, seed); });
  }
  ~load() {
    stop_ = true;
    for (auto& one : threads_)
      one.join();
  }
  load(const load&) = delete;
  load& operator=(const load&) = delete;

private:
  void work(client& link, std::uint64_t seed) {
    std::mt19937_64 random{seed};
    while (!stop_) {
      auto what = random() % 10;
      bool alive = what < 4 ? start(link) : control(link, random, what);
      if (!alive)
        return;
    }
  }

  asked_run add() {
    std::lock_guard guard{mutex_};
    asked_run made;
    made.number = static_cast<std::int64_t>(runs_.size()) + 1;
    runs_.push_back(made);
    return made;
  }

  bool start(client& link) {
    auto one = add();
    if (!link.create(new_twin{.id = one.twin(), .type = "machine"}))
      return false;
    auto begun = link.call({"workflows", "start",
                            arguments({{"workflow", value{"visit"}},
                                       {"id", value{one.id()}},
                                       {"input", arguments({{"twin", value{one.twin()}},
                                                            {"number", value{one.number}}})}})});
    std::lock_guard guard{mutex_};
    runs_[static_cast<std::size_t>(one.number) - 1].started = begun.has_value();
    return begun.has_value();
  }

  bool control(client& link, std::mt19937_64& random, std::uint64_t what) {
    std::unique_lock guard{mutex_};
    if (runs_.empty())
      return true;
    auto index = random() % runs_.size();
    auto one = runs_[index];
    guard.unlock();
    bool cancels = what == 9 && one.number % 5 == 0;
    result<value> done;
    if (what < 7)
      done = link.call({"workflows", "signal",
                        arguments({{"event", value{"go"}}, {"twin", value{one.twin()}}})});
    else
      done = link.call({"workflows",
                        cancels     ? "cancel"
                        : what == 7 ? "pause"
                                    : "resume",
                        arguments({{"id", value{one.id()}}})});
    if (!done)
      return done.error().code != errc::unreachable && done.error().code != errc::stopping;
    guard.lock();
    auto& noted = runs_[index];
    noted.signalled = noted.signalled || (what < 7 && done->find("heard")->as_integer() > 0);
    noted.cancelled = noted.cancelled || cancels;
    return true;
  }

  std::vector<asked_run>& runs_;
  std::mutex mutex_;
  std::atomic<bool> stop_{false};
  std::vector<std::unique_ptr<client>> links_;
  std::vector<std::thread> threads_;
};

void add_documents(client& link) {
  for (const auto* document : {note, visit}) {
    auto added = link.call({"workflows", "add", arguments({{"document", value{document}}})});
    INFO((added ? "" : to_string(added.error())));
    REQUIRE(added);
  }
}

std::vector<run_record> records_of(client& link, const std::string& id) {
  std::vector<run_record> made;
  auto all = link.call({"workflows", "changes", arguments({{"id", value{id}}})});
  INFO(id << (all ? "" : to_string(all.error())));
  REQUIRE(all);
  for (const auto& one : all->find("changes")->as_list()) {
    auto record = run_record_of(one);
    REQUIRE(record);
    made.push_back(std::move(*record));
  }
  return made;
}

// What a step did, by the records of its run: attempts one after the other, then one end.
struct step_story {
  std::uint32_t attempts = 0;
  int ends = 0;
};

std::map<std::uint32_t, step_story> stories_of(const std::vector<run_record>& records) {
  std::map<std::uint32_t, step_story> made;
  for (const auto& one : records) {
    auto& step = made[one.step];
    if (one.what == run_record::kind::step_started) {
      REQUIRE(step.ends == 0);
      REQUIRE(one.attempt == ++step.attempts);
    }
    if (one.what == run_record::kind::step_ended)
      REQUIRE(++step.ends == 1);
  }
  return made;
}

run_state state_of(const std::vector<run_record>& records) {
  return records.back().what == run_record::kind::ended ? records.back().run : run_state::running;
}

// Signals and resumes all runs until each has ended.
void bring_to_end(client& link, const std::vector<asked_run>& runs) {
  for (const auto& one : runs) {
    auto known = link.call({"workflows", "resume", arguments({{"id", value{one.id()}}})});
    if (!known && known.error().code == errc::not_found)
      continue;
    for (;;) {
      REQUIRE(link.call({"workflows", "signal",
                         arguments({{"event", value{"go"}}, {"twin", value{one.twin()}}})}));
      auto now = link.call({"workflows", "changes",
                            arguments({{"id", value{one.id()}},
                                       {"after", value{std::int64_t{1'000'000}}},
                                       {"wait_ms", value{std::int64_t{20}}}})});
      REQUIRE(now);
      if (*now->find("ended") == value{true})
        break;
    }
  }
}

void check_completed(client& link, const asked_run& one, const std::vector<run_record>& records) {
  auto twin = link.get(one.twin());
  REQUIRE(twin);
  auto sum = static_cast<double>(one.number + 3);
  REQUIRE(twin->find("marked") != nullptr);
  REQUIRE(*twin->find("noted") == value{one.number});
  REQUIRE(twin->find(sum > 100 ? "large" : "small") != nullptr);
  REQUIRE(twin->find(sum > 100 ? "large" : "small")->number() == sum);
  REQUIRE(twin->find(sum > 100 ? "small" : "large") == nullptr);
  // Each attempt of an update raises the version by one: those whose end is on record were not
  // repeated.
  constexpr std::uint32_t mark = 0;
  constexpr std::uint32_t large = 7;
  auto story = stories_of(records);
  auto inner = stories_of(records_of(link, one.id() + "/inner"));
  auto attempts =
      story[mark].attempts + inner[0].attempts + story[sum > 100 ? large : large + 1].attempts;
  REQUIRE(twin->version >= 1 + 3);
  REQUIRE(twin->version <= 1 + attempts);
}

struct counts {
  std::size_t completed = 0;
  std::size_t cancelled = 0;
  std::size_t repeated = 0;
};

counts check_all(client& link, const std::vector<asked_run>& runs) {
  counts made;
  for (const auto& one : runs) {
    INFO(one.id());
    auto known = link.call({"workflows", "show", arguments({{"id", value{one.id()}}})});
    if (!known) {
      REQUIRE_FALSE(one.started); // Else it was lost.
      continue;
    }
    auto records = records_of(link, one.id());
    auto state = state_of(records);
    for (const auto& [step, story] : stories_of(records))
      made.repeated += story.attempts > 1;
    if (one.cancelled) {
      REQUIRE(state == run_state::cancelled);
      ++made.cancelled;
    } else if (state != run_state::cancelled) { // Else the answer was lost.
      REQUIRE(state == run_state::completed);
      check_completed(link, one, records);
      ++made.completed;
    }
  }
  return made;
}

// A signal that was heard is on record, whatever came after.
void check_signals(client& link, const std::vector<asked_run>& runs) {
  constexpr std::uint32_t go = 3;
  for (const auto& one : runs)
    if (one.signalled) {
      INFO(one.id());
      REQUIRE(stories_of(records_of(link, one.id()))[go].ends == 1);
    }
}

int kills_wanted() {
  const char* text = std::getenv("GEMEL_WORKFLOW_KILLS");
  return text != nullptr ? std::max(1, std::atoi(text)) : 5;
}

} // namespace

// The process ends by SIGKILL while runs begin, go on and end. What was acknowledged must hold,
// every run must come to its end, and no step may begin again whose end is on record.
TEST_CASE("workflow runs survive that their node is killed", "[integration][workflows]") {
  auto seed = test::seed();
  INFO("GEMEL_SEED=" << seed);
  std::mt19937_64 random{seed};
  temporary_folder folder;
  std::vector<asked_run> runs;
  auto kills = kills_wanted();
  for (int life = 0; life < kills; ++life) {
    stored_node node{folder.path()};
    auto link = node.link();
    add_documents(*link);
    check_signals(*link, runs);
    load work{node, runs, random};
    std::this_thread::sleep_for(std::chrono::milliseconds{200 + random() % 500});
    node.kill();
  }
  stored_node node{folder.path()};
  auto link = node.link();
  check_signals(*link, runs);
  bring_to_end(*link, runs);
  auto seen = check_all(*link, runs);
  std::cout << "workflows: " << kills << " kills, " << runs.size() << " runs, " << seen.completed
            << " completed, " << seen.cancelled << " cancelled, " << seen.repeated
            << " steps begun again, 0 violations\n";
  CHECK(seen.completed > 0);
}
