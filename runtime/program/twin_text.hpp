#pragma once

#include "messages/records.hpp"
#include "runtime/program/table.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

/// Twins, events and figures as people read them. Everything ends with a line feed.
namespace gemel {

/// A value in one line: texts as they are, all else as JSON; `-` for null.
std::string value_text(const value& content);

/// A twin with its fields and properties, one per line, names and values aligned.
std::string twin_text(const twin_record& twin);

/// Twins as a table that comes page by page: ID, TYPE, PARENT, STATE, VERSION and the properties of
/// the first page in the order of their first appearance; of a query with `select`, ID and what was
/// selected.
class twin_table {
public:
  twin_table(std::vector<std::string> select, table_form form);

  std::string draw(std::span<const twin_record> page);
  /// Properties that had no room.
  std::size_t left_out() const noexcept { return table_ ? table_->left_out() : 0; }

private:
  void begin(std::span<const twin_record> page);
  std::vector<table_cell> row(const twin_record& twin) const;

  bool has_fields_; // the fields besides the id
  std::vector<std::string> keys_;
  table_form form_;
  std::optional<table> table_; // once there was a page
};

/// One event in one line: time, what, id, type, version, then each change as `key: old -> new`.
std::string event_text(const twin_event& event);

/// The notice that events were left out.
std::string missed_text(std::uint64_t missed);

/// Counters and latencies as two tables. With `before`, the figures of `seconds` earlier, counters
/// that end in `_total` show their rate since then.
std::string stats_text(const stats_record& stats, const stats_record* before, double seconds,
                       table_form form);

} // namespace gemel
