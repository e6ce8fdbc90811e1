#include "actors/restart_budget.hpp"

#include <algorithm>

namespace gemel {

bool restart_budget::spend(const supervision_policy& policy, std::int64_t now_us) {
  GEMEL_CHECK(check(policy).has_value());
  GEMEL_CHECK(!granted_ || granted_->empty() || now_us >= granted_->back());
  // Erlang/OTP supervisor.erl, add_restart/3: those with `R >= Now - Period` stay.
  drop_before(now_us - policy.period_us);
  if (size() >= policy.intensity)
    return false;
  if (!granted_)
    granted_ = std::make_unique<std::vector<std::int64_t>>();
  granted_->push_back(now_us);
  return true;
}

void restart_budget::drop_before(std::int64_t threshold_us) {
  if (!granted_)
    return;
  auto& times = *granted_;
  times.erase(times.begin(), std::lower_bound(times.begin(), times.end(), threshold_us));
}

} // namespace gemel
