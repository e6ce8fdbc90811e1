#include "workflows/event_order.hpp"

#include <algorithm>

namespace gemel {

event_order::source_state& event_order::heard(const std::string& source, std::int64_t arrived) {
  auto [at, is_new] = sources_.try_emplace(source);
  auto& one = at->second;
  if (is_new) {
    one.place = by_arrival_.insert(by_arrival_.end(), &at->first);
    youngest_.insert(one.youngest);
  } else if (one.is_idle) {
    youngest_.insert(one.youngest);
  }
  by_arrival_.splice(by_arrival_.end(), by_arrival_, one.place);
  one.is_idle = false;
  one.arrived = arrived;
  if (sources_.size() > sources_max) {
    auto silent = sources_.find(*by_arrival_.front());
    if (!silent->second.is_idle)
      youngest_.erase(youngest_.find(silent->second.youngest));
    by_arrival_.pop_front();
    sources_.erase(silent);
  }
  return one;
}

bool event_order::add(rule_event_ptr event, const std::string& source, std::int64_t arrived) {
  auto time = event->time_ms();
  auto& from = heard(source, arrived);
  if (time > from.youngest) {
    youngest_.erase(youngest_.find(from.youngest));
    from.youngest = time;
    youngest_.insert(time);
  }
  youngest_of_all_ = std::max(youngest_of_all_, time);
  arrived_last_ = std::max(arrived_last_, arrived);
  auto is_late = time <= watermark_;
  if (!is_late)
    waiting_.emplace(time, std::move(event));
  move_watermark(arrived);
  if (waiting_.size() > waiting_max)
    watermark_ = std::max(watermark_, waiting_.begin()->first);
  return !is_late;
}

void event_order::move_watermark(std::int64_t arrived) {
  // Those that are idle by now are in front.
  for (auto name : by_arrival_) {
    auto& one = sources_.find(*name)->second;
    if (time_.idle.count() == 0 || arrived - one.arrived < time_.idle.count())
      break;
    if (one.is_idle)
      continue;
    one.is_idle = true;
    youngest_.erase(youngest_.find(one.youngest));
  }
  if (!youngest_.empty())
    watermark_ = std::max(watermark_, *youngest_.begin() - time_.lateness.count() - 1);
}

void event_order::pass(std::int64_t now, std::int64_t still) {
  if (!sources_.empty() && now - arrived_last_ >= still)
    watermark_ =
        std::max(watermark_, youngest_of_all_ + (now - arrived_last_) - time_.lateness.count() - 1);
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
