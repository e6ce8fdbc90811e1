#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace gemel {

/// What a table is drawn for.
struct table_form {
  /// Columns of the terminal; 0: nothing is cut.
  std::size_t width = 0;
  bool is_utf8 = true;
};

/// One cell of a table.
struct table_cell {
  /// As `printable` makes it.
  std::string text;
  /// Numbers stand at the right edge.
  bool is_number = false;
};

/// One column.
struct table_column {
  std::string title;
  /// The last ones with this mark are left out when a terminal is too narrow for all.
  bool may_go = false;
};

/// Draws rows as a table whose columns are two blanks apart, in parts: pages that come one after
/// the other share the columns' widths. A table that is wider than the terminal first cuts the
/// columns that may go down to `column_width_min`, then the others to `column_width_good`; then it
/// leaves out those that may go, the last one first; then it cuts the rest.
class table {
public:
  static constexpr std::size_t column_width_min = 8;
  static constexpr std::size_t column_width_good = 24;

  table(std::vector<table_column> columns, table_form form);

  /// The lines of `rows`, under the titles if these are the first; every row has as many cells as
  /// there are columns. The last column of a line has no blanks behind it.
  std::string draw(const std::vector<std::vector<table_cell>>& rows);

  /// Columns that were left out, of those that may go.
  std::size_t left_out() const noexcept;

private:
  void measure(const std::vector<std::vector<table_cell>>& rows);
  void fit();
  void narrow(std::size_t least, bool optional_ones);
  std::size_t total() const;
  std::string line(const std::vector<table_cell>& cells) const;

  std::vector<table_column> columns_;
  table_form form_;
  std::vector<std::size_t> widths_; // of the columns that are shown
  bool has_titles_ = false;
};

} // namespace gemel
