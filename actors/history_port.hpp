#pragma once

#include "actors/store_port.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Where history lies, and how its keys are spelt. Part of the format.
///
/// A block's key: the day's number (big endian, so that days sort, and are dropped as one range),
/// id, 0, property, 0, the number of the block. Behind all of them: 0xff, `t`, id -> the type of
/// the twin, of those that have a history.
namespace gemel {

/// Length of a partition, microseconds.
inline constexpr std::int64_t history_partition_us = std::int64_t{24} * 3'600 * 1'000'000;

/// What is there at one time: sorted pairs.
class history_view {
public:
  virtual ~history_view() = default;

  using pair_sink = std::function<result<void>(std::string_view key, std::string_view block)>;
  /// All pairs in [begin, end), by key.
  virtual result<void> read(std::string_view begin, std::string_view end,
                            const pair_sink& each) const = 0;
  /// The first block's key at or behind `begin`; empty: there is none.
  virtual result<std::string> first_key(std::string_view begin) const = 0;
};

/// What is written at once.
struct history_batch {
  /// Keys and blocks.
  std::vector<std::pair<std::string, std::string>> blocks{};
  /// Ids and types; nothing: the twin is gone.
  std::vector<std::pair<std::string, std::optional<std::string>>> types{};
  log_position cursor{};
};

class history_port : public history_view {
public:
  /// All or nothing. @returns errc::store_full, errc::store_failed.
  virtual result<void> write(const history_batch& made) = 0;
  virtual result<void> erase(std::string_view begin, std::string_view end) = 0;
  /// The last pair in [begin, end); nothing: there is none.
  virtual result<std::optional<std::pair<std::string, std::string>>>
  last_pair(std::string_view begin, std::string_view end) const = 0;
  /// Nothing: nothing was ever written.
  virtual result<std::optional<log_position>> cursor() const = 0;
  virtual result<std::optional<std::string>> type_of(std::string_view id) const = 0;
  virtual std::uint64_t bytes() const = 0;
  /// As it is now, whatever is written later; for any one thread. This must outlive it.
  virtual std::unique_ptr<history_view> snapshot() const = 0;
};

namespace history_keys {

/// Begins the keys that are none of blocks.
inline constexpr char behind_blocks = '\xff';

std::int64_t partition_of(std::int64_t time_us) noexcept;
std::string partition_key(std::int64_t partition);
std::int64_t partition_in(std::string_view key) noexcept;
std::string twin_prefix(std::int64_t partition, std::string_view id);
std::string series_prefix(std::int64_t partition, std::string_view id, std::string_view property);
std::string block_key(const std::string& series, std::uint32_t number);
/// The key behind all that begin with `prefix`, one of those above.
std::string end_of(std::string prefix);
std::string type_key(std::string_view id);

/// A block's key, taken apart; lives as long as the key.
struct parts {
  std::int64_t partition = 0;
  std::string_view id{};
  std::string_view property{};
  std::uint32_t number = 0;
};
/// Nothing: it is no block's.
std::optional<parts> parse(std::string_view key) noexcept;

} // namespace history_keys

} // namespace gemel
