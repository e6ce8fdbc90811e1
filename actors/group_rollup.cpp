#include "actors/group_rollup.hpp"

#include <algorithm>
#include <utility>

namespace gemel {

namespace {

const rollup_summary* below_of(const rollup_list* below, key_id key) {
  return below != nullptr ? find(*below, key) : nullptr;
}

} // namespace

group_rollup::group_rollup(std::vector<key_id> keys) : keys_{std::move(keys)}, sums_(keys_.size()) {
  GEMEL_CHECK(!keys_.empty());
}

void group_rollup::enter(const twin_row& child, const rollup_list* below) {
  for (std::size_t i = 0; i < keys_.size(); ++i)
    sums_[i].add(child.find(keys_[i]));
  replace(nullptr, below);
}

void group_rollup::leave(const twin_row& child, const rollup_list* below) {
  for (std::size_t i = 0; i < keys_.size(); ++i)
    sums_[i].remove(child.find(keys_[i]));
  replace(below, nullptr);
}

void group_rollup::change(key_id key, const value* before, const value* after) {
  auto place = std::find(keys_.begin(), keys_.end(), key);
  if (place == keys_.end())
    return;
  auto& sum = sums_[static_cast<std::size_t>(place - keys_.begin())];
  sum.remove(before);
  sum.add(after);
}

void group_rollup::replace(const rollup_list* before, const rollup_list* after) {
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    if (const auto* old = below_of(before, keys_[i]))
      sums_[i].remove(*old);
    if (const auto* fresh = below_of(after, keys_[i]))
      sums_[i].add(*fresh);
  }
}

rollup_list group_rollup::list(const child_visitor& children) {
  std::vector<std::size_t> outdated;
  for (std::size_t i = 0; i < sums_.size(); ++i) {
    if (!sums_[i].outdated())
      continue;
    outdated.push_back(i);
    sums_[i].begin_showing();
  }
  if (!outdated.empty())
    children([&](const twin_row& child, const rollup_list* below) {
      for (auto i : outdated) {
        sums_[i].show(child.find(keys_[i]));
        if (const auto* known = below_of(below, keys_[i]))
          sums_[i].show(*known);
      }
    });
  rollup_list made;
  for (std::size_t i = 0; i < keys_.size(); ++i)
    made.push_back({keys_[i], sums_[i].summary()});
  return made;
}

} // namespace gemel
