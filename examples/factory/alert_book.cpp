#include "examples/factory/alert_book.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace gemel::factory {

std::string value_limits::condition(std::string_view property) const {
  std::string text;
  if (above_is_bad)
    text = fmt::format("{} > {}", property, *above_is_bad);
  if (below_is_bad)
    text += fmt::format("{}{} < {}", text.empty() ? "" : " OR ", property, *below_is_bad);
  return text;
}

double alert_book::excess(double value) const noexcept {
  double high = limits_.above_is_bad ? value - *limits_.above_is_bad : 0.0;
  double low = limits_.below_is_bad ? *limits_.below_is_bad - value : 0.0;
  return std::max(high, low);
}

alert& alert_book::alert_of(const value_change& change) {
  auto [at, is_new] = latest_.try_emplace(change.id, alerts_.size());
  if (!is_new && change.time_us - alerts_[at->second].last_us <= quiet_us_)
    return alerts_[at->second];
  at->second = alerts_.size();
  return alerts_.emplace_back(
      alert{change.id, change.time_us, change.time_us, change.now, change.now, change.time_us, 0});
}

void alert_book::add(const value_change& change) {
  if (!limits_.broken_by(change.now))
    return;
  auto& own = alert_of(change);
  own.last_us = change.time_us;
  if (!change.before || !limits_.broken_by(*change.before)) {
    ++own.crossings;
    ++crossings_;
  }
  if (excess(change.now) > excess(own.worst_value)) {
    own.worst_value = change.now;
    own.worst_us = change.time_us;
  }
}

} // namespace gemel::factory
