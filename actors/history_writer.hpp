#pragma once

#include "actors/downsample.hpp"
#include "actors/series_block.hpp"
#include "actors/store_port.hpp"
#include "registry/model.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

/// What the properties were whose types say `history = true`: the log's records become series
/// blocks, one per property and day, and the cursor up to which they hold the log.
///
/// A block's key: the day's number (big endian, so that days sort, and are dropped as one range),
/// id, 0, property, 0, the number of the block. Part of the format.
namespace gemel {

/// Length of a partition, microseconds.
inline constexpr std::int64_t history_partition_us = std::int64_t{24} * 3'600 * 1'000'000;
/// Points of one answer.
inline constexpr std::size_t history_points_max = 1'000'000;

/// Where blocks lie: sorted pairs, and one cursor.
class history_port {
public:
  virtual ~history_port() = default;

  /// Puts blocks and cursor there, all or nothing. @returns errc::store_full, errc::store_failed.
  virtual result<void> write(const std::vector<std::pair<std::string, std::string>>& blocks,
                             log_position cursor) = 0;
  using pair_sink = std::function<result<void>(std::string_view key, std::string_view block)>;
  /// All pairs in [begin, end), by key.
  virtual result<void> read(std::string_view begin, std::string_view end,
                            const pair_sink& each) const = 0;
  /// The first key at or behind `begin`; empty: there is none.
  virtual result<std::string> first_key(std::string_view begin) const = 0;
  virtual result<void> erase(std::string_view begin, std::string_view end) = 0;
  /// Nothing: nothing was ever written.
  virtual result<std::optional<log_position>> cursor() const = 0;
  virtual std::uint64_t bytes() const = 0;
};

struct stored_event;

/// Takes the log in and answers about it; what is asked is seen with all that was taken. One thread
/// at a time. Open points live in memory; after a crash the log behind the cursor brings them back.
class history_writer {
public:
  /// The type of a live twin; nothing: there is none.
  using type_lookup = std::function<std::optional<std::string>(std::string_view id)>;

  struct options {
    /// Points in memory, at most, before all are written. 40 bytes each.
    std::size_t open_points_max = 1'000'000;
    /// How long a point may lie in memory only, and so in the log, microseconds.
    std::int64_t open_us_max = 60'000'000;
    /// 0: no bound.
    std::int64_t keep_us = 0;
    std::uint64_t bytes_max = 0;
  };

  struct counters {
    std::uint64_t points = 0;
    std::uint64_t blocks = 0;
    std::uint64_t block_bytes = 0;
    /// Older than what is kept when they came.
    std::uint64_t late = 0;
    std::uint64_t partitions_dropped = 0;
  };

  /// @param models, disk must outlive this.
  history_writer(const model_table& models, history_port& disk, type_lookup types, options wanted);

  /// Reads the cursor. @param start where a history that is new begins.
  /// @returns up to where the log has been taken; feed what follows.
  result<log_position> open(log_position start);

  /// Takes one record of cells in; those at or before the last one taken are passed over.
  /// @returns errc::store_corrupt, or what writing says; the record counts as not taken then.
  result<void> take(log_position at, std::string_view record, std::int64_t now_us);
  /// The same of a record that is not of cells.
  void pass(log_position at);

  /// Writes what is due, drops partitions that are too old or too large.
  result<void> tick(std::int64_t now_us);
  /// Writes all open points and the cursor.
  result<void> flush();

  log_position taken() const noexcept { return taken_; }
  /// The log up to here is not needed any more.
  log_position durable() const noexcept { return durable_; }
  std::size_t open_points() const noexcept { return open_points_; }
  const counters& count() const noexcept { return counters_; }

  /// The points with times in [from, to) by time; of equal times in the order of writing.
  /// @param last at most so many, the latest ones; 0: all.
  /// @returns errc::limit_reached beyond `history_points_max`; errc::store_corrupt.
  result<std::vector<series_point>> range(std::string_view id, std::string_view property,
                                          std::int64_t from_us, std::int64_t to_us,
                                          std::size_t last = 0) const;

  /// Answers over the range's numbers; what is no number is passed over.
  result<std::vector<interval_row>> aggregate(std::string_view id, std::string_view property,
                                              const downsample_request& asked) const;

  /// The last point at or before `time_us` of each property that has one. A property that was taken
  /// away then has a null.
  result<std::map<std::string, series_point>> state_at(std::string_view id,
                                                       std::int64_t time_us) const;

private:
  using point_list = std::vector<series_point>;

  const type_model* model_of(std::string_view id);
  void take_event(const stored_event& event, std::int64_t now_us);
  void add(std::string_view id, std::string_view property, series_point point);
  result<void> pack(const std::string& prefix, const point_list& from,
                    std::vector<std::pair<std::string, std::string>>& out) const;
  result<void> drop_old(std::int64_t now_us);
  result<void> collect(const std::string& prefix, std::int64_t from_us, std::int64_t to_us,
                       std::vector<series_point>& out) const;
  result<std::vector<std::int64_t>> partitions(std::int64_t from, std::int64_t to) const;

  const model_table& models_;
  history_port& disk_;
  type_lookup types_;
  options options_;
  log_position taken_{};
  log_position durable_{};
  std::int64_t oldest_open_us_ = 0;
  std::int64_t floor_us_ = INT64_MIN;
  std::size_t open_points_ = 0;
  // By prefix of the key; the days that are among them.
  boost::unordered_flat_map<std::string, point_list> open_;
  std::set<std::int64_t> open_days_;
  boost::unordered_flat_map<std::string, const type_model*> known_;
  // Kept for their memory.
  std::string prefix_;
  std::string id_;
  counters counters_;
};

} // namespace gemel
