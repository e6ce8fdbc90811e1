#pragma once

#include "messages/error.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace gemel {

/// Objects by number, in blocks: none ever moves, and the numbers of erased ones are given again.
template <class T>
class slab {
public:
  /// @returns the number of an object as made by default.
  std::uint32_t add() {
    if (!free_.empty()) {
      auto number = free_.back();
      free_.pop_back();
      return number;
    }
    if (end_ == blocks_.size() * block_size)
      blocks_.push_back(std::make_unique<block>());
    GEMEL_CHECK(end_ < UINT32_MAX);
    return end_++;
  }

  void erase(std::uint32_t number) {
    (*this)[number] = T{};
    free_.push_back(number);
  }

  T& operator[](std::uint32_t number) {
    return (*blocks_[number / block_size])[number % block_size];
  }
  const T& operator[](std::uint32_t number) const {
    return (*blocks_[number / block_size])[number % block_size];
  }

  /// One above the greatest number that was ever given.
  std::uint32_t end() const noexcept { return end_; }

private:
  static constexpr std::size_t block_size = 512;
  using block = std::array<T, block_size>;

  std::vector<std::unique_ptr<block>> blocks_;
  std::vector<std::uint32_t> free_;
  std::uint32_t end_ = 0;
};

} // namespace gemel
