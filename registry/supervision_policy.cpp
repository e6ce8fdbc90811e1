#include "registry/supervision_policy.hpp"

#include <array>
#include <cstddef>

namespace gemel {

namespace {

constexpr std::array<std::string_view, 3> strategy_names{"one_for_one", "one_for_all",
                                                         "rest_for_one"};
constexpr std::array<std::string_view, 3> kind_names{"permanent", "transient", "temporary"};
constexpr std::array<std::string_view, 3> exit_names{"normal", "shutdown", "crash"};

using names = std::array<std::string_view, 3>;

template <class Enum>
std::string_view name_of(const names& all, Enum value) noexcept {
  auto index = static_cast<std::size_t>(value);
  return index < all.size() ? all[index] : "unknown";
}

template <class Enum>
result<Enum> value_of(const names& all, std::string_view text, const char* what) {
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i] == text)
      return static_cast<Enum>(i);
  return fail(errc::bad_value, "'" + std::string{text} + "' is no " + what + "; it is one of "
                                   + std::string{all[0]} + ", " + std::string{all[1]} + ", "
                                   + std::string{all[2]});
}

} // namespace

result<void> check(const supervision_policy& policy) {
  if (policy.intensity > restart_intensity_max)
    return fail(errc::bad_value, "intensity is " + std::to_string(policy.intensity)
                                     + ", it must be 0 to "
                                     + std::to_string(restart_intensity_max));
  if (policy.period_us < 1 || policy.period_us > restart_period_us_max)
    return fail(errc::bad_value, "period is " + std::to_string(policy.period_us)
                                     + " us, it must be 1 to "
                                     + std::to_string(restart_period_us_max));
  return {};
}

std::string_view to_string(restart_strategy strategy) noexcept {
  return name_of(strategy_names, strategy);
}

std::string_view to_string(restart_kind kind) noexcept {
  return name_of(kind_names, kind);
}

std::string_view to_string(exit_kind kind) noexcept {
  return name_of(exit_names, kind);
}

result<restart_strategy> restart_strategy_from_string(std::string_view text) {
  return value_of<restart_strategy>(strategy_names, text, "restart strategy");
}

result<restart_kind> restart_kind_from_string(std::string_view text) {
  return value_of<restart_kind>(kind_names, text, "restart kind");
}

result<exit_kind> exit_kind_from_string(std::string_view text) {
  return value_of<exit_kind>(exit_names, text, "exit kind");
}

} // namespace gemel
