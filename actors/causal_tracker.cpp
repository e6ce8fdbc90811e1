#include "actors/causal_tracker.hpp"

#include <algorithm>

namespace gemel {

std::shared_ptr<const causal_stamp> causal_tracker::stamp_of(std::uint16_t shard, std::uint64_t dot,
                                                             const std::string& id,
                                                             std::string_view cause) {
  auto made = std::make_shared<causal_stamp>();
  made->node = std::to_string(shard);
  made->counter = dot;
  if (auto led = known_.find(std::string{cause}); !cause.empty() && led != known_.end()) {
    made->seen = led->second->seen;
    auto& counter = made->seen[led->second->node];
    counter = std::max(counter, led->second->counter);
  }
  if (!known_.emplace(id, made).second)
    return made;
  order_.push_back(id);
  if (order_.size() > events_max) {
    known_.erase(order_.front());
    order_.pop_front();
  }
  return made;
}

} // namespace gemel
