#pragma once

#include "messages/records.hpp"
#include "messages/wire.hpp"

#include <capnp/message.h>

#include <span>
#include <string>

namespace gemel::detail {

inline wire::Message::Builder root_of(capnp::MessageBuilder& builder) {
  return builder.initRoot<wire::Message>();
}

/// For setters. A string given to them itself would end at its first zero byte and so name another
/// twin.
inline capnp::Text::Reader whole(const std::string& text) {
  return {text.data(), text.size()};
}

inline void write_ids(capnp::List<capnp::Text>::Builder target, std::span<const std::string> ids) {
  for (unsigned i = 0; i < target.size(); ++i)
    set_text(target.init(i, static_cast<unsigned>(ids[i].size())), ids[i]);
}

inline void write_properties(capnp::List<wire::Value>::Builder target,
                             std::span<const property> list, name_table& keys) {
  for (unsigned i = 0; i < target.size(); ++i) {
    target[i].setKey(keys.intern(list[i].key));
    write_value(target[i], list[i].content);
  }
}

} // namespace gemel::detail
