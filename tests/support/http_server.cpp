#include "tests/support/http_server.hpp"

#include "tests/support/catch.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <optional>

namespace gemel::test {

namespace {

int listen_at(std::uint16_t port, std::uint16_t& got) {
  int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int on = 1;
  ::setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  REQUIRE(::bind(made, reinterpret_cast<sockaddr*>(&at), size) == 0);
  REQUIRE(::listen(made, 64) == 0);
  REQUIRE(::getsockname(made, reinterpret_cast<sockaddr*>(&at), &size) == 0);
  got = ntohs(at.sin_port);
  return made;
}

bool send_all(int to, const std::string& text) {
  std::size_t done = 0;
  while (done < text.size()) {
    auto sent = ::send(to, text.data() + done, text.size() - done, MSG_NOSIGNAL);
    if (sent <= 0)
      return false;
    done += static_cast<std::size_t>(sent);
  }
  return true;
}

std::size_t length_of(const std::string& headers) {
  constexpr const char* name = "content-length:";
  for (std::size_t at = 0; at < headers.size(); at = headers.find("\r\n", at) + 2) {
    if (::strncasecmp(headers.c_str() + at, name, std::strlen(name)) == 0)
      return std::strtoul(headers.c_str() + at + std::strlen(name), nullptr, 10);
    if (headers.find("\r\n", at) == std::string::npos)
      break;
  }
  return 0;
}

// The next call of a connection; `rest` is what came of the one behind it.
std::optional<http_call> read_call(int from, std::string& rest) {
  std::array<char, 65'536> room;
  auto more = [&] {
    auto got = ::recv(from, room.data(), room.size(), 0);
    if (got > 0)
      rest.append(room.data(), static_cast<std::size_t>(got));
    return got > 0;
  };
  auto end = rest.find("\r\n\r\n");
  for (; end == std::string::npos; end = rest.find("\r\n\r\n"))
    if (!more())
      return std::nullopt;
  http_call made;
  auto line = rest.substr(0, rest.find("\r\n"));
  made.method = line.substr(0, line.find(' '));
  made.path = line.substr(made.method.size() + 1);
  made.path.resize(made.path.rfind(' '));
  made.headers = rest.substr(line.size() + 2, end - line.size());
  auto length = length_of(made.headers);
  rest.erase(0, end + 4);
  while (rest.size() < length)
    if (!more())
      return std::nullopt;
  made.body = rest.substr(0, length);
  rest.erase(0, length);
  return made;
}

} // namespace

std::uint16_t free_port() {
  std::uint16_t port = 0;
  ::close(listen_at(0, port));
  return port;
}

http_server::http_server(std::function<http_answer(const http_call&)> answer, std::uint16_t port)
    : answer_{std::move(answer)} {
  listening_ = listen_at(port, port_);
  acceptor_ = std::thread{[this] { accept_all(); }};
}

http_server::~http_server() {
  ending_ = true;
  acceptor_.join();
  {
    std::lock_guard guard{mutex_};
    for (auto each : sockets_)
      ::shutdown(each, SHUT_RDWR);
  }
  for (auto& each : threads_)
    each.join();
  for (auto each : sockets_)
    ::close(each);
  ::close(listening_);
}

std::string http_server::url() const {
  return "http://127.0.0.1:" + std::to_string(port_);
}

void http_server::accept_all() {
  constexpr int wait_ms = 20;
  while (!ending_) {
    pollfd ready{listening_, POLLIN, 0};
    if (::poll(&ready, 1, wait_ms) <= 0)
      continue;
    int made = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
    if (made < 0)
      continue;
    ++connections_;
    std::lock_guard guard{mutex_};
    sockets_.push_back(made);
    threads_.emplace_back([this, made] { serve(made); });
  }
}

void http_server::serve(int socket) {
  std::string rest;
  while (auto call = read_call(socket, rest)) {
    auto said = answer_(*call);
    if (said.status == 0)
      break;
    auto text = "HTTP/1.1 " + std::to_string(said.status) + " Said\r\nContent-Length: "
                + std::to_string(said.body.size()) + "\r\n" + said.headers + "\r\n" + said.body;
    if (!send_all(socket, text))
      break;
  }
  ::shutdown(socket, SHUT_RDWR);
}

} // namespace gemel::test
