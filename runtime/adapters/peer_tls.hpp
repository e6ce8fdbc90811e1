#pragma once

#include "messages/error.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace gemel {

/// What proves a node's name to its peers, and theirs to it. All are PEM files.
struct tls_files {
  std::string certificate{};
  std::string private_key{};
  /// The certificates that sign those of the peers.
  std::string authority{};

  bool empty() const noexcept { return certificate.empty(); }
};

/// Certificate, key and authority of this node, read once.
class tls_identity {
public:
  /// @returns errc::io_failed with the file and OpenSSL's words, also when key and certificate do
  ///          not belong together.
  static result<std::shared_ptr<tls_identity>> load(const tls_files& files);

private:
  friend class tls_session;
  struct context;
  std::shared_ptr<context> context_;
};

/// One connection's TLS 1.3, both sides with certificates. Bytes go in and come out: it knows no
/// socket. After an error nothing but `take_output` is useful (it may hold an alert).
class tls_session {
public:
  tls_session(const tls_identity& ours, bool calls);
  ~tls_session();
  tls_session(const tls_session&) = delete;
  tls_session& operator=(const tls_session&) = delete;

  /// Bytes of the peer; appends what they say to `plain`.
  /// @returns errc::incompatible with OpenSSL's words: no certificate, one of another authority...
  result<void> take(std::string_view bytes, std::string& plain);
  /// What is to be said to the peer; only when `ready`.
  result<void> say(std::string_view plain);
  /// Bytes for the peer.
  std::string take_output();

  bool ready() const noexcept { return ready_; }
  /// Whether the peer's certificate is for this node: by its DNS names, or else its common name.
  bool names(const std::string& node) const;
  /// The same for both ends of this connection, and known to no one else.
  std::string channel() const;

private:
  struct state;
  result<void> advance();

  std::unique_ptr<state> state_;
  bool ready_ = false;
};

} // namespace gemel
