// gemel-demo: a building with its machines as live twins, see options.cpp for what it can do.

#include "examples/factory/options.hpp"
#include "examples/factory/recording.hpp"
#include "examples/factory/report.hpp"
#include "examples/factory/shift.hpp"
#include "examples/factory/watch.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>

using namespace gemel;
using namespace gemel::factory;

namespace {

bool wants_colours() {
  const char* no_color = std::getenv("NO_COLOR"); // https://no-color.org: set and not empty
  return isatty(STDOUT_FILENO) && !(no_color && *no_color);
}

sigset_t end_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

// Waits up to `seconds` for Ctrl-C or SIGTERM, which `--keep` blocks in all threads.
bool end_asked_within(std::time_t seconds) {
  auto set = end_signals();
  timespec wait{seconds, 0};
  return sigtimedwait(&set, nullptr, &wait) > 0;
}

int complain(const error& what, int exit_code) {
  fmt::print(stderr, "gemel-demo: {}\n", what.context.empty() ? to_string(what) : what.context);
  return exit_code;
}

void print_commands(const node& at, std::string_view id) {
  fmt::print("\nThe node at {0} goes on until Ctrl-C. Try:\n"
             "  gemel twin tree --node {0}\n"
             "  gemel twin get {1} --node {0}\n"
             "  gemel query 'temperature > 70' --node {0}\n"
             "  gemel twin watch --node {0}\n"
             "  gemel stats --node {0}\n",
             at.endpoint(), id);
  std::fflush(stdout);
}

// Calls `step` once a second.
template <class Step>
result<void> keep(const node& at, std::string_view id, Step step) {
  print_commands(at, id);
  while (!end_asked_within(1))
    if (result<void> done = step(); !done)
      return done;
  fmt::print("\nstopped\n");
  return {};
}

shift_listener listener_of(const demo_options& options, const painter& paint) {
  shift_listener made;
  auto print = [&options, &paint](const auto& what) {
    if (options.quiet)
      return;
    fmt::print("{}\n", describe(what, paint));
    std::fflush(stdout);
  };
  made.on_alert = print;
  made.on_floor = print;
  made.interrupted = [&options] { return options.keep && end_asked_within(0); };
  return made;
}

result<void> run_shift(node& at, const demo_options& options, const painter& paint) {
  if (!options.quiet)
    fmt::print("Factory A, Detroit: {} CNC machines, {} hours from 06:00, node at {}\n\n",
               options.machines, options.hours, at.endpoint());
  shift one{at, options};
  auto summary = one.run(listener_of(options, paint));
  if (!summary)
    return tl::unexpected{summary.error()};
  fmt::print("{}", describe(*summary, options, paint));
  if (!options.keep)
    return {};
  return keep(at, machine_id(0, options.machines), [&one] { return one.step(); });
}

result<void> run_replay(node& at, const recording& what, const demo_options& options,
                        const painter& paint) {
  auto done = replay_recording(at, what, options, paint);
  if (!done || !options.keep)
    return done;
  return keep(at, recorded_machine, [] { return result<void>{}; });
}

// Input that cannot be read is the user's to mend: exit code 2; all else 1.
int run(const demo_options& options) {
  result<recording> input;
  if (!options.replay.empty())
    input = read_recording(options);
  if (!input)
    return complain(input.error(), 2);
  auto started = start_node();
  if (!started)
    return complain(started.error(), 1);
  painter paint{wants_colours()};
  auto done = options.replay.empty() ? run_shift(**started, options, paint)
                                     : run_replay(**started, *input, options, paint);
  return done ? 0 : complain(done.error(), 1);
}

} // namespace

int main(int argc, char** argv) {
  auto options = parse_options(argc, argv);
  if (!options) {
    const auto& end = options.error();
    fmt::print(end.exit_code == 0 ? stdout : stderr, "{}", end.text);
    return end.exit_code;
  }
  auto set = end_signals();
  if (options->keep) // before the node's threads begin, which inherit it
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return run(*options);
}
