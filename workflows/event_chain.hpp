#pragma once

#include "workflows/rule_event.hpp"

#include <cstdint>
#include <utility>

namespace gemel {

/// The events that a run has taken, last one first. Runs that share a beginning share its links:
/// taking an event adds one link, however long the chain is. For one thread.
class event_chain {
public:
  struct link {
    std::uint32_t uses = 1;
    std::uint32_t stage = 0;
    std::uint32_t length = 1;
    // Place of the event in the order of all events of its matcher.
    std::uint64_t number = 0;
    link* before = nullptr;
    rule_event_ptr event{};
  };

  event_chain() = default;
  /// The chain `before` and one event more, taken by `stage`.
  /// @param number place of the event in the order of all.
  event_chain(const event_chain& before, std::uint32_t stage, std::uint64_t number,
              rule_event_ptr event)
      : last_{new link{1, stage, before.length() + 1, number, before.last_, std::move(event)}} {
    if (before.last_ != nullptr)
      ++before.last_->uses;
  }
  event_chain(const event_chain& other) noexcept : last_{other.last_} {
    if (last_ != nullptr)
      ++last_->uses;
  }
  event_chain(event_chain&& other) noexcept : last_{std::exchange(other.last_, nullptr)} {}
  event_chain& operator=(event_chain other) noexcept {
    std::swap(last_, other.last_);
    return *this;
  }
  ~event_chain() {
    // A loop, since a chain may be too long for recursion.
    while (last_ != nullptr && --last_->uses == 0)
      delete std::exchange(last_, last_->before);
  }

  /// Null: nothing was taken yet.
  const link* last() const noexcept { return last_; }
  std::uint32_t length() const noexcept { return last_ != nullptr ? last_->length : 0; }

private:
  link* last_ = nullptr;
};

} // namespace gemel
