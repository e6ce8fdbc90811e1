#pragma once

#include "workflows/state_archive.hpp"
#include "workflows/window.hpp"

#include <cstdint>
#include <map>
#include <string>

namespace gemel {

/// A sum that carries what rounding left out (Neumaier, "Rundungsfehleranalyse einiger Verfahren
/// zur Summation endlicher Summen"), so that values can leave again.
class compensated_sum {
public:
  void add(double x) noexcept;
  double total() const noexcept { return sum_ + rest_; }
  void save(state_writer& into) const;
  void restore(state_reader& from);

private:
  double sum_ = 0;
  double rest_ = 0;
};

/// One aggregate of the values that are in a window. Values that are missing are not counted, and
/// of all but `count`, `first`, `last` and `distinct` those that are no numbers are not.
class window_value {
public:
  explicit window_value(const window_aggregate& of) : of_{&of} {}

  /// @param time of the event; in the order of time, save for late ones.
  void add(const value& content, std::int64_t time);

  /// Adds all values of another one of the same aggregate.
  void merge(const window_value& other);

  /// The oldest value that was added leaves. @param next what is then the oldest one, for `first`;
  /// null: none.
  void remove(const value& content, std::int64_t time, const value* next);

  void save(state_writer& into) const;
  void restore(state_reader& from);

  /// Null when there are no values, but 0 of `count`, `distinct` and `sum`.
  value result() const;

private:
  bool is_counted(const value& content) const;
  void merge_sums(const window_value& other);
  void change(double x, std::int64_t time, int sign);
  value rank_value() const;
  value slope_value() const;
  value deviation() const;

  const window_aggregate* of_;
  std::int64_t count_ = 0;
  // Numbers and times are taken relative to those of the first value, so that large ones with
  // small differences keep their digits.
  double x0_ = 0;
  std::int64_t t0_ = 0;
  bool has_origin_ = false;
  compensated_sum sum_;
  compensated_sum squares_;
  compensated_sum times_;
  compensated_sum time_squares_;
  compensated_sum products_;
  std::map<double, std::uint32_t> numbers_;    // of min, max, percentile
  std::map<std::string, std::uint32_t> texts_; // of distinct
  value first_;
  value last_;
  std::int64_t first_time_ = INT64_MAX;
  std::int64_t last_time_ = INT64_MIN;
};

} // namespace gemel
