#include "actors/detail/integer_column.hpp"

#include "actors/bit_stream.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>

namespace gemel::detail {

namespace {

enum coder : std::uint8_t { rice = 0, width = 1 };

// After as many ones a Rice code is not worth it: the number follows in 64 bits.
constexpr unsigned unary_max = 20;
constexpr unsigned escape_bits = unary_max + 64;
constexpr unsigned orders = 3;

// How one sequence is written.
struct plan {
  std::uint8_t order = 0;
  coder how = rice;
  /// Low bits of a Rice code, or the width of each number.
  std::uint8_t parameter = 0;
  std::uint64_t bits = UINT64_MAX;
};

// The steps from number to number, and what they are all multiples of; 0: all are equal.
std::uint64_t divide_steps(std::span<const std::int64_t> numbers,
                           std::vector<std::uint64_t>& steps) {
  std::uint64_t divisor = 0;
  steps.resize(numbers.size() - 1);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    auto step = step_between(static_cast<std::uint64_t>(numbers[i]),
                             static_cast<std::uint64_t>(numbers[i + 1]));
    steps[i] = static_cast<std::uint64_t>(step);
    auto size = step < 0 ? 0 - static_cast<std::uint64_t>(step) : static_cast<std::uint64_t>(step);
    if (divisor != 1)
      divisor = std::gcd(divisor, size);
  }
  // A step of -2^63 has no positive twin to divide by.
  if (divisor >> 63 != 0)
    divisor = 1;
  if (divisor > 1)
    for (auto& step : steps)
      step = static_cast<std::uint64_t>(static_cast<std::int64_t>(step)
                                        / static_cast<std::int64_t>(divisor));
  return divisor;
}

// Order 0: the distance from the first number; 1: the steps; 2: the steps between steps.
void residuals(std::span<const std::uint64_t> steps, unsigned order,
               std::vector<std::uint64_t>& out) {
  out.resize(steps.size());
  std::uint64_t state = order == 2 ? steps.front() : 0; // the first step stands in the head
  for (std::size_t i = 0; i < steps.size(); ++i) {
    auto residual = steps[i];
    if (order == 0)
      residual = state += steps[i];
    else if (order == 2) {
      residual = steps[i] - state;
      state = steps[i];
    }
    out[i] = zigzag(static_cast<std::int64_t>(residual));
  }
}

std::uint64_t rice_bits(std::span<const std::uint64_t> numbers, unsigned low) {
  std::uint64_t bits = 0;
  for (auto number : numbers) {
    auto high = number >> low;
    bits += high < unary_max ? high + 1 + low : escape_bits;
  }
  return bits;
}

plan best_coder(std::span<const std::uint64_t> numbers) {
  std::array<std::uint32_t, 65> by_width{};
  for (auto number : numbers)
    ++by_width[static_cast<std::size_t>(std::bit_width(number))];
  std::size_t widest = 0;
  std::size_t middle = 0;
  for (std::size_t w = 0, seen = 0; w < by_width.size(); ++w) {
    if (by_width[w] > 0)
      widest = w;
    if (seen * 2 < numbers.size())
      middle = w;
    seen += by_width[w];
  }
  plan best{0, width, static_cast<std::uint8_t>(widest), widest * numbers.size()};
  // Near the middle one of the widths lies the best number of low bits.
  for (auto low = middle > 2 ? middle - 2 : 0; low <= middle + 1 && low < 63; ++low)
    if (auto bits = rice_bits(numbers, static_cast<unsigned>(low)); bits < best.bits)
      best = {0, rice, static_cast<std::uint8_t>(low), bits};
  return best;
}

plan best_plan(std::span<const std::uint64_t> steps) {
  plan best;
  std::vector<std::uint64_t> numbers;
  for (unsigned order = 0; order < orders; ++order) {
    residuals(steps, order, numbers);
    auto made = best_coder(numbers);
    if (made.bits < best.bits) {
      best = made;
      best.order = static_cast<std::uint8_t>(order);
    }
  }
  return best;
}

void put(bit_writer& out, const plan& how, std::uint64_t number) {
  if (how.how == width)
    return out.put(number, how.parameter);
  auto high = number >> how.parameter;
  if (high >= unary_max) {
    out.put((std::uint64_t{1} << unary_max) - 1, unary_max);
    return out.put(number, 64);
  }
  out.put(((std::uint64_t{1} << high) - 1) << 1, static_cast<unsigned>(high) + 1);
  out.put(number, how.parameter);
}

std::uint64_t get(bit_reader& in, const plan& how) {
  if (how.how == width)
    return in.get(how.parameter);
  auto high = in.ones(unary_max);
  if (high == unary_max)
    return in.get(64);
  return static_cast<std::uint64_t>(high) << how.parameter | in.get(how.parameter);
}

} // namespace

void pack_integers(byte_writer& out, std::span<const std::int64_t> numbers) {
  out.signed_varint(numbers.front());
  if (numbers.size() == 1)
    return;
  std::vector<std::uint64_t> steps;
  auto divisor = divide_steps(numbers, steps);
  out.varint(divisor);
  if (divisor == 0)
    return;
  auto how = best_plan(steps);
  out.u8(static_cast<std::uint8_t>(how.order | how.how << 2));
  out.u8(how.parameter);
  if (how.order == 2)
    out.signed_varint(static_cast<std::int64_t>(steps.front()));
  std::vector<std::uint64_t> coded;
  residuals(steps, how.order, coded);
  bit_writer bits;
  for (auto number : coded)
    put(bits, how, number);
  out.text(bits.take());
}

std::size_t packed_integers_size(std::span<const std::int64_t> numbers) {
  constexpr std::size_t head = 12;
  if (numbers.size() < 2)
    return head;
  std::vector<std::uint64_t> steps;
  if (divide_steps(numbers, steps) == 0)
    return head;
  return head + static_cast<std::size_t>(best_plan(steps).bits / 8);
}

void unpack_integers(byte_reader& in, std::size_t count, std::vector<std::int64_t>& out) {
  out.clear();
  auto number = static_cast<std::uint64_t>(in.signed_varint());
  auto divisor = count > 1 ? in.varint() : 0;
  if (!in.ok())
    return;
  out.reserve(count);
  out.push_back(static_cast<std::int64_t>(number));
  if (divisor == 0)
    return out.resize(count, static_cast<std::int64_t>(number));
  auto form = in.u8();
  plan how{static_cast<std::uint8_t>(form & 3), static_cast<coder>(form >> 2), in.u8(), 0};
  if (how.order >= orders || how.how > width || how.parameter > (how.how == rice ? 63 : 64))
    in.fail("numbers of unknown form");
  auto step = how.order == 2 ? static_cast<std::uint64_t>(in.signed_varint()) : 0;
  auto column = in.text(in.left(), "a column is longer than its block");
  if (!in.ok())
    return;
  auto first = number;
  bit_reader bits{column};
  for (std::size_t i = 1; i < count; ++i) {
    auto residual = static_cast<std::uint64_t>(unzigzag(get(bits, how)));
    if (how.order == 0)
      number = first + residual * divisor;
    else {
      step = how.order == 1 ? residual : step + residual;
      number += step * divisor;
    }
    out.push_back(static_cast<std::int64_t>(number));
  }
  if (!bits.at_end())
    in.fail("a column's length is not that of its numbers");
}

} // namespace gemel::detail
