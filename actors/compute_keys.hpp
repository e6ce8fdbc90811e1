#pragma once

#include "messages/error.hpp"
#include "messages/value.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace gemel {

/// Calls that carry an idempotency key: of those with the same key only one is made. Who asks while
/// it is under way waits with it; who asks later gets its result again, for a time. A call that
/// failed is forgotten, so that it can be tried again. A core without clock.
class compute_keys {
public:
  struct options {
    /// How long a result is remembered.
    std::int64_t keep_ms = 600'000;
    /// Results that are remembered; beyond it the oldest are forgotten.
    std::size_t results_max = 10'000;
    /// Who may wait for one call.
    std::size_t waiters_max = 1'000;
  };
  using done_function = std::function<void(result<value>)>;

  explicit compute_keys(options bounds) : bounds_{bounds} {}

  /// @param what the call is: function and input; another one under the same key is refused.
  /// @returns true if the call is to be made, and its end told to `finished`; else `done` was
  ///          called, or will be.
  bool begin(const std::string& key, std::uint64_t what, done_function done, std::int64_t now_ms);

  /// Answers all who wait.
  void finished(const std::string& key, const result<value>& answer, std::int64_t now_ms);

  std::size_t size() const noexcept { return calls_.size(); }

private:
  struct call {
    std::uint64_t what = 0;
    std::vector<done_function> waiters{};
    // Empty: it is under way.
    std::optional<value> answer{};
  };

  void forget_old(std::int64_t now_ms);

  options bounds_;
  std::map<std::string, call, std::less<>> calls_;
  std::deque<std::pair<std::int64_t, std::string>> results_; // oldest first
};

} // namespace gemel
