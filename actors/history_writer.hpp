#pragma once

#include "actors/history_port.hpp"
#include "actors/history_reader.hpp"
#include "actors/series_source.hpp"
#include "messages/packed.hpp"
#include "registry/model.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// What the properties were whose types say `history = true`: the log's records become series
/// blocks, one per property and day, and the cursor up to which they hold the log.
namespace gemel {

/// Takes the log in. One thread at a time. Open points live in memory; after a crash the log behind
/// the cursor brings them back.
class history_writer {
public:
  struct options {
    /// Points in memory, at most, before all are written. 48 bytes each.
    std::size_t open_points_max = 1'000'000;
    /// How long a point may lie in memory only, and so in the log, microseconds.
    std::int64_t open_us_max = 60'000'000;
    /// Of properties that say nothing themselves; 0: no bound.
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
    /// Series of one day whose property keeps less than others.
    std::uint64_t series_dropped = 0;
  };

  /// @param models, disk must outlive this. @param types asked for twins that the disk does not
  /// know, which were made before their type had a history.
  history_writer(const model_table& models, history_port& disk, series_source::type_lookup types,
                 options wanted);

  /// Reads the cursor. @param start where a history that is new begins.
  /// @returns up to where the log has been taken; feed what follows.
  result<log_position> open(log_position start);

  /// Takes one record of cells in; those at or before the last one taken are passed over.
  /// @returns errc::store_corrupt, or what writing says; the record counts as not taken then.
  result<void> take(log_position at, std::string_view record, std::int64_t now_us);
  /// The same of a record that is not of cells.
  void pass(log_position at);

  /// Writes what is due, drops what is too old or too much; some of it in each call.
  result<void> tick(std::int64_t now_us);
  /// Writes all open points and the cursor.
  result<void> flush();

  /// Who answers about these twins, with all that was taken so far.
  history_reader look(std::span<const std::string> ids) const;

  log_position taken() const noexcept { return taken_; }
  /// The log up to here is not needed any more.
  log_position durable() const noexcept { return durable_; }
  std::size_t open_points() const noexcept { return open_points_; }
  const counters& count() const noexcept { return counters_; }
  /// Values that were passed over since nobody knew the types of their twins.
  std::uint64_t untyped() const noexcept { return source_.untyped(); }

private:
  using block_list = std::vector<std::pair<std::string, std::string>>;

  std::int64_t keep_of(const type_model& type, const property_model& property) const noexcept;
  void add(const series_source::taken_point& point, std::int64_t now_us);
  result<void> pack(std::string_view id, const open_series& from, block_list& out) const;
  result<void> drop_old(std::int64_t now_us);
  result<void> drop_large();
  void begin_sweep(std::int64_t now_us);
  result<void> sweep();
  result<bool> sweep_series(const history_keys::parts& series);

  history_port& disk_;
  options options_;
  series_source source_;
  // The shortest and the longest time that any property is kept; 0: for ever.
  std::int64_t keep_min_us_ = 0;
  std::int64_t keep_max_us_ = 0;
  log_position taken_{};
  log_position durable_{};
  std::int64_t oldest_open_us_ = 0;
  std::int64_t now_us_ = INT64_MIN;
  std::size_t open_points_ = 0;
  boost::unordered_flat_map<std::string, std::vector<open_series>, text_hash, std::equal_to<>>
      open_;
  std::vector<std::pair<std::string, std::optional<std::string>>> types_;
  // Where the present sweep goes on; empty: it is done. Each day has one.
  std::string sweep_at_;
  std::int64_t sweep_now_us_ = 0;
  std::int64_t swept_day_ = INT64_MIN;
  counters counters_;
};

} // namespace gemel
