#pragma once

#include "messages/records.hpp"
#include "messages/wire.hpp"

#include <capnp/message.h>

#include <span>
#include <string>
#include <string_view>

namespace gemel::detail {

inline wire::Message::Builder root_of(capnp::MessageBuilder& builder) {
  return builder.initRoot<wire::Message>();
}

/// For setters. A string given to them itself would end at its first zero byte and so name another
/// twin.
inline capnp::Text::Reader whole(const std::string& text) {
  return {text.data(), text.size()};
}

/// Words that a message needs, to size a `frame_builder`: an estimate, at most and about. Too small
/// a sum costs one copy of the message.
constexpr std::size_t words_of(std::string_view text) noexcept {
  return text.size() / sizeof(capnp::word) + 1;
}

/// Of a list of ids or the like.
inline std::size_t words_of(std::span<const std::string> texts) noexcept {
  std::size_t sum = 1;
  for (const auto& text : texts)
    sum += 1 + words_of(text);
  return sum;
}

/// Of a list of values; elements of lists grow by half on the wire.
inline std::size_t words_of(std::span<const property> list) noexcept {
  constexpr std::size_t value_words = 3;
  std::size_t sum = 1;
  for (const auto& one : list) {
    auto heap = one.content.heap_bytes();
    sum += value_words + (heap + heap / 2) / sizeof(capnp::word);
    if (one.content.is_text())
      sum += words_of(one.content.as_text());
  }
  return sum;
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
