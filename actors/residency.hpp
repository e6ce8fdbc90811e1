#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace gemel {

/// Decides which twins of a cell leave memory: second chance (Corbato, "A paging experiment with
/// the Multics system", 1968). A use of a twin sets a mark in its row and costs nothing else; the
/// hand of the clock goes over the rows, takes marks away, and sends out whom it finds without one.
/// Knows nothing of twins but how many are in memory. One thread.
class residency {
public:
  /// Twins that one turn sends out, and rows that it looks at for that.
  static constexpr std::size_t leaving_max = 4'096;
  static constexpr std::size_t looks_max = 65'536;

  /// @param active_max twins that are to stay in memory; 0: all of them.
  explicit residency(std::uint64_t active_max) noexcept : active_max_{active_max} {}

  bool bounded() const noexcept { return active_max_ != 0; }
  /// Twins in memory, also those whose way out is not finished.
  std::uint64_t active() const noexcept { return active_; }
  /// Of these, those on their way out.
  std::uint64_t leaving() const noexcept { return leaving_; }
  /// Whether there is one more than there is to be.
  bool full() const noexcept { return bounded() && active_ > active_max_ + leaving_; }

  void came() noexcept { ++active_; }
  void left() noexcept { --active_; }
  void began(std::size_t twins) noexcept { leaving_ += twins; }
  /// They left, or do not leave after all.
  void ended(std::size_t twins) noexcept { leaving_ -= twins; }

  enum class verdict : std::uint8_t {
    /// Nobody who could leave.
    no,
    /// Used since the hand was here; the mark is taken.
    spared,
    leaves,
  };

  /// Goes on with the hand over rows 0 to `rows` - 1, at most two rounds. A little more than what
  /// is too much is sent out, so that not every turn has to.
  /// @param ask the verdict on a row. @returns those who leave, at most `leaving_max`.
  template <class Ask>
  std::vector<std::uint32_t> choose(std::uint32_t rows, Ask&& ask) {
    std::vector<std::uint32_t> chosen;
    if (!full() || rows == 0)
      return chosen;
    constexpr std::uint64_t slack_part = 64;
    auto wanted = std::min<std::uint64_t>(
        active_ - leaving_ - active_max_ + active_max_ / slack_part, leaving_max);
    auto looks = std::min<std::size_t>(std::size_t{2} * rows, looks_max);
    for (std::size_t i = 0; i < looks && chosen.size() < wanted; ++i) {
      hand_ = hand_ < rows ? hand_ : 0;
      if (ask(hand_) == verdict::leaves)
        chosen.push_back(hand_);
      ++hand_;
    }
    return chosen;
  }

private:
  std::uint64_t active_max_;
  std::uint64_t active_ = 0;
  std::uint64_t leaving_ = 0;
  std::uint32_t hand_ = 0;
};

} // namespace gemel
