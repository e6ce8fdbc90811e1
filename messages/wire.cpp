#include "messages/wire.hpp"

#include <algorithm>
#include <cstring>

namespace gemel {

void set_text(capnp::Text::Builder target, std::string_view text) {
  GEMEL_CHECK(target.size() == text.size());
  if (!text.empty())
    std::memcpy(target.begin(), text.data(), text.size());
}

value read_value(wire::Value::Reader wire_value) {
  switch (wire_value.which()) {
  case wire::Value::NULL_:
    return {};
  case wire::Value::BOOLEAN:
    return wire_value.getBoolean();
  case wire::Value::INTEGER:
    return wire_value.getInteger();
  case wire::Value::REAL:
    return wire_value.getReal();
  case wire::Value::TEXT:
    return text_of(wire_value.getText());
  case wire::Value::BYTES: {
    auto bytes = wire_value.getBytes();
    return value::of_bytes({reinterpret_cast<const std::byte*>(bytes.begin()), bytes.size()});
  }
  case wire::Value::LIST: {
    value_list elements;
    elements.reserve(wire_value.getList().size());
    for (auto element : wire_value.getList())
      elements.push_back(read_value(element));
    return value{std::move(elements)};
  }
  case wire::Value::MAP: {
    value_map members;
    members.reserve(wire_value.getMap().size());
    for (auto member : wire_value.getMap())
      members.push_back({std::string{text_of(member.getKey())}, read_value(member.getValue())});
    return value{std::move(members)};
  }
  }
  return {};
}

void write_value(wire::Value::Builder target, const value& content) {
  switch (content.kind()) {
  case value_kind::null:
    target.setNull();
    break;
  case value_kind::boolean:
    target.setBoolean(content.as_bool());
    break;
  case value_kind::integer:
    target.setInteger(content.as_integer());
    break;
  case value_kind::real:
    target.setReal(content.as_real());
    break;
  case value_kind::text: {
    auto text = content.as_text();
    set_text(target.initText(static_cast<unsigned>(text.size())), text);
    break;
  }
  case value_kind::bytes: {
    auto bytes = content.as_bytes();
    target.setBytes({reinterpret_cast<const kj::byte*>(bytes.data()), bytes.size()});
    break;
  }
  case value_kind::list: {
    auto elements = content.as_list();
    auto list = target.initList(static_cast<unsigned>(elements.size()));
    for (unsigned i = 0; i < list.size(); ++i)
      write_value(list[i], elements[i]);
    break;
  }
  case value_kind::map: {
    auto members = content.as_map();
    auto list = target.initMap(static_cast<unsigned>(members.size()));
    for (unsigned i = 0; i < list.size(); ++i) {
      const auto& key = members[i].key;
      set_text(list[i].initKey(static_cast<unsigned>(key.size())), key);
      write_value(list[i].initValue(), members[i].content);
    }
    break;
  }
  }
}

std::uint16_t name_table::intern(std::string_view name) {
  // A message spells a handful of keys; a linear search beats a hash there.
  constexpr std::size_t linear_max = 16;
  if (names_.size() <= linear_max) {
    auto i = std::find(names_.begin(), names_.end(), name);
    if (i != names_.end())
      return static_cast<std::uint16_t>(i - names_.begin());
  } else if (auto i = index_.find(std::string{name}); i != index_.end()) {
    return i->second;
  }
  GEMEL_CHECK(names_.size() <= UINT16_MAX);
  auto number = static_cast<std::uint16_t>(names_.size());
  names_.emplace_back(name);
  if (names_.size() == linear_max + 1)
    for (std::size_t i = 0; i < names_.size(); ++i)
      index_.emplace(names_[i], static_cast<std::uint16_t>(i));
  else if (names_.size() > linear_max + 1)
    index_.emplace(names_.back(), number);
  return number;
}

void name_table::write(capnp::List<capnp::Text>::Builder target) const {
  for (unsigned i = 0; i < target.size(); ++i)
    set_text(target.init(i, static_cast<unsigned>(names_[i].size())), names_[i]);
}

} // namespace gemel
