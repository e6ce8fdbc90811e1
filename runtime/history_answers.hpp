#pragma once

#include "actors/history_reader.hpp"
#include "messages/records.hpp"
#include "messages/value.hpp"

#include <cstdint>
#include <string>
#include <vector>

/// The service `history`: what can be asked, and the answers. Times are microseconds since 1970
/// UTC. An answer that is cut says so by `next`, which goes into the next call.
///
///     range      id, property, from, to, last (0: all), count, next
///                        -> points: [time, value, version] each, next (a text)
///     aggregate  id, property, from, to, every (0: one interval), function, percent, count
///                        -> rows: [from, count, number] each, next (the next call's `from`)
///     state      id, at or version      -> property: [time, value, version] each
///     changes    id, from, to           -> property: [value before, value then] each that differs
///
/// `state` and `changes` also take `ids` instead of `id`; then they answer a map by id.
namespace gemel {

/// Rows of one answer, and bytes of its values.
inline constexpr std::size_t history_rows_max = 10'000;
inline constexpr std::size_t history_answer_bytes_max = 2u << 20;
/// Twins of one call.
inline constexpr std::size_t history_ids_max = 1'000;

/// A call that was read.
struct history_question {
  enum class kind : std::uint8_t { range, aggregate, state, changes };
  kind what = kind::range;
  std::vector<std::string> ids{};
  /// Whether the answer is by id.
  bool is_by_id = false;
  std::string property{};
  std::int64_t from_us = INT64_MIN;
  std::int64_t to_us = INT64_MAX;
  std::size_t last = 0;
  std::size_t count = history_rows_max;
  std::optional<series_position> position{};
  downsample_request aggregate{};
  history_moment when{};
};

/// @returns errc::bad_value naming the argument; errc::unsupported for another call.
result<history_question> read_question(const service_call& asked);

/// @param from of the question's twins.
/// @returns errc::bad_value, limit_reached (what would be answered), store_corrupt.
result<value> answer(const history_question& asked, const history_reader& from);

} // namespace gemel
