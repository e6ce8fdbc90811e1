#pragma once

#include "messages/error.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace gemel {

/// Rows in no order, that can be scanned in slices while rows come and go between the slices: a row
/// that is in the list throughout is given exactly once, one that is taken out is not given any
/// more, one that is added meanwhile is not given. One thread at a time.
class row_list {
public:
  /// One scan. It ends when nobody but the list holds it.
  class scan {
  public:
    /// Rows that it has still to give.
    std::size_t left() const noexcept { return left_; }

  private:
    friend class row_list;
    // From back to front: `rows_[0]` to before `rows_[left_]` were not given yet.
    std::size_t left_ = 0;
  };

  std::size_t size() const noexcept { return rows_.size(); }
  std::span<const std::uint32_t> rows() const noexcept { return rows_; }

  /// @returns its place, which `remove` wants.
  std::uint32_t add(std::uint32_t row) {
    rows_.push_back(row);
    return static_cast<std::uint32_t>(rows_.size() - 1);
  }

  /// Takes out the row at `place`. @param moved is called with each row that has another place now,
  /// and the place: one row, and one more for each open scan at most.
  template <class Moved>
  void remove(std::uint32_t place, Moved moved) {
    GEMEL_CHECK(place < rows_.size());
    std::size_t hole = place;
    auto fill_from = [&](std::size_t from) {
      if (from == hole)
        return;
      rows_[hole] = rows_[from];
      moved(rows_[hole], static_cast<std::uint32_t>(hole));
      hole = from;
    };
    // What a scan has not given stays in front of what it has.
    sort_scans();
    for (auto& each : scans_)
      if (each->left_ > hole)
        fill_from(--each->left_);
    fill_from(rows_.size() - 1);
    rows_.pop_back();
  }

  std::shared_ptr<scan> open() {
    auto made = std::make_shared<scan>();
    made->left_ = rows_.size();
    scans_.push_back(made);
    return made;
  }

  /// The next rows of the scan, at most `count_max`; none: it is at its end. They are good until
  /// the list is changed.
  std::span<const std::uint32_t> next(scan& one, std::size_t count_max) const noexcept {
    auto count = std::min(one.left_, count_max);
    one.left_ -= count;
    return std::span{rows_}.subspan(one.left_, count);
  }

private:
  void sort_scans() {
    if (scans_.empty())
      return;
    std::erase_if(scans_, [](const auto& each) { return each.use_count() == 1; });
    std::sort(scans_.begin(), scans_.end(),
              [](const auto& a, const auto& b) { return a->left_ < b->left_; });
  }

  std::vector<std::uint32_t> rows_;
  std::vector<std::shared_ptr<scan>> scans_;
};

} // namespace gemel
