#include "actors/supervision.hpp"

namespace gemel {

namespace {

// supervisor.erl, do_restart/3.
bool wants_restart(restart_kind child, exit_kind how) noexcept {
  return child == restart_kind::permanent
         || (child == restart_kind::transient && how == exit_kind::crash);
}

} // namespace

verdict decide(const supervision_policy& policy, restart_budget& budget, restart_kind child,
               exit_kind how, std::int64_t now_us) {
  if (child == restart_kind::temporary)
    return {verdict::kind::forget, restart_strategy::one_for_one};
  if (!wants_restart(child, how))
    return {verdict::kind::retain, restart_strategy::one_for_one};
  if (!budget.spend(policy, now_us))
    return {verdict::kind::escalate, restart_strategy::one_for_one};
  return {verdict::kind::restart, policy.strategy};
}

std::string_view to_string(supervision_action action) noexcept {
  switch (action) {
  case supervision_action::stop:
    return "stop";
  case supervision_action::restart:
    return "restart";
  case supervision_action::forget:
    return "forget";
  }
  return "unknown";
}

std::string_view to_string(verdict::kind what) noexcept {
  switch (what) {
  case verdict::kind::forget:
    return "forget";
  case verdict::kind::retain:
    return "retain";
  case verdict::kind::restart:
    return "restart";
  case verdict::kind::escalate:
    return "escalate";
  }
  return "unknown";
}

} // namespace gemel
