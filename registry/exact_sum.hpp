#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gemel {

/// A sum of doubles and integers without any rounding, so that what was added can be taken out
/// again and the order does not matter: a superaccumulator (Neal, "Fast exact summation using small
/// and large superaccumulators", 2015; Kulisch, "Computer Arithmetic and Validity", 2008). Holds
/// the digits in use only: some three words for numbers of like size, at most 68.
class exact_sum {
public:
  void add(double number) { put(number, true); }
  void add(std::int64_t number) { put(number, true); }

  /// Takes out what was added before.
  void subtract(double number) { put(number, false); }
  void subtract(std::int64_t number) { put(number, false); }

  /// Adds all that was added to `other`.
  void merge(const exact_sum& other) { put_all(other, true); }
  /// Takes out what was merged before.
  void unmerge(const exact_sum& other) { put_all(other, false); }

  /// The double nearest to the sum, of two the even one; infinite beyond the largest double. A sum
  /// of zero is +0. With infinities of both signs, or a NaN, among the numbers: NaN.
  double round() const;

  /// Makes the memory as small as it can be. The sum stays.
  void normalise();

private:
  // Digit i counts units of 2^(32 * (first_ + i) - 1074), the least double.
  static constexpr int digit_bits = 32;
  // A digit grows by less than 2^32 with each number, so that so many never overflow it.
  static constexpr std::uint32_t pending_max = 1u << 30;

  void put(double number, bool in);
  void put(std::int64_t number, bool in);
  void put_all(const exact_sum& other, bool in);
  void put_scaled(std::uint64_t magnitude, int position, bool in);
  void hold(int first, int end);
  double round_magnitude() const;

  // Lowest first. Normalised: all in [0, 2^32) but the last one, which has the sign.
  std::vector<std::int64_t> digits_;
  std::int32_t first_ = 0;
  // Numbers put in since the digits were normalised.
  std::uint32_t pending_ = 0;
  // How many of these are in.
  std::uint32_t infinite_ = 0;
  std::uint32_t minus_infinite_ = 0;
  std::uint32_t nan_ = 0;
};

} // namespace gemel
