#include "actors/update_folder.hpp"

#include <algorithm>
#include <utility>

namespace gemel {

namespace {

std::size_t bytes_of(const lane_change& change) {
  return sizeof change + change.before.heap_bytes() + change.after.heap_bytes();
}

std::size_t bytes_of(const update_folder::folded& what) {
  auto sum = sizeof what;
  for (const auto& change : what.changes)
    sum += bytes_of(change);
  return sum;
}

} // namespace

void update_folder::begin_interval(std::uint32_t row, entry& of, std::int64_t now) {
  of.until = now + limits_.interval.count();
  ends_.push_back({of.until, row});
}

/// Forgets twins whose interval is over and that nothing is held of, from the front.
void update_folder::drop_ended(std::int64_t now) {
  while (!ends_.empty() && ends_.front().at <= now) {
    auto known = twins_.find(ends_.front().row);
    if (known != twins_.end() && known->second.until == ends_.front().at) {
      if (known->second.held != nullptr)
        return;
      twins_.erase(known);
    }
    ends_.pop_front();
  }
}

bool update_folder::passes(std::uint32_t row, const lane_event& event,
                           std::span<const lane_change> changes, std::int64_t now) {
  drop_ended(now);
  auto known = twins_.find(row);
  if (known == twins_.end()) {
    // Rows that were used again leave outdated ends behind: these are bounded too.
    if (twins_.size() < limits_.twins_max && ends_.size() < 2 * limits_.twins_max)
      begin_interval(row, twins_[row], now);
    return true;
  }
  auto& twin = known->second;
  if (twin.held == nullptr) {
    if (twin.until <= now) {
      begin_interval(row, twin, now);
      return true;
    }
    twin.held = std::make_unique<folded>(folded{event, {changes.begin(), changes.end()}});
    ++held_;
    bytes_ += bytes_of(*twin.held);
    return false;
  }
  bytes_ -= bytes_of(*twin.held);
  fold(*twin.held, event, changes);
  bytes_ += bytes_of(*twin.held);
  return false;
}

void update_folder::fold(folded& into, const lane_event& event,
                         std::span<const lane_change> changes) {
  into.event = event;
  for (const auto& change : changes) {
    auto known = std::find_if(into.changes.begin(), into.changes.end(),
                              [&](const lane_change& c) { return c.key == change.key; });
    if (known != into.changes.end())
      known->after = change.after;
    else
      into.changes.push_back(change);
  }
}

std::optional<update_folder::folded> update_folder::take_from(entry& of) {
  if (of.held == nullptr)
    return std::nullopt;
  --held_;
  bytes_ -= bytes_of(*of.held);
  return std::move(*std::exchange(of.held, nullptr));
}

std::optional<update_folder::folded> update_folder::take(std::uint32_t row) {
  auto known = twins_.find(row);
  return known != twins_.end() ? take_from(known->second) : std::nullopt;
}

std::optional<update_folder::folded> update_folder::take_due(std::int64_t now) {
  drop_ended(now);
  if (ends_.empty() || ends_.front().at > now)
    return std::nullopt;
  // What is left at the front is held.
  auto row = ends_.front().row;
  ends_.pop_front();
  auto& twin = twins_.find(row)->second;
  auto due = take_from(twin);
  begin_interval(row, twin, now);
  return due;
}

std::optional<std::int64_t> update_folder::next_due() const {
  if (held_ == 0)
    return std::nullopt;
  return ends_.front().at;
}

} // namespace gemel
