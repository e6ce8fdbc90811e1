#include "actors/store_port.hpp"

namespace gemel {

std::string_view to_string(durability level) noexcept {
  constexpr std::string_view names[] = {"memory", "process", "disk"};
  auto index = static_cast<std::size_t>(level);
  return index < std::size(names) ? names[index] : std::string_view{"unknown"};
}

} // namespace gemel
