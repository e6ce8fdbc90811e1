#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace gemel::test {

/// Stands between a program and a node on loopback, passes on what either says, and breaks their
/// link when told.
class relay {
public:
  /// @param port where the node listens.
  explicit relay(std::uint16_t port);
  ~relay();
  relay(const relay&) = delete;
  relay& operator=(const relay&) = delete;

  /// Where programs link to, `127.0.0.1:port`.
  std::string endpoint() const;

  /// Breaks all links, at once and without a word. Until `open`, there are no new ones.
  void cut();
  void open() { is_open_ = true; }

private:
  void accept_all();
  void pass_on(int from, int to);

  std::uint16_t target_;
  int listening_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> is_open_{true};
  std::atomic<bool> ending_{false};
  std::mutex mutex_;
  std::vector<int> sockets_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

} // namespace gemel::test
