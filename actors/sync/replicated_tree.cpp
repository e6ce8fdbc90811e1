#include "actors/sync/replicated_tree.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace gemel {

namespace {

auto age(const shown_place& place) {
  return std::pair{place.time, place.write};
}

} // namespace

std::string parent_in_tree(std::string_view twin, const place_lookup& of) {
  auto own = of(twin);
  if (!own.alive || own.parent.empty())
    return {};
  auto at = of(own.parent);
  if (!at.alive)
    return {};
  auto name = own.parent;
  auto newest = age(own);
  std::set<std::string> passed;
  // Up, until there is no further, or round a circle that this twin is not on.
  while (at.alive && name != twin && passed.insert(name).second) {
    newest = std::max(newest, age(at));
    name = at.parent;
    if (name.empty())
      return own.parent;
    at = of(name);
  }
  auto on_circle = name == twin;
  return on_circle && newest == age(own) ? std::string{} : own.parent;
}

} // namespace gemel
