#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace gemel {

/// Numbers the symbols of one frame in the order of their first use, as a frame's list of keys or
/// types wants it. A symbol costs a look at an array, not a hash of its text; the array, as long
/// as the highest symbol, is kept from frame to frame.
template <class Id>
class frame_numbers {
public:
  /// Begins another frame.
  void start() {
    used_.clear();
    if (++frame_ == 0) { // It went round: old marks could look new.
      entries_.assign(entries_.size(), entry{});
      frame_ = 1;
    }
  }

  std::uint16_t number(Id symbol) {
    auto at = static_cast<std::size_t>(symbol);
    if (at >= entries_.size())
      entries_.resize(at + 1);
    auto& mine = entries_[at];
    if (mine.frame != frame_) {
      mine = {frame_, static_cast<std::uint16_t>(used_.size())};
      used_.push_back(symbol);
    }
    return mine.number;
  }

  /// By number.
  std::span<const Id> used() const noexcept { return used_; }

private:
  struct entry {
    std::uint32_t frame = 0;
    std::uint16_t number = 0;
  };

  std::uint32_t frame_ = 0;
  std::vector<entry> entries_;
  std::vector<Id> used_;
};

} // namespace gemel
