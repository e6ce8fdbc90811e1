#pragma once

#include "messages/error.hpp"
#include "messages/value.hpp"
#include "registry/expression.hpp"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// The pure core of a query: what is asked (`query_spec`), the same compiled (`query_plan`), the
/// best rows of one cell (`query_collector`), and one page made of those of all cells (`merge`).
///
/// Rows have one total order, by (sort key, id); the sort key is what `order_by` evaluates to, null
/// when there is no `order_by`. Pages are cut by key: a page token holds the order's place of the
/// last row given, and the next page begins behind that place. So no row comes twice and none is
/// missed while data does not change; a row that is changed or made between two pages appears if
/// its place is still ahead.
namespace gemel {

/// A query as it is asked.
struct query_spec {
  /// Twins of this type; empty: of any.
  std::string type;
  /// Children of this twin; empty: of any or none.
  std::string parent;
  /// Twins below this one, at any depth; empty: of any or none.
  std::string ancestor;
  /// An expression that must be true; empty: all.
  std::string where;
  /// An expression each; empty: all properties.
  std::vector<std::string> select;
  /// An expression; empty: by id alone.
  std::string order_by;
  /// Turns the whole order round, that of ids among equal keys too.
  bool descending = false;
  /// Rows of a page, at most `limits::page_rows_max`; 0 stands for that.
  std::size_t limit = 0;
  /// `query_page::next` of the page before, of the same query; empty: from the start. `limit` alone
  /// may differ between the pages of one query.
  std::string page_token;
  /// Asks for the number of matches only, of all pages together.
  bool count_only = false;

  friend bool operator==(const query_spec&, const query_spec&) = default;
};

/// Bytes of a text or of bytes that count as its sort key; those that are alike that far are
/// ordered by id. Keeps page tokens and collectors small.
inline constexpr std::size_t sort_key_bytes_max = 256;

/// The order of sort keys: null < bool < number < text < bytes < list < map. Numbers by their exact
/// value across integers and doubles, NaN before all others; texts by code point, bytes by byte;
/// all lists are equivalent, and so are all maps.
std::weak_ordering compare_sort_keys(const value& left, const value& right);

/// What of `content` counts for the order: the first `sort_key_bytes_max` bytes of a text (never
/// half a character) or of bytes, nothing of a list or map but its kind. Null stands for missing.
value sort_key(const value* content);

/// One row's place in the order.
struct query_place {
  value key; // as `sort_key` makes it
  std::string id;

  friend bool operator==(const query_place&, const query_place&) = default;
};

/// A query, compiled and checked. Immutable; any thread may use it.
class query_plan {
public:
  /// Compiles and checks `spec`.
  /// @returns errc::bad_name for `type` or `parent`; errc::bad_syntax with the field, line and
  ///          column for an expression; errc::limit_reached for `limit` or too many of `select`;
  ///          errc::bad_value for a page token that is damaged or of another query.
  static result<query_plan> make(query_spec spec, const expression_options& options = {});

  const query_spec& spec() const noexcept { return spec_; }
  /// Rows of a page, at least 1.
  std::size_t limit() const noexcept { return limit_; }
  /// Nothing: every row matches.
  const std::optional<expression>& where() const noexcept { return where_; }
  /// Nothing: every row has the key null.
  const std::optional<expression>& order_by() const noexcept { return order_by_; }
  /// As many as `spec().select`.
  std::span<const expression> select() const noexcept { return select_; }

  /// The place of the page token; nothing: the start.
  const std::optional<query_place>& start() const noexcept { return start_; }

  /// Whether `left` comes before `right` on the pages.
  bool before(const value& left_key, std::string_view left_id, const value& right_key,
              std::string_view right_id) const;
  /// Whether a row lies behind the page token; all do when there is none. A cell may ask this
  /// before it makes anything of a row.
  bool behind_token(const value& key, std::string_view id) const;

  /// The token of the page that begins behind `last`; also for a page that was cut short because of
  /// its bytes. Text of letters, digits, `-` and `_`.
  std::string token_behind(const query_place& last) const;

private:
  query_plan() = default;

  result<void> compile(const expression_options& options);
  result<void> read_token();
  void make_hash();

  query_spec spec_;
  std::size_t limit_ = 0;
  std::optional<expression> where_;
  std::optional<expression> order_by_;
  std::vector<expression> select_;
  std::uint64_t hash_ = 0; // of all that decides which rows come in which order, and of `select`
  std::optional<query_place> start_; // of the page token
};

/// One row that is on the page.
struct query_row {
  query_place place;
  std::uint64_t payload = 0; // of whoever added it, such as an index
  std::size_t part = 0;      // index of the cell's answer in `merge`
};

/// The answer of one cell, or of all.
struct query_page {
  std::vector<query_row> rows; // in the order of the plan, at most `limit`
  std::uint64_t matches = 0;   // rows that were added, those of other pages counted
  bool more = false;           // there are further rows behind these
  std::string next;            // token of the next page; only `merge` sets it, and if `more` holds
};

/// Keeps the first `limit` rows behind the page token, in memory of that size, whatever is added.
class query_collector {
public:
  /// `plan` must live longer.
  explicit query_collector(const query_plan& plan);

  /// Counts a row that matches, and keeps it if it is among the best. `id` is unique among all
  /// rows; `order_value` is what `order_by` evaluated to (null: missing). Takes O(log limit), and
  /// for a row that is not kept no memory.
  void add(std::string_view id, const value* order_value, std::uint64_t payload);

  /// The page of this cell; leaves the collector empty.
  query_page take();

private:
  void keep(query_place place, std::uint64_t payload);

  const query_plan& plan_;
  query_page page_; // `rows` is a heap with the last one on top
};

/// One page of the sorted pages of several cells, with the token of the next. `part` of each row is
/// the index of its cell's page in `parts`. A part may have fewer than `limit` rows and still
/// `more` (cut short because of its bytes), but then it has at least one; the page ends with its
/// last one. Takes O(rows log parts).
query_page merge(const query_plan& plan, std::vector<query_page> parts);

} // namespace gemel
