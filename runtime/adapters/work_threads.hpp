#pragma once

#include "actors/ports.hpp"

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace gemel {

/// A few threads for the long work of behaviours, with a bounded queue. They start with the first
/// piece of work: a node without any has none of them.
class work_threads final : public work_port {
public:
  /// @param threads at least one is started. @param waiting_max pieces that may wait.
  explicit work_threads(std::size_t threads = 2, std::size_t waiting_max = 4'096)
      : threads_max_{threads > 0 ? threads : 1}, waiting_max_{waiting_max} {}
  ~work_threads() override;
  work_threads(const work_threads&) = delete;
  work_threads& operator=(const work_threads&) = delete;

  [[nodiscard]] bool submit(std::function<void()> work) override;

  /// Ends what is under way and forgets what waits. Nothing is taken any more.
  void stop();

  std::size_t waiting() const;

private:
  void run();

  std::size_t threads_max_;
  std::size_t waiting_max_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  std::size_t idle_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

} // namespace gemel
