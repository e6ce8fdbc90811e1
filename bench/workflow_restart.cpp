// A node with as many open runs as machines is killed and started again: how long until the runs go
// on, and whether each is where it was and no step came to a twin twice.

#include "load.hpp"
#include "messages/replies.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <functional>

namespace gemel::bench {

namespace {

constexpr const char* visit = R"({"workflow": "visit", "steps": [
  {"id": "before", "type": "update", "twin_ids": ["${ input.twin }"], "set": {"before": true}},
  {"id": "go", "type": "wait_event", "event": "go"},
  {"id": "after", "type": "update", "twin_ids": ["${ input.twin }"], "set": {"after": true}}],
  "dependencies": {"go": ["before"], "after": ["go"]}})";

// What a run has noted when it waits: it started, `before` began and ended, `go` began.
constexpr std::int64_t changes_before = 4;
// A twin's versions: made, changed by `before`, changed by `after`.
constexpr std::uint64_t version_before = 2;
constexpr std::uint64_t version_after = 3;
constexpr std::uint32_t calls_under_way = 1'000;
constexpr std::int64_t wait_ms = 60'000;

std::string run_id(std::uint64_t index) {
  return fmt::format("visit-{}", index);
}

// Calls the service once for each machine. @returns how many answers are not as they should be.
std::uint64_t call_for_each(node& in, const options& asked, const std::string& name,
                            const std::function<value_map(std::uint64_t)>& arguments,
                            const std::function<bool(const value&)>& is_right) {
  std::atomic<std::uint64_t> wrong{0};
  // The last answers may still leave when nobody waits for them any more.
  auto room = std::make_shared<window>(calls_under_way);
  for (std::uint64_t i = 0; i < asked.twins; ++i) {
    room->enter();
    in.request(make_service_call({"workflows", name, value{arguments(i)}}),
               [&wrong, &is_right, room](const frame& answer) {
                 auto made = expect_result(answer);
                 wrong += !made || !is_right(*made);
                 room->leave();
               });
  }
  room->drain();
  return wrong;
}

// Waits until each run has noted more than `after` changes, or has ended.
std::uint64_t wait_for_each(node& in, const options& asked, std::int64_t after, const char* state,
                            std::int64_t changes) {
  auto arguments = [&](std::uint64_t i) {
    return value_map{
        {"id", value{run_id(i)}}, {"after", value{after}}, {"wait_ms", value{wait_ms}}};
  };
  return call_for_each(in, asked, "changes", arguments, [&](const value& answer) {
    return *answer.find("state") == value{state} && answer.find("next")->as_integer() == changes;
  });
}

std::uint64_t twins_not_at(node& in, const options& asked, std::uint64_t version) {
  query_request all;
  all.type = "machine";
  auto found = in.query_all(all);
  if (!found || found->size() != asked.twins)
    return asked.twins;
  std::uint64_t others = 0;
  for (const auto& one : *found)
    others += one.version != version;
  return others;
}

std::unique_ptr<node> start(const options& asked, const std::string& folder) {
  node_options wanted;
  wanted.config.node.workers = asked.workers;
  wanted.config.store.path = folder;
  wanted.config.workflows.ended_max = asked.twins;
  auto started = node::start(std::move(wanted));
  if (started)
    return std::move(*started);
  fmt::print(stderr, "gemel-bench: {}\n", to_string(started.error()));
  return nullptr;
}

bool fine(std::uint64_t wrong, std::string_view what) {
  if (wrong > 0)
    fmt::print(stderr, "gemel-bench: {} {}\n", wrong, what);
  return wrong == 0;
}

// The process that is killed: each run has changed its machine and waits.
bool open_runs(const options& asked, const std::string& folder) {
  auto in = start(asked, folder);
  if (in == nullptr)
    return false;
  create_all(*in, asked);
  if (auto added = in->call({"workflows", "add", value{value_map{{"document", value{visit}}}}});
      !added)
    return fine(1, to_string(added.error()));
  auto begin = [](std::uint64_t i) {
    return value_map{{"workflow", value{"visit"}},
                     {"id", value{run_id(i)}},
                     {"input", value{value_map{{"twin", value{machine_id(i)}}}}}};
  };
  auto began = now_seconds();
  bool opened = fine(call_for_each(*in, asked, "start", begin, [](const value&) { return true; }),
                     "runs did not start")
                && fine(wait_for_each(*in, asked, changes_before - 1, "running", changes_before),
                        "runs do not wait");
  report(asked, "workflow-restart", "workflow_open_rate",
         static_cast<double>(asked.twins) / (now_seconds() - began), "runs/s");
  std::fflush(stdout);
  if (opened)
    ::kill(::getpid(), SIGKILL);
  return false;
}

bool runs_end_well(node& in, const options& asked) {
  auto began = now_seconds();
  auto heard = in.call({"workflows", "signal", value{value_map{{"event", value{"go"}}}}});
  if (!heard || *heard->find("heard") != value{static_cast<std::int64_t>(asked.twins)})
    return fine(asked.twins, "runs did not all hear of the event");
  // Of `go` its end; of `after` begin and end; of the run its end.
  constexpr std::int64_t changes_after = changes_before + 4;
  if (!fine(wait_for_each(in, asked, changes_after - 1, "completed", changes_after),
            "runs did not end well"))
    return false;
  report(asked, "workflow-restart", "workflow_end_rate",
         static_cast<double>(asked.twins) / (now_seconds() - began), "runs/s");
  return fine(twins_not_at(in, asked, version_after),
              "machines were not changed exactly once more");
}

} // namespace

int run_workflow_restart(const options& asked) {
  auto folder = store_folder(asked);
  std::filesystem::remove_all(folder);
  auto child = ::fork(); // before this process has a thread
  if (child == 0)
    ::_exit(open_runs(asked, folder) ? 0 : 1);
  int how = 0;
  if (child < 0 || ::waitpid(child, &how, 0) < 0 || !WIFSIGNALED(how))
    return 1;
  auto began = now_seconds();
  auto in = start(asked, folder);
  // Answered after all runs go on.
  if (in == nullptr || !in->call({"workflows", "list", value{}}))
    return 1;
  auto took = now_seconds() - began;
  bool right = fine(wait_for_each(*in, asked, changes_before - 1, "running", changes_before),
                    "runs are not where they were")
               && fine(twins_not_at(*in, asked, version_before), "machines were changed again")
               && runs_end_well(*in, asked);
  if (right)
    report(asked, "workflow-restart", "workflow_restart_seconds", took, "s");
  in.reset();
  std::filesystem::remove_all(folder);
  return right ? 0 : 1;
}

} // namespace gemel::bench
