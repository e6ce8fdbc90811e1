#pragma once

#include "actors/downsample.hpp"
#include "actors/history_port.hpp"
#include "actors/series_block.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gemel {

/// Points of one answer.
inline constexpr std::size_t history_points_max = 1'000'000;
/// Points of one interval of an aggregate, 16 bytes each.
inline constexpr std::size_t interval_points_max = 4'000'000;

/// Points of one property and day that are in no block yet, in the order in which they came.
struct open_series {
  std::string property{};
  std::int64_t partition = 0;
  std::vector<series_point> points{};
};

/// Where the next page of a range begins: at this time, behind so many points of it.
struct series_position {
  std::int64_t time_us = 0;
  std::uint64_t skip = 0;

  friend bool operator==(const series_position&, const series_position&) = default;
};

struct series_page {
  /// By time; of equal times in the order of writing.
  std::vector<series_point> points{};
  /// Nothing: that is all.
  std::optional<series_position> next{};
};

struct interval_page {
  std::vector<interval_row> rows{};
  /// Where the next interval begins; nothing: that is all.
  std::optional<std::int64_t> next_us{};
};

/// What a state is told of: a time, or one twin's version.
struct history_moment {
  std::int64_t time_us = INT64_MAX;
  /// 0: the time counts.
  std::uint64_t version = 0;
};

/// Answers about some twins as their histories were when this was made. Any one thread.
class history_reader {
public:
  explicit history_reader(std::unique_ptr<history_view> disk) : disk_{std::move(disk)} {}

  /// What is not on the disk of one of the twins that will be asked about.
  void add_open(std::string id, std::vector<open_series> open) {
    open_.insert_or_assign(std::move(id), std::move(open));
  }

  /// Points with times in [from, to), at most `count`, from `position` on.
  /// @returns errc::bad_value for an empty range; errc::limit_reached when more than
  ///          `history_points_max` lie across each other; errc::store_corrupt.
  result<series_page> range(std::string_view id, std::string_view property, std::int64_t from_us,
                            std::int64_t to_us, std::size_t count,
                            std::optional<series_position> position = {}) const;

  /// Where the last `count` points with times in [from, to) begin; nothing: there is none.
  /// @returns errc::limit_reached beyond `history_points_max`; errc::store_corrupt.
  result<std::optional<series_position>> last(std::string_view id, std::string_view property,
                                              std::int64_t from_us, std::int64_t to_us,
                                              std::size_t count) const;

  /// The request's intervals from the first on, at most `rows`. Of the values only numbers and
  /// bools count.
  /// @returns as `downsample`; errc::limit_reached beyond `interval_points_max`.
  result<interval_page> aggregate(std::string_view id, std::string_view property,
                                  const downsample_request& asked, std::size_t rows) const;

  using property_states = std::map<std::string, series_point, std::less<>>;
  /// The last point at or before `when` of each property that has one. A property that was taken
  /// away then has a null.
  result<property_states> state_at(std::string_view id, const history_moment& when) const;

  /// The same of one property. Nothing: it has none.
  result<std::optional<series_point>> value_at(std::string_view id, std::string_view property,
                                               std::int64_t time_us) const;

private:
  template <class Point>
  class walk;

  const std::vector<open_series>* open_of(std::string_view id) const;
  const open_series* open_of(std::string_view id, std::string_view property,
                             std::int64_t partition) const;
  result<std::vector<std::int64_t>> partitions(std::string_view id, std::int64_t from,
                                               std::int64_t to) const;
  result<void> note_state(std::string_view id, std::int64_t partition, const history_moment& when,
                          const property_states& known, property_states& found) const;
  result<std::vector<interval_row>> next_rows(walk<sample>& points,
                                              const downsample_request& asked) const;

  std::unique_ptr<history_view> disk_;
  std::map<std::string, std::vector<open_series>, std::less<>> open_;
};

} // namespace gemel
