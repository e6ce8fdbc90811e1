#pragma once

#include "messages/packed.hpp"
#include "messages/stamp.hpp"
#include "messages/value.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Blocks of one property's past: times, stamps and values, compressed. Exact for every value,
/// every bit of a double too.
///
/// Times, stamps, versions, integers and the digits of decimals are sequences of integers. Each is
/// written as its first number, the greatest common divisor of its steps, and the steps of first or
/// second order (delta of delta: Pelkonen et al., "Gorilla", VLDB 2015) in Rice codes or equal
/// widths, whichever is smallest. A constant takes no bits. Doubles are written as decimals of one
/// scale with the few that do not fit beside them (as VictoriaMetrics scales, and ALP excepts:
/// Afroozeh et al., SIGMOD 2023), or as XOR of neighbours (Gorilla), whichever is smaller.
namespace gemel {

/// Points of one block.
inline constexpr std::size_t series_points_max = 65'536;

/// One value that a property had.
struct series_point {
  /// When it was measured, microseconds since 1970 UTC.
  std::int64_t time_us = 0;
  /// When it was written; 0: not kept.
  hybrid_time written{};
  value content{};
  /// The twin's after the write; 0: not kept.
  std::uint64_t version = 0;

  friend bool operator==(const series_point&, const series_point&) = default;
};

/// How a block's values are written. Part of the format.
enum class series_kind : std::uint8_t {
  mixed = 0,
  boolean = 1,
  integer = 2,
  decimal = 3,
  real = 4,
  text = 5,
};

/// Points of a block that is still open, in the order in which they came. One thread at a time.
class series_builder {
public:
  /// GEMEL_CHECKs that it is not full.
  void add(const series_point& point);

  std::size_t size() const noexcept { return points_.size(); }
  bool empty() const noexcept { return points_.empty(); }
  bool full() const noexcept { return points_.size() == series_points_max; }
  std::span<const series_point> points() const noexcept { return points_; }
  /// Bytes on the heap.
  std::size_t heap_bytes() const noexcept;

  /// The block; the builder is empty again. GEMEL_CHECKs that there is a point.
  std::string take();

private:
  std::vector<series_point> points_;
};

/// The block of these points, 1 to `series_points_max`.
std::string pack_series(std::span<const series_point> points);

/// What a block says about itself, without its points being read.
struct series_summary {
  std::uint32_t points = 0;
  series_kind kind = series_kind::mixed;
  /// The least and the greatest time in it.
  std::int64_t time_min_us = 0;
  std::int64_t time_max_us = 0;
};

/// A block's points, side by side; what is used depends on the kind.
struct series_points {
  series_kind kind = series_kind::mixed;
  std::vector<std::int64_t> times_us{};
  /// Empty: not kept.
  std::vector<hybrid_time> written{};
  /// Empty: not kept.
  std::vector<std::uint64_t> versions{};
  /// Of `decimal` and `real`.
  std::vector<double> reals{};
  /// Of `integer` and `boolean`; of `text` which of `texts`.
  std::vector<std::int64_t> integers{};
  std::vector<value> texts{};
  /// Of `mixed`.
  std::vector<value> others{};

  std::size_t size() const noexcept { return times_us.size(); }
  value content(std::size_t index) const;
  series_point point(std::size_t index) const;
  /// The value as a number; a bool is 0 or 1; nothing for every other kind.
  std::optional<double> number(std::size_t index) const;
};

/// @returns errc::store_corrupt with the place; errc::incompatible for a newer format. The checksum
///          is not compared.
result<series_summary> summary_of_series(std::string_view bytes);

/// Reads a block of any origin into `out`, whose memory is used again.
/// @returns errc::store_corrupt with the place; errc::incompatible for a newer format.
result<void> unpack_series(std::string_view bytes, series_points& out);

} // namespace gemel
