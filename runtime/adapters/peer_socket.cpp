#include "runtime/adapters/peer_socket.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>

namespace gemel {

namespace {

std::string words_of(int number) {
  return std::generic_category().message(number);
}

void set_option(int number, int level, int option) {
  int on = 1;
  static_cast<void>(setsockopt(number, level, option, &on, sizeof on));
}

void prepare(int number) {
  set_option(number, IPPROTO_TCP, TCP_NODELAY);
  set_option(number, SOL_SOCKET, SO_KEEPALIVE);
}

} // namespace

result<std::vector<socket_address>> resolve_host(const std::string& host, std::uint16_t port,
                                                 bool numeric_only) {
  addrinfo asked{};
  asked.ai_family = AF_UNSPEC;
  asked.ai_socktype = SOCK_STREAM;
  asked.ai_flags = AI_NUMERICSERV | (numeric_only ? AI_NUMERICHOST : 0);
  addrinfo* found = nullptr;
  auto wrong = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &asked, &found);
  if (wrong != 0)
    return fail(errc::unreachable, host + ": " + gai_strerror(wrong));
  std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> const owned{found, &freeaddrinfo};
  std::vector<socket_address> made;
  for (const auto* i = found; i != nullptr; i = i->ai_next) {
    auto& address = made.emplace_back();
    std::memcpy(&address.storage, i->ai_addr, i->ai_addrlen);
    address.size = i->ai_addrlen;
  }
  return made;
}

peer_socket::~peer_socket() {
  if (open())
    ::close(number_);
}

result<peer_socket> peer_socket::listen(const std::string& host, std::uint16_t port) {
  auto failed = [&](const std::string& why) {
    return fail(errc::io_failed,
                "cannot listen for peers on " + host + ":" + std::to_string(port) + ": " + why);
  };
  auto where = resolve_host(host, port, false);
  if (!where)
    return failed(where.error().context);
  const auto& first = where->front();
  peer_socket made{
      ::socket(first.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!made.open())
    return failed(words_of(errno));
  set_option(made.number_, SOL_SOCKET, SO_REUSEADDR);
  constexpr int waiting_max = 64;
  if (::bind(made.number_, reinterpret_cast<const sockaddr*>(&first.storage), first.size) != 0
      || ::listen(made.number_, waiting_max) != 0)
    return failed(words_of(errno));
  return made;
}

result<peer_socket> peer_socket::connect(const socket_address& to) {
  peer_socket made{::socket(to.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!made.open())
    return fail(errc::unreachable, words_of(errno));
  prepare(made.number_);
  if (::connect(made.number_, reinterpret_cast<const sockaddr*>(&to.storage), to.size) != 0
      && errno != EINPROGRESS)
    return fail(errc::unreachable, words_of(errno));
  return made;
}

peer_socket peer_socket::accept() {
  peer_socket made{::accept4(number_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
  if (made.open())
    prepare(made.number_);
  return made;
}

result<void> peer_socket::outcome() const {
  int wrong = 0;
  socklen_t size = sizeof wrong;
  if (getsockopt(number_, SOL_SOCKET, SO_ERROR, &wrong, &size) != 0)
    wrong = errno;
  if (wrong != 0)
    return fail(errc::unreachable, words_of(wrong));
  return {};
}

std::uint16_t peer_socket::port() const {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (getsockname(number_, reinterpret_cast<sockaddr*>(&bound), &size) != 0)
    return 0;
  return ntohs(bound.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(bound).sin6_port
                                           : reinterpret_cast<sockaddr_in&>(bound).sin_port);
}

result<std::size_t> peer_socket::read(std::string& into, std::size_t most) const {
  auto before = into.size();
  into.resize(before + most);
  auto count = ::recv(number_, into.data() + before, most, 0);
  auto wrong = errno;
  into.resize(before + (count > 0 ? static_cast<std::size_t>(count) : 0));
  if (count > 0)
    return static_cast<std::size_t>(count);
  if (count == 0)
    return fail(errc::unreachable, "the peer ended the link");
  if (wrong == EAGAIN || wrong == EINTR)
    return std::size_t{0};
  return fail(errc::unreachable, words_of(wrong));
}

result<std::size_t> peer_socket::write(std::string_view bytes) const {
  auto count = ::send(number_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
  if (count >= 0)
    return static_cast<std::size_t>(count);
  if (errno == EAGAIN || errno == EINTR)
    return std::size_t{0};
  return fail(errc::unreachable, words_of(errno));
}

void peer_socket::end_writing() const {
  static_cast<void>(::shutdown(number_, SHUT_WR));
}

} // namespace gemel
