#pragma once

#include "actors/compute_job.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace gemel {

/// Inputs with which a function has failed so often in a row that it is not called with them any
/// more, until somebody releases them or the function is another one. A core without clock.
class poison_list {
public:
  struct options {
    /// Failures in a row of one function with one input; 0: nothing is ever set aside.
    std::uint32_t failures_max = 10;
    /// Inputs set aside that are remembered; beyond it the oldest get another chance.
    std::size_t entries_max = 1'000;
    /// Inputs that have failed, and not often enough yet.
    std::size_t suspects_max = 10'000;
  };
  struct entry {
    std::uint64_t fingerprint = 0;
    std::string function{};
    /// The twin's id; empty: it was for none.
    std::string twin{};
    std::string key{};
    std::uint32_t failures = 0;
    /// The last one.
    error why{};
    std::int64_t since_ms = 0;
  };

  explicit poison_list(options bounds) : bounds_{bounds} {}

  /// Whether anything is remembered, so that a fingerprint is worth its time.
  bool empty() const noexcept { return set_aside_.empty() && suspects_.empty(); }

  /// Why a call is not to be made; nothing: it may.
  std::optional<error> refusal(std::uint64_t fingerprint) const;

  /// How a call ended. Errors that are not the input's fault (stopped, overloaded...) count for
  /// nothing. @returns what was set aside by it, if it was one failure too many.
  std::optional<entry> note(const compute_job& job, const result<value>& answer,
                            std::int64_t now_ms);

  /// The function is another one now, or gone.
  void forget_function(const std::string& function);

  /// @returns false if there is no such entry.
  bool release(std::uint64_t fingerprint);

  /// Oldest first.
  std::vector<entry> list() const;

private:
  void keep_suspect(std::uint64_t fingerprint);

  options bounds_;
  std::unordered_map<std::uint64_t, entry> set_aside_;
  std::deque<std::uint64_t> order_; // of `set_aside_`, oldest first
  struct suspect {
    std::string function{};
    std::uint32_t failures = 0;
  };
  std::unordered_map<std::uint64_t, suspect> suspects_;
  std::deque<std::uint64_t> suspect_order_; // oldest first; may name some that are gone
};

} // namespace gemel
