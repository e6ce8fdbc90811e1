#pragma once

#include "messages/error.hpp"
#include "messages/value.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

/// Numbers, texts and values as tight bytes: what log records, snapshots and history blocks are
/// made of. Little endian; varints of 7 bits a byte, the lowest first (LEB128).
namespace gemel {

/// Signed to unsigned so that small magnitudes stay small: 0, -1, 1, -2 become 0, 1, 2, 3.
constexpr std::uint64_t zigzag(std::int64_t number) noexcept {
  return (static_cast<std::uint64_t>(number) << 1) ^ static_cast<std::uint64_t>(number >> 63);
}
constexpr std::int64_t unzigzag(std::uint64_t number) noexcept {
  return static_cast<std::int64_t>((number >> 1) ^ (~(number & 1) + 1));
}
/// `left - right` modulo 2^64, as a signed step that `step_from` undoes for every pair.
constexpr std::int64_t step_between(std::uint64_t right, std::uint64_t left) noexcept {
  return static_cast<std::int64_t>(left - right);
}
constexpr std::uint64_t step_from(std::uint64_t base, std::int64_t step) noexcept {
  return base + static_cast<std::uint64_t>(step);
}

/// Appends to a growing block of bytes. `clear` keeps the memory.
class byte_writer {
public:
  void u8(std::uint8_t byte) { bytes_.push_back(static_cast<char>(byte)); }
  void varint(std::uint64_t number) {
    char made[10];
    std::size_t size = 0;
    for (; number >= 0x80; number >>= 7)
      made[size++] = static_cast<char>(number | 0x80);
    made[size++] = static_cast<char>(number);
    bytes_.append(made, size);
  }
  void signed_varint(std::int64_t number) { varint(zigzag(number)); }
  template <class T>
  void fixed(T number) {
    char made[sizeof number];
    std::memcpy(made, &number, sizeof number); // every machine this runs on is little endian
    bytes_.append(made, sizeof made);
  }
  void raw(std::string_view bytes) { bytes_.append(bytes); }
  /// Its length, then its bytes.
  void text(std::string_view bytes) {
    varint(bytes.size());
    raw(bytes);
  }

  void clear() noexcept { bytes_.clear(); }
  std::size_t size() const noexcept { return bytes_.size(); }
  std::string_view view() const noexcept { return bytes_; }
  std::string take() noexcept { return std::move(bytes_); }

private:
  std::string bytes_;
};

/// Reads bytes from anywhere. The first thing that is wrong stays: from then on every read gives 0
/// or nothing, so that a caller checks once after some reads, and before it believes a count.
class byte_reader {
public:
  explicit byte_reader(std::string_view bytes) noexcept : bytes_{bytes} {}

  std::uint8_t u8() noexcept {
    return need(1) ? static_cast<std::uint8_t>(bytes_[at_++]) : std::uint8_t{0};
  }
  std::uint64_t varint() noexcept {
    if (at_ < bytes_.size() && static_cast<std::uint8_t>(bytes_[at_]) < 0x80) [[likely]]
      return static_cast<std::uint8_t>(bytes_[at_++]);
    return long_varint();
  }
  std::int64_t signed_varint() noexcept { return unzigzag(varint()); }
  /// At most `most`, or it is wrong.
  std::uint64_t bounded(std::uint64_t most, const char* what) noexcept {
    auto number = varint();
    if (number > most) {
      fail(what);
      return 0;
    }
    return number;
  }
  template <class T>
  T fixed() noexcept {
    T number{};
    if (need(sizeof number)) {
      std::memcpy(&number, bytes_.data() + at_, sizeof number);
      at_ += sizeof number;
    }
    return number;
  }
  std::string_view raw(std::size_t size) noexcept {
    if (!need(size))
      return {};
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }
  std::string_view text(std::size_t most, const char* what) noexcept {
    return raw(bounded(most, what));
  }

  /// Notes the first thing that is wrong; `what` is a literal.
  void fail(const char* what) noexcept {
    if (wrong_ == nullptr) {
      wrong_ = what;
      wrong_at_ = at_;
    }
  }
  bool ok() const noexcept { return wrong_ == nullptr; }
  bool at_end() const noexcept { return at_ == bytes_.size(); }
  std::size_t left() const noexcept { return bytes_.size() - at_; }
  std::size_t position() const noexcept { return at_; }

  /// What is wrong: `errc::store_corrupt`, `<part>, byte <n>: <what>`.
  error why(std::string_view part) const;

private:
  bool need(std::size_t size) noexcept {
    if (wrong_ == nullptr && size <= bytes_.size() - at_) [[likely]]
      return true;
    fail("it ends too early");
    return false;
  }
  std::uint64_t long_varint() noexcept;

  std::string_view bytes_;
  std::size_t at_ = 0;
  const char* wrong_ = nullptr;
  std::size_t wrong_at_ = 0;
};

/// A double as `digits / 10^places`, if that gives back its very bits.
struct decimal {
  std::int64_t digits = 0;
  std::uint8_t places = 0;
};
/// Decimal places that are tried; sensors have few.
inline constexpr std::uint8_t decimal_places_max = 6;

/// Finds the fewest places, at most `decimal_places_max`, and digits below 2^53.
/// @returns false when there are none: NaN, infinities, -0.0 and numbers of many digits.
bool find_decimal(double number, decimal& found) noexcept;
/// The double of a decimal; `places` at most 22, where a power of ten is exact.
double from_decimal(std::int64_t digits, unsigned places) noexcept;

/// Appends one value: a byte of kind, then what it needs. Reals of few decimal places take 2 to 8
/// bytes, all others 9; integers 1 to 11.
void pack_value(byte_writer& out, const value& content);

/// Reads what `pack_value` wrote. Texts are checked to be UTF-8, sizes and depth against
/// messages/limits.hpp; what is wrong stays in `in`, and the value is then null.
value unpack_value(byte_reader& in);

/// The checksum at the end of records: the low half of XXH3's 64 bits.
std::uint32_t checksum_of(std::string_view bytes) noexcept;

/// XXH3's 64 bits of the bytes, the same on every node.
std::uint64_t hash_of(std::string_view bytes) noexcept;

/// That hash, for maps from texts that are looked up without a copy of the key.
struct text_hash {
  using is_transparent = void;
  using is_avalanching = void; // as boost::hash_is_avalanching asks
  std::size_t operator()(std::string_view text) const noexcept { return hash_of(text); }
};

} // namespace gemel
