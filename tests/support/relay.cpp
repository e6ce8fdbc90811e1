#include "tests/support/relay.hpp"

#include "tests/support/catch.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

namespace gemel::test {

namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in made{};
  made.sin_family = AF_INET;
  made.sin_port = htons(port);
  made.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return made;
}

bool send_all(int to, const char* bytes, std::size_t size) {
  while (size > 0) {
    auto sent = ::send(to, bytes, size, MSG_NOSIGNAL);
    if (sent <= 0)
      return false;
    bytes += sent;
    size -= static_cast<std::size_t>(sent);
  }
  return true;
}

} // namespace

relay::relay(std::uint16_t port) : target_{port} {
  listening_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto at = loopback(0);
  socklen_t size = sizeof at;
  REQUIRE(::bind(listening_, reinterpret_cast<sockaddr*>(&at), size) == 0);
  REQUIRE(::listen(listening_, 16) == 0);
  REQUIRE(::getsockname(listening_, reinterpret_cast<sockaddr*>(&at), &size) == 0);
  port_ = ntohs(at.sin_port);
  acceptor_ = std::thread{[this] { accept_all(); }};
}

relay::~relay() {
  ending_ = true;
  cut();
  acceptor_.join();
  for (auto& each : threads_)
    each.join();
  for (auto each : sockets_)
    ::close(each);
  ::close(listening_);
}

std::string relay::endpoint() const {
  return "127.0.0.1:" + std::to_string(port_);
}

void relay::cut() {
  is_open_ = false;
  std::lock_guard guard{mutex_};
  for (auto each : sockets_)
    ::shutdown(each, SHUT_RDWR);
}

void relay::accept_all() {
  constexpr int wait_ms = 20;
  while (!ending_) {
    pollfd ready{listening_, POLLIN, 0};
    if (::poll(&ready, 1, wait_ms) <= 0)
      continue;
    int near = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
    std::lock_guard guard{mutex_};
    if (near >= 0)
      sockets_.push_back(near);
    if (near < 0 || !is_open_) {
      ::shutdown(near, SHUT_RDWR);
      continue;
    }
    int far = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockets_.push_back(far);
    auto at = loopback(target_);
    if (::connect(far, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) {
      ::shutdown(near, SHUT_RDWR);
      continue;
    }
    threads_.emplace_back([this, near, far] { pass_on(near, far); });
    threads_.emplace_back([this, near, far] { pass_on(far, near); });
  }
}

void relay::pass_on(int from, int to) {
  std::array<char, 65'536> room;
  for (;;) {
    auto got = ::recv(from, room.data(), room.size(), 0);
    if (got <= 0 || !send_all(to, room.data(), static_cast<std::size_t>(got)))
      break;
  }
  ::shutdown(from, SHUT_RDWR);
  ::shutdown(to, SHUT_RDWR);
}

} // namespace gemel::test
