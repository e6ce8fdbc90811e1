#include "actors/behavior.hpp"

#include <algorithm>

namespace gemel {

const value* named_values::find(std::string_view name) const noexcept {
  auto i = std::find_if(all_.begin(), all_.end(), [&](const auto& p) { return p.key == name; });
  return i != all_.end() ? &i->content : nullptr;
}

const behavior_command* behavior_type::find(std::string_view name) const noexcept {
  auto i = std::find_if(commands.begin(), commands.end(),
                        [&](const auto& known) { return known.name == name; });
  return i != commands.end() ? &*i : nullptr;
}

} // namespace gemel
