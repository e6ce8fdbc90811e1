#include "workflows/window_values.hpp"

#include <algorithm>
#include <cmath>

namespace gemel {

void compensated_sum::add(double x) noexcept {
  auto next = sum_ + x;
  rest_ += std::abs(sum_) >= std::abs(x) ? (sum_ - next) + x : (x - next) + sum_;
  sum_ = next;
}

bool window_value::is_counted(const value& content) const {
  using enum window_function;
  if (of_->function == count && !of_->of)
    return true;
  if (content.is_null())
    return false;
  auto is_any = of_->function == count || of_->function == first || of_->function == last
                || of_->function == distinct;
  return is_any || (content.is_number() && std::isfinite(*content.number()));
}

void window_value::change(double x, std::int64_t time, int sign) {
  if (!has_origin_) {
    x0_ = x;
    t0_ = time;
    has_origin_ = true;
  }
  auto dx = x - x0_;
  auto dt = static_cast<double>(time - t0_) / 1'000;
  auto s = static_cast<double>(sign);
  sum_.add(s * dx);
  squares_.add(s * dx * dx);
  if (of_->function != window_function::slope)
    return;
  times_.add(s * dt);
  time_squares_.add(s * dt * dt);
  products_.add(s * dt * dx);
}

void window_value::add(const value& content, std::int64_t time) {
  using enum window_function;
  if (!is_counted(content))
    return;
  ++count_;
  if (time < first_time_) {
    first_ = content;
    first_time_ = time;
  }
  if (time >= last_time_) {
    last_ = content;
    last_time_ = time;
  }
  if (of_->function == distinct)
    ++texts_[to_json(content)];
  else if (of_->function == min || of_->function == max || of_->function == percentile)
    ++numbers_[*content.number()];
  else if (of_->function != count && of_->function != first && of_->function != last)
    change(*content.number(), time, 1);
}

// The other's sums, as they were taken from its own origin, seen from this one's.
void window_value::merge_sums(const window_value& other) {
  if (!other.has_origin_)
    return;
  if (!has_origin_) {
    x0_ = other.x0_;
    t0_ = other.t0_;
    has_origin_ = true;
  }
  auto n = static_cast<double>(other.count_);
  auto d = other.x0_ - x0_;
  auto e = static_cast<double>(other.t0_ - t0_) / 1'000;
  auto s = other.sum_.total();
  auto t = other.times_.total();
  sum_.add(s);
  sum_.add(n * d);
  squares_.add(other.squares_.total());
  squares_.add(2 * d * s + n * d * d);
  times_.add(t);
  times_.add(n * e);
  time_squares_.add(other.time_squares_.total());
  time_squares_.add(2 * e * t + n * e * e);
  products_.add(other.products_.total());
  products_.add(d * t + e * s + n * d * e);
}

void window_value::merge(const window_value& other) {
  if (other.count_ == 0)
    return;
  merge_sums(other);
  count_ += other.count_;
  for (const auto& [number, count] : other.numbers_)
    numbers_[number] += count;
  for (const auto& [text, count] : other.texts_)
    texts_[text] += count;
  if (other.first_time_ < first_time_) {
    first_ = other.first_;
    first_time_ = other.first_time_;
  }
  if (other.last_time_ >= last_time_) {
    last_ = other.last_;
    last_time_ = other.last_time_;
  }
}

void window_value::remove(const value& content, std::int64_t time, const value* next) {
  using enum window_function;
  if (!is_counted(content))
    return;
  auto take = [](auto& from, const auto& key) {
    if (auto known = from.find(key); known != from.end() && --known->second == 0)
      from.erase(known);
  };
  first_ = next != nullptr ? *next : value{};
  if (--count_ == 0) { // Nothing of what was is left, no rounding either.
    *this = window_value{*of_};
    return;
  }
  if (of_->function == distinct)
    take(texts_, to_json(content));
  else if (of_->function == min || of_->function == max || of_->function == percentile)
    take(numbers_, *content.number());
  else if (of_->function != count && of_->function != first && of_->function != last)
    change(*content.number(), time, -1);
}

// Between the two nearest ranks in proportion.
value window_value::rank_value() const {
  auto place = of_->rank / 100 * static_cast<double>(count_ - 1);
  auto low = static_cast<std::int64_t>(place);
  std::int64_t seen = 0;
  double below = 0;
  auto has_below = false;
  for (const auto& [number, count] : numbers_) {
    seen += count;
    if (has_below)
      return value{below + (number - below) * (place - static_cast<double>(low))};
    if (seen > low + 1)
      return value{number};
    if (seen == low + 1) {
      below = number;
      has_below = true;
    }
  }
  return value{below};
}

// Of a sample.
value window_value::deviation() const {
  if (count_ < 2)
    return {};
  auto n = static_cast<double>(count_);
  auto sum = sum_.total();
  return value{std::sqrt(std::max(0.0, (squares_.total() - sum * sum / n) / (n - 1)))};
}

// Of the line of least squares, in units a second.
value window_value::slope_value() const {
  auto n = static_cast<double>(count_);
  auto t = times_.total();
  auto spread = time_squares_.total() - t * t / n;
  if (count_ < 2 || !(spread > 0))
    return {};
  return value{(products_.total() - t * sum_.total() / n) / spread};
}

value window_value::result() const {
  using enum window_function;
  if (of_->function == count)
    return value{count_};
  if (of_->function == distinct)
    return value{static_cast<std::int64_t>(texts_.size())};
  auto n = static_cast<double>(count_);
  if (of_->function == sum)
    return value{sum_.total() + n * x0_};
  if (count_ == 0)
    return {};
  switch (of_->function) {
  case avg:
    return value{x0_ + sum_.total() / n};
  case min:
    return value{numbers_.begin()->first};
  case max:
    return value{numbers_.rbegin()->first};
  case first:
    return first_;
  case last:
    return last_;
  case stddev:
    return deviation();
  case percentile:
    return rank_value();
  default:
    return slope_value();
  }
}

} // namespace gemel
