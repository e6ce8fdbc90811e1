#pragma once

#include <chrono>
#include <optional>

/// What the system and people at a keyboard tell a process. One owner per process.
namespace gemel {

/// Takes SIGINT and SIGTERM as something to wait for, and ignores SIGPIPE, until it is destroyed.
/// Make it before any thread: threads made earlier would still die of them.
class stop_signals {
public:
  stop_signals();
  ~stop_signals();
  stop_signals(const stop_signals&) = delete;
  stop_signals& operator=(const stop_signals&) = delete;

  /// Waits, in the thread that made it, for a signal or a `wake`. @returns the signal's number;
  /// nothing when woken.
  std::optional<int> wait();

  /// The same, at most for `time`; nothing also when that has passed.
  std::optional<int> wait(std::chrono::milliseconds time);

  /// Ends the present or next wait. Any thread may call it.
  void wake() noexcept;

  /// From now on a further signal ends the process at once with exit code 130.
  void exit_at_next();

private:
  struct state;
  state* state_; // owned
};

/// The name of a signal that `stop_signals` waits for.
const char* signal_name(int number) noexcept;

} // namespace gemel
