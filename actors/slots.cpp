#include "actors/slots.hpp"

#include <memory>
#include <new>

namespace gemel {

static_assert(alignof(property_slot) == alignof(std::int64_t));

property_slot* make_slots(std::size_t count, bool timed) {
  if (count == 0)
    return nullptr;
  auto bytes = count * (sizeof(property_slot) + (timed ? sizeof(std::int64_t) : 0));
  auto* slots = static_cast<property_slot*>(::operator new(bytes));
  std::uninitialized_value_construct_n(slots, count);
  if (timed)
    std::uninitialized_value_construct_n(source_times(slots, count), count);
  return slots;
}

void free_slots(property_slot* slots, std::size_t count) noexcept {
  if (slots == nullptr)
    return;
  std::destroy_n(slots, count);
  ::operator delete(slots);
}

} // namespace gemel
