#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace gemel {

/// What must be true before an acknowledgement.
enum class durability : std::uint8_t {
  /// Applied. It is logged all the same, but nobody waits.
  memory = 0,
  /// In the hands of the operating system: survives the end of this process, kill -9 too.
  process = 1,
  /// On the disk (fdatasync): survives the loss of power.
  disk = 2,
};

inline constexpr std::string_view durability_names[] = {"memory", "process", "disk"};

std::string_view to_string(durability level) noexcept;

/// The level of that name.
std::optional<durability> parse_durability(std::string_view name) noexcept;

/// As requests carry it: 0 for none.
constexpr std::uint8_t to_wire(std::optional<durability> wanted) noexcept {
  return wanted ? static_cast<std::uint8_t>(static_cast<unsigned>(*wanted) + 1) : std::uint8_t{0};
}
constexpr std::optional<durability> durability_of(std::uint8_t wire) noexcept {
  if (wire == 0 || wire > 3)
    return std::nullopt;
  return static_cast<durability>(wire - 1);
}

} // namespace gemel
