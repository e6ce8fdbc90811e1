#include "actors/timing_wheel.hpp"

#include <algorithm>
#include <utility>

namespace gemel {

// The wheel of the highest bits in which `due` and now differ: below it, they are the same.
std::uint32_t timing_wheel::list_for(std::uint64_t due) const noexcept {
  auto differ = (due ^ now_) | (slots - 1);
  auto wheel = static_cast<unsigned>(std::bit_width(differ) - 1) / slot_bits;
  auto slot = (due >> (wheel * slot_bits)) % slots;
  return static_cast<std::uint32_t>(wheel * slots + slot);
}

void timing_wheel::link(std::uint32_t index) {
  auto& e = entries_[index];
  e.list = list_for(e.due);
  e.previous = nil;
  e.next = first_[e.list];
  if (e.next != nil)
    entries_[e.next].previous = index;
  first_[e.list] = index;
  used_[e.list / slots] |= std::uint64_t{1} << (e.list % slots);
}

void timing_wheel::unlink(std::uint32_t index) {
  auto& e = entries_[index];
  (e.previous != nil ? entries_[e.previous].next : first_[e.list]) = e.next;
  if (e.next != nil)
    entries_[e.next].previous = e.previous;
  if (first_[e.list] == nil)
    used_[e.list / slots] &= ~(std::uint64_t{1} << (e.list % slots));
}

timing_wheel::timer timing_wheel::add(std::int64_t due_ns, std::uint64_t payload) {
  constexpr auto span = std::uint64_t{1} << (wheels * slot_bits);
  auto up = tick_of(due_ns) + (due_ns > 0 && due_ns % tick_ns != 0 ? 1 : 0);
  // The slot of now may be under way.
  auto due = std::clamp(up, now_ + 1, (now_ | (span - 1)));
  std::uint32_t index = free_;
  if (index != nil) {
    free_ = entries_[index].next;
  } else {
    GEMEL_CHECK(entries_.size() < nil);
    index = static_cast<std::uint32_t>(entries_.size());
    entries_.emplace_back();
  }
  entries_[index].due = due;
  entries_[index].payload = payload;
  link(index);
  ++size_;
  return timer{index};
}

void timing_wheel::cancel(timer which) {
  auto index = static_cast<std::uint32_t>(which);
  GEMEL_CHECK(index < entries_.size() && entries_[index].list != nil);
  unlink(index);
  entries_[index].list = nil;
  entries_[index].next = free_;
  free_ = index;
  --size_;
}

// Of each wheel, only slots after that of now hold something; but for the lowest, whose slot of now
// may be under way. A lower wheel's slots all come before the next slot of the one above it.
std::optional<std::uint64_t> timing_wheel::next_tick() const noexcept {
  for (unsigned wheel = 0; wheel < wheels; ++wheel) {
    auto shift = wheel * slot_bits;
    auto place = (now_ >> shift) % slots;
    auto later = used_[wheel] & (~std::uint64_t{0} << place);
    if (later == 0)
      continue;
    auto slot = static_cast<std::uint64_t>(std::countr_zero(later));
    auto base = (now_ >> shift) - place + slot;
    return wheel == 0 ? base : base << shift;
  }
  return std::nullopt;
}

std::optional<std::int64_t> timing_wheel::next_due() const noexcept {
  auto next = next_tick();
  if (!next)
    return std::nullopt;
  return static_cast<std::int64_t>(*next) * tick_ns;
}

void timing_wheel::turn_to(std::uint64_t tick) {
  now_ = tick;
  // The highest first: what it gives to a wheel below is looked at there.
  for (unsigned wheel = wheels - 1; wheel > 0; --wheel) {
    auto slot = (now_ >> (wheel * slot_bits)) % slots;
    auto list = static_cast<std::uint32_t>(wheel * slots + slot);
    for (auto index = std::exchange(first_[list], nil); index != nil;) {
      auto next = entries_[index].next;
      link(index);
      index = next;
    }
    // What was linked to this very slot again would be a bug; see `list_for`.
    GEMEL_CHECK(first_[list] == nil);
    used_[wheel] &= ~(std::uint64_t{1} << slot);
  }
}

} // namespace gemel
