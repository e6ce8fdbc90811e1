#include "messages/event_batch.hpp"

#include "messages/wire.hpp"

namespace gemel {

std::string_view event_view::id() const {
  return text_of(event_.getId());
}

std::string_view event_view::type() const {
  return text_of(batch_.getTypes()[event_.getType()]);
}

std::string_view event_view::parent() const {
  return text_of(event_.getParent());
}

std::string_view event_view::cause() const {
  return text_of(event_.getCause());
}

std::string_view event_view::name() const {
  return text_of(event_.getName());
}

unsigned event_view::change_of(std::string_view key) const {
  auto changes = event_.getChanges();
  auto keys = batch_.getKeys();
  unsigned i = 0;
  while (i < changes.size() && text_of(keys[changes[i].getKey()]) != key)
    ++i;
  return i;
}

value event_view::new_value(std::string_view key) const {
  auto i = change_of(key);
  auto changes = event_.getChanges();
  return i < changes.size() ? read_value(changes[i]) : value{};
}

value event_view::old_value(std::string_view key) const {
  auto i = change_of(key);
  auto previous = event_.getPrevious();
  return i < previous.size() ? read_value(previous[i]) : value{};
}

} // namespace gemel
