#include "messages/histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace gemel {

// With s = sub_bits: a value of b bits is shifted right by b - s - 1, which leaves a number from
// 2^s to 2^(s+1) - 1; every shift has its 2^s buckets. HdrHistogram.java, getBucketIndex.
std::size_t histogram::bucket_of(std::uint64_t value) noexcept {
  auto bits = static_cast<unsigned>(std::bit_width(value));
  auto shift = bits > sub_bits + 1 ? bits - sub_bits - 1 : 0;
  return (static_cast<std::size_t>(shift) << sub_bits) + static_cast<std::size_t>(value >> shift);
}

std::uint64_t histogram::middle_of(std::size_t bucket) noexcept {
  constexpr auto linear = std::size_t{2} << sub_bits;
  if (bucket < linear)
    return bucket;
  auto shift = (bucket >> sub_bits) - 1;
  auto lowest = static_cast<std::uint64_t>(bucket - (shift << sub_bits)) << shift;
  return lowest + ((std::uint64_t{1} << shift) >> 1);
}

void histogram::record(duration value, std::uint64_t count) noexcept {
  if (count == 0)
    return;
  auto kept = std::clamp(value, value_min, value_max);
  buckets_[bucket_of(static_cast<std::uint64_t>(kept.count()))] += count;
  count_ += count;
  max_ = std::max(max_, kept);
  min_ = std::min(min_, kept);
}

void histogram::merge(const histogram& other) noexcept {
  for (std::size_t i = 0; i < bucket_count; ++i)
    buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
  min_ = std::min(min_, other.min_);
}

histogram::duration histogram::value_at(double quantile) const noexcept {
  if (count_ == 0)
    return duration{0};
  if (quantile >= 1)
    return max_;
  auto share = quantile > 0 ? quantile : 0;
  auto rank = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count_)));
  rank = std::clamp<std::uint64_t>(rank, 1, count_);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < bucket_count; ++i) {
    seen += buckets_[i];
    if (seen >= rank)
      return std::clamp(duration{static_cast<std::int64_t>(middle_of(i))}, min_, max_);
  }
  return max_;
}

} // namespace gemel
