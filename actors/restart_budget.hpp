#pragma once

#include "registry/supervision_policy.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace gemel {

/// Counts the restarts of one supervisor: more than `intensity` of them within `period_us` are too
/// many. The meaning is that of `add_restart/1` in Erlang/OTP's `supervisor.erl`: a restart counts
/// as long as it is no older than the period, the boundary included, and the new one counts itself.
///
/// Costs one pointer until the first restart, then 8 bytes for each one of the last period: at most
/// `8 * intensity`. Not thread-safe; belongs to the cell of its supervisor.
class restart_budget {
public:
  /// Asks for one restart at `now_us` (microseconds of any clock; never less than at the call
  /// before). True: it is granted and remembered. False: the supervisor must give up; the refused
  /// restart is not remembered.
  [[nodiscard]] bool spend(const supervision_policy& policy, std::int64_t now_us);

  /// Forgets all restarts and frees their memory, as when the supervisor itself starts anew.
  void reset() noexcept { granted_.reset(); }

  /// Restarts remembered; those that are too old are dropped by the next `spend`.
  std::size_t size() const noexcept { return granted_ ? granted_->size() : 0; }

private:
  void drop_before(std::int64_t threshold_us);

  // Times of the granted restarts, oldest first, at most `intensity`. Empty while none happened.
  std::unique_ptr<std::vector<std::int64_t>> granted_;
};

} // namespace gemel
