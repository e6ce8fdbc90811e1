#include "messages/error.hpp"

#include <array>
#include <cstddef>

namespace gemel {

namespace {

// In the order of the enum.
constexpr std::array<std::string_view, 32> names = {
    "none",
    "bad_frame",
    "bad_value",
    "bad_name",
    "bad_syntax",
    "twin_not_found",
    "twin_exists",
    "precondition_failed",
    "illegal_state",
    "hierarchy_cycle",
    "limit_reached",
    "overloaded",
    "timed_out",
    "unreachable",
    "has_children",
    "twin_crashed",
    "stopping",
    "unsupported",
    "io_failed",
    "unknown_key",
    "missing_field",
    "incompatible",
    "twin_busy",
    "alias_taken",
    "unknown_command",
    "command_failed",
    "store_full",
    "store_failed",
    "store_corrupt",
    "not_applied",
    "subscription_lost",
    "not_found",
};

} // namespace

std::string_view to_string(errc code) noexcept {
  auto index = static_cast<std::size_t>(code);
  return index < names.size() ? names[index] : std::string_view{"unknown"};
}

errc errc_from_string(std::string_view text) noexcept {
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == text)
      return static_cast<errc>(i);
  return errc::none;
}

std::string to_string(const error& what) {
  std::string text{to_string(what.code)};
  if (!what.context.empty())
    text.append(": ").append(what.context);
  if (what.retry_after_ms > 0)
    text.append("; try again in ").append(std::to_string(what.retry_after_ms)).append(" ms");
  return text;
}

namespace detail {

void check_failed(const char* condition, const char* file, int line) {
  throw broken_invariant(std::string{file} + ":" + std::to_string(line)
                         + ": broken invariant: " + condition);
}

} // namespace detail

} // namespace gemel
