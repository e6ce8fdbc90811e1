#pragma once

#include "messages/frame.hpp"
#include "messages/records.hpp"
#include "registry/expression.hpp"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace gemel {

/// One subscriber's standing request, shared by all cells. The cells match and deliver, the
/// subscriber gives credit back as it works the events off; neither ever waits for the other.
class subscription {
public:
  /// @param deliver takes batches from any cell's thread; must not block.
  subscription(std::uint64_t number, subscription_request asked, std::optional<expression> where,
               std::uint32_t credit, std::function<void(frame)> deliver)
      : number_{number}, asked_{std::move(asked)}, where_{std::move(where)},
        deliver_{std::move(deliver)}, credit_{credit} {}

  std::uint64_t number() const noexcept { return number_; }
  const subscription_request& asked() const noexcept { return asked_; }
  const std::optional<expression>& where() const noexcept { return where_; }

  /// Takes credit for `events` if there is enough; false, and nothing taken, if not.
  bool spend(std::uint32_t events) noexcept;

  /// The subscriber has room for `events` more.
  void grant(std::uint32_t events) noexcept {
    credit_.fetch_add(events, std::memory_order_relaxed);
  }

  void deliver(frame events) const { deliver_(std::move(events)); }

private:
  std::uint64_t number_;
  subscription_request asked_;
  std::optional<expression> where_;
  std::function<void(frame)> deliver_;
  std::atomic<std::int64_t> credit_;
};

using subscription_ptr = std::shared_ptr<subscription>;

} // namespace gemel
