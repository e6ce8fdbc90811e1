#include "registry/shape.hpp"

namespace gemel {

std::uint32_t shape::find_indexed(key_id key) const noexcept {
  auto i = index_.find(static_cast<std::uint32_t>(key));
  return i != index_.end() ? i->second : no_slot;
}

const shape* shape_table::empty(type_id type) {
  auto& root = roots_[static_cast<std::uint32_t>(type)];
  if (root == nullptr) {
    root = std::make_unique<shape>();
    root->type_ = type;
  }
  return root.get();
}

const shape* shape_table::with(const shape* from, key_id key) {
  GEMEL_CHECK(from->find(key) == shape::no_slot);
  // Shapes are ours to grow; the rows only see them as const.
  auto& next = const_cast<shape*>(from)->next_[static_cast<std::uint32_t>(key)];
  if (next != nullptr)
    return next.get();
  next = std::make_unique<shape>();
  next->type_ = from->type_;
  next->keys_ = from->keys_;
  next->keys_.push_back(key);
  if (next->keys_.size() > shape::linear_max)
    for (std::uint32_t i = 0; i < next->keys_.size(); ++i)
      next->index_.emplace(static_cast<std::uint32_t>(next->keys_[i]), i);
  return next.get();
}

const shape* shape_table::without(const shape* from, std::uint32_t slot) {
  GEMEL_CHECK(slot < from->size());
  const auto* made = empty(from->type());
  for (std::uint32_t i = 0; i < from->size(); ++i)
    if (i != slot)
      made = with(made, from->keys()[i]);
  return made;
}

} // namespace gemel
