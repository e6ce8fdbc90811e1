#include "runtime/adapters/scale_hook.hpp"

#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <utility>
#include <vector>

namespace gemel {

namespace {

constexpr std::chrono::milliseconds look_again{20};
constexpr std::chrono::seconds time_max{30};
constexpr std::chrono::seconds stop_time_max{5};

std::vector<std::string> environment_of(const pool_size::change& what, const std::string& node) {
  std::vector<std::string> all;
  for (char** one = environ; *one != nullptr; ++one)
    all.emplace_back(*one);
  all.push_back("GEMEL_NODE=" + node);
  all.push_back("GEMEL_SCALE=" + std::string{to_string(what.what)});
  all.push_back("GEMEL_SCALE_FROM=" + std::to_string(what.from));
  all.push_back("GEMEL_SCALE_TO=" + std::to_string(what.to));
  all.push_back("GEMEL_SCALE_REASON=" + what.reason);
  return all;
}

} // namespace

scale_hook::scale_hook(std::string program, std::string node,
                       std::function<void(const std::string&)> complain)
    : program_{std::move(program)}, node_{std::move(node)}, complain_{std::move(complain)} {
}

scale_hook::~scale_hook() {
  stop();
}

void scale_hook::tell(const pool_size::change& what) {
  if (program_.empty())
    return;
  std::lock_guard guard{mutex_};
  if (stopping_)
    return;
  next_ = what;
  if (!thread_.joinable())
    thread_ = std::thread{[this] { work(); }};
  changed_.notify_all();
}

void scale_hook::work() {
  std::unique_lock guard{mutex_};
  while (!stopping_) {
    if (!next_) {
      changed_.wait(guard);
      continue;
    }
    auto what = *std::exchange(next_, std::nullopt);
    guard.unlock();
    run(what);
    guard.lock();
  }
}

void scale_hook::run(const pool_size::change& what) {
  auto texts = environment_of(what, node_);
  std::vector<char*> environment;
  for (auto& one : texts)
    environment.push_back(one.data());
  environment.push_back(nullptr);
  auto name = program_;
  char* arguments[] = {name.data(), nullptr};
  pid_t child = 0;
  auto failed =
      posix_spawn(&child, program_.c_str(), nullptr, nullptr, arguments, environment.data());
  if (failed != 0)
    return complain_("cannot run " + program_ + ": " + std::strerror(failed));
  auto since = std::chrono::steady_clock::now();
  auto limit = std::optional<std::chrono::steady_clock::time_point>{since + time_max};
  int how = 0;
  while (waitpid(child, &how, WNOHANG) == 0) {
    std::unique_lock guard{mutex_};
    changed_.wait_for(guard, look_again);
    auto now = std::chrono::steady_clock::now();
    if (stopping_)
      limit = std::min(*limit, since + stop_time_max);
    if (now < *limit)
      continue;
    kill(child, SIGKILL);
    guard.unlock();
    waitpid(child, &how, 0);
    return complain_(program_ + " took too long and was ended");
  }
  if (!WIFEXITED(how) || WEXITSTATUS(how) != 0)
    complain_(program_ + " failed: "
              + (WIFEXITED(how) ? "exit code " + std::to_string(WEXITSTATUS(how))
                                : "signal " + std::to_string(WTERMSIG(how))));
}

void scale_hook::stop() {
  {
    std::lock_guard guard{mutex_};
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable())
    thread_.join();
}

} // namespace gemel
