#include "messages/value.hpp"

#include <algorithm>
#include <new>

namespace gemel {

std::string_view to_string(value_kind kind) noexcept {
  switch (kind) {
  case value_kind::null:
    return "null";
  case value_kind::boolean:
    return "bool";
  case value_kind::integer:
    return "int";
  case value_kind::real:
    return "double";
  case value_kind::text:
    return "text";
  case value_kind::bytes:
    return "bytes";
  case value_kind::list:
    return "list";
  case value_kind::map:
    return "map";
  }
  return "unknown";
}

// Header of a text or bytes block; the characters follow it in the same allocation.
struct value::chars_block {
  refs count{1};
  std::uint32_t size = 0;

  char* chars() { return reinterpret_cast<char*>(this + 1); }
};

struct value::list_block {
  refs count{1};
  std::vector<value> elements;
};

struct value::map_block {
  refs count{1};
  std::vector<map_member> members;
};

value::value(std::string_view text) : value() {
  if (text.size() > inline_text_max) {
    set_chars(text, tag_heap_text);
    return;
  }
  if (!text.empty()) // an empty view may have no address
    std::memcpy(raw_, text.data(), text.size());
  raw_[14] = static_cast<unsigned char>(text.size());
  tag(tag_inline_text);
}

value::value(std::vector<value> elements) : value() {
  auto* block = new list_block;
  block->elements = std::move(elements);
  block->elements.shrink_to_fit();
  store(block);
  tag(tag_list);
}

value::value(std::vector<map_member> members) : value() {
  // Stable, reversed, so that of equal keys the last given one comes first and `unique` keeps it.
  std::reverse(members.begin(), members.end());
  std::stable_sort(members.begin(), members.end(),
                   [](const auto& a, const auto& b) { return a.key < b.key; });
  auto end = std::unique(members.begin(), members.end(),
                         [](const auto& a, const auto& b) { return a.key == b.key; });
  members.erase(end, members.end());
  auto* block = new map_block;
  block->members = std::move(members);
  store(block);
  tag(tag_map);
}

value value::of_bytes(std::span<const std::byte> bytes) {
  value made;
  made.set_chars({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, tag_bytes);
  return made;
}

void value::set_chars(std::string_view chars, unsigned char t) {
  void* memory = ::operator new(sizeof(chars_block) + chars.size());
  auto* block = new (memory) chars_block;
  block->size = static_cast<std::uint32_t>(chars.size());
  if (!chars.empty())
    std::memcpy(block->chars(), chars.data(), chars.size());
  store(block);
  tag(t);
}

std::string_view value::heap_chars() const noexcept {
  auto* block = load<chars_block*>();
  return {block->chars(), block->size};
}

value_kind value::kind() const noexcept {
  switch (tag()) {
  case tag_boolean:
    return value_kind::boolean;
  case tag_integer:
    return value_kind::integer;
  case tag_real:
    return value_kind::real;
  case tag_inline_text:
  case tag_heap_text:
    return value_kind::text;
  case tag_bytes:
    return value_kind::bytes;
  case tag_list:
    return value_kind::list;
  case tag_map:
    return value_kind::map;
  default:
    return value_kind::null;
  }
}

std::span<const std::byte> value::as_bytes() const {
  GEMEL_CHECK(is_bytes());
  auto chars = heap_chars();
  return {reinterpret_cast<const std::byte*>(chars.data()), chars.size()};
}

std::span<const value> value::as_list() const {
  GEMEL_CHECK(is_list());
  return load<list_block*>()->elements;
}

std::span<const map_member> value::as_map() const {
  GEMEL_CHECK(is_map());
  return load<map_block*>()->members;
}

const value* value::find(std::string_view key) const noexcept {
  if (!is_map())
    return nullptr;
  const auto& members = load<map_block*>()->members;
  auto i = std::lower_bound(members.begin(), members.end(), key,
                            [](const map_member& m, std::string_view k) { return m.key < k; });
  return i != members.end() && i->key == key ? &i->content : nullptr;
}

std::size_t value::bytes_on_heap() const noexcept {
  switch (tag()) {
  case tag_heap_text:
  case tag_bytes:
    return sizeof(chars_block) + load<chars_block*>()->size;
  case tag_list: {
    auto sum = sizeof(list_block);
    for (const auto& element : load<list_block*>()->elements)
      sum += sizeof(value) + element.heap_bytes();
    return sum;
  }
  case tag_map: {
    auto sum = sizeof(map_block);
    for (const auto& member : load<map_block*>()->members)
      sum += sizeof(map_member) + member.key.size() + member.content.heap_bytes();
    return sum;
  }
  default:
    return 0;
  }
}

// Every heap block begins with its counter.
void value::retain() const noexcept {
  load<refs*>()->fetch_add(1, std::memory_order_relaxed);
}

void value::release() noexcept {
  auto* count = load<refs*>();
  if (count->fetch_sub(1, std::memory_order_acq_rel) != 1)
    return;
  switch (tag()) {
  case tag_list:
    delete load<list_block*>();
    break;
  case tag_map:
    delete load<map_block*>();
    break;
  default: {
    auto* block = load<chars_block*>();
    block->~chars_block();
    ::operator delete(block);
  }
  }
}

bool operator==(const value& left, const value& right) noexcept {
  if (!left.on_heap() || !right.on_heap())
    return std::memcmp(left.raw_, right.raw_, sizeof left.raw_) == 0;
  if (left.tag() != right.tag())
    return false;
  if (left.load<void*>() == right.load<void*>())
    return true;
  switch (left.tag()) {
  case value::tag_list:
    return left.load<value::list_block*>()->elements == right.load<value::list_block*>()->elements;
  case value::tag_map:
    return left.load<value::map_block*>()->members == right.load<value::map_block*>()->members;
  default:
    return left.heap_chars() == right.heap_chars();
  }
}

} // namespace gemel
