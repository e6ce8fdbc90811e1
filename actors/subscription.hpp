#pragma once

#include "actors/event_backlog.hpp"
#include "actors/update_folder.hpp"
#include "messages/frame.hpp"
#include "messages/records.hpp"
#include "registry/expression.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace gemel {

/// Where a subscription's events go: the session, or other part of the program, that holds it.
struct subscriber_end {
  /// Tells ends apart; 0 for one that needs not be told apart.
  std::uint64_t owner = 0;
  /// Takes batches from any thread; must not block.
  std::function<void(frame)> deliver{};
};

/// One subscriber's standing request, shared by all cells. The cells match and deliver, the
/// subscriber gives credit back as it works the events off; neither ever waits for the other. One
/// with `keep_ms` numbers its events and keeps them, so that it can be resumed.
class subscription {
public:
  struct options {
    std::uint64_t number = 0;
    subscription_request asked{};
    /// Compiled from `asked`.
    std::optional<expression> where{};
    /// Events that may be on their way at once, at least 1.
    std::uint32_t credit_max = 1;
    /// Of one that is kept: events and bytes.
    std::uint32_t backlog_max = 1;
    std::size_t backlog_bytes_max = 0;
    /// Of one with a rate limit, in each cell.
    std::size_t folded_twins_max = 0;
    std::size_t folded_bytes_max = 0;
  };

  subscription(options wanted, subscriber_end to);

  std::uint64_t number() const noexcept { return options_.number; }
  const subscription_request& asked() const noexcept { return options_.asked; }
  const std::optional<expression>& where() const noexcept { return options_.where; }
  bool wants(event_kind kind) const noexcept {
    return (kinds_ >> static_cast<unsigned>(kind) & 1u) != 0;
  }
  bool is_kept() const noexcept { return backlog_.has_value(); }
  update_folder::options folding() const noexcept;

  // ---- what cells call ----------------------------------------------------------------------

  /// Events of one frame, at most.
  std::uint32_t frame_events_max() const noexcept;

  /// How many of `count` events may be published now.
  std::uint32_t reserve(std::uint32_t count) noexcept;

  /// Reserved ones are not published after all.
  void give_back(std::uint32_t count) noexcept;

  /// Sends, or keeps, the `count` reserved events that `built` holds; numbers them.
  void publish(frame_builder& built, std::uint32_t count);

  /// Events were left out behind all that was published.
  void lose(std::uint32_t events) noexcept;

  /// Tells what was left out, if there is room to.
  void tell_gap();

  // ---- what the subscriber's side calls -----------------------------------------------------

  /// The subscriber has room for `events` more, and has worked off so many. It is told at once of
  /// what it missed. @param owner one that does not hold it any more is ignored; 0: anybody.
  void grant(std::uint32_t events, std::uint64_t owner = 0);

  /// The end's link broke: what comes is kept until `until` (`moment::steady_ns`). False, and
  /// nothing changed, if it is not kept, or another end holds it.
  bool detach(std::uint64_t owner, std::int64_t until);

  /// Takes it over, from whichever end holds it, and sends what comes behind number `after`.
  /// @returns errc::bad_value if it is not kept or `after` was not given yet;
  ///          errc::subscription_lost if it came too late.
  result<void> resume(subscriber_end to, std::uint64_t after);

  /// Closes it for ever if it waits for an end, and has waited long enough by `now`.
  bool expire(std::int64_t now);
  bool is_detached() const;

private:
  void send_backlog();

  options options_;
  std::uint32_t kinds_ = 0;
  // Of one that is not kept; the end never changes then.
  std::atomic<std::int64_t> credit_;
  std::atomic<std::uint64_t> missed_{0};
  // Of one that is kept.
  mutable std::mutex mutex_;
  std::optional<event_backlog> backlog_;
  subscriber_end to_;
  std::int64_t expires_at_ = 0;
  bool is_closed_ = false;
};

using subscription_ptr = std::shared_ptr<subscription>;

} // namespace gemel
