#include "runtime/adapters/signals.hpp"

#include "messages/error.hpp"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <ctime>

namespace gemel {

namespace {

constexpr int interrupted_exit = 130; // 128 + SIGINT
constexpr int wake_signal = SIGUSR1;

sigset_t set_of(std::initializer_list<int> numbers) {
  sigset_t made;
  sigemptyset(&made);
  for (auto number : numbers)
    sigaddset(&made, number);
  return made;
}

void leave_at_once(int) {
  ::_exit(interrupted_exit);
}

} // namespace

struct stop_signals::state {
  sigset_t awaited = set_of({SIGINT, SIGTERM, wake_signal});
  sigset_t mask_before{};
  struct sigaction pipe_before {};
  pthread_t owner = pthread_self();
};

stop_signals::stop_signals() : state_{new state} {
  GEMEL_CHECK(pthread_sigmask(SIG_BLOCK, &state_->awaited, &state_->mask_before) == 0);
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, &state_->pipe_before);
}

stop_signals::~stop_signals() {
  // A wake that nobody waits for any more would end the process.
  timespec none{};
  auto wakes = set_of({wake_signal});
  while (sigtimedwait(&wakes, nullptr, &none) > 0) {
  }
  sigaction(SIGPIPE, &state_->pipe_before, nullptr);
  pthread_sigmask(SIG_SETMASK, &state_->mask_before, nullptr);
  delete state_;
}

std::optional<int> stop_signals::wait() {
  for (;;) {
    int number = 0;
    if (sigwait(&state_->awaited, &number) != 0)
      continue;
    return number == wake_signal ? std::nullopt : std::optional{number};
  }
}

std::optional<int> stop_signals::wait(std::chrono::milliseconds time) {
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
  timespec limit{};
  limit.tv_sec = seconds.count();
  limit.tv_nsec = std::chrono::nanoseconds{time - seconds}.count();
  auto number = sigtimedwait(&state_->awaited, nullptr, &limit);
  return number <= 0 || number == wake_signal ? std::nullopt : std::optional{number};
}

void stop_signals::wake() noexcept {
  pthread_kill(state_->owner, wake_signal);
}

void stop_signals::exit_at_next() {
  struct sigaction leave {};
  leave.sa_handler = leave_at_once;
  sigaction(SIGINT, &leave, nullptr);
  sigaction(SIGTERM, &leave, nullptr);
  auto both = set_of({SIGINT, SIGTERM});
  pthread_sigmask(SIG_UNBLOCK, &both, nullptr);
}

const char* signal_name(int number) noexcept {
  return number == SIGINT ? "SIGINT" : number == SIGTERM ? "SIGTERM" : "a signal";
}

} // namespace gemel
