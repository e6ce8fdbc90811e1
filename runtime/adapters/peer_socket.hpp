#pragma once

#include "messages/error.hpp"

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gemel {

/// Where a TCP connection can go.
struct socket_address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

/// @param numeric_only no name is looked up, which may take long.
/// @returns errc::unreachable with the system's words; at least one address else.
result<std::vector<socket_address>> resolve_host(const std::string& host, std::uint16_t port,
                                                 bool numeric_only);

/// A TCP socket that never waits, closed at the end.
class peer_socket {
public:
  peer_socket() noexcept = default;
  explicit peer_socket(int owned) noexcept : number_{owned} {}
  peer_socket(peer_socket&& other) noexcept : number_{std::exchange(other.number_, -1)} {}
  peer_socket& operator=(peer_socket other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~peer_socket();

  /// @returns errc::io_failed with the system's words.
  static result<peer_socket> listen(const std::string& host, std::uint16_t port);
  /// Begins to connect; the socket can be written when it is decided (`outcome`).
  static result<peer_socket> connect(const socket_address& to);

  /// A caller; not open: none, or no room for one.
  peer_socket accept();
  /// Of `connect`. @returns errc::unreachable with the system's words.
  result<void> outcome() const;
  std::uint16_t port() const;

  /// Appends what has come, at most `most` bytes. @returns how many; errc::unreachable when the
  /// other side ended or the connection broke.
  result<std::size_t> read(std::string& into, std::size_t most) const;
  /// @returns how many bytes were taken; errc::unreachable.
  result<std::size_t> write(std::string_view bytes) const;
  /// Nothing more will be written.
  void end_writing() const;

  int number() const noexcept { return number_; }
  bool open() const noexcept { return number_ >= 0; }

private:
  int number_ = -1;
};

} // namespace gemel
