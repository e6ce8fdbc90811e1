#pragma once

#include "messages/error.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace gemel {

/// One call of an HTTP server.
struct http_request {
  std::string method = "POST";
  /// `http://` or `https://`; see `check_http_url`.
  std::string url{};
  /// Names and values, in order. What libcurl adds on its own stays away, but `Host`,
  /// `Content-Length`, and `User-Agent: gemel` if it is not among them.
  std::vector<std::pair<std::string, std::string>> headers{};
  std::string body{};
  /// From `send` to the whole reply, waiting for a connection included.
  std::chrono::milliseconds deadline = std::chrono::seconds{10};
};

struct http_reply {
  int status = 0;
  /// At most `http_client::options::reply_bytes_max`; the rest is read and thrown away.
  std::string body{};
  /// What the server's `Retry-After` asks for in seconds.
  std::optional<std::chrono::seconds> retry_after{};

  bool good() const noexcept { return status >= 200 && status < 300; }
};

/// Whether `url` is one that `http_client` would call.
/// @returns errc::bad_value with what is wrong: another scheme, no host, not a URL.
result<void> check_http_url(const std::string& url);

/// `url` without a password, for people and logs; the text itself if it is no URL.
std::string without_secret(const std::string& url);

/// Calls HTTP servers on a thread of its own, many calls at once over connections that are kept.
/// Redirects are not followed: a reply of 3xx is a reply. Certificates are checked against the
/// system's. The proxies of the environment (`https_proxy` ...) are used but for this machine.
class http_client {
public:
  struct options {
    /// Calls without an answer, the waiting ones included; beyond it `send` answers `overloaded`.
    std::size_t requests_max = 1'024;
    /// Bytes of their bodies (64 MiB).
    std::size_t bytes_max = 64u << 20;
    long connections_max = 32;
    long connections_per_host_max = 4;
    std::size_t reply_bytes_max = 65'536;
  };
  /// Called once, on the client's thread, or on the caller's when nothing was sent: `overloaded`,
  /// `bad_value` (the URL), `stopping`. Besides these `timed_out` (whether the server has it is not
  /// known), `unreachable`, `io_failed`. Must not block, nor destroy the client.
  using done_function = std::function<void(result<http_reply>)>;

  http_client() : http_client{options{}} {}
  explicit http_client(options bounds);
  /// Stops, as `stop` does.
  ~http_client();
  http_client(const http_client&) = delete;
  http_client& operator=(const http_client&) = delete;

  /// Any thread; never blocks.
  void send(http_request what, done_function done);

  /// Calls without an answer.
  std::size_t waiting() const;

  /// Answers `stopping` to all that is under way, then ends. Not on the client's own thread.
  void stop();

private:
  class engine;
  std::unique_ptr<engine> engine_;
};

} // namespace gemel
