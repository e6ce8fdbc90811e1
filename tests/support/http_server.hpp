#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace gemel::test {

/// What came to the server.
struct http_call {
  std::string method{};
  /// With what follows `?`.
  std::string path{};
  /// The lines of the headers, as they came, with their ends.
  std::string headers{};
  std::string body{};
};

/// What the server says; a status of 0 closes the connection without a word.
struct http_answer {
  int status = 204;
  std::string headers{};
  std::string body{};
};

/// A small HTTP server on loopback, with one thread for each connection.
class http_server {
public:
  /// @param answer is called on any thread, several times at once.
  /// @param port 0: a free one.
  explicit http_server(std::function<http_answer(const http_call&)> answer, std::uint16_t port = 0);
  /// Closes all connections.
  ~http_server();
  http_server(const http_server&) = delete;
  http_server& operator=(const http_server&) = delete;

  /// `http://127.0.0.1:port`, without a slash at the end.
  std::string url() const;
  std::uint16_t port() const noexcept { return port_; }
  /// Connections that were made.
  std::size_t connections() const { return connections_; }

private:
  void accept_all();
  void serve(int socket);

  std::function<http_answer(const http_call&)> answer_;
  int listening_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<std::size_t> connections_{0};
  std::atomic<bool> ending_{false};
  std::mutex mutex_;
  std::vector<int> sockets_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

/// A port of loopback on which nobody listens.
std::uint16_t free_port();

} // namespace gemel::test
