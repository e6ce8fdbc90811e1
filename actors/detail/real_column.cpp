#include "actors/detail/real_column.hpp"

#include "actors/bit_stream.hpp"
#include "actors/detail/integer_column.hpp"

#include <array>
#include <bit>
#include <cmath>

namespace gemel::detail {

namespace {

constexpr unsigned places_max = 15;
constexpr double digits_end = 0x1p53;
constexpr unsigned leading_max = 31;

std::uint64_t bits_of(double number) noexcept {
  return std::bit_cast<std::uint64_t>(number);
}

constexpr std::array<double, places_max + 1> powers = {
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

// Whether `number` is digits of this scale, to the bit.
bool fits(double number, unsigned places, std::int64_t& digits) noexcept {
  auto scaled = number * powers[places];
  if (!(std::abs(scaled) < digits_end))
    return false;
  digits = static_cast<std::int64_t>(scaled + (scaled < 0 ? -0.5 : 0.5));
  return bits_of(from_decimal(digits, places)) == bits_of(number);
}

struct decimals {
  unsigned places = 0;
  std::vector<std::int64_t> digits{};
  /// Which do not fit.
  std::vector<std::int64_t> exceptions{};
};

void scale(std::span<const double> numbers, unsigned places, decimals& out) {
  out.places = places;
  out.digits.clear();
  out.exceptions.clear();
  std::int64_t last = 0;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    std::int64_t digits = 0;
    if (fits(numbers[i], places, digits))
      last = digits;
    else
      out.exceptions.push_back(static_cast<std::int64_t>(i));
    out.digits.push_back(last); // of an exception the one before: no step
  }
}

// For each scale, how many of the numbers need just it; the last place: none fits.
std::array<std::size_t, places_max + 2> count_places(std::span<const double> numbers) {
  std::array<std::size_t, places_max + 2> counts{};
  unsigned guess = 0;
  for (auto number : numbers) {
    std::int64_t digits = 0;
    // Neighbours mostly have the same scale.
    unsigned places = guess;
    if (!fits(number, guess, digits) || (guess > 0 && fits(number, guess - 1, digits)))
      for (places = 0; places <= places_max && !fits(number, places, digits);)
        ++places;
    ++counts[places];
    guess = places <= places_max ? places : guess;
  }
  return counts;
}

std::size_t size_of(const decimals& made) {
  auto size = packed_integers_size(made.digits);
  if (!made.exceptions.empty())
    size += packed_integers_size(made.exceptions) + 8 * made.exceptions.size();
  return size;
}

} // namespace

bool pack_decimals(byte_writer& out, std::span<const double> numbers, std::size_t bytes_max) {
  auto counts = count_places(numbers);
  decimals best;
  decimals tried;
  auto best_size = bytes_max;
  auto left = numbers.size();
  auto found = false;
  for (unsigned places = 0; places <= places_max; ++places) {
    left -= counts[places];
    // What does not fit alone would be too much.
    if (counts[places] == 0 || left * 8 >= best_size)
      continue;
    scale(numbers, places, tried);
    if (auto size = size_of(tried); size < best_size) {
      best_size = size;
      std::swap(best, tried);
      found = true;
    }
  }
  if (!found)
    return false;
  out.u8(static_cast<std::uint8_t>(best.places));
  pack_integers(out, best.digits);
  out.varint(best.exceptions.size());
  if (best.exceptions.empty())
    return true;
  pack_integers(out, best.exceptions);
  for (auto index : best.exceptions)
    out.fixed(numbers[static_cast<std::size_t>(index)]);
  return true;
}

void unpack_decimals(byte_reader& in, std::size_t count, std::vector<double>& out) {
  out.clear();
  auto places = in.u8();
  if (places > places_max)
    in.fail("there is no such scale");
  std::vector<std::int64_t> numbers;
  unpack_integers(in, count, numbers);
  if (!in.ok())
    return;
  out.reserve(count);
  for (auto digits : numbers)
    out.push_back(from_decimal(digits, places));
  auto exceptions = in.bounded(count, "more exceptions than numbers");
  if (exceptions == 0)
    return;
  unpack_integers(in, exceptions, numbers);
  for (std::size_t i = 0; i < numbers.size() && in.ok(); ++i) {
    auto index = static_cast<std::uint64_t>(numbers[i]);
    auto number = in.fixed<double>();
    if (index >= count)
      return in.fail("an exception from no number");
    out[index] = number;
  }
}

std::string pack_xor(std::span<const double> numbers) {
  bit_writer bits;
  auto last = bits_of(numbers.front());
  bits.put(last, 64);
  unsigned leading = 64;
  unsigned size = 0;
  for (std::size_t i = 1; i < numbers.size(); ++i) {
    auto change = bits_of(numbers[i]) ^ last;
    last = bits_of(numbers[i]);
    if (change == 0) {
      bits.put(0, 1);
      continue;
    }
    auto lead = std::min(static_cast<unsigned>(std::countl_zero(change)), leading_max);
    auto trail = static_cast<unsigned>(std::countr_zero(change));
    if (leading <= lead && 64 - leading - size <= trail && leading != 64) {
      bits.put(0b10, 2);
    } else {
      leading = lead;
      size = 64 - lead - trail;
      bits.put(0b11, 2);
      bits.put(leading, 5);
      bits.put(size - 1, 6);
    }
    bits.put(change >> (64 - leading - size), size);
  }
  return bits.take();
}

void unpack_xor(byte_reader& in, std::size_t count, std::vector<double>& out) {
  out.clear();
  bit_reader bits{in.text(in.left(), "a column is longer than its block")};
  if (!in.ok())
    return;
  out.reserve(count);
  auto last = bits.get(64);
  out.push_back(std::bit_cast<double>(last));
  unsigned leading = 0;
  unsigned size = 0;
  for (std::size_t i = 1; i < count; ++i) {
    if (bits.get(1) != 0) {
      if (bits.get(1) != 0) {
        leading = static_cast<unsigned>(bits.get(5));
        size = static_cast<unsigned>(bits.get(6)) + 1;
      }
      if (size == 0 || leading + size > 64)
        return in.fail("a window of bits that is none");
      last ^= bits.get(size) << (64 - leading - size);
    }
    out.push_back(std::bit_cast<double>(last));
  }
  if (!bits.at_end())
    in.fail("a column's length is not that of its numbers");
}

} // namespace gemel::detail
