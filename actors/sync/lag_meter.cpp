#include "actors/sync/lag_meter.hpp"

#include <algorithm>

namespace gemel {

bool lag_meter::has_mark(const std::vector<position>& shards) const {
  for (std::size_t i = 0; i < mark_.size(); ++i)
    if (shards[i].acknowledged < mark_[i])
      return false;
  return true;
}

void lag_meter::look(const std::vector<position>& shards, std::int64_t now_ns) {
  if (!is_begun_)
    mark_ns_ = had_all_ns_ = now_ns;
  is_begun_ = true;
  auto has_all = std::all_of(shards.begin(), shards.end(),
                             [](const position& at) { return at.acknowledged >= at.last; });
  if (has_all || has_mark(shards)) {
    had_all_ns_ = has_all ? now_ns : mark_ns_;
    mark_ns_ = now_ns;
    mark_.clear();
    for (const auto& at : shards)
      mark_.push_back(at.last);
  }
  lag_ns_ = now_ns - had_all_ns_;
}

} // namespace gemel
