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
  learn(id, made);
  return made;
}

void causal_tracker::learn(const std::string& id, stamp_ptr stamp) {
  if (stamp == nullptr || !known_.emplace(id, std::move(stamp)).second)
    return;
  order_.push_back(id);
  if (order_.size() > events_max) {
    known_.erase(order_.front());
    order_.pop_front();
  }
}

void causal_tracker::save(state_writer& into) const {
  into.count(order_.size());
  for (const auto& id : order_) {
    into.text(id);
    into.stamp(known_.at(id).get());
  }
}

void causal_tracker::restore(state_reader& from) {
  known_.clear();
  order_.clear();
  for (auto left = from.length(); left > 0 && from.ok(); --left) {
    auto id = from.text();
    learn(id, from.stamp());
  }
}

} // namespace gemel
