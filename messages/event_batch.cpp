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

namespace {

event_key find_key(wire::EventBatch::Reader batch, std::string_view name) {
  auto keys = batch.getKeys();
  for (unsigned i = 0; i < keys.size(); ++i)
    if (text_of(keys[i]) == name)
      return event_key{static_cast<std::uint16_t>(i)};
  return {};
}

// Of `values`, which may be fewer than `changes`, the one beside the change of `key`.
value value_beside(capnp::List<wire::Value>::Reader changes, event_key key,
                   capnp::List<wire::Value>::Reader values) {
  for (unsigned i = 0; i < values.size() && i < changes.size(); ++i)
    if (key.is(changes[i].getKey()))
      return read_value(values[i]);
  return {};
}

} // namespace

event_key event_batch::key(std::string_view name) const {
  return find_key(batch_, name);
}

value event_view::new_value(std::string_view key) const {
  return new_value(find_key(batch_, key));
}

value event_view::old_value(std::string_view key) const {
  return old_value(find_key(batch_, key));
}

value event_view::new_value(event_key key) const {
  auto changes = event_.getChanges();
  return value_beside(changes, key, changes);
}

value event_view::old_value(event_key key) const {
  return value_beside(event_.getChanges(), key, event_.getPrevious());
}

} // namespace gemel
