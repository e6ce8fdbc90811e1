#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gemel {

/// Finds the twins of one type that nobody used for a while. Passes over all of them begin the
/// type's time apart; who was not used since the pass before is idle, so that a twin is found after
/// about the type's time, and at most twice of it. Needs one mark in each row, and no timer for
/// any. Knows rows by their number alone. One thread.
class idle_sweep {
public:
  /// Rounds of one pass, spread over the type's time.
  static constexpr std::int64_t rounds = 16;
  /// Rows that one call looks at; the rest of a round follows in the next calls.
  static constexpr std::size_t looks_max = 16'384;

  /// @param after_ns the type's time, nanoseconds; 0: its twins are never too idle.
  explicit idle_sweep(std::int64_t after_ns = 0) noexcept : after_ns_{after_ns} {}

  bool on() const noexcept { return after_ns_ != 0; }
  /// When `choose` has something to do, `moment::steady_ns`; 0: as soon as may be.
  std::int64_t due_ns() const noexcept { return due_ns_; }

  /// @param rows all of the type; one whose place changes may be passed over until the next pass.
  /// @param ask whether a row has been idle since the look before; takes its mark away.
  /// @returns those, at most `looks_max`.
  template <class Ask>
  std::vector<std::uint32_t> choose(std::span<const std::uint32_t> rows, std::int64_t now_ns,
                                    Ask&& ask) {
    std::vector<std::uint32_t> idle;
    if (due_ns_ == 0)
      due_ns_ = now_ns + after_ns_;
    if (now_ns < due_ns_)
      return idle;
    if (hand_ == 0 && left_ == 0)
      began_ns_ = now_ns;
    if (left_ == 0)
      left_ = rows.size() / rounds + 1;
    for (auto looks = std::min(left_, looks_max); looks > 0 && hand_ < rows.size(); --looks) {
      auto row = rows[hand_++];
      --left_;
      if (ask(row))
        idle.push_back(row);
    }
    plan(rows.size(), now_ns);
    return idle;
  }

private:
  void plan(std::size_t rows, std::int64_t now_ns) noexcept {
    if (hand_ >= rows) { // The pass is over.
      hand_ = left_ = 0;
      due_ns_ = std::max(began_ns_ + after_ns_, now_ns + 1);
    } else if (left_ == 0) {
      due_ns_ = now_ns + after_ns_ / rounds;
    }
  }

  std::int64_t after_ns_;
  std::int64_t due_ns_ = 0;
  std::int64_t began_ns_ = 0;
  std::size_t hand_ = 0;
  // Of the round under way.
  std::size_t left_ = 0;
};

} // namespace gemel
