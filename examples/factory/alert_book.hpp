#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

/// When a value leaves its limits, and for how long.
namespace gemel::factory {

/// What is allowed, both ends included; a missing end allows all.
struct value_limits {
  std::optional<double> above_is_bad;
  std::optional<double> below_is_bad;

  bool too_high(double value) const noexcept { return above_is_bad && value > *above_is_bad; }
  bool too_low(double value) const noexcept { return below_is_bad && value < *below_is_bad; }
  bool broken_by(double value) const noexcept { return too_high(value) || too_low(value); }

  /// As the condition of a query or subscription, such as `temperature > 85`.
  std::string condition(std::string_view property) const;
};

/// A value that changed.
struct value_change {
  std::string id;
  std::int64_t time_us = 0;
  /// Nothing: there was none.
  std::optional<double> before;
  double now = 0;
};

/// One stretch of time in which a twin's value was outside its limits, with breaks no longer than
/// the book's `quiet_us`.
struct alert {
  std::string id;
  std::int64_t first_us = 0;
  std::int64_t last_us = 0;
  double first_value = 0;
  /// Farthest from the limits.
  double worst_value = 0;
  std::int64_t worst_us = 0;
  /// How often the limit was crossed: old value within, new value outside.
  std::uint32_t crossings = 0;
};

/// Folds changes into alerts: a value that flickers around its limit is one alert. Changes of one
/// twin must come in their order; those of different twins may come in any. Not thread-safe.
class alert_book {
public:
  /// @param quiet_us a twin that was longer than this within its limits alerts anew.
  alert_book(value_limits limits, std::int64_t quiet_us) : limits_{limits}, quiet_us_{quiet_us} {}

  /// Takes one change in; one within the limits changes nothing.
  void add(const value_change& change);

  /// In the order they began, for each twin; grows by one alert per stretch.
  const std::vector<alert>& alerts() const noexcept { return alerts_; }

  /// Of all alerts together.
  std::uint64_t crossings() const noexcept { return crossings_; }

private:
  alert& alert_of(const value_change& change);
  double excess(double value) const noexcept;

  value_limits limits_;
  std::int64_t quiet_us_;
  std::vector<alert> alerts_;
  std::unordered_map<std::string, std::size_t> latest_; // index in alerts_
  std::uint64_t crossings_ = 0;
};

} // namespace gemel::factory
