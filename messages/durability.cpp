#include "messages/durability.hpp"

#include <iterator>

namespace gemel {

std::string_view to_string(durability level) noexcept {
  auto index = static_cast<std::size_t>(level);
  return index < std::size(durability_names) ? durability_names[index]
                                             : std::string_view{"unknown"};
}

std::optional<durability> parse_durability(std::string_view name) noexcept {
  for (std::size_t i = 0; i < std::size(durability_names); ++i)
    if (durability_names[i] == name)
      return static_cast<durability>(i);
  return std::nullopt;
}

} // namespace gemel
