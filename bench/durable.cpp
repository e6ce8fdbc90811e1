#include "load.hpp"
#include "messages/durability.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

namespace gemel::bench {

namespace {

std::unique_ptr<node> start_stored(const options& asked, const std::string& folder,
                                   durability level) {
  node_config wanted;
  wanted.store.path = folder;
  wanted.store.level = level;
  return start_node(asked, std::move(wanted));
}

} // namespace

int run_durable(const options& asked) {
  for (auto level : {durability::process, durability::disk}) {
    auto folder = store_folder(asked);
    std::filesystem::remove_all(folder);
    auto in = start_stored(asked, folder, level);
    if (in == nullptr)
      return 1;
    create_all(*in, asked);
    report_rate(
        asked, "durable", "durable_update_rate_" + std::string{to_string(level)},
        update_rate(*in, asked, machine_ids(asked), asked.batch, frames_under_way, asked.seconds));
    in.reset();
    std::filesystem::remove_all(folder);
  }
  return 0;
}

// A process that makes the twins, changes them all some times and ends by kill -9.
int run_restart(const options& asked) {
  auto folder = store_folder(asked);
  std::filesystem::remove_all(folder);
  auto child = ::fork(); // before this process has a thread
  if (child == 0) {
    auto in = start_stored(asked, folder, durability::process);
    if (in != nullptr) {
      create_all(*in, asked);
      update_rate(*in, asked, machine_ids(asked), asked.batch, frames_under_way, asked.seconds);
    }
    ::kill(::getpid(), SIGKILL);
  }
  int how = 0;
  if (child < 0 || ::waitpid(child, &how, 0) < 0)
    return 1;
  auto began = now_seconds();
  auto in = start_stored(asked, folder, durability::process);
  if (in == nullptr)
    return 1;
  auto found = in->get(machine_id(asked.twins - 1));
  auto took = now_seconds() - began;
  query_request all;
  all.type = "machine";
  auto count = in->count(all);
  if (!found || !count || *count != asked.twins) {
    fmt::print(stderr, "gemel-bench: {} twins are back, not {}\n", count.value_or(0), asked.twins);
    return 1;
  }
  report(asked, "restart", "restart_seconds", took, "s");
  in.reset();
  std::filesystem::remove_all(folder);
  return 0;
}

} // namespace gemel::bench
