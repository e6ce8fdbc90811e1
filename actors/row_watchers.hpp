#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace gemel {

/// Who watches which row of a cell. Most rows are watched by nobody or by one, who lies where the
/// row's number points: an update of a watched twin looks at one place, and can ask for it early.
/// Costs 16 bytes a row up to the highest one that was ever watched, and nothing before that.
template <class Watcher>
class row_watchers {
public:
  /// In the order of `add`. Valid until the next change.
  std::span<Watcher* const> of(std::uint32_t row) const noexcept {
    if (row >= rows_.size())
      return {};
    const auto& mine = rows_[row];
    if (mine.several) [[unlikely]]
      return *mine.several;
    return {&mine.one, mine.one != nullptr ? 1u : 0u};
  }

  /// Asks for the memory of `of(row)`.
  void fetch(std::uint32_t row) const noexcept {
    if (row < rows_.size())
      __builtin_prefetch(&rows_[row]);
  }

  void add(std::uint32_t row, Watcher* who) {
    if (row >= rows_.size())
      rows_.resize(std::size_t{row} + 1);
    auto& mine = rows_[row];
    if (mine.several)
      mine.several->push_back(who);
    else if (mine.one == nullptr)
      mine.one = who;
    else
      mine.several = std::make_unique<list>(list{mine.one, who});
  }

  /// @returns whether there was one, and it was the row's last.
  bool remove(std::uint32_t row, const Watcher* who) {
    if (row >= rows_.size())
      return false;
    auto& mine = rows_[row];
    if (!mine.several)
      return mine.one == who && std::exchange(mine.one, nullptr) != nullptr;
    std::erase(*mine.several, who);
    if (mine.several->size() == 1) {
      mine.one = mine.several->front();
      mine.several.reset();
    }
    return false;
  }

  void clear(std::uint32_t row) {
    if (row < rows_.size())
      rows_[row] = {};
  }

private:
  using list = std::vector<Watcher*>;
  struct entry {
    Watcher* one = nullptr;
    // Of a row with more than one.
    std::unique_ptr<list> several;
  };

  std::vector<entry> rows_;
};

} // namespace gemel
