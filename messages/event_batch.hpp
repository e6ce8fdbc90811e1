#pragma once

#include "messages/frame.hpp"
#include "messages/replies.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace gemel {

/// A property's key in one batch, looked up once for all its events; see `event_batch::key`.
class event_key {
public:
  /// Of no event in the batch.
  event_key() noexcept = default;
  explicit event_key(std::uint16_t number) noexcept : number_{number} {}

  bool is(std::uint16_t number) const noexcept { return number_ == number; }

private:
  std::uint32_t number_ = UINT32_MAX;
};

/// One event inside a batch, read in place; lives as long as the batch.
class event_view {
public:
  event_view(wire::EventBatch::Reader batch, capnp::List<wire::Event>::Reader events,
             unsigned index) noexcept
      : batch_{batch}, event_{events[index]}, index_{index} {}

  event_kind kind() const { return static_cast<event_kind>(event_.getKind()); }
  std::string_view id() const;
  std::string_view type() const;
  /// Empty: a root.
  std::string_view parent() const;
  /// Of the twin after the event.
  std::uint64_t version() const { return event_.getVersion(); }
  lifecycle_state lifecycle() const { return static_cast<lifecycle_state>(event_.getLifecycle()); }
  /// Microseconds since 1970 UTC, of the node's clock.
  std::int64_t time_us() const { return event_.getTimeUs(); }

  /// When the device measured it, microseconds since 1970 UTC; 0: not given.
  std::int64_t source_time_us() const { return event_.getSourceTimeUs(); }
  /// The event's own id, to be given as the cause of what it leads to.
  std::string event_id() const { return event_id_of(event_.getShard(), event_.getDot()); }
  /// The id of the event that led to this one; empty: not known.
  std::string_view cause() const;
  /// Of an event of kind `emitted`.
  std::string_view name() const;

  /// The new or old value of a property that changed; null when it did not change, or when there is
  /// none (a property that is new or gone).
  value new_value(std::string_view key) const;
  value old_value(std::string_view key) const;
  value new_value(event_key key) const;
  value old_value(event_key key) const;

  /// Everything, copied.
  twin_event record() const { return read_event(batch_, index_); }

private:
  wire::EventBatch::Reader batch_;
  wire::Event::Reader event_;
  unsigned index_;
};

/// Events of one subscription, in the order they happened. Events of one twin never change order;
/// those of different twins may.
class event_batch {
public:
  /// @param events a frame of events, checked or ours.
  explicit event_batch(frame events)
      : frame_{std::move(events)}, batch_{frame_.message().getEvents()}, events_{
                                                                             batch_.getEvents()} {}

  std::uint64_t subscription() const { return batch_.getSubscription(); }

  /// Events that were left out just before this batch because the subscriber was slow, or away for
  /// too long. If not 0, read the twins again. A batch may have no events but this to tell.
  std::uint64_t missed() const { return batch_.getMissed(); }

  /// Of a subscription with `keep_ms`: the number of the last event here, or the last that was left
  /// out before; `subscription_request::resume_after` takes it. Else 0.
  std::uint64_t last_sequence() const {
    auto first = batch_.getFirstSequence();
    return first == 0 ? 0 : first + size() - 1;
  }

  unsigned size() const { return events_.size(); }
  event_view operator[](unsigned index) const { return {batch_, events_, index}; }

  /// For `event_view::new_value` of many events: cheaper than the name.
  event_key key(std::string_view name) const;

private:
  frame frame_;
  wire::EventBatch::Reader batch_;
  capnp::List<wire::Event>::Reader events_;
};

} // namespace gemel
