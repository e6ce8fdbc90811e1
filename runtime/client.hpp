#pragma once

#include "runtime/twin_api.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace gemel {

/// A program's link to a running node.
class client final : public twin_api {
public:
  struct options {
    /// For connecting and the handshake.
    std::chrono::milliseconds patience = std::chrono::seconds{5};
    /// For people, in the node's log.
    std::string program = "gemel client";
  };

  /// @param endpoint `host:port`; an IPv6 address in brackets; without a port 7433.
  /// @returns errc::bad_value for an endpoint that is none; errc::unreachable, timed_out;
  ///          errc::incompatible when something else than a node of this protocol answers;
  ///          errc::limit_reached when the node has too many sessions.
  static result<std::unique_ptr<client>> connect(std::string_view endpoint, const options& wanted);
  static result<std::unique_ptr<client>> connect(std::string_view endpoint) {
    return connect(endpoint, options{});
  }

  ~client() override;

  /// The node's id.
  const std::string& node_id() const noexcept;

  void request(frame asked, reply_function reply) override;
  result<subscription_id> subscribe(const subscription_request& asked,
                                    event_callback callback) override;
  result<void> unsubscribe(subscription_id which) override;

  /// Called once when the link to the node breaks, from a thread of the runtime.
  void on_lost(std::function<void()> callback);

private:
  struct parts;
  explicit client(std::unique_ptr<parts> made);

  std::unique_ptr<parts> parts_;
};

} // namespace gemel
