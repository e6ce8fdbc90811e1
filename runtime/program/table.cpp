#include "runtime/program/table.hpp"

#include "messages/error.hpp"
#include "runtime/program/display.hpp"

#include <algorithm>
#include <numeric>

namespace gemel {

namespace {

constexpr std::size_t gap = 2;

} // namespace

table::table(std::vector<table_column> columns, table_form form)
    : columns_{std::move(columns)}, form_{form} {
  for (const auto& column : columns_)
    widths_.push_back(display_width(column.title));
}

std::size_t table::total() const {
  return std::accumulate(widths_.begin(), widths_.end(), std::size_t{0})
         + (widths_.empty() ? 0 : (widths_.size() - 1) * gap);
}

std::size_t table::left_out() const noexcept {
  return columns_.size() - widths_.size();
}

void table::measure(const std::vector<std::vector<table_cell>>& rows) {
  for (const auto& row : rows) {
    GEMEL_CHECK(row.size() == columns_.size());
    for (std::size_t i = 0; i < widths_.size(); ++i)
      widths_[i] = std::max(widths_[i], display_width(row[i].text));
  }
}

// Takes one at a time off the widest columns, or of those that may go only; they end up equal.
void table::narrow(std::size_t least, bool optional_ones) {
  for (auto now = total(); now > form_.width; --now) {
    std::size_t widest = widths_.size();
    for (std::size_t i = 0; i < widths_.size(); ++i)
      if ((columns_[i].may_go || !optional_ones) && widths_[i] > least
          && (widest == widths_.size() || widths_[i] > widths_[widest]))
        widest = i;
    if (widest == widths_.size())
      return;
    --widths_[widest];
  }
}

void table::fit() {
  if (form_.width == 0)
    return;
  narrow(column_width_min, true);
  narrow(column_width_good, false);
  while (total() > form_.width && columns_[widths_.size() - 1].may_go && widths_.size() > 1) {
    widths_.pop_back();
  }
  narrow(column_width_min, false);
}

std::string table::line(const std::vector<table_cell>& cells) const {
  std::string made;
  for (std::size_t i = 0; i < widths_.size(); ++i) {
    auto text =
        form_.width == 0 ? cells[i].text : shortened(cells[i].text, widths_[i], form_.is_utf8);
    auto used = display_width(text);
    std::string blanks(used < widths_[i] ? widths_[i] - used : 0, ' ');
    made += i == 0 ? "" : "  ";
    made += cells[i].is_number ? blanks + text : text + blanks;
  }
  made.erase(made.find_last_not_of(' ') + 1);
  return made + '\n';
}

std::string table::draw(const std::vector<std::vector<table_cell>>& rows) {
  measure(rows);
  fit();
  std::string made;
  if (!has_titles_) {
    std::vector<table_cell> titles;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      bool is_number = !rows.empty() && std::all_of(rows.begin(), rows.end(), [i](const auto& row) {
        return row[i].is_number || row[i].text.empty();
      });
      titles.push_back({columns_[i].title, is_number});
    }
    made += line(titles);
    has_titles_ = true;
  }
  for (const auto& row : rows)
    made += line(row);
  return made;
}

} // namespace gemel
