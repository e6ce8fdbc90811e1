#pragma once

#include "actors/behavior_effects.hpp"
#include "actors/held_rows.hpp"
#include "messages/error.hpp"
#include "messages/frame.hpp"
#include "registry/placement.hpp"
#include "registry/symbols.hpp"

#include <boost/unordered/unordered_flat_map.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace gemel {

/// One atomic batch of updates on its way through the cells: all of it or nothing. Each cell that
/// has some of its twins checks them, puts the new values aside here and holds the rows; the last
/// one decides, by one store. From then on whoever looks at one of the rows carries out what was
/// decided first, so nobody sees a part of it, and nobody holds a lock while waiting.
///
/// Two batches that want the same twins: the older one takes a row from an undecided younger one,
/// which is sent again; the younger one waits for the older one. So waits only lead from younger to
/// older, and never in a circle. Source: "wound-wait" of Rosenkrantz, Stearns, Lewis 1978.
///
/// Any thread may ask what was decided; a share belongs to its cell's turn.
class transaction final : public row_claim {
public:
  /// What is to become of one twin.
  struct plan {
    struct change {
      key_id key;
      value content;
      /// The property is removed.
      bool gone;
    };
    std::vector<change> changes;
    std::int64_t source_time_us = 0;
    /// What the twin's behaviour wants done besides.
    behavior_effects effects{};
    /// The twin as it was when it was held; only with a store.
    std::string id{};
    std::uint16_t shard = 0;
    std::uint64_t version = 0;
  };

  /// One cell's part of the batch: the routes from `begin` to before `end`.
  struct share {
    cell_id cell;
    std::uint32_t begin;
    std::uint32_t end;
    /// By row.
    boost::unordered_flat_map<std::uint32_t, plan> plans{};
    /// Its cell has begun to prepare it.
    bool begun = false;
    /// The entry that failed with an answer of its own.
    std::optional<std::uint32_t> failed{};
  };

  /// @param number its age: of two, the one with the smaller number is the older one.
  /// @param commits counts all transactions of more than one cell that took effect; outlives this.
  transaction(std::uint64_t number, frame request, std::atomic<std::uint64_t>& commits)
      : number_{number}, request_{std::move(request)}, commits_{commits} {}

  // ---- before any cell sees it --------------------------------------------------------------

  /// In ascending order of the cells.
  void add_share(cell_id cell, std::uint32_t begin, std::uint32_t end);
  /// @param tell has every cell that has a share finish it; called once it is decided.
  void ready(std::function<void()> tell);

  // ---- deciding -----------------------------------------------------------------------------

  std::uint64_t number() const noexcept { return number_; }
  std::vector<share>& shares() noexcept { return shares_; }
  share& share_of(cell_id cell);

  /// Decides that nothing of it takes effect, unless something was decided already.
  /// @param why what its entries are answered that have no answer of their own.
  bool abort(errc why) noexcept;

  /// One share is prepared, or will not be. The last call decides; the caller tells then.
  /// @param log called before it takes effect, if it does; false: it does not. May be empty.
  /// @returns whether it was the last one.
  bool share_done(const std::function<bool()>& log = {});
  void tell() {
    auto all = std::move(tell_);
    all();
  }

  bool committed() const noexcept { return state_.load(std::memory_order_acquire) == is_committed; }
  /// Why not; only when it was aborted.
  errc reason() const noexcept;

  /// Which of all commits over several cells it is: known when it is committed. 0: only one cell.
  std::uint64_t commit_number() const noexcept { return commit_number_.load(); }

  /// Whether its commit may have been counted and not be visible yet.
  bool in_doubt() const noexcept { return !decided() && deciding_.load(); }

  // ---- row_claim ----------------------------------------------------------------------------

  bool decided() const noexcept override {
    return is_final(state_.load(std::memory_order_acquire));
  }
  void carry_out(cell& owner, std::uint32_t row, const moment& now) override;
  bool yield() noexcept override {
    abort(errc::twin_busy);
    // Being logged, which takes as long as a record takes into a queue.
    while (state_.load() == is_sealed)
      state_.wait(is_sealed);
    return true;
  }

private:
  static constexpr std::uint32_t is_undecided = 0;
  static constexpr std::uint32_t is_committed = 1;
  // It is going to be committed, unless it cannot be logged.
  static constexpr std::uint32_t is_sealed = 2;
  // Aborted: this and the `errc`.
  static constexpr std::uint32_t is_aborted = 3;
  static constexpr bool is_final(std::uint32_t state) noexcept {
    return state != is_undecided && state != is_sealed;
  }

  std::uint64_t number_;
  frame request_;
  std::atomic<std::uint64_t>& commits_;
  std::vector<share> shares_;
  std::function<void()> tell_;
  std::atomic<std::size_t> open_shares_{0};
  std::atomic<std::uint32_t> state_{is_undecided};
  std::atomic<bool> deciding_{false};
  std::atomic<std::uint64_t> commit_number_{0};
};

/// Which rows of a cell were last written by which commit over several cells, so that a read of
/// several twins notices that it may have seen one half of it. Remembers the last ones only; what
/// was forgotten counts as written.
class commit_log {
public:
  static constexpr std::size_t rows_max = 4'096;

  /// @param number a `transaction::commit_number`.
  void add(std::uint32_t row, std::uint64_t number);

  /// Whether a commit later than `since` may have written the row.
  bool written_since(std::uint32_t row, std::uint64_t since) const;

private:
  struct entry {
    std::uint32_t row;
    std::uint64_t number;
  };

  boost::unordered_flat_map<std::uint32_t, std::uint64_t> last_of_row_;
  // A ring; the oldest entry is the next one to be overwritten once it is full.
  std::vector<entry> ring_;
  std::size_t oldest_ = 0;
  std::uint64_t forgotten_ = 0;
};

} // namespace gemel
