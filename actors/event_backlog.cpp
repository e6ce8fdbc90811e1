#include "actors/event_backlog.hpp"

#include <algorithm>

namespace gemel {

void event_backlog::drop_oldest() {
  events_ -= frames_.front().count;
  bytes_ -= frames_.front().events.size();
  frames_.pop_front();
}

void event_backlog::drop_below(std::uint64_t end) {
  while (!frames_.empty() && frames_.front().end() <= end)
    drop_oldest();
}

void event_backlog::sent(std::uint64_t begin, std::uint64_t end) {
  if (!in_flight_.empty() && in_flight_.back().end == begin)
    in_flight_.back().end = end;
  else
    in_flight_.push_back({begin, end});
  to_send_ = end;
}

void event_backlog::add(frame events, std::uint32_t count) {
  GEMEL_CHECK(count > 0 && count <= limits_.credit_max);
  events_ += count;
  bytes_ += events.size();
  frames_.push_back({next_, count, std::move(events)});
  next_ += count;
  while (frames_.size() > 1 && (events_ > limits_.events_max || bytes_ > limits_.bytes_max))
    drop_oldest();
}

std::deque<event_backlog::kept>::const_iterator event_backlog::unsent() const {
  return std::upper_bound(frames_.begin(), frames_.end(), to_send_,
                          [](std::uint64_t number, const kept& one) { return number < one.end(); });
}

std::optional<event_backlog::delivery> event_backlog::take() {
  if (!linked_ || to_send_ == next_ || credit_ == 0)
    return std::nullopt;
  auto next = unsent();
  if (next == frames_.end()) {
    delivery told{next_ - to_send_, next_};
    to_send_ = next_;
    return told;
  }
  delivery made{0, std::max(next->first, to_send_), next->events};
  made.missed = made.first - to_send_;
  made.skip = static_cast<std::uint32_t>(made.first - next->first);
  auto count = next->end() - made.first;
  if (count > credit_)
    return std::nullopt;
  credit_ -= count;
  sent(made.first, next->end());
  return made;
}

void event_backlog::grant(std::uint32_t events) {
  credit_ = std::min<std::uint64_t>(credit_ + events, limits_.credit_max);
  for (std::uint64_t left = events; left > 0 && !in_flight_.empty();) {
    auto& oldest = in_flight_.front();
    auto done = std::min(left, oldest.end - oldest.begin);
    oldest.begin += done;
    left -= done;
    if (oldest.begin == oldest.end)
      in_flight_.pop_front();
  }
  drop_below(in_flight_.empty() ? to_send_ : in_flight_.front().begin);
}

result<void> event_backlog::resume(std::uint64_t after) {
  if (after >= next_)
    return fail(errc::bad_value, "event " + std::to_string(after)
                                     + " was not sent yet; the last is "
                                     + std::to_string(next_ - 1));
  linked_ = true;
  credit_ = limits_.credit_max;
  to_send_ = after + 1;
  in_flight_.clear();
  drop_below(to_send_);
  return {};
}

} // namespace gemel
