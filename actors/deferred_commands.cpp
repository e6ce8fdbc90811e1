#include "actors/deferred_commands.hpp"

#include <algorithm>

namespace gemel {

std::optional<deferred_commands::entry> deferred_commands::take(std::uint64_t number) {
  auto i = waiting_.find(number);
  if (i == waiting_.end())
    return std::nullopt;
  std::optional<entry> found{std::move(i->second)};
  waiting_.erase(i);
  auto others = of_instance_.find(found->instance);
  std::erase(others->second, number);
  if (others->second.empty())
    of_instance_.erase(others);
  return found;
}

std::vector<deferred_commands::entry> deferred_commands::take_all_of(std::uint64_t instance) {
  std::vector<entry> taken;
  auto mine = of_instance_.find(instance);
  if (mine == of_instance_.end())
    return taken;
  auto numbers = std::move(mine->second);
  of_instance_.erase(mine);
  for (auto number : numbers) {
    auto i = waiting_.find(number);
    taken.push_back(std::move(i->second));
    waiting_.erase(i);
  }
  return taken;
}

std::vector<deferred_commands::entry> deferred_commands::take_all() {
  std::vector<entry> taken;
  for (auto& [number, one] : waiting_)
    taken.push_back(std::move(one));
  waiting_.clear();
  of_instance_.clear();
  return taken;
}

} // namespace gemel
