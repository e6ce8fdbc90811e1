#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace gemel {

/// Appends bits, the highest first.
class bit_writer {
public:
  /// The low `count` bits, at most 64.
  void put(std::uint64_t bits, unsigned count) {
    if (count > 32) {
      put_few(bits >> 32, count - 32);
      count = 32;
    }
    put_few(bits, count);
  }

  /// All bytes, the last one filled up with zeros; empty again.
  std::string take() {
    if (filled_ > 0)
      bytes_.push_back(static_cast<char>(pending_ << (8 - filled_)));
    pending_ = 0;
    filled_ = 0;
    return std::move(bytes_);
  }

private:
  void put_few(std::uint64_t bits, unsigned count) {
    pending_ = (pending_ << count) | (bits & ((std::uint64_t{1} << count) - 1));
    filled_ += count;
    while (filled_ >= 8) {
      filled_ -= 8;
      bytes_.push_back(static_cast<char>(pending_ >> filled_));
    }
  }

  std::string bytes_;
  // Fewer than 8 bits wait between calls.
  std::uint64_t pending_ = 0;
  unsigned filled_ = 0;
};

/// Reads bits; beyond the end there are zeros, and `ok` says so afterwards.
class bit_reader {
public:
  explicit bit_reader(std::string_view bytes) noexcept : bytes_{bytes} {}

  /// At most 64.
  std::uint64_t get(unsigned count) noexcept {
    if (count > 32) {
      auto high = get_few(count - 32);
      return high << 32 | get_few(32);
    }
    return get_few(count);
  }

  /// How many ones stand before the next zero, which is taken too; at most `most` are looked at,
  /// and after as many there is no zero.
  unsigned ones(unsigned most) noexcept {
    unsigned count = 0;
    while (count < most && get_few(1) != 0)
      ++count;
    return count;
  }

  bool ok() const noexcept { return at_ <= bytes_.size() * 8; }
  /// Only the filling of the last byte is left, if anything.
  bool at_end() const noexcept { return ok() && bytes_.size() * 8 - at_ < 8; }

private:
  std::uint64_t get_few(unsigned count) noexcept {
    auto byte = at_ / 8;
    std::uint64_t window = 0;
    if (byte + 8 <= bytes_.size()) [[likely]] {
      std::memcpy(&window, bytes_.data() + byte, 8);
      window = __builtin_bswap64(window);
    } else {
      for (std::size_t i = 0; i < 8; ++i)
        window = window << 8
                 | (byte + i < bytes_.size() ? static_cast<std::uint8_t>(bytes_[byte + i]) : 0u);
    }
    auto shift = at_ % 8;
    at_ += count;
    return count == 0 ? 0 : (window << shift) >> (64 - count);
  }

  std::string_view bytes_;
  std::size_t at_ = 0;
};

} // namespace gemel
