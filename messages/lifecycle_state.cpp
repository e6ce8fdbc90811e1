#include "messages/lifecycle_state.hpp"

#include <array>
#include <cstddef>

namespace gemel {

namespace {

// In the order of the enum.
constexpr std::array<std::string_view, 7> names = {
    "provisioned", "active", "suspended", "stale", "faulted", "retired", "deleted",
};

} // namespace

std::string_view to_string(lifecycle_state state) noexcept {
  auto index = static_cast<std::size_t>(state);
  return index < names.size() ? names[index] : std::string_view{"unknown"};
}

std::optional<lifecycle_state> lifecycle_state_from_string(std::string_view text) noexcept {
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == text)
      return static_cast<lifecycle_state>(i);
  return std::nullopt;
}

} // namespace gemel
