#include "workflows/event_order.hpp"

#include <algorithm>

namespace gemel {

bool event_order::add(rule_event_ptr event, const std::string& source, std::int64_t arrived) {
  auto time = event->time_ms();
  auto& from = sources_[source];
  from.arrived = arrived;
  from.youngest = std::max(from.youngest, time);
  auto is_late = time <= watermark_;
  if (!is_late)
    waiting_.emplace(time, std::move(event));
  move_watermark(arrived);
  if (waiting_.size() > waiting_max)
    watermark_ = std::max(watermark_, waiting_.begin()->first);
  return !is_late;
}

void event_order::move_watermark(std::int64_t arrived) {
  auto least = INT64_MAX;
  for (const auto& [name, one] : sources_) {
    auto is_idle = time_.idle.count() > 0 && arrived - one.arrived >= time_.idle.count();
    if (!is_idle)
      least = std::min(least, one.youngest - time_.lateness.count() - 1);
  }
  watermark_ = std::max(watermark_, least);
}

void event_order::pass(std::int64_t now, std::int64_t still) {
  auto youngest = INT64_MIN;
  auto arrived = INT64_MIN;
  for (const auto& [name, one] : sources_) {
    youngest = std::max(youngest, one.youngest);
    arrived = std::max(arrived, one.arrived);
  }
  if (!sources_.empty() && now - arrived >= still)
    watermark_ = std::max(watermark_, youngest + (now - arrived) - time_.lateness.count() - 1);
}

std::vector<rule_event_ptr> event_order::take_ready() {
  std::vector<rule_event_ptr> ready;
  auto end = waiting_.upper_bound(watermark_);
  for (auto at = waiting_.begin(); at != end; ++at)
    ready.push_back(std::move(at->second));
  waiting_.erase(waiting_.begin(), end);
  return ready;
}

std::vector<rule_event_ptr> event_order::take_all() {
  watermark_ = waiting_.empty() ? watermark_ : std::max(watermark_, waiting_.rbegin()->first);
  return take_ready();
}

} // namespace gemel
