#include "registry/rollup.hpp"

#include <algorithm>
#include <cmath>

namespace gemel {

namespace {

std::optional<double> number_in(const value* content) {
  if (content == nullptr || !content->is_number())
    return std::nullopt;
  auto number =
      content->is_integer() ? static_cast<double>(content->as_integer()) : content->as_real();
  // Of two zeros neither is the lesser one.
  return std::isnan(number) ? std::nullopt : std::optional{number + 0.0};
}

} // namespace

std::optional<double> rollup_summary::mean() const {
  if (count == 0)
    return std::nullopt;
  return sum.round() / static_cast<double>(count);
}

void rollup::widen(double least, double greatest) noexcept {
  now_.min = blank_ ? least : std::min(now_.min, least);
  now_.max = blank_ ? greatest : std::max(now_.max, greatest);
  blank_ = false;
}

void rollup::narrow(double least, double greatest) noexcept {
  outdated_ = outdated_ || least <= now_.min || greatest >= now_.max;
  if (now_.count == 0) {
    outdated_ = false;
    blank_ = true;
    now_.min = now_.max = 0;
  }
}

void rollup::add(const value* content) {
  auto number = number_in(content);
  if (!number)
    return;
  ++now_.count;
  content->is_integer() ? now_.sum.add(content->as_integer()) : now_.sum.add(content->as_real());
  widen(*number, *number);
}

void rollup::remove(const value* content) {
  auto number = number_in(content);
  if (!number)
    return;
  GEMEL_CHECK(now_.count > 0);
  --now_.count;
  content->is_integer() ? now_.sum.subtract(content->as_integer())
                        : now_.sum.subtract(content->as_real());
  narrow(*number, *number);
}

void rollup::add(const rollup_summary& other) {
  if (other.count == 0)
    return;
  now_.count += other.count;
  now_.sum.merge(other.sum);
  widen(other.min, other.max);
}

void rollup::remove(const rollup_summary& other) {
  if (other.count == 0)
    return;
  GEMEL_CHECK(now_.count >= other.count);
  now_.count -= other.count;
  now_.sum.unmerge(other.sum);
  narrow(other.min, other.max);
}

void rollup::begin_showing() noexcept {
  outdated_ = false;
  blank_ = true;
  now_.min = now_.max = 0;
}

void rollup::show(const value* content) {
  if (auto number = number_in(content))
    widen(*number, *number);
}

void rollup::show(const rollup_summary& other) {
  if (other.count > 0)
    widen(other.min, other.max);
}

const rollup_summary& rollup::summary() {
  GEMEL_CHECK(!outdated_);
  now_.sum.normalise();
  return now_;
}

const rollup_summary* find(const rollup_list& in, key_id key) noexcept {
  for (const auto& one : in)
    if (one.key == key)
      return &one.of;
  return nullptr;
}

} // namespace gemel
