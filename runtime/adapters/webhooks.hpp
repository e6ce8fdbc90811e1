#pragma once

#include "runtime/adapters/http_client.hpp"
#include "runtime/rule_outlet.hpp"

#include <mutex>
#include <string>

namespace gemel {

/// Posts what rules find to HTTP servers, and writes down what no server took.
class webhooks {
public:
  /// Of the file of dead letters; beyond it they are counted alone.
  static constexpr std::uint64_t dead_bytes_max = std::uint64_t{64} << 20;

  /// @param dead_letters a file; empty: none is written.
  explicit webhooks(std::string dead_letters) : dead_letters_{std::move(dead_letters)} {}

  /// As of `rule_outlet::ports`. A reply of 2xx is done; 408, 425, 429 and 5xx may pass, as may a
  /// server that cannot be reached; all else is final.
  void post(const rule_effect& what, std::function<void(post_outcome)> done);

  /// @returns why it could not be written down.
  result<void> bury(const std::string& line);

  /// Answers all that is under way.
  void stop() { client_.stop(); }

private:
  http_client client_;
  std::mutex mutex_; // of the file
  std::string dead_letters_;
};

} // namespace gemel
