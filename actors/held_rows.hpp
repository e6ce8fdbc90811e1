#pragma once

#include "actors/cell_inbox.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace gemel {

/// Something that has a claim on rows of a cell until it is decided: an atomic batch over several
/// cells, a twin on its way to another cell. Functions are called in the cell's turn.
class row_claim {
public:
  virtual ~row_claim() = default;

  /// Whether it is decided by now what becomes of the rows.
  virtual bool decided() const noexcept = 0;

  /// Does to `row` what was decided. Called once for each row, when `decided`.
  virtual void carry_out(cell& owner, std::uint32_t row, const moment& now) = 0;

  /// Somebody who cannot wait, such as the row's supervisor, asks for the row: decides against the
  /// claim if nothing is decided yet. @returns whether it is decided now.
  virtual bool yield() noexcept = 0;
};

using row_claim_ptr = std::shared_ptr<row_claim>;

/// The rows of one cell that something has a claim on, and the work that waits for them. Reads see
/// a held row as it was; writes wait here, in the order they came, until the claim is decided. The
/// cell sets `twin_row::held` for exactly these rows.
class held_rows {
public:
  /// @param work_max how many items may wait in all.
  explicit held_rows(std::size_t work_max) : work_max_{work_max} {}

  bool empty() const noexcept { return rows_.empty(); }
  std::size_t size() const noexcept { return rows_.size(); }
  /// Items that wait.
  std::size_t waiting() const noexcept { return waiting_; }

  /// `row` is held from now on. GEMEL_CHECKs that it was not.
  void hold(std::uint32_t row, row_claim_ptr by);

  /// Null: nobody holds the row, or its claim was settled and only work is left.
  row_claim_ptr claim_on(std::uint32_t row) const;

  /// Puts `what` behind what waits for `row`, which must be held. @returns false when too much
  /// waits; `what` is as it was then.
  [[nodiscard]] bool defer(std::uint32_t row, work&& what);

  /// The claim is carried out; the row stays held until `take_settled` gives its work back.
  void settle(std::uint32_t row);

  /// Ends the hold of a row whose claim is settled. @param into gets its work, oldest first.
  /// @returns the row; `twin_row::none` when there is none.
  std::uint32_t take_settled(std::vector<work>& into);

  /// Ends the hold at once, whatever its claim says. @returns its work, oldest first.
  std::vector<work> release(std::uint32_t row);

  /// The rows whose claim is not settled, in no order.
  std::vector<std::uint32_t> claimed() const;

private:
  struct hold_entry {
    row_claim_ptr by;
    std::vector<work> waiting;
  };

  std::size_t work_max_;
  std::size_t waiting_ = 0;
  boost::unordered_flat_map<std::uint32_t, hold_entry> rows_;
  // Oldest last.
  std::vector<std::uint32_t> settled_;
};

} // namespace gemel
