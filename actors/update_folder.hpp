#pragma once

#include "actors/lane_event.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace gemel {

/// The rate limit of one subscriber in one cell: at most one `updated` event of a twin in an
/// interval. What comes sooner is folded into one event, which is due when the interval is over:
/// of each property the oldest old value and the newest new one, all else of the last update.
///
/// Loses nothing: when as many twins as it may remember are within their interval, updates of
/// further ones pass at once, and so does what is folded while it holds too many bytes.
/// Times are `moment::steady_ns`, and never go back.
class update_folder {
public:
  struct options {
    std::chrono::nanoseconds interval;
    /// Twins remembered, at most.
    std::size_t twins_max;
    /// Bytes of values held, about; one event more.
    std::size_t bytes_max;
  };
  struct folded {
    lane_event event;
    std::vector<lane_change> changes;
  };

  explicit update_folder(const options& limits) : limits_{limits} {}

  /// An update of the twin in `row` at `now`. False: it is held. True: it is for the subscriber at
  /// once; nothing is held of the twin then.
  bool passes(std::uint32_t row, const lane_event& event, std::span<const lane_change> changes,
              std::int64_t now);

  /// What is held of the row's twin, for an event that must not overtake it.
  std::optional<folded> take(std::uint32_t row);

  /// The next that is due by `now`; call until there is none.
  std::optional<folded> take_due(std::int64_t now);

  /// Whether more bytes are held than may be; `take` what came last then.
  bool full() const noexcept { return bytes_ > limits_.bytes_max; }

  /// The row's twin is gone; what is held of it must have been taken.
  void forget(std::uint32_t row) { twins_.erase(row); }

  /// When `take_due` may have something next; none while nothing is held.
  std::optional<std::int64_t> next_due() const;

  std::size_t held() const noexcept { return held_; }
  std::size_t twins() const noexcept { return twins_.size(); }

private:
  struct entry {
    std::int64_t until;
    std::unique_ptr<folded> held;
  };
  struct interval_end {
    std::int64_t at;
    std::uint32_t row;
  };

  void begin_interval(std::uint32_t row, entry& of, std::int64_t now);
  std::optional<folded> take_from(entry& of);
  void fold(folded& into, const lane_event& event, std::span<const lane_change> changes);
  void drop_ended(std::int64_t now);

  options limits_;
  boost::unordered_flat_map<std::uint32_t, entry> twins_;
  // Ascending; one that its twin's entry does not agree with is outdated.
  std::deque<interval_end> ends_;
  std::size_t held_ = 0;
  std::size_t bytes_ = 0;
};

} // namespace gemel
