#pragma once

#include "messages/error.hpp"
#include "messages/frame.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

namespace gemel {

/// What one subscriber that can be resumed is still owed: frames of events, numbered from 1 on in
/// the order they were added, kept until the subscriber has worked them off. Bounded: the oldest
/// frames go first, sent or not. All that follows is decided by numbers alone: what was left out is
/// the difference of what comes next and what was seen last.
class event_backlog {
public:
  struct options {
    /// Events and bytes kept, at most; but the newest frame is always kept.
    std::uint64_t events_max;
    std::size_t bytes_max;
    /// Events that may be sent before the first grant; credit never rises above it. No frame may
    /// have more events, or it would wait for ever.
    std::uint32_t credit_max;
  };

  /// One thing to send.
  struct delivery {
    /// Events left out before `first`; to be told before anything else.
    std::uint64_t missed = 0;
    /// The number of the first event sent; if there is no frame: of the next one to come.
    std::uint64_t first = 1;
    /// Empty: only `missed` is to be told.
    frame events{};
    /// Events at the frame's beginning that were seen already and are not to be sent again.
    std::uint32_t skip = 0;
  };

  explicit event_backlog(const options& limits) : limits_{limits}, credit_{limits.credit_max} {}

  /// The number that the next event gets.
  std::uint64_t next() const noexcept { return next_; }

  /// Adds `count` events, the first of which has the number `next()`.
  void add(frame events, std::uint32_t count);

  /// Numbers `count` events that cannot be sent; they are missed.
  void skip(std::uint64_t count) noexcept { next_ += count; }

  /// What to send now; call until there is nothing.
  std::optional<delivery> take();

  /// The subscriber worked off `events` more: as much credit, and so many of the oldest it was sent
  /// need not be kept.
  void grant(std::uint32_t events);

  /// The link broke: nothing is sent until `resume`.
  void cut() noexcept { linked_ = false; }

  /// A subscriber that saw everything up to `after` is there, with full credit.
  /// @returns errc::bad_value for a number that was not given yet; nothing changed then.
  result<void> resume(std::uint64_t after);

  bool linked() const noexcept { return linked_; }
  std::uint64_t events() const noexcept { return events_; }
  std::size_t bytes() const noexcept { return bytes_; }

private:
  struct kept {
    std::uint64_t first;
    std::uint32_t count;
    frame events;

    std::uint64_t end() const noexcept { return first + count; }
  };

  // Numbers that were sent and not worked off; from `begin` to before `end`.
  struct range {
    std::uint64_t begin;
    std::uint64_t end;
  };

  void drop_oldest();
  // Forgets what has a number below `end`.
  void drop_below(std::uint64_t end);
  void sent(std::uint64_t begin, std::uint64_t end);
  // The first frame that holds something not sent yet; the end if there is none.
  std::deque<kept>::const_iterator unsent() const;

  options limits_;
  std::deque<kept> frames_; // ascending
  std::uint64_t events_ = 0;
  std::size_t bytes_ = 0;
  std::uint64_t next_ = 1;
  // The first number that was not sent on this link; what is below was seen or is on its way.
  std::uint64_t to_send_ = 1;
  // Ascending, with what was left out between them.
  std::deque<range> in_flight_;
  std::uint64_t credit_;
  bool linked_ = true;
};

} // namespace gemel
