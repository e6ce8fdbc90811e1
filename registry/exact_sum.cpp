#include "registry/exact_sum.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace gemel {

namespace {

constexpr std::int64_t digit_end = std::int64_t{1} << 32;
constexpr std::uint64_t digit_mask = 0xffff'ffffU;
// Bits behind the point of the least double, and of a double's fraction.
constexpr int least_exponent = 1'074;
constexpr int fraction_bits = 52;

} // namespace

/// Has digits from place `first` to before `end`.
void exact_sum::hold(int first, int end) {
  if (digits_.empty())
    first_ = first;
  if (first < first_) {
    digits_.insert(digits_.begin(), static_cast<std::size_t>(first_ - first), 0);
    first_ = first;
  }
  auto wanted = static_cast<std::size_t>(end - first_);
  if (digits_.size() < wanted)
    digits_.resize(wanted);
}

void exact_sum::put_scaled(std::uint64_t magnitude, int position, bool in) {
  if (magnitude == 0)
    return;
  if (pending_ >= pending_max)
    normalise();
  ++pending_;
  auto place = position / digit_bits;
  auto shift = position % digit_bits;
  auto low = magnitude << shift;
  auto high = shift > 0 ? magnitude >> (64 - shift) : 0;
  const std::int64_t parts[] = {static_cast<std::int64_t>(low & digit_mask),
                                static_cast<std::int64_t>(low >> digit_bits),
                                static_cast<std::int64_t>(high)};
  hold(place, place + (parts[2] != 0 ? 3 : parts[1] != 0 ? 2 : 1));
  for (auto i = static_cast<std::size_t>(place - first_); auto part : parts) {
    if (part != 0)
      digits_[i] += in ? part : -part;
    ++i;
  }
}

void exact_sum::put(double number, bool in) {
  auto count = [in](std::uint32_t& of) { in ? ++of : --of; };
  if (std::isnan(number))
    return count(nan_);
  if (std::isinf(number))
    return count(number > 0 ? infinite_ : minus_infinite_);
  auto bits = std::bit_cast<std::uint64_t>(number);
  auto exponent = static_cast<int>((bits >> fraction_bits) & 0x7ff);
  auto fraction = bits & ((std::uint64_t{1} << fraction_bits) - 1);
  auto magnitude = exponent > 0 ? fraction | (std::uint64_t{1} << fraction_bits) : fraction;
  put_scaled(magnitude, std::max(exponent - 1, 0), std::signbit(number) ? !in : in);
}

void exact_sum::put(std::int64_t number, bool in) {
  auto bits = static_cast<std::uint64_t>(number);
  put_scaled(number < 0 ? 0 - bits : bits, least_exponent, number < 0 ? !in : in);
}

void exact_sum::put_all(const exact_sum& other, bool in) {
  if (pending_ + other.pending_ >= pending_max) {
    normalise();
    if (other.pending_ > 0) {
      auto copy = other;
      copy.normalise();
      return put_all(copy, in);
    }
  }
  pending_ += other.pending_ + 1;
  auto sum = [in](std::uint32_t& of, std::uint32_t n) { of = in ? of + n : of - n; };
  sum(infinite_, other.infinite_);
  sum(minus_infinite_, other.minus_infinite_);
  sum(nan_, other.nan_);
  if (other.digits_.empty())
    return;
  hold(other.first_, other.first_ + static_cast<int>(other.digits_.size()));
  auto i = static_cast<std::size_t>(other.first_ - first_);
  for (auto digit : other.digits_)
    digits_[i++] += in ? digit : -digit;
}

void exact_sum::normalise() {
  pending_ = 0;
  std::int64_t carry = 0;
  for (std::size_t i = 0; i + 1 < digits_.size(); ++i) {
    auto digit = digits_[i] + carry;
    digits_[i] = static_cast<std::int64_t>(static_cast<std::uint64_t>(digit) & digit_mask);
    carry = digit >> digit_bits;
  }
  if (!digits_.empty())
    digits_.back() += carry;
  while (!digits_.empty() && (digits_.back() >= digit_end || digits_.back() < -digit_end)) {
    auto last = digits_.back();
    digits_.back() = static_cast<std::int64_t>(static_cast<std::uint64_t>(last) & digit_mask);
    digits_.push_back(last >> digit_bits);
  }
  // A last digit of -1 is the sign of the one before it.
  while (digits_.size() > 1 && (digits_.back() == 0 || digits_.back() == -1)) {
    auto sign = digits_.back();
    digits_.pop_back();
    digits_.back() += sign * digit_end;
  }
  auto low = std::find_if(digits_.begin(), digits_.end(), [](auto digit) { return digit != 0; });
  first_ += static_cast<std::int32_t>(low - digits_.begin());
  digits_.erase(digits_.begin(), low);
  if (digits_.capacity() > digits_.size() + 2)
    digits_.shrink_to_fit();
}

double exact_sum::round() const {
  if (nan_ > 0 || (infinite_ > 0 && minus_infinite_ > 0))
    return std::numeric_limits<double>::quiet_NaN();
  if (infinite_ > 0 || minus_infinite_ > 0)
    return infinite_ > 0 ? std::numeric_limits<double>::infinity()
                         : -std::numeric_limits<double>::infinity();
  auto magnitude = *this;
  magnitude.normalise();
  if (magnitude.digits_.empty())
    return 0;
  bool negative = magnitude.digits_.back() < 0;
  if (!negative)
    return magnitude.round_magnitude();
  for (auto& digit : magnitude.digits_)
    digit = -digit;
  magnitude.normalise();
  return -magnitude.round_magnitude();
}

/// Of normalised digits that are not negative.
double exact_sum::round_magnitude() const {
  auto bits_of_last = static_cast<int>(std::bit_width(static_cast<std::uint64_t>(digits_.back())));
  // The 64 highest bits, and whether there is anything below them.
  std::uint64_t window = 0;
  int filled = 0;
  bool below = false;
  auto bits = bits_of_last;
  for (auto i = digits_.rbegin(); i != digits_.rend(); ++i, bits = digit_bits) {
    auto digit = static_cast<std::uint64_t>(*i);
    auto taken = std::min(bits, 64 - filled);
    window = (window << taken) | (digit >> (bits - taken));
    below = below || (digit & ((std::uint64_t{1} << (bits - taken)) - 1)) != 0;
    filled += taken;
  }
  window <<= 64 - filled;
  constexpr int spare = 63 - fraction_bits;
  constexpr auto half = std::uint64_t{1} << (spare - 1);
  auto rest = window & (2 * half - 1);
  auto fraction = window >> spare;
  if (rest > half || (rest == half && (below || (fraction & 1) != 0)))
    ++fraction;
  auto places = first_ + static_cast<int>(digits_.size()) - 1;
  auto highest = digit_bits * places + bits_of_last - 1;
  return std::ldexp(static_cast<double>(fraction), highest - fraction_bits - least_exponent);
}

} // namespace gemel
