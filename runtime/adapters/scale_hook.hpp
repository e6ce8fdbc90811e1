#pragma once

#include "actors/pool_size.hpp"

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

namespace gemel {

/// Runs a program when a pool changes its size, for autoscalers outside: one at a time, and while
/// one runs only the newest change is kept. The program gets no arguments; the environment says
/// what is to know: GEMEL_NODE, GEMEL_SCALE (`grow`, `shrink`, `saturated`, `relieved`),
/// GEMEL_SCALE_FROM, GEMEL_SCALE_TO, GEMEL_SCALE_REASON.
class scale_hook {
public:
  /// @param program a path; empty: nothing is ever run. @param complain hears of programs that
  /// fail, on the hook's thread.
  scale_hook(std::string program, std::string node,
             std::function<void(const std::string&)> complain);
  ~scale_hook();
  scale_hook(const scale_hook&) = delete;
  scale_hook& operator=(const scale_hook&) = delete;

  /// Any thread; does not wait for the program.
  void tell(const pool_size::change& what);

  /// Waits for the program under way, at most 5 s, then ends it.
  void stop();

private:
  void work();
  void run(const pool_size::change& what);

  std::string program_;
  std::string node_;
  std::function<void(const std::string&)> complain_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<pool_size::change> next_;
  bool stopping_ = false;
  std::thread thread_;
};

} // namespace gemel
